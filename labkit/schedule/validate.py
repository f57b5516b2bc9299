"""Checking a schedule before any process starts: can it run, and is it stochastic gradient descent?

for fault in validate(schedule):
    print(fault)
    print(grid(schedule, fault))

What must hold is laid down rule by rule, each in a file of its own: `order` and `races` within a rank, `matching` and
`serving` between ranks, `execution` for the order in which ranks meet (`standstill` explains where they do not), and
`contributions` for what gradients contain and which updates weights have seen.
"""

from labkit.errors import LabError
from labkit.schedule.rules.execution import Execution
from labkit.schedule.rules.faults import Fault
from labkit.schedule.rules.matching import matching_faults
from labkit.schedule.rules.order import order_faults
from labkit.schedule.rules.races import race_faults
from labkit.schedule.rules.serving import serving_faults
from labkit.schedule.rules.standstill import standstill_faults
from labkit.schedule.rules.stretches import stretches_of
from labkit.schedule.schedule import Schedule


def validate(schedule: Schedule, steps: int = 2) -> tuple[Fault, ...]:
    """The faults of `steps` steps of a schedule; none: it runs to its end, and every update is one of SGD's.

    First those that keep it from running (kind 'hang'), then those of what it computes ('maths'), causes before their
    consequences. Two steps are needed to find what one leaves behind for the next.

    For asynchronous and stale-synchronous servers a gradient must hold each sample of its own worker once; that it is
    applied to other weights than it was computed with is what these schemes are. Raises LabError for steps below 1.
    """
    if not isinstance(steps, int) or isinstance(steps, bool) or steps < 1:
        raise LabError(f"a check of {steps!r} steps", "give a whole number of at least 1")
    stretches = stretches_of(schedule)
    found = matching_faults(schedule) + serving_faults(schedule)
    hangs = [fault for fault in found if fault.kind == "hang"]
    execution = None if hangs else Execution(schedule, stretches, steps).run()
    hangs += race_faults(schedule, stretches, steps)
    hangs += standstill_faults(execution) if execution else []
    maths = [fault for fault in found if fault.kind == "maths"] + order_faults(schedule)
    if not hangs:  # what a race leaves in the gradients is chance
        execution.contents.finish(steps)
        contents = execution.contents
        misled, others = (sorted(table.values(), key=_place) for table in (contents.misled, contents.faults))
        maths = [*misled, *maths, *others]
    return (*hangs, *sorted(maths, key=lambda fault: fault.step))


def _place(fault: Fault) -> tuple[int, int, int]:
    return fault.step, fault.rank, fault.position
