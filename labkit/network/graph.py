"""The network: named layers in topological order, and every size that follows from them."""

from dataclasses import dataclass
from math import prod

from labkit.errors import LabError, suggest
from labkit.network.layer import Layer, Shape, is_count

INPUT = "input"  # what a node's `inputs` call the network's own input
FLOAT_BYTES = 4  # sizes in bytes are those of float32


@dataclass(frozen=True)
class Node:
    """One named layer of a network, and the names of the nodes (or 'input') whose outputs it reads."""

    name: str
    layer: Layer
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class Network:
    """A directed acyclic graph of layers, checked at construction.

    name: what tables and error messages call it.
    input_shape: one sample, (C, H, W) or (features,).
    nodes: in topological order; the last one is the network's output, and every other one feeds a later one.

    Raises LabError naming the layer, the shapes that came and what would fit.
    """

    name: str
    input_shape: Shape
    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "input_shape", tuple(self.input_shape))
        object.__setattr__(self, "nodes", tuple(self.nodes))
        if not self.nodes or len(self.input_shape) not in (1, 3) or not all(map(is_count, self.input_shape)):
            raise LabError(
                f"network {self.name!r} has {len(self.nodes)} layers and input shape {self.input_shape}",
                "give at least one layer, and a shape (C, H, W) or (features,) of positive integers",
            )
        object.__setattr__(self, "_shapes", self._infer())
        self._check_used()
        learning = set()  # layers that have weights, or read a layer that has
        for node in self.nodes:
            if node.layer.weights(*self.input_shapes(node)) or learning.intersection(node.inputs):
                learning.add(node.name)
        object.__setattr__(self, "_learning", frozenset(learning))

    def _infer(self) -> dict[str, Shape]:
        shapes = {INPUT: self.input_shape}
        for node in self.nodes:
            if not isinstance(node.name, str) or not node.name:
                raise LabError(f"network {self.name!r} has a layer called {node.name!r}", "give every layer a name")
            if node.name in shapes:
                raise LabError(f"network {self.name!r} has two layers called {node.name!r}", "rename one")
            for source in node.inputs:
                if source not in shapes:
                    raise LabError(
                        f"layer {node.name!r} of network {self.name!r} reads {source!r}, which no earlier layer is",
                        suggest(source, shapes),
                    )
            try:
                shapes[node.name] = node.layer.output_shape(*(shapes[s] for s in node.inputs))
            except LabError as error:
                raise LabError(f"layer {node.name!r} of network {self.name!r}: {error.what}", error.instead) from None
        return shapes

    def _check_used(self) -> None:
        read = {source for node in self.nodes for source in node.inputs}
        for node in self.nodes[:-1]:
            if node.name not in read:
                raise LabError(
                    f"layer {node.name!r} of network {self.name!r} feeds no other layer", "use it or drop it"
                )

    def __len__(self) -> int:
        return len(self.nodes)

    def __getitem__(self, name: str) -> Node:
        for node in self.nodes:
            if node.name == name:
                return node
        raise LabError(f"network {self.name!r} has no layer {name!r}", suggest(name, [n.name for n in self.nodes]))

    def shape(self, name: str) -> Shape:
        """Shape of one sample's output of layer `name` ('input' for the network's input)."""
        return self._shapes[name] if name in self._shapes else self._shapes[self[name].name]

    def input_shapes(self, node: Node) -> tuple[Shape, ...]:
        """Shapes that `node` reads, in the order of its inputs."""
        return tuple(self._shapes[source] for source in node.inputs)

    def needs_input_gradient(self, name: str) -> bool:
        """Whether BP has to pass through layer `name`: some layer before it has weights that learn from the result.

        False for the first convolution: nobody needs the gradient with respect to the images.
        """
        return any(source in self._learning for source in self[name].inputs)

    @property
    def output(self) -> str:
        """Name of the last layer."""
        return self.nodes[-1].name

    @property
    def output_shape(self) -> Shape:
        return self._shapes[self.output]

    def consumers(self, name: str) -> tuple[str, ...]:
        """Names of the layers that read the output of `name`."""
        return tuple(node.name for node in self.nodes if name in node.inputs)

    def weights(self) -> dict[str, Shape]:
        """Every trainable array as 'layer.array' with its shape, in the order of the layers."""
        return {
            f"{n.name}.{key}": shape
            for n in self.nodes
            for key, shape in n.layer.weights(*self.input_shapes(n)).items()
        }

    def state(self) -> dict[str, Shape]:
        """Every array that training updates without a gradient, as 'layer.array' with its shape."""
        return {
            f"{n.name}.{key}": shape for n in self.nodes for key, shape in n.layer.state(*self.input_shapes(n)).items()
        }

    @property
    def parameters(self) -> int:
        """Number of trainable values."""
        return sum(map(prod, self.weights().values()))

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one sample's forward pass (FP)."""
        return sum(n.layer.macs(*self.input_shapes(n)) for n in self.nodes)

    @property
    def connections(self) -> int:
        """Multiply-accumulates and bias additions of one sample's forward pass: what LeCun et al. 1998 count."""
        return self.macs + sum(n.layer.bias_additions(*self.input_shapes(n)) for n in self.nodes)
