"""Notebook 12: cut points that make the heaviest part of a layer-wise partition as light as possible."""

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from numbers import Integral

import numpy as np

from labkit.course.compare import Told
from labkit.course.exercise import Case, Exercise, Par, WrongSolution, is_stub_value

SLACK = 1.1  # a heaviest part within a tenth of the lightest possible one will do
BALANCED = "balanced"
NARROW = (18, 9, 10, 11, 23, 24, 9, 17, 4, 26, 28, 12, 17, 17)  # on which every rule of thumb is off by a little
VGG16 = (87, 1850, 925, 1850, 925, 1850, 1850, 925, 1850, 1850, 462, 462, 462, 103, 17, 4)  # millions of MAC


def layer_cuts(works, parts):
    """The first layer of every part but the first; the heaviest part is as light as any cuts can make it.

    best[end, p]: heaviest part and cut points of the best way to divide layers 0 to end - 1 into p parts.
    """
    upto = [sum(works[:k]) for k in range(len(works) + 1)]
    best = {(end, 1): (upto[end], []) for end in range(1, len(upto))}
    for p in range(2, parts + 1):
        for end in range(p, len(upto)):
            begins = range(p - 1, end)
            best[end, p] = min((max(best[k, p - 1][0], upto[end] - upto[k]), [*best[k, p - 1][1], k]) for k in begins)
    return best[len(works), parts][1]


def part_loads(works: Sequence[int], cuts: Sequence[int]) -> list[int]:
    """Work of each part."""
    return [sum(works[a:b]) for a, b in pairwise([0, *cuts, len(works)])]


def least(works: Sequence[int], parts: int) -> int:
    """The heaviest part of the best cuts."""
    return max(part_loads(works, layer_cuts(works, parts)))


def run(answer: Callable, args: tuple) -> tuple:
    """(whether the cuts will do, in words; the heaviest part) of what a learner's function returns."""
    works, parts = args
    cuts = answer(list(works), parts)
    return cuts if is_stub_value(cuts) else judged(cuts, works, parts)


def judged(cuts: object, works: Sequence[int], parts: int) -> tuple:
    """What is said of some cuts; a heaviest part of everything where they are no cuts."""
    fault = _fault(cuts, len(works), parts)
    if fault:
        return Told(f"no cuts: {cuts}", f"{cuts}: {fault}", f"These are no cuts: {fault}."), float(sum(works))
    loads = part_loads(works, [int(cut) for cut in cuts])
    if max(loads) <= SLACK * least(works, parts):
        return Told(BALANCED, f"parts of {loads}"), float(max(loads))
    said = f"{list(map(int, cuts))}: parts of {loads}, the heaviest is {max(loads)}"
    advice = "These are cuts, but others make the heaviest part lighter by more than a tenth."
    return Told(f"cuts {list(map(int, cuts))}", said, advice), float(max(loads))


def _fault(cuts: object, layers: int, parts: int) -> str:
    """Why `cuts` are no cut points, or nothing."""
    if cuts is None:
        return "nothing came back (is a return missing?)"
    if not isinstance(cuts, list | tuple | np.ndarray) or not all(isinstance(cut, Integral) for cut in cuts):
        return "a list of whole numbers was asked for"
    if len(cuts) != parts - 1:
        return f"{parts} parts have {parts - 1} cut points, not {len(cuts)}"
    for a, b in pairwise([0, *cuts, layers]):
        if a == b:
            return f"a part that begins at layer {a} and ends before it is empty"
        if a > b:
            return f"cut points grow, and lie between 1 and {layers - 1}"
    return ""


def expected(works: Sequence[int], parts: int) -> tuple:
    """What a right answer leads to."""
    lightest = least(works, parts)
    return Told(BALANCED, f"a heaviest part of at most 1.1 × {lightest}"), float(lightest)


def cases(rng: np.random.Generator) -> list[Case]:
    """VGG16; one heavy layer; rising and falling loads; a part for each layer; then drawn ones, ragged."""
    known = [
        (VGG16, 4),
        (VGG16, 8),
        ((3, 2, 40, 2, 1, 6), 3),
        ((2, 3, 5, 8, 13, 21, 34, 55), 3),
        ((55, 34, 21, 13, 8, 5, 3, 2), 4),
        ((7, 5, 9), 3),
        ((5, 4, 8), 1),
    ]
    for layers, parts in ((9, 3), (11, 4), (13, 5), (14, 6), (17, 3)):
        known.append((tuple(int(w) for w in rng.integers(1, 10, layers) ** 2), parts))
    return [_case(works, parts) for works, parts in known]


def _case(works: Sequence[int], parts: int) -> Case:
    return Case((works, parts), f"{len(works)} layers of {list(works)} in {parts} parts")


