"""One training step of a plan in one process, in which every part computes with its own copies only.

How tensors and readers are traced plays no part here, only what follows from it: who owns a map, and who is sent it. A
part that needs a map which it neither owns nor was sent ends the run.
"""

from math import prod

import numpy as np

from labkit.engine import Model, losses, ops
from labkit.network import INPUT, LRN, Add, Concat, Conv, Dense, Flatten, Network, Node, PadShortcut, Softmax
from labkit.partition import Plan, Slice, tasks_of
from labkit.partition.volume import needs, owners

Key = tuple  # (part, node, map, ...): a value that a part holds, [N, ...]


class Execution:
    """Forward and backward pass of a plan on images x [N, ...] with the weights of a model; loss: the squared error.

    values: of every key; a map is [N, 1, H, W], or [N, features] where it was flattened. computed: (part, node, map) of
    what a part made itself. received: what it was sent. used: (part, ...) -> number of weights of every computation.
    sent, answered: values from part (row) to part (column), forward and back. gradients: of the model's weights.
    """

    def __init__(self, plan: Plan, x: np.ndarray, model: Model) -> None:
        self.plan, self.network, self.x, self.model = plan, plan.network, x, model
        self.homes = plan.tasks.homes
        self.owner = {name: owners(plan, home).tolist() for name, home in self.homes.items()}
        self.wanted = {tensor.name: needs(plan, tensor) for tensor in plan.tasks.tensors}
        self.values: dict[Key, np.ndarray] = {}
        self.learns: dict[Key, bool] = {}
        self.tape: list[tuple] = []  # (key, the keys it was computed from, function from its gradient to theirs)
        self.computed: set[Key] = set()
        self.received: set[Key] = set()
        self.used: dict[Key, int] = {}
        self.sent = np.zeros((plan.parts, plan.parts), np.int64)
        self.answered = self.sent.copy()
        self.gradients = {name: np.zeros_like(array) for name, array in model.parameters.items()}
        self.sizes = {INPUT: self._sizes(INPUT)}  # values of each map
        for node in self.network.nodes:
            self.sizes[node.name] = self._sizes_of(node)

    def forward(self) -> np.ndarray:
        """Every owner computes all that it owns, then the last one the output [N, ...]."""
        joined = [node.name for node in self.network.nodes if isinstance(node.layer, Concat)]
        for name in self.sizes:
            for c, part in enumerate(self.owner[name]):
                if name not in joined and not self.homes[name].at_reader[c]:
                    self.value(part, name, c)
        last = self.network.output
        self.outputs = [self.value(self.owner[last][0], last, c) for c in range(len(self.sizes[last]))]
        return np.concatenate([self.values[key] for key in self.outputs], axis=1)

    def backward(self, labels: np.ndarray) -> None:
        """Gradients of the loss from the output back through all that was computed."""
        output = np.concatenate([self.values[key] for key in self.outputs], axis=1)
        dy = losses.mse(output, labels)[1]
        gradient = {}
        for key, part in zip(self.outputs, _split(dy, self.sizes[self.network.output]), strict=True):
            gradient[key] = gradient.get(key, 0) + part
        for key, inputs, back in reversed(self.tape):
            if key in gradient and self.learns[key] and back:
                for source, part in zip(inputs, back(gradient[key]), strict=True):
                    gradient[source] = gradient.get(source, 0) + part

    def kept(self) -> np.ndarray:
        """Values of one sample that each part made and keeps: [parts]. A concatenation lies where its maps are made."""
        kept = np.zeros(self.plan.parts, np.int64)
        for name, sizes in self.sizes.items():
            layer = None if name == INPUT else self.network[name].layer
            for c, size in enumerate(sizes if layer is None or not layer.in_place else []):
                makers = [self.owner[name][c]] if isinstance(layer, Concat) else range(len(kept))
                for part in makers:
                    kept[part] += size * (isinstance(layer, Concat) or (part, name, c) in self.computed)
        return kept

    def value(self, part: int, name: str, c: int) -> Key:
        """Map c of a node at a part, which has it, is sent it, or computes it."""
        key, owner = (part, name, c), self.owner[name][c]
        if key in self.values:
            return key
        if part != owner and name in self.wanted and self.wanted[name][c, part]:
            self.received.add(key)
            return self.send(self.value(owner, name, c), key)
        if name != INPUT and isinstance(self.network[name].layer, Concat):
            sources = self.network[name].inputs
            number, at = _place([len(self.sizes[source]) for source in sources], c)
            return self.value(part, sources[number], at)
        here = part == owner or self.homes[name].at_reader[c]
        assert here, f"part {part} needs map {c} of {name!r}, which it neither owns nor was sent"
        self.computed.add(key)
        if name == INPUT:
            return self.record(key, [], self.x[:, c : c + 1])
        return self.compute(key, self.network[name])

    def compute(self, key: Key, node: Node) -> Key:
        """Map c of a node from maps of its inputs."""
        (part, name, c), layer, source = key, node.layer, node.inputs[0]
        every = range(len(self.sizes[source]))
        match layer:
            case Conv():
                return self.filter(key, node)
            case Dense():
                maps = [self.value(part, source, i) for i in every]
                flat = [self.run((*i, "flat"), Flatten(), [i]) for i in maps]
                names = ("weight", "bias") if layer.bias else ("weight",)
                return self.run(key, Dense(1, layer.bias), flat, {n: (f"{name}.{n}", slice(c, c + 1)) for n in names})
            case Add():
                return self.run(key, layer, [self.features(key, i, s) for i, s in enumerate(node.inputs)])
            case PadShortcut():
                if c not in every:
                    return self.record(key, [], np.zeros((len(self.x), 1, *self.network.shape(name)[1:])))
                return self.run(key, PadShortcut(1, layer.stride), [self.value(part, source, c)])
            case LRN():
                near = [i for i in every if abs(i - c) <= layer.size // 2]
                return self.run(key, layer, [self.value(part, source, i) for i in near], keep=[c - near[0]])
            case Softmax():
                begin = sum(self.sizes[source][:c])
                keep = range(begin, begin + self.sizes[source][c])
                return self.run(key, layer, [self.value(part, source, i) for i in every], keep=list(keep))
        is_vector = len(self.network.shape(name)) == 1  # then a map has as many weights as features
        begin = sum(self.sizes[source][:c]) if is_vector else c
        index = slice(begin, begin + (self.sizes[source][c] if is_vector else 1))
        arrays = layer.weights(*self.network.input_shapes(node))
        return self.run(key, layer, [self.value(part, source, c)], {n: (f"{name}.{n}", index) for n in arrays})

    def filter(self, key: Key, node: Node) -> Key:
        """Partial sums where the channels lie; the owner of the filter adds them up."""
        (part, name, k), layer = key, node.layer
        width = len(self.sizes[node.inputs[0]]) // layer.groups
        begin = k // (layer.K // layer.groups) * width
        reads = list(range(begin, begin + width)) if layer.connections is None else layer.connections[k]
        rows = sum(map(len, layer.connections[:k])) if layer.connections else 0  # weights of filters before this
        task = self.plan.tasks.layers[self.plan.tasks.number(name)]
        holder = self.plan[name].by_channel(task.channels, task.links)[k]
        plain, sums = Conv(1, layer.R, layer.S, layer.stride, layer.padding, bias=False), []
        for q in sorted({int(holder[c]) for c in reads}):
            at = [i for i, c in enumerate(reads) if holder[c] == q]
            index = ([[rows + i for i in at]],) if layer.connections else (slice(k, k + 1), at)
            maps = [self.value(q, node.inputs[0], reads[i]) for i in at]
            own = self.run((q, name, k, "sum"), plain, maps, {"weight": (f"{name}.weight", index)})
            sums.append(own if q == part else self.send(own, (part, name, k, "sum of", q)))
        bias = self.model.parameters[f"{name}.bias"][k] if layer.bias else 0
        self.used |= {(*key, "bias"): 1} if layer.bias else {}

        def back(dy: np.ndarray) -> list[np.ndarray]:
            if layer.bias:
                self.gradients[f"{name}.bias"][k] += dy.sum()
            return [dy] * len(sums)

        return self.record(key, sums, sum(self.values[i] for i in sums) + bias, back)

    def features(self, key: Key, number: int, source: str) -> Key:
        """What map c of an addition takes of an input: map c, or of a vector the same features."""
        part, name, c = key
        if len(self.network.shape(source)) == 3:
            return self.value(part, source, c)
        begin, size = sum(self.sizes[name][:c]), self.sizes[name][c]
        first, at = _place(self.sizes[source], begin)
        last, _ = _place(self.sizes[source], begin + size - 1)
        maps = [self.value(part, source, i) for i in range(first, last + 1)]
        flat = np.concatenate([self.values[i] for i in maps], axis=1)

        def back(dy: np.ndarray) -> list[np.ndarray]:
            full = np.zeros_like(flat)
            full[:, at : at + size] = dy
            return _split(full, [self.values[i].shape[1] for i in maps])

        return self.record((*key, "of", number), maps, flat[:, at : at + size], back)

    def run(self, key: Key, layer, inputs: list[Key], weights: dict | None = None, keep=slice(None)) -> Key:
        """One layer on values that the part holds: maps of its one input, or the inputs of an addition.

        weights: name -> (array of the model, index). keep: channels of the output.
        """
        if key in self.values:
            return key
        assert {i[0] for i in inputs} == {key[0]}, "a part computes with its own copies"
        xs = [self.values[i] for i in inputs]
        given = tuple(xs) if isinstance(layer, Add) else (np.concatenate(xs, axis=1),)
        done = ops.prepare("reference", layer, tuple(x.shape[1:] for x in given), len(self.x), np.float64)
        held = {n: self.model.parameters[array][index] for n, (array, index) in (weights or {}).items()}
        self.used |= {(*key, n): array.size for n, array in held.items()}
        state = {"mean": np.zeros(given[0].shape[1]), "variance": np.ones(given[0].shape[1])}
        whole = done.forward(given, held, state, True, ops.Draw())

        def back(dy: np.ndarray) -> list[np.ndarray]:
            full = np.zeros_like(whole)
            full[:, keep] = dy
            if held:
                found = {n: np.zeros_like(array) for n, array in held.items()}
                done.backward_weights(full, held, found)
                for n, (array, index) in weights.items():
                    self.gradients[array][index] += found[n]
            dxs = done.backward_data(full, held)
            return list(dxs) if isinstance(layer, Add) else _split(dxs[0], [x.shape[1] for x in xs])

        return self.record(key, inputs, whole[:, keep], back, bool(held))

    def send(self, source: Key, key: Key) -> Key:
        """A copy in another part; what depends on weights is answered by a gradient."""
        size = self.values[source].size
        self.sent[source[0], key[0]] += size
        self.answered[key[0], source[0]] += size * self.learns[source]
        return self.record(key, [source], self.values[source], lambda dy: [dy])

    def record(self, key: Key, inputs: list[Key], value: np.ndarray, back=None, weighted: bool = False) -> Key:
        self.values[key] = value
        self.learns[key] = weighted or any(self.learns[i] for i in inputs)
        self.tape.append((key, inputs, back))
        return key

    def _sizes(self, name: str) -> list[int]:
        shape = self.network.shape(name)
        return [prod(shape[1:])] * shape[0]

    def _sizes_of(self, node: Node) -> list[int]:
        """Values of each map of a node; a vector is in pieces as long as the maps that were flattened."""
        before = [self.sizes[name] for name in node.inputs]
        if isinstance(node.layer, Concat):
            return [size for sizes in before for size in sizes]
        if isinstance(node.layer, Dense) or len(self.network.shape(node.name)) == 3:
            return self._sizes(node.name)
        return next(sizes for sizes in before if len(sizes) == len(self.owner[node.name]))


def random_plan(network: Network, parts: int, rng: np.random.Generator, is_fine: bool) -> Plan:
    """Every filter, neuron and, in the fine grain, channel of a filter in a part of its own drawing."""
    slices = []
    for layer in tasks_of(network).layers:
        each = rng.integers(0, parts, (layer.filters, layer.channels)) if is_fine and layer.fine else None
        if each is not None and layer.links is not None:
            each = np.where(layer.links, each, -1)
        slices.append(Slice(layer.name, rng.integers(0, parts, layer.filters), each))
    return Plan(network, parts, tuple(slices))


def _place(lengths: list[int], number: int) -> tuple[int, int]:
    """Which of the pieces of these lengths number `number` lies in, and where in it."""
    piece = int(np.searchsorted(np.cumsum(lengths), number, side="right"))
    return piece, number - sum(lengths[:piece])


def _split(array: np.ndarray, lengths: list[int]) -> list[np.ndarray]:
    return np.split(array, np.cumsum(lengths)[:-1], axis=1)
