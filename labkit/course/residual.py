"""A residual block whose shortcut is a convolution of its own, and what is checked of a plan for it.

    stem (3 filters) ─┬─ conv1 (K filters, 3x3) ── conv2 (K filters, 3x3) ─┬─ add ── pool ── fc
                      └─ project (K filters, 1x1) ─────────────────────────┘

Map k of the block is map k of conv2 plus map k of project; the owner of filter k of conv2 adds them. So what project
makes is read in one place only, map by map: a net with two pins.
"""

from collections.abc import Mapping

from labkit.course.compare import Told
from labkit.errors import LabError
from labkit.network import Add, AvgPool, Conv, Dense, Flatten, Network, ReLU
from labkit.network.build import Builder
from labkit.partition.by_hand import plan_by_hand
from labkit.partition.limits import SLACK
from labkit.partition.loads import loads
from labkit.partition.plan import Plan
from labkit.partition.volume import volume
from labkit.partition.weights import flops

SIZE = 8  # maps of 8 x 8
STEM, CLASSES = 3, 10
LIMIT = 1.15  # largest load, times the average
BALANCED, TOGETHER = "balanced", "partners together"
LAYERS = ("stem", "project", "conv1", "conv2", "fc")


def projected_block(filters: int) -> Network:
    """The network above with K = `filters`."""
    b = Builder()
    b.add("stem", Conv(STEM, 3, padding=1))
    source = b.add("stem_relu", ReLU())
    shortcut = b.add("project", Conv(filters, 1), source)
    b.add("conv1", Conv(filters, 3, padding=1), source)
    b.add("conv1_relu", ReLU())
    main = b.add("conv2", Conv(filters, 3, padding=1))
    b.add("add", Add(), main, shortcut)
    b.add("add_relu", ReLU())
    b.add("pool", AvgPool(SIZE))
    b.add("flatten", Flatten())
    b.add("fc", Dense(CLASSES))
    return b.network(f"projected block of {filters}", (3, SIZE, SIZE))


def made(owners: object, filters: int, parts: int) -> Plan:
    """The plan of owners as `plan_by_hand` takes them; its LabErrors, and one for what is no dict."""
    if not isinstance(owners, Mapping):
        raise LabError(f"the function returns a {type(owners).__name__}", "return a dict: layer -> owners")
    return plan_by_hand(projected_block(filters), owners, parts)


def judged(plan: Plan) -> tuple:
    """(the loads, in words; the addition, in words; values of a sample that are sent for the addition)."""
    work = loads(plan, flops(plan.tasks))
    shares = work.work / work.average
    said = ", ".join(f"{share:.3f}" for share in shares) + " times the average"
    if work.max_over_avg > LIMIT * (1 + SLACK):
        return Told(said, said, _unbalanced(shares)), *_addition(plan)
    return Told(BALANCED, said), *_addition(plan)


def _unbalanced(shares) -> str:
    idle = int((shares == 0).sum())
    if idle:
        who = "1 part has" if idle == 1 else f"{idle} parts have"
        return f"{who} nothing to do: less is sent, but the other parts have the work. Divide conv2 among all parts."
    return f"The heaviest part has {shares.max():.3f} times the average, and {LIMIT:g} is allowed."


def _addition(plan: Plan) -> tuple:
    sent = sent_for_addition(plan)
    if not sent:
        return Told(TOGETHER, "nothing is sent for the addition"), 0
    maps = sent // SIZE**2
    advice = "Partners of the addition lie apart: map k of the shortcut is made in one part and added in another."
    said = f"{maps} of {plan['project'].owner.size} maps of the shortcut are sent"
    return Told(said, f"{said}, {sent:,} values of a sample", advice), sent


def sent_for_addition(plan: Plan) -> int:
    """Values of one sample that the maps of the shortcut cost."""
    return next(row.elements for row in volume(plan, 1).rows if row.name == "project")


def dealt_values(filters: int, parts: int) -> int:
    """Values of one sample, forward, if every part has the same share of conv1, conv2 and project.

    conv2 is too heavy not to lie in all parts, so each map of conv1 goes to all others; those of the stem do, for the
    shortcut's filters there. The pooled maps, one value each, go to the part that holds fc, which keeps its own. No
    engine of labkit has found a balanced plan that sends less, but for the last few values.
    """
    return (parts - 1) * (STEM + filters) * SIZE**2 + filters - -(-filters // parts)
