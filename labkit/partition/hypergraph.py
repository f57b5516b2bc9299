"""A hypergraph as flat arrays: vertices with weights, nets with costs, and which vertices are the pins of each net.

Its objective is the connectivity metric of eserol-2019 section 3.2: a net whose pins lie in lambda parts costs
(lambda - 1) times its cost. (The sum printed in section 2.5, lambda times cost over the cut nets, is a slip: it charges
the part that has the map already.) Nothing here is a Python object per vertex or pin: the fine-grain VGG16 has 3.3
million pins.
"""

from dataclasses import dataclass

import numpy as np

from labkit.errors import LabError

MOST_PLACES = 2**27  # (net, part) pairs that get a byte each; a sort of all pins needs less memory above that


@dataclass(frozen=True, eq=False)
class Hypergraph:
    """Vertices 0 .. V-1 and nets 0 .. E-1 in compressed rows.

    starts: int64 [E + 1]; the pins of net e are pins[starts[e]:starts[e + 1]], int32, each at most once per net.
    costs: int64 [E] >= 0. weights: float64 [V] >= 0.

    Raises LabError where the arrays do not fit together.
    """

    starts: np.ndarray
    pins: np.ndarray
    costs: np.ndarray
    weights: np.ndarray

    def __post_init__(self) -> None:
        kinds = {"starts": np.int64, "pins": np.int32, "costs": np.int64, "weights": np.float64}
        for name, kind in kinds.items():
            object.__setattr__(self, name, np.ascontiguousarray(getattr(self, name), kind))
        ends_well = len(self.starts) == self.nets + 1 and self.starts[0] == 0 and self.starts[-1] == len(self.pins)
        if not ends_well or (np.diff(self.starts) < 0).any():
            raise LabError(
                f"starts of {self.nets} nets with {len(self.pins)} pins are not as they must be",
                "give nets + 1 numbers that rise from 0 to the number of pins",
            )
        if len(self.pins) and not 0 <= self.pins.min() <= self.pins.max() < self.vertices:
            bad = self.pins.min() if self.pins.min() < 0 else self.pins.max()
            raise LabError(f"pin {bad} of a hypergraph with {self.vertices} vertices", f"use 0 to {self.vertices - 1}")
        if (self.costs < 0).any() or not (self.weights >= 0).all():
            raise LabError("a negative cost or weight in a hypergraph", "use numbers from 0 up")
        self._check_distinct()

    def _check_distinct(self) -> None:
        keys = np.sort(self.net_of_pin() * np.int64(max(1, self.vertices)) + self.pins)
        again = np.flatnonzero(keys[1:] == keys[:-1])
        if len(again):
            net, pin = divmod(int(keys[again[0]]), self.vertices)
            raise LabError(f"net {net} has vertex {pin} as a pin twice", "name each pin once")

    @property
    def vertices(self) -> int:
        return len(self.weights)

    @property
    def nets(self) -> int:
        return len(self.costs)

    @property
    def sizes(self) -> np.ndarray:
        """Pins of each net: int64 [E]."""
        return np.diff(self.starts)

    def net(self, number: int) -> np.ndarray:
        """Pins of one net."""
        return self.pins[self.starts[number] : self.starts[number + 1]]

    def net_of_pin(self) -> np.ndarray:
        """The net that each pin belongs to: int64 [pins]."""
        return np.repeat(np.arange(self.nets), self.sizes)

    def nets_of_vertices(self) -> tuple[np.ndarray, np.ndarray]:
        """The same pins by vertex: (starts [V + 1], nets); vertex v is a pin of nets[starts[v]:starts[v + 1]]."""
        order = np.argsort(self.pins, kind="stable")
        starts = np.concatenate(([0], np.cumsum(np.bincount(self.pins, minlength=self.vertices))))
        return starts.astype(np.int64), self.net_of_pin()[order].astype(np.int32)


