"""Notebook 06: a step in which buckets of gradients travel while back-propagation goes on; checked and simulated."""

from collections.abc import Callable

import numpy as np

from labkit.course.compare import Told
from labkit.course.exercise import Case, Exercise, Par, WrongSolution, is_stub_value
from labkit.errors import LabError
from labkit.machine.links import parse_link
from labkit.network import zoo
from labkit.schedule import Schedule, equal_shares
from labkit.schedule.costs import Costs, flops_costs
from labkit.schedule.pieces import buckets
from labkit.schedule.schedule import program
from labkit.schedule.simulate import simulate
from labkit.schedule.validate import validate
from labkit.schemes.cuts import back

SOUND = "SGD on the whole batch"
SLOW, CORE_FLOPS_PER_S = "emulated:2000,25", 30e9
SLACK = 1.3


def overlap_step(cuts):
    """Hand each bucket over as soon as its layers are done, and wait for it where its weights are to be changed."""
    end = cuts[0][1]
    lines = [f"F0:{end}"]
    for n, (first, stop) in enumerate(cuts):
        lines += [f"B{first}:{stop}", f"allreduce g{n} ring &"]
    for n in range(len(cuts)):
        lines += [f"wait g{n}", f"U w{n}"]
    return lines


def cuts_of(name: str, bucket_bytes: int) -> list[tuple[int, int]]:
    """The argument of the exercise: ranges of layers, last first, one for each bucket."""
    network = zoo.get(name)
    return [(cut.first, cut.end) for cut in back(network, buckets(network, bucket_bytes))]


def schedule_of(lines: list[str], name: str, bucket_bytes: int, ranks: int, batch: int) -> Schedule:
    """The schedule in which every rank does `lines`. Raises LabError for what spells no instruction."""
    network = zoo.get(name)
    pieces = buckets(network, bucket_bytes)
    return Schedule("yours", network, equal_shares(batch, ranks), pieces, (program(lines),) * ranks)


def run(answer: Callable, args: tuple) -> tuple:
    """(what is found, in words; values that a rank has summed) for the program that a learner's function returns."""
    name, bucket_bytes, ranks, batch = args
    lines = answer(cuts_of(name, bucket_bytes))
    if is_stub_value(lines):
        return lines
    try:
        if not isinstance(lines, list | tuple) or not all(isinstance(line, str) for line in lines):
            raise LabError(f"a program of type {type(lines).__name__}", "return a list of instructions as text")
        schedule = schedule_of(list(lines), name, bucket_bytes, ranks, batch)
    except LabError as error:
        return Told(f"not to be read: {error.what}", str(error), f"This is no program: {error}."), 0
    summed = sum(schedule.values(i) for i in schedule.ranks[0] if i.op == "allreduce")
    faults = validate(schedule)
    if not faults:
        return Told(SOUND), summed
    first = faults[0]
    advice = _HANGS if first.kind == "hang" else _NOT_SGD
    return Told(f"{first.kind} {first.message}", first.message, advice), summed


def expected(name: str, bucket_bytes: int, ranks: int, batch: int) -> tuple:
    """What a right program leads to."""
    return Told(SOUND, f"no fault: {SOUND}"), zoo.get(name).parameters


def step_ms(answer: Callable, args: tuple) -> float:
    """Milliseconds of a step on the slow link, simulated."""
    schedule = schedule_of(list(answer(cuts_of(*args[:2]))), *args)
    costs = Costs(flops_costs(schedule.network, CORE_FLOPS_PER_S), parse_link(SLOW))
    return 1e3 * simulate(schedule, costs, events=False).seconds


def drawn(answer: Callable) -> str:
    """The first fault of LeNet-5's step with a bucket for each layer, and the grid that marks it, for a learner."""
    from labkit.course.parallel import drawn_fault  # not needed by the check

    args = ("lenet5", 0, 2, 33)
    return drawn_fault(schedule_of(list(answer(cuts_of(*args[:2]))), *args))


def cases(rng: np.random.Generator) -> list[Case]:
    """A bucket for each layer, a few for all, a single one; batches that no number of ranks divides."""
    known = [("lenet5", 0, 2, 33), ("mlp", 0, 3, 20), ("lenet5", 2**15, 4, 30), ("mlp", 2**20, 2, 9)]
    return [_case(*args) for args in (*known, ("lenet5_1998", 0, 3, 3 * int(rng.integers(5, 20)) + 1))]


def _case(name: str, bucket_bytes: int, ranks: int, batch: int) -> Case:
    count = len(cuts_of(name, bucket_bytes))
    said = f"{name} in {count} bucket{'s' * (count > 1)}, {ranks} ranks, batch {batch}"
    return Case((name, bucket_bytes, ranks, batch), said)


_HANGS = "As it stands this cannot run: ranks wait for ever, or one lane changes what the other still works on."
_NOT_SGD = "It runs, and computes something else than SGD on the whole batch: the message says what is missing."


def _with(each, last, order=lambda cuts: list(enumerate(cuts))):
    """The step with other lines for each bucket, during BP and at the end; {n}, {a} and {z} are filled in."""

    def lines(cuts):
        made, numbered = [f"F0:{cuts[0][1]}"], order(cuts)
        for template, count in ((each, len(cuts)), (last, len(cuts))):
            for n, (first, stop) in numbered[:count]:
                made += [text.format(n=n, a=first, z=stop, end=cuts[0][1]) for text in template]
        return made

    return lines


_BACK, _HAND_OVER, _WAIT, _UPDATE = "B{a}:{z}", "allreduce g{n} ring &", "wait g{n}", "U w{n}"


