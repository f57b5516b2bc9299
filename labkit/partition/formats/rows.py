"""What PaToH's and hMETIS's files have in common: a line per net, [cost] and pins, and whole numbers as weights."""

from itertools import pairwise

import numpy as np

from labkit.errors import LabError
from labkit.partition.formats.scan import Numbers
from labkit.partition.hypergraph import Hypergraph

MOST_VERTICES = 10**7  # six times the fine-grain VGG16; a larger number in the first line is a slip of the keyboard
MOST_TOTAL = 2**31 - 1  # partitioners add weights up in 32 bits


def header(numbers: Numbers, names: tuple[str, ...], optional: tuple[str, ...]) -> list[int]:
    """The numbers of the first row, of which those called `optional` may be missing at its end (then they are 0)."""
    spoken = " ".join((*names, *(f"[{name}]" for name in optional)))
    size = int(numbers.sizes[0]) if numbers.rows else 0
    if size < len(names):
        raise numbers.ends(0, f"{(*names, *optional)[size]} (the first line is: {spoken})")
    if size > len(names) + len(optional):
        raise numbers.wrong(len(names) + len(optional), f"the end of the line (the first line is: {spoken})")
    return numbers.values[:size].tolist() + [0] * (len(names) + len(optional) - size)


def check_vertices(numbers: Numbers, vertices: int, place: int) -> None:
    """Refuse a number of vertices (number `place` of the file) for which no memory should be asked."""
    if vertices > MOST_VERTICES:
        raise numbers.wrong(place, f"a number of vertices up to {MOST_VERTICES}")


def read_nets(numbers: Numbers, nets: int, vertices: int, base: int, has_costs: bool) -> tuple[np.ndarray, ...]:
    """Nets from rows 1 to `nets`: (starts [E + 1], pins from 0, costs [E]) as in `Hypergraph`.

    Raises LabError for a row that is missing or has no pins, a pin that is no vertex, and one that stands twice.
    """
    if numbers.rows < nets + 1:
        raise numbers.ends(numbers.rows, f"net {numbers.rows} of the {nets} that the first line announces")
    first, sizes = numbers.starts[1 : nets + 1], numbers.sizes[1 : nets + 1] - has_costs
    short = np.flatnonzero(sizes < 1)
    if len(short):
        content = "a cost, then pins" if has_costs else "its pins"
        raise numbers.ends(int(short[0]) + 1, f"net {short[0] + 1} of {nets}: {content}")
    is_pin = np.ones(int(numbers.starts[nets + 1]), bool)
    is_pin[: numbers.starts[1]] = False
    if has_costs:
        is_pin[first] = False
    places = np.flatnonzero(is_pin)
    pins = numbers.values[places] - base
    wrong = np.flatnonzero((pins < 0) | (pins >= vertices))
    if len(wrong):
        raise numbers.wrong(int(places[wrong[0]]), f"a vertex from {base} to {vertices - 1 + base}")
    _check_distinct(numbers, pins, places, sizes, vertices)
    costs = numbers.values[first] if has_costs else np.ones(nets, np.int64)
    return np.concatenate(([0], np.cumsum(sizes))), pins, costs


def _check_distinct(numbers: Numbers, pins: np.ndarray, places: np.ndarray, sizes: np.ndarray, vertices: int) -> None:
    keys = np.repeat(np.arange(len(sizes)), sizes) * vertices + pins
    if (keys[1:] > keys[:-1]).all():  # every net's pins rise, as those that we write
        return
    order = np.argsort(keys, kind="stable")
    again = order[1:][keys[order[1:]] == keys[order[:-1]]]
    if len(again):
        raise numbers.wrong(int(places[again.min()]), "each vertex once in a net")


def lines_of_nets(hypergraph: Hypergraph, base: int, has_costs: bool) -> list[str]:
    """A line per net. Raises LabError for a net without pins, which no file can hold."""
    empty = np.flatnonzero(hypergraph.sizes == 0)
    if len(empty):
        raise LabError(f"net {empty[0]} has no pins, and a file cannot say so", "leave it out: it costs nothing")
    words = list(map(str, (hypergraph.pins + base).tolist()))
    starts = hypergraph.starts.tolist()
    lines = [" ".join(words[a:b]) for a, b in pairwise(starts)]
    if not has_costs:
        return lines
    return [f"{cost} {line}" for cost, line in zip(hypergraph.costs.tolist(), lines, strict=True)]


def whole_weights(weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights as whole numbers whose sum fits into 31 bits, and the scale: number = weight * scale, rounded.

    The scale is 1 where the weights are such numbers already. Whole numbers with a larger sum are divided by their
    greatest common divisor; where that is not enough, or they are not whole, they are scaled so that the sum nearly
    fills 31 bits, and rounded: the error of a part's load is then at most half a unit per vertex.
    """
    with np.errstate(over="ignore"):
        total = float(weights.sum())
    if not (np.isfinite(total) and (total == 0 or np.isfinite(MOST_TOTAL / total))):
        raise LabError(f"vertex weights with the sum {total}", "scale them so that it is near 1")
    if (weights == np.floor(weights)).all() and total < 2**53:
        whole = weights.astype(np.int64)
        divisor = 1 if total <= MOST_TOTAL else int(np.gcd.reduce(whole))
        if total / divisor <= MOST_TOTAL:
            return whole // divisor, 1 / divisor
    scale = (MOST_TOTAL - len(weights)) / total
    return np.rint(weights * scale).astype(np.int64), scale
