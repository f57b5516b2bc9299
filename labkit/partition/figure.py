"""Networks that are small enough to be drawn with all their vertices and nets.

The first is that of figures 3.3 and 3.4 of eserol-2019: three input maps and convolutions of 4, 3 and 2 filters. With
vertices numbered as there (in the fine grain: the input maps 0-2, then per convolution its channels, filter by filter,
and its sums) filter 0 of conv1 is vertex 3, or the channels 3, 4, 5 and the sum 15.
"""

from collections.abc import Callable

from labkit.errors import LabError, suggest
from labkit.network import Add, Conv, Network, ReLU, chain, zoo
from labkit.network.build import Builder


def figure_network(size: int = 8) -> Network:
    """Three input maps of size x size, and convolutions of 4, 3 and 2 filters that keep the size.

    One thing is added to the figure: training needs both output maps in one place, where the loss is, so map 1 of conv3
    is a net too.
    """
    layers = {f"conv{i}": Conv(filters, 3, padding=1) for i, filters in enumerate((4, 3, 2), 1)}
    return chain("figure 3.3", (3, size, size), layers)


def residual_block(filters: int = 4, size: int = 8) -> Network:
    """A stem convolution, and a residual block of two convolutions around which the stem's maps go.

    Each map of the stem is read by conv1, and by the owner of one filter of conv2, who adds it: a net over three
    layers.
    """
    b = Builder()
    b.add("stem", Conv(filters, 3, padding=1))
    before = b.add("relu", ReLU())
    b.add("conv1", Conv(filters, 3, padding=1))
    b.add("relu1", ReLU())
    after = b.add("conv2", Conv(filters, 3, padding=1))
    b.add("add", Add(), after, before)
    return b.network("residual block", (2, size, size))


def lenet5_head() -> Network:
    """LeNet-5 up to its second pooling: the image, and convolutions of 6 and 16 filters."""
    whole = zoo.get("lenet5")
    return Network("LeNet-5's convolutions", whole.input_shape, whole.nodes[: _place(whole, "pool2") + 1])


def _place(network: Network, name: str) -> int:
    return [node.name for node in network.nodes].index(name)


SMALL: dict[str, Callable[[], Network]] = {
    "figure": figure_network,
    "residual_block": residual_block,
    "lenet5_head": lenet5_head,
}


def small_network(name: str) -> Network:
    """The network called `name`: one of SMALL, or of the zoo. Raises LabError for a name that is in neither."""
    if name in SMALL:
        return SMALL[name]()
    if name not in zoo.names():
        raise LabError(f"unknown network {name!r}", suggest(name, [*SMALL, *zoo.names()]))
    return zoo.get(name)
