"""Notebook 07: which server keeps which array, so that the fullest server has as little as possible."""

from collections.abc import Callable, Sequence
from numbers import Integral

import numpy as np

from labkit.course.compare import Told
from labkit.course.exercise import Case, Exercise, Par, WrongSolution, is_stub_value
from labkit.schemes.placement import place

EVEN = "as even as greedy"
# Weights and biases of VGG16, in the order of its layers.
VGG16 = (1728, 64, 36864, 64, 73728, 128, 147456, 128, 294912, 256, 589824, 256, 589824, 256, 1179648, 512)
VGG16 += (2359296, 512) * 5 + (102760448, 4096, 16777216, 4096, 4096000, 1000)
NARROW = (8, 16, 54, 80, 9, 67, 74, 76, 85, 21, 55, 78)  # where the order of placing is worth 16 %


def greedy_placement(values, servers):
    """Server of each array: the largest first, each to the server that has the fewest values so far."""
    loads, owners = [0] * servers, [0] * len(values)
    for array in sorted(range(len(values)), key=lambda array: -values[array]):
        owners[array] = loads.index(min(loads))
        loads[owners[array]] += values[array]
    return owners


def loads_of(values: Sequence[int], owners: Sequence[int], servers: int) -> list[int]:
    """Values on each server."""
    return [sum(size for size, owner in zip(values, owners, strict=True) if owner == s) for s in range(servers)]


def floor(values: Sequence[int], servers: int) -> float:
    """No placement of whole arrays can have a fullest server below this: its average, or the largest array."""
    return max(sum(values) / servers, max(values))


def limit(values: Sequence[int], servers: int) -> int:
    """The fullest server of the greedy placement in the order of the layers (eserol-2019 section 5.2.3)."""
    return max(loads_of(values, place(values, servers, "greedy"), servers))


def run(answer: Callable, args: tuple) -> tuple:
    """(what is said of a placement, its fullest server) of what a learner's function returns."""
    values, servers = args
    owners = answer(list(values), servers)
    return owners if is_stub_value(owners) else judged(owners, values, servers)


def judged(owners: object, values: Sequence[int], servers: int) -> tuple:
    """What is said of some owners; a fullest server of everything where they are none. A fullest server that is even
    lower than that of the thesis's greedy placement counts as that one.
    """
    fault = _fault(owners, len(values), servers)
    if fault:
        return Told(f"no placement: {owners}", f"{_short(owners)}: {fault}", f"{fault}."), int(sum(values))
    loads = loads_of(values, [int(owner) for owner in owners], servers)
    if max(loads) <= limit(values, servers):
        return Told(EVEN, f"servers of {loads}"), limit(values, servers)
    said = f"{_short(list(map(int, owners)))}: servers of {loads}, the fullest has {max(loads):,}"
    advice = "Every array has a server, but the fullest server has more than the thesis's greedy placement gives it."
    return Told(f"owners {list(map(int, owners))}", said, advice), max(loads)


def _short(owners: object) -> str:
    text = str(owners)
    return text if len(text) <= 60 else text[:57] + "..."


def _fault(owners: object, arrays: int, servers: int) -> str:
    """Why `owners` are no placement, or nothing."""
    if owners is None:
        return "Nothing came back (is a return missing?)"
    if not isinstance(owners, list | tuple | np.ndarray) or not all(isinstance(o, Integral) for o in owners):
        return "A list of whole numbers was asked for: the server of each array"
    if len(owners) != arrays:
        return f"{arrays} arrays need {arrays} servers' numbers, and there are {len(owners)}"
    wrong = [int(owner) for owner in owners if not 0 <= owner < servers]
    return f"There is no server {wrong[0]}: {servers} servers are numbered from 0 to {servers - 1}" if wrong else ""


def expected(values: Sequence[int], servers: int) -> tuple:
    """What a right answer leads to."""
    most = limit(values, servers)
    return Told(EVEN, f"a fullest server of at most {most:,} values"), most


def cases(rng: np.random.Generator) -> list[Case]:
    """VGG16; more servers than arrays; one server; equal arrays; then drawn ones, ragged."""
    known = [
        (VGG16, 2),
        (VGG16, 3),
        ((5, 9, 2), 4),
        ((7, 3, 8), 1),
        ((6, 6, 6, 6, 6), 3),
        ((40, 1, 40, 1, 40, 1, 40, 1), 4),
        ((2, 3, 5, 8, 13, 21, 34, 55), 3),
    ]
    for arrays, servers in ((9, 2), (11, 4), (13, 3), (16, 5)):
        known.append((tuple(int(n) for n in rng.integers(1, 12, arrays) ** 3), servers))
    return [_case(values, servers) for values, servers in known]


def _case(values: Sequence[int], servers: int) -> Case:
    said = "VGG16's 32 arrays" if values == VGG16 else f"arrays of {list(values)}"
    return Case((values, servers), f"{said} on {servers} server{'s' * (servers > 1)}")


