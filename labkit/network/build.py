"""Putting a network together without repeating the names of the layers before."""

from labkit.network.graph import INPUT, Network, Node
from labkit.network.layer import Layer, Shape


class Builder:
    """Collects nodes; each `add` reads the layer added last unless told otherwise.

    >>> b = Builder()
    >>> b.add("conv1", Conv(6, 5))
    'conv1'
    >>> b.add("relu1", ReLU())
    'relu1'
    >>> network = b.network("small", (1, 8, 8))
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []

    @property
    def last(self) -> str:
        """Name of the layer added last, or 'input'."""
        return self.nodes[-1].name if self.nodes else INPUT

    def add(self, name: str, layer: Layer, *inputs: str) -> str:
        """Append `layer`, reading `inputs` (default: the layer added last); returns its name for later use."""
        self.nodes.append(Node(name, layer, inputs or (self.last,)))
        return name

    def network(self, name: str, input_shape: Shape) -> Network:
        """The finished network; raises LabError where the layers do not fit together."""
        return Network(name, input_shape, tuple(self.nodes))


def chain(name: str, input_shape: Shape, layers: dict[str, Layer]) -> Network:
    """A network in which each layer reads the one before it; `layers` by name, in order."""
    builder = Builder()
    for layer_name, layer in layers.items():
        builder.add(layer_name, layer)
    return builder.network(name, input_shape)
