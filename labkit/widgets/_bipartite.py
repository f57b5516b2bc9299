"""A network's hypergraph as pictures need it: columns, names, nets with their pins, in plain values for JSON."""

from labkit.errors import LabError
from labkit.network import INPUT, Dense, Network
from labkit.partition.figure import small_network
from labkit.partition.grains import NetworkHypergraph, coarse, fine
from labkit.partition.hypergraph import Hypergraph
from labkit.partition.names import names
from labkit.partition.trace import tasks_of
from labkit.partition.weights import flops

MOST_VERTICES = {"coarse": 60, "fine": 80}
MOST_PARTS = 8  # there are no more colours that everybody can tell apart
ONE_COLUMN = 12
GRAINS = {"coarse": coarse, "fine": fine}


def network_of(network: Network | str) -> Network:
    """A Network as it is, or the small one or the one of the zoo with this name."""
    return network if isinstance(network, Network) else small_network(str(network))


def problem_of(network: Network, grain: str, groups: int | None = None) -> NetworkHypergraph:
    """The hypergraph to draw. The input's maps are vertices of their own, as in figures 3.3 and 3.4 of eserol-2019,
    unless the network has dense layers: then these and the input are one vertex each, as in figure 3.5.
    """
    tasks = tasks_of(network)
    has_dense = any(isinstance(node.layer, Dense) for node in network.nodes)
    return GRAINS[grain](tasks, flops(tasks), dense="layer" if has_dense else "neuron", groups=groups)


def drawable(network: Network, grain: str, groups: int | None = None) -> NetworkHypergraph:
    """The hypergraph to draw, as `problem_of` gives it.

    Raises LabError if it has too many vertices to be told apart, and says what can be drawn instead. The coarse one is
    looked at first: where it is too large, the fine one need not even be built.
    """
    for one in dict.fromkeys(("coarse", grain)):
        problem = problem_of(network, one, groups)
        if problem.vertices.count > MOST_VERTICES[one]:
            raise _too_large(problem, grain)
    return problem


def _too_large(problem: NetworkHypergraph, grain: str) -> LabError:
    network, most = problem.tasks.network, MOST_VERTICES[problem.grain]
    fits = [g for g in range(1, 9) if problem_of(network, grain, g).vertices.count <= MOST_VERTICES[grain]]
    return LabError(
        f"the {problem.grain} hypergraph of {network.name} has {problem.vertices.count} vertices; "
        f"a picture shows at most {most}",
        f"draw groups of filters: groups={fits[-1]} makes at most so many vertices of each layer"
        if fits
        else "draw the network's first layers only",
    )


def picture(problem: NetworkHypergraph) -> dict:
    """What `bipartite.js` draws.

    columns: of each vertex. names, weights: likewise. heads: (column, layer, what its vertices are). nets: name, cost
    (elements of one sample), at (column), hub (the vertex that sends the maps, or adds up the sums), pins.
    """
    graph, named = problem.hypergraph, names(problem)
    columns, heads = _columns(problem)
    nets = []
    for e in range(graph.nets):
        before = problem.rows[problem.row_of_net[e]][1] == "partial sums"
        hub = named.hubs[e]
        nets.append(
            {
                "name": named.nets[e],
                "cost": int(graph.costs[e]),
                "at": columns[hub] + (-1 if before else 1),
                "hub": hub,
                "pins": graph.net(e).tolist(),
            }
        )
    weights = [round(w) if w == round(w) else w for w in graph.weights.tolist()]
    return {"columns": columns, "heads": heads, "names": list(named.vertices), "weights": weights, "nets": nets}


def hypergraph_picture(graph: Hypergraph) -> dict:
    """The same for a hypergraph of no network: vertices to the left of the nets, and from 13 of them to the right too.

    Raises LabError for more than 60 vertices.
    """
    count, most = graph.vertices, MOST_VERTICES["coarse"]
    if count > most:
        raise LabError(f"a hypergraph of {count} vertices; a picture shows at most {most}", "contract it first")
    left = count if count <= ONE_COLUMN else -(-count // 2)
    nets = [
        {"name": f"net {e}", "cost": int(graph.costs[e]), "at": 1, "hub": int(graph.net(e)[0]), "pins": pins}
        for e in range(graph.nets)
        if len(pins := graph.net(e).tolist()) > 1
    ]
    columns = [0] * left + [2] * (count - left)
    names = [f"vertex {v}" for v in range(count)]
    return {"columns": columns, "heads": [], "names": names, "weights": graph.weights.tolist(), "nets": nets}


def _columns(problem: NetworkHypergraph) -> tuple[list[int], list[list]]:
    """The column of each vertex, in the order of the layers, with a column for nets after each; and their headings."""
    columns, heads, at = [0] * problem.vertices.count, [], 0
    for layer, own, each in zip(problem.tasks.layers, problem.vertices.filters, problem.vertices.channels, strict=True):
        kind = "maps" if layer.name == INPUT else "neurons" if layer.kind == "dense" else "filters"
        groups = [(each, "channels"), (own, "sums")] if each is not None else [(own, kind)]
        for vertices, what in groups:
            for vertex in vertices[vertices >= 0].ravel().tolist():
                columns[vertex] = at
            heads.append([at, layer.name, what])
            at += 2
    return columns, heads


def coarse_of_fine(small: NetworkHypergraph, large: NetworkHypergraph) -> list[int]:
    """For each vertex of the fine hypergraph `large` the vertex of the coarse one `small` that it is a piece of."""
    of = [0] * large.vertices.count
    for mine, own, each in zip(small.vertices.filters, large.vertices.filters, large.vertices.channels, strict=True):
        for filter_, vertex in enumerate(own.tolist()):
            of[vertex] = int(mine[filter_])
            for channel in [] if each is None else each[filter_][each[filter_] >= 0].tolist():
                of[channel] = int(mine[filter_])
    return of