def connectivity(hypergraph: Hypergraph, part: np.ndarray) -> np.ndarray:
    """lambda of every net, int64 [E]: the number of parts that hold a pin of it. part: [V], the part of each vertex.

    Raises LabError for a partition vector of the wrong length.
    """
    part = check_vector(hypergraph, part)
    parts = int(part.max(initial=0)) + 1
    place = hypergraph.net_of_pin() * parts + part[hypergraph.pins]
    if hypergraph.nets * parts <= MOST_PLACES:
        held = np.zeros((hypergraph.nets, parts), bool)
        held.ravel()[place] = True
        return held.sum(1)
    return np.bincount(np.unique(place) // parts, minlength=hypergraph.nets)


def cut(hypergraph: Hypergraph, part: np.ndarray) -> int:
    """Sum over the nets of (lambda - 1) * cost (eserol-2019 section 3.2). Nets without pins cost nothing."""
    surplus = np.maximum(connectivity(hypergraph, part) - 1, 0)
    return int(surplus @ hypergraph.costs)


def part_weights(hypergraph: Hypergraph, part: np.ndarray, parts: int) -> np.ndarray:
    """Sum of the vertex weights of each part: float64 [parts]."""
    return np.bincount(check_vector(hypergraph, part), hypergraph.weights, parts)


def check_vector(hypergraph: Hypergraph, part: np.ndarray) -> np.ndarray:
    """`part` as an int64 array with one part number per vertex, or a LabError that says what is wrong with it."""
    part = np.asarray(part)
    if part.shape != (hypergraph.vertices,):
        raise LabError(
            f"a partition vector of shape {part.shape} for {hypergraph.vertices} vertices",
            f"give {hypergraph.vertices} part numbers, one per vertex",
        )
    if not np.issubdtype(part.dtype, np.integer) or (len(part) and part.min() < 0):
        raise LabError("a partition vector with other than whole numbers from 0 up", "number the parts 0, 1, 2, ...")
    return part.astype(np.int64, copy=False)


def contract(hypergraph: Hypergraph, cluster: np.ndarray) -> Hypergraph:
    """The hypergraph in which all vertices with one number in `cluster` [V] are one vertex, with their summed weight.

    Nets that end in a single vertex vanish; nets with the same pins become one with their summed cost, so the cut of a
    partition that keeps clusters whole is the same in both. Clusters are numbered from 0 without gaps.
    """
    cluster = check_vector(hypergraph, cluster)
    count = int(cluster.max(initial=-1)) + 1
    weights = np.bincount(cluster, hypergraph.weights, count)
    keys = np.unique(hypergraph.net_of_pin() * count + cluster[hypergraph.pins])  # sorted by net, then by pin
    net, pins = keys // count, keys % count
    sizes = np.bincount(net, minlength=hypergraph.nets)
    kept = sizes > 1
    pins, sizes, costs = pins[kept[net]], sizes[kept], hypergraph.costs[kept]
    starts = np.concatenate(([0], np.cumsum(sizes)))
    return merge_equal_nets(Hypergraph(starts, pins, costs, weights))


def merge_equal_nets(hypergraph: Hypergraph) -> Hypergraph:
    """Nets with the same pins (each net's pins must be sorted) as one net with their summed cost."""
    pins = hypergraph.pins
    first: dict[bytes, int] = {}
    kept, costs = [], []
    for e in range(hypergraph.nets):
        number = first.setdefault(hypergraph.net(e).tobytes(), len(kept))
        if number == len(kept):
            kept.append(e)
            costs.append(0)
        costs[number] += int(hypergraph.costs[e])
    sizes = hypergraph.sizes[kept] if kept else np.zeros(0, np.int64)
    rows = [pins[hypergraph.starts[e] : hypergraph.starts[e + 1]] for e in kept]
    return Hypergraph(
        np.concatenate(([0], np.cumsum(sizes))),
        np.concatenate(rows) if rows else np.zeros(0, np.int32),
        np.array(costs, np.int64),
        hypergraph.weights,
    )
