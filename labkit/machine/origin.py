"""Where a number comes from. Every figure that the lab shows or stores carries one of these strings.

A measurement of this very run, a measurement that was recorded elsewhere, the result of a formula, and a statement of
the literature are four different things, and a reader must be able to tell them apart.
"""

MEASURED_HERE = "measured here"
MODELLED = "modelled"
CLAIMED = "claimed"
SLEPT = "measured here: real messages, computing slept through as modelled"


def recorded_on(machine: object) -> str:
    """Origin of a figure that was measured earlier: `machine` is a name, or anything with a `name` (a `Machine`)."""
    return f"recorded on {getattr(machine, 'name', machine)}"
