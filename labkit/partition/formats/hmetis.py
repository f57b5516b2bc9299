"""hMETIS's hypergraph files (Karypis and Kumar), which mtkahypar, KaHyPar and others read too.

    % a comment
    4 7 11            nets vertices [fmt]
    2 1 2             one line per net: [cost] pins, the first vertex is 1
    ...
    5                 the vertices' weights, one per line
    ...

fmt says what else is given: 0 or nothing: no more; 1: the nets' costs; 10: the vertices' weights; 11: both. What is not
given is 1.
"""

from pathlib import Path

import numpy as np

from labkit.partition.files import write_whole
from labkit.partition.formats.rows import check_vertices, header, lines_of_nets, read_nets, whole_weights
from labkit.partition.formats.scan import Numbers, read_bytes, scan
from labkit.partition.hypergraph import Hypergraph

FORMATS = {0: (False, False), 1: (True, False), 10: (False, True), 11: (True, True)}  # has costs, has weights


def read(path: str | Path) -> Hypergraph:
    """The hypergraph in a file of hMETIS.

    Raises LabError for a missing file and for anything wrong in it: line, column, what was found and expected.
    """
    return _read(scan(read_bytes(path, "a hypergraph file of hMETIS"), str(path)))


def read_text(text: str) -> Hypergraph:
    """As `read`, from the file's text."""
    return _read(scan(text.encode("utf-8", "replace"), "the text"))


def _read(numbers: Numbers) -> Hypergraph:
    nets, vertices, fmt = header(numbers, ("nets", "vertices"), ("fmt",))
    if fmt not in FORMATS:
        raise numbers.wrong(2, "fmt 0 (nothing more), 1 (net costs), 10 (vertex weights) or 11 (both)")
    check_vertices(numbers, vertices, 1)
    has_costs, has_weights = FORMATS[fmt]
    starts, pins, costs = read_nets(numbers, nets, vertices, 1, has_costs)
    weights = _weights(numbers, nets + 1, vertices) if has_weights else np.ones(vertices)
    rows = nets + 1 + (vertices if has_weights else 0)
    if numbers.rows > rows:
        raise numbers.wrong(int(numbers.starts[rows]), "the end of the file")
    return Hypergraph(starts, pins, costs, weights)


def _weights(numbers: Numbers, first: int, vertices: int) -> np.ndarray:
    """One weight in each row from `first` on."""
    sizes = numbers.sizes[first : first + vertices]
    for row in np.flatnonzero(sizes != 1)[:1]:
        if sizes[row] == 0:
            raise numbers.ends(first + int(row), f"the weight of vertex {row + 1} of {vertices}")
        raise numbers.wrong(
            int(numbers.starts[first + row]) + 1, f"the end of the line: vertex {row + 1} has one weight"
        )
    if len(sizes) < vertices:
        raise numbers.ends(numbers.rows, f"the weight of vertex {len(sizes) + 1} of {vertices}")
    return numbers.values[numbers.starts[first] : numbers.starts[first + vertices]]


def write(hypergraph: Hypergraph, path: str | Path) -> float:
    """Write a hypergraph as a file of hMETIS; returns the scale of the vertex weights (`rows.whole_weights`).

    Costs are written as they are. Some programs refuse weights or costs of 0 (KaHyPar does), and a cut of over 2^31
    can overflow in them: recompute it from the vector. Raises LabError where a net has no pins, and where the file
    cannot be written.
    """
    text, scale = write_text(hypergraph)
    write_whole(path, text)
    return scale


def write_text(hypergraph: Hypergraph) -> tuple[str, float]:
    """The file's text, and the scale of the vertex weights."""
    weights, scale = whole_weights(hypergraph.weights)
    has_costs, has_weights = bool((hypergraph.costs != 1).any()), bool((weights != 1).any())
    fmt = {(False, False): "", (True, False): " 1", (False, True): " 10", (True, True): " 11"}[has_costs, has_weights]
    lines = [f"{hypergraph.nets} {hypergraph.vertices}{fmt}", *lines_of_nets(hypergraph, 1, has_costs)]
    if has_weights:
        lines += map(str, weights.tolist())
    return "\n".join(lines) + "\n", scale
