"""The networks that the lab trains and partitions, by name; the counts that tests pin stand in each docstring."""

from labkit.errors import LabError, suggest
from labkit.network.graph import Network
from labkit.network.layer import Shape
from labkit.network.zoo.alexnet import alexnet, alexnet_star
from labkit.network.zoo.googlenet import googlenet
from labkit.network.zoo.lenet import lenet5, lenet5_1998, mlp
from labkit.network.zoo.resnet import resnet18, resnet18_32, resnet18_star
from labkit.network.zoo.vgg import vgg16

BUILDERS = {
    builder.__name__: builder
    for builder in (
        lenet5,
        lenet5_1998,
        alexnet_star,
        alexnet,
        vgg16,
        googlenet,
        resnet18,
        resnet18_32,
        resnet18_star,
        mlp,
    )
}


def names() -> list[str]:
    """Names that `get` takes, small networks first."""
    return list(BUILDERS)


def get(name: str, input_shape: Shape | None = None, classes: int | None = None) -> Network:
    """The network called `name`, for another input shape (C, H, W) or number of classes if given.

    Raises LabError for a name that is not in the zoo, or an input too small for the network.
    """
    if name not in BUILDERS:
        raise LabError(f"unknown network {name!r}", suggest(name, BUILDERS))
    options = {"input_shape": input_shape, "classes": classes}
    return BUILDERS[name](**{key: value for key, value in options.items() if value is not None})
