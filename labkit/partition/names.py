"""What the vertices and nets of a network's hypergraph are called, so that tables, errors and pictures can say it."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from labkit.network import INPUT
from labkit.partition.grains import NetworkHypergraph
from labkit.partition.tasks import Join, TaskLayer, Tensor

NOBODY = -1


@dataclass(frozen=True)
class Names:
    """Names of a hypergraph's vertices and nets, in their order.

    vertices: such as 'filter 3 of conv1', 'channel 2 of filter 0 of conv1', 'sum of filter 0 of conv1'. nets: such as
    'map 3 of conv1', 'sum of filter 2 of conv2'. hubs: per net the vertex that makes the maps, or adds up the sum.
    """

    vertices: tuple[str, ...]
    nets: tuple[str, ...]
    hubs: tuple[int, ...]


def names(problem: NetworkHypergraph) -> Names:
    """Names of all vertices and nets. Time grows with the pins: made for hypergraphs that somebody looks at."""
    found = {}
    for row, (name, what) in enumerate(problem.rows):
        if what == "maps":
            tensor = next(one for one in problem.tasks.tensors if one.name == name)
            found |= {(row, pins): named for pins, named in _map_nets(problem, tensor).items()}
        else:
            found |= {(row, pins): named for pins, named in _sum_nets(problem, problem.tasks.number(name)).items()}
    graph = problem.hypergraph
    nets = [found[int(problem.row_of_net[e]), frozenset(graph.net(e).tolist())] for e in range(graph.nets)]
    return Names(vertex_names(problem), tuple(text for text, _ in nets), tuple(hub for _, hub in nets))


def vertex_names(problem: NetworkHypergraph) -> tuple[str, ...]:
    """The task, or tasks, of every vertex in words."""
    out = [""] * problem.vertices.count
    for layer, own, each in zip(problem.tasks.layers, problem.vertices.filters, problem.vertices.channels, strict=True):
        for vertex in np.unique(own):
            what = _filters(layer, np.flatnonzero(own == vertex))
            out[vertex] = what if each is None else f"sum of {what}"
        if each is not None:
            for vertex in np.unique(each[each != NOBODY]):
                filters, channels = (np.unique(places) for places in np.nonzero(each == vertex))
                out[vertex] = f"{counted('channel', channels)} of {_filters(layer, filters)}"
    return tuple(out)


def _filters(layer: TaskLayer, filters: np.ndarray) -> str:
    kind = "map" if layer.name == INPUT else "neuron" if layer.kind == "dense" else "filter"
    if len(filters) == layer.filters > 1:
        return f"all {layer.filters} {kind}s of {layer.name}"
    return f"{counted(kind, filters)} of {layer.name}"


def _map_nets(problem: NetworkHypergraph, tensor: Tensor) -> dict[frozenset[int], tuple[str, int]]:
    """Pins of each net of a tensor -> its name and its maker."""
    maps: dict[frozenset[int], list[int]] = {}
    for c in range(len(tensor.layer)):
        maps.setdefault(frozenset(_pins(problem, tensor, c)), []).append(c)
    makers = problem.vertices.filters
    return {
        pins: (f"{counted('map', same)} of {tensor.name}", int(makers[tensor.layer[same[0]]][tensor.filter[same[0]]]))
        for pins, same in maps.items()
    }


def _pins(problem: NetworkHypergraph, tensor: Tensor, c: int) -> set[int]:
    """Vertices that make or read map c of a tensor."""
    filters, channels = problem.vertices.filters, problem.vertices.channels
    pins = {int(filters[tensor.layer[c]][tensor.filter[c]])}
    for reader in tensor.readers:
        own, each = filters[reader.layer], channels[reader.layer]
        if isinstance(reader, Join):
            pins.update(own[reader.filters[reader.starts[c] : reader.starts[c + 1]]].tolist())
        elif reader.channel[c] != NOBODY:
            links = problem.tasks.layers[reader.layer].links
            column = slice(None) if links is None else links[:, reader.channel[c]]
            pins.update((own if each is None else each[:, reader.channel[c]])[column].tolist())
    return pins


def _sum_nets(problem: NetworkHypergraph, number: int) -> dict[frozenset[int], tuple[str, int]]:
    """Pins of each net of partial sums of a layer -> its name and the vertex that adds up."""
    layer, own, each = (
        problem.tasks.layers[number],
        problem.vertices.filters[number],
        problem.vertices.channels[number],
    )
    filters: dict[frozenset[int], list[int]] = {}
    for k, row in enumerate(each):
        filters.setdefault(frozenset([*row[row != NOBODY].tolist(), int(own[k])]), []).append(k)
    return {
        pins: (f"{'sum' if len(same) == 1 else 'sums'} of {counted('filter', same)} of {layer.name}", int(own[same[0]]))
        for pins, same in filters.items()
    }


def counted(what: str, numbers: Iterable[int]) -> str:
    """'map 3', 'maps 0 to 4', 'maps 0, 2 and 5 to 7': rising numbers in words."""
    runs: list[list[int]] = []
    for n in (int(n) for n in numbers):
        if runs and runs[-1][1] == n - 1:
            runs[-1][1] = n
        else:
            runs.append([n, n])
    texts = [str(a) if a == b else f"{a} and {b}" if b == a + 1 and len(runs) == 1 else f"{a} to {b}" for a, b in runs]
    text = texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
    return f"{what}{'' if text.isdigit() else 's'} {text}"
