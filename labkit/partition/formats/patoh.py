"""PaToH's hypergraph files (Catalyurek and Aykanat; eserol-2019 section 3.5 and figure 3.5).

    0 13 12 38 3            base vertices nets pins flag
    1 0 1 2 3 4             one line per net: [cost] pins
    ...
    1 2 2 2 2 3 3 3 ...     the vertices' weights

base is 0 or 1, the number of the first vertex. flag says what else is given: 0 or nothing: no more; 1: the vertices'
weights; 2: the nets' costs; 3: both. What is not given is 1. Lines that begin with % are comments. The weights may be
spread over several lines. PaToH's files with several weights per vertex (a sixth number in the first line) are refused.
"""

from pathlib import Path

import numpy as np

from labkit.partition.files import write_whole
from labkit.partition.formats.rows import check_vertices, header, lines_of_nets, read_nets, whole_weights
from labkit.partition.formats.scan import Numbers, read_bytes, scan
from labkit.partition.hypergraph import Hypergraph

WEIGHTS, COSTS = 1, 2  # bits of the flag


def read(path: str | Path) -> Hypergraph:
    """The hypergraph in a file of PaToH.

    Raises LabError for a missing file and for anything wrong in it: line, column, what was found and expected.
    """
    return _read(scan(read_bytes(path, "a hypergraph file of PaToH"), str(path)))


def read_text(text: str) -> Hypergraph:
    """As `read`, from the file's text."""
    return _read(scan(text.encode("utf-8", "replace"), "the text"))


def _read(numbers: Numbers) -> Hypergraph:
    base, vertices, nets, pins, flag = header(numbers, ("base", "vertices", "nets", "pins"), ("flag",))
    if base > 1:
        raise numbers.wrong(0, "0 or 1, the number of the first vertex")
    if flag > 3:
        raise numbers.wrong(4, "flag 0 (nothing more), 1 (vertex weights), 2 (net costs) or 3 (both)")
    check_vertices(numbers, vertices, 1)
    starts, found, costs = read_nets(numbers, nets, vertices, base, bool(flag & COSTS))
    if len(found) != pins:
        raise numbers.wrong(3, f"{len(found)}, the number of pins that the nets have")
    begin, count = int(numbers.starts[nets + 1]), vertices if flag & WEIGHTS else 0
    if len(numbers.values) < begin + count:
        missing = len(numbers.values) - begin
        raise numbers.ends(numbers.rows, f"the weight of vertex {missing + base} ({missing + 1} of {vertices})")
    if len(numbers.values) > begin + count:
        raise numbers.wrong(begin + count, "the end of the file")
    weights = numbers.values[begin:] if count else np.ones(vertices)
    return Hypergraph(starts, found, costs, weights)


def write(hypergraph: Hypergraph, path: str | Path, base: int = 0) -> float:
    """Write a hypergraph as a file of PaToH; returns the scale of the vertex weights (`rows.whole_weights`).

    Costs are written as they are. A cut of over 2^31 can overflow in PaToH: recompute it from the vector.
    Raises LabError where a net has no pins, and where the file cannot be written.
    """
    text, scale = write_text(hypergraph, base)
    write_whole(path, text)
    return scale


def write_text(hypergraph: Hypergraph, base: int = 0) -> tuple[str, float]:
    """The file's text, and the scale of the vertex weights."""
    weights, scale = whole_weights(hypergraph.weights)
    flag = WEIGHTS * bool((weights != 1).any()) + COSTS * bool((hypergraph.costs != 1).any())
    sizes = [base, hypergraph.vertices, hypergraph.nets, len(hypergraph.pins)]
    lines = [" ".join(map(str, [*sizes, flag] if flag else sizes))]
    lines += lines_of_nets(hypergraph, base, bool(flag & COSTS))
    if flag & WEIGHTS:
        lines.append(" ".join(map(str, weights.tolist())))
    return "\n".join(lines) + "\n", scale