def _equal_numbers(works, parts):
    return [len(works) * part // parts for part in range(1, parts)]


def _until_above_average(works, parts):
    """A part is closed by the layer that brings it above the average."""
    cuts, load, average = [], 0, sum(works) / parts
    for layer, work in enumerate(works):
        load += work
        if load > average and len(cuts) < parts - 1:
            cuts.append(layer + 1)
            load = 0
    return cuts


def _before_above_average(works, parts):
    """A part is closed before the layer that would bring it above the average."""
    cuts, load, average = [], 0, sum(works) / parts
    for layer, work in enumerate(works):
        if load and load + work > average and len(cuts) < parts - 1:
            cuts.append(layer)
            load = 0
        load += work
    return cuts


def _nearest_shares(works, parts):
    """Each cut where the work so far is nearest to its share, whatever the others do."""
    upto = [0, *accumulate(works)]
    return [min(range(1, len(works)), key=lambda k: abs(upto[k] - part * upto[-1] / parts)) for part in range(1, parts)]


def _bisected(works, parts, first=0):
    """Halve, and halve again; an odd number of parts is divided as evenly as it can be."""
    if parts == 1:
        return []
    left = parts // 2
    ends = range(left, len(works) - (parts - left) + 1)
    at = min(ends, key=lambda k: max(sum(works[:k]) / left, sum(works[k:]) / (parts - left)))
    return [*_bisected(works[:at], left, first), first + at, *_bisected(works[at:], parts - left, first + at)]


EXERCISE = Exercise(
    id="layer-cuts",
    title="A better layer-wise cut",
    prompt=(
        "Write `layer_cuts(works, parts)`: `works` is the work of each layer, in order. Divide the layers into `parts` "
        "parts of neighbouring layers, none of them empty, and return the cut points: a list with the number of the "
        "first layer of each part but the first. Layers are numbered from 0: [3, 5] divides seven layers into 0-2, "
        "3-4 and 5-6.\nThe heaviest part decides how long a step takes. It may be at most a tenth heavier than that "
        "of the best cuts; par is the best cuts."
    ),
    reference=layer_cuts,
    cases=cases,
    run=run,
    oracle=expected,
    parts=("the cuts", "the heaviest part"),
    tolerance=SLACK - 1,
    par=Par(
        what="heaviest part above that of the best cuts",
        unit="%",
        cost=lambda function, args: (
            100 * (max(part_loads(args[0], function(list(args[0]), args[1]))) / least(*args) - 1)
        ),
        bound=lambda args: 1.0,
        case=lambda rng: _case(NARROW, 4),
        why="dynamic programming finds the best cuts",
        slack=1.0,
        advice="Near, but not the best. Ask of the last part: where may it begin, and what is then the best that the "
        "layers before it can do?",
    ),
    wrong=(
        WrongSolution(
            "equal numbers of layers",
            _equal_numbers,
            "You give every part as many layers. Layers are not equally heavy: in VGG16 by a factor of 400.",
            "Add up the work of each part, and look at the largest sum.",
        ),
        WrongSolution(
            "closed once above the average",
            _until_above_average,
            "You fill a part until it is above the average: it may end up far above, and the last parts starve or are "
            "left empty.",
            "A part may have to stay below the average, so that another one is not far above it.",
        ),
        WrongSolution(
            "closed before the average",
            _before_above_average,
            "You close a part before it would be above the average. What that leaves over ends up in the last part.",
            "Choose a limit above the average: which is the smallest with which all layers find a place?",
        ),
        WrongSolution(
            "nearest to equal shares",
            _nearest_shares,
            "Each of your cuts is the nearest to its share of the work, and does not know of the others: a heavy layer "
            "attracts two of them.",
            "Let a cut depend on where the cut before it is.",
        ),
        WrongSolution(
            "halved again and again",
            _bisected,
            "You halve the layers, then each half: that is how the thesis does it. The first cut is the best for two "
            "parts, and cannot be taken back.",
            "Decide on all cuts together: dynamic programming, or the smallest limit that can be kept.",
        ),
        WrongSolution(
            "last layers instead of first ones",
            lambda works, parts: [cut - 1 for cut in layer_cuts(works, parts)],
            "These are the last layers of the parts. A cut point is the first layer of the next part.",
            "Add one to each.",
        ),
        WrongSolution(
            "layers numbered from 1",
            lambda works, parts: [cut + 1 for cut in layer_cuts(works, parts)],
            "Your layers are numbered from 1.",
            "Subtract one from each.",
        ),
        WrongSolution(
            "the first part as well",
            lambda works, parts: [0, *layer_cuts(works, parts)],
            "You also name the first layer of the first part, which is 0 whatever the cuts are.",
            "Leave the 0 away.",
        ),
        WrongSolution(
            "the end as well",
            lambda works, parts: [*layer_cuts(works, parts), len(works)],
            "You also name the end of the last part, which is the number of layers whatever the cuts are.",
            "Leave the last one away.",
        ),
        WrongSolution(
            "numbers of layers",
            lambda works, parts: [b - a for a, b in pairwise([0, *layer_cuts(works, parts), len(works)])],
            "These are the numbers of layers of the parts. Cut points are asked for.",
            "Add them up from the left, without the last one.",
        ),
    ),
    hints=(
        "Turn it round: given a limit, fill each part for as long as the limit allows. How many parts does that take? "
        "Look for the smallest limit that takes no more than `parts`.",
        "If it takes fewer parts than there are, divide some: a part that is smaller is never heavier.",
        "Or by dynamic programming: best(n, p) = min over k of max(best(k, p - 1), work of layers k to n - 1), and "
        "remember the k of each.",
    ),
    next_step="By hand: [2, 3, 4, 5] in 2 parts. The cuts [1], [2] and [3] have heaviest parts of 12, 9 and 9.",
)