def _without_the_last_bucket(cuts):
    return [line for line in overlap_step(cuts) if f"g{len(cuts) - 1}" not in line]


def _first_bucket_again_and_again(cuts):
    return [line.split("g")[0] + "g0 ring &" if line.startswith("allreduce") else line for line in overlap_step(cuts)]


def _one_wait(cuts):
    return [line for line in overlap_step(cuts) if not line.startswith("wait") or line == "wait g0"]


def _bucket_numbers_from_the_front(cuts):
    last, made = len(cuts) - 1, [f"F0:{cuts[0][1]}"]
    for n, (first, stop) in enumerate(cuts):
        made += [f"B{first}:{stop}", f"allreduce g{last - n} ring &"]
    return made + [line for n in range(last + 1) for line in (f"wait g{n}", f"U w{n}")]


EXERCISE = Exercise(
    id="overlap-buckets",
    title="A step that overlaps",
    prompt=(
        "Write `overlap_step(cuts)`: what every rank does in one step, as a list of instructions in text. "
        "`cuts[n] = (first, end)` are the layers whose gradients are bucket n; the last layers come first, so that "
        "cuts[0][1] is the number of layers. g0 are the gradients of bucket 0, w0 its weights.\n"
        "Forward through all layers; back through the layers of one bucket after the other; every bucket summed by "
        "`allreduce g0 ring &`, which hands it to the network lane; every bucket's weights updated by `U w0`, which is "
        "not to begin before `wait g0`. Par is the time of a step of LeNet-5 on the slow link, simulated."
    ),
    reference=overlap_step,
    cases=cases,
    run=run,
    oracle=expected,
    parts=("the check of the schedule", "values that each rank sums"),
    par=Par(
        what="a step over a link of 2 ms and 25 MB/s (simulated)",
        unit="ms",
        cost=step_ms,
        bound=lambda args: step_ms(overlap_step, args),
        case=lambda rng: _case("lenet5", 0, 2, 720),
        why=f"{SLACK:g} times what it takes if every bucket leaves as soon as it is complete",
        slack=SLACK,
        advice="It is SGD, but the network and the processor take turns. Hand a bucket over with & as soon as its "
        "layers are done, and wait for it as late as you can.",
    ),
    wrong=(
        WrongSolution(
            "no wait",
            _with([_BACK, _HAND_OVER], [_UPDATE]),
            "You update without waiting. A bucket that was handed over with & may still be on its way: the update "
            "would use a sum that is not complete, and change it under the network's hands.",
            "wait gN before U wN.",
        ),
        WrongSolution(
            "only one wait",
            _one_wait,
            "You wait for bucket 0 only. The others are behind it in the network lane, and later.",
            "A wait for each bucket, or one `wait` for everything.",
        ),
        WrongSolution(
            "handed over too early",
            _with([_HAND_OVER, _BACK], [_WAIT, _UPDATE]),
            "You hand a bucket over before back-propagation has computed it: the network lane begins at once.",
            "First B of the bucket's layers, then its all-reduce.",
        ),
        WrongSolution(
            "no all-reduce",
            _with([_BACK], [_UPDATE]),
            "Nothing is exchanged. Every rank goes its own way, with the gradients of its own samples.",
            "`allreduce gN ring &` after the layers of bucket N.",
        ),
        WrongSolution(
            "updated first, exchanged later",
            _with([_BACK, _UPDATE, _HAND_OVER], [_WAIT]),
            "You update with the rank's own gradients and sum them afterwards, when it is too late.",
            "The update comes last, after the wait.",
        ),
        WrongSolution(
            "waits before there is anything to wait for",
            _with([_BACK, _WAIT, _HAND_OVER, _UPDATE], []),
            "Your wait stands before the all-reduce that it is to wait for: it waits for what was handed over until "
            "then.",
            "Hand over, go on, wait, update: in this order.",
        ),
        WrongSolution(
            "bucket 0 for every bucket",
            _first_bucket_again_and_again,
            "You hand bucket 0 over again and again: its gradients are summed once for each bucket, the others never.",
            'In a loop the number comes from the loop: f"allreduce g{n} ring &".',
        ),
        WrongSolution(
            "first layers first",
            _with([_BACK, _HAND_OVER], [_WAIT, _UPDATE], order=lambda cuts: list(enumerate(cuts))[::-1]),
            "You go back through the first layers first. Their gradients need those of the layers behind them.",
            "cuts are in the right order already.",
        ),
        WrongSolution(
            "the last bucket left out",
            _without_the_last_bucket,
            "The last bucket, with the gradients of the first layers, is never summed.",
            "Every bucket needs an all-reduce and a wait: range(len(cuts)).",
        ),
        WrongSolution(
            "buckets numbered from the front",
            _bucket_numbers_from_the_front,
            "You number the buckets from the first layers on. Bucket 0 holds the gradients of cuts[0]: the last "
            "layers.",
            "The bucket of cuts[n] is g with the same n.",
        ),
    ),
    hints=(
        "Two loops: the first goes back and hands over, the second waits and updates.",
        "First loop, for bucket n with layers first to stop - 1: 'B{first}:{stop}', then 'allreduce g{n} ring &'.",
        "Second loop: 'wait g{n}', then 'U w{n}'. While bucket n is updated, later ones still travel.",
    ),
    next_step="Let labkit draw where: `from labkit.course.bank.nb06_overlap_buckets import drawn`, then "
    "`print(drawn(overlap_step))`.",
)