def _to_the_fullest(values, servers):
    loads, owners = [0] * servers, []
    for size in values:
        owners.append(loads.index(max(loads)))
        loads[owners[-1]] += size
    return owners


def _neighbours(values, servers):
    """The next server as soon as one has its share."""
    owners, load, at, share = [], 0, 0, sum(values) / servers
    for size in values:
        owners.append(at)
        load += size
        if load >= share and at < servers - 1:
            at, load = at + 1, 0
    return owners


def _smallest_first(values, servers):
    loads, owners = [0] * servers, [0] * len(values)
    for array in sorted(range(len(values)), key=lambda array: values[array]):
        owners[array] = loads.index(min(loads))
        loads[owners[array]] += values[array]
    return owners


def _sorted_and_left_so(values, servers):
    return list(place(sorted(values, reverse=True), servers, "greedy"))


def _round_robin_by_size(values, servers):
    owners = [0] * len(values)
    for place_, array in enumerate(sorted(range(len(values)), key=lambda array: -values[array])):
        owners[array] = place_ % servers
    return owners


def _load_set(values, servers):
    """The load of a server is the size of its last array."""
    loads, owners = [0] * servers, []
    for size in values:
        owners.append(loads.index(min(loads)))
        loads[owners[-1]] = size
    return owners


EXERCISE = Exercise(
    id="greedy-placement",
    title="Arrays on servers",
    prompt=(
        "Write `greedy_placement(values, servers)`: `values` is the number of values of each array, in the order of "
        "the layers. Return a list with the server of each array, in the same order; servers are numbered from 0. "
        "Arrays are not cut.\nThe fullest server decides how long a step takes. It may have at most what it has when "
        "each array in turn goes to the server with the fewest values so far. Par is 2 % above the lowest that any "
        "placement could reach."
    ),
    reference=greedy_placement,
    cases=cases,
    run=run,
    oracle=expected,
    parts=("the placement", "the fullest server"),
    par=Par(
        what="fullest server, above the lowest that could be",
        unit="%",
        cost=lambda function, args: (
            100 * (max(loads_of(args[0], function(list(args[0]), args[1]), args[1])) / floor(*args) - 1)
        ),
        bound=lambda args: 2.0,
        case=lambda rng: _case(NARROW, 3),
        why="no fullest server is below the average, nor below its largest array",
        slack=1.0,
        advice="Even, but not by much. What does it do to you when the largest array comes last? Put arrays in "
        "another order first, and return the servers in the order that was asked for.",
    ),
    wrong=(
        WrongSolution(
            "round robin",
            lambda values, servers: [array % servers for array in range(len(values))],
            "Every server gets as many *arrays*, whatever their size. Weights and biases take turns: on two servers, "
            "one gets all the weights and the other all the biases.",
            "Keep the number of *values* on each server, and look at it before every array.",
        ),
        WrongSolution(
            "round robin by size",
            _round_robin_by_size,
            "You deal the arrays out in turn, the largest first. The first server gets the larger one in every round.",
            "After sorting, still look at what each server has already.",
        ),
        WrongSolution(
            "to the fullest server",
            _to_the_fullest,
            "Everything ends up on one server: you give each array to the server that has *most*.",
            "min, not max.",
        ),
        WrongSolution(
            "the load of the last array only",
            _load_set,
            "You remember the last array of each server, and forget what it had before.",
            "loads[server] += size, not =.",
        ),
        WrongSolution(
            "neighbours until the share is full",
            _neighbours,
            "You fill one server after the other in the order of the layers. That is what cutting a network into "
            "parts needs; servers may keep any arrays, so a better one is nearly always free.",
            "For each array, look at all servers.",
        ),
        WrongSolution(
            "the smallest first",
            _smallest_first,
            "You place the small arrays first. When the largest comes, every server is full already.",
            "Sort the other way round.",
        ),
        WrongSolution(
            "servers in the order of sizes",
            _sorted_and_left_so,
            "You sort the arrays, place them well, and return the servers in the *sorted* order: they belong to other "
            "arrays.",
            "Sort the numbers of the arrays by their sizes, and write each server to its array's place.",
        ),
        WrongSolution(
            "servers numbered from 1",
            lambda values, servers: [owner + 1 for owner in greedy_placement(values, servers)],
            "Your servers are numbered from 1.",
            "Subtract one from each.",
        ),
        WrongSolution(
            "loads instead of servers",
            lambda values, servers: loads_of(values, greedy_placement(values, servers), servers),
            "These are the loads of the servers. The server of each array was asked for.",
            "Return the list of servers, one for each array.",
        ),
    ),
    hints=(
        "Keep a list `loads` with a number for each server, all zero at first.",
        "loads.index(min(loads)) is the server with the fewest values; do not forget to add the array to its load.",
        "For par: the last arrays to be placed should be small ones. sorted(range(len(values)), key=...) gives the "
        "numbers of the arrays in the order of their sizes.",
    ),
    next_step="By hand: arrays of [4, 1, 1, 4] on 2 servers. Which two belong together?",
)
