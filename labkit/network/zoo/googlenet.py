"""GoogLeNet: branches that are concatenated, so that a feature map has readers in several layers."""

from labkit.network.build import Builder
from labkit.network.graph import Network
from labkit.network.layer import Shape
from labkit.network.layers import LRN, AvgPool, Conv, Dense, MaxPool
from labkit.network.weightless import Concat, Dropout, Flatten, ReLU, Softmax

# Szegedy et al. 2015, table 1: filters of 1x1; 3x3 reduction and 3x3; 5x5 reduction and 5x5; projection after the pool.
INCEPTIONS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
POOL_AFTER = {"3b": "pool3", "4e": "pool4"}


def googlenet(input_shape: Shape = (3, 224, 224), classes: int = 1000) -> Network:
    """GoogLeNet without the auxiliary heads of training: 6,998,552 parameters, biases included."""
    b = Builder()
    _conv(b, "conv1", Conv(64, 7, stride=2, padding=3))
    b.add("pool1", MaxPool(3, stride=2, padding=1))
    b.add("norm1", LRN())
    _conv(b, "conv2_reduce", Conv(64, 1))
    _conv(b, "conv2", Conv(192, 3, padding=1))
    b.add("norm2", LRN())
    b.add("pool2", MaxPool(3, stride=2, padding=1))
    for name, widths in INCEPTIONS.items():
        _inception(b, f"inception{name}", widths)
        if name in POOL_AFTER:
            b.add(POOL_AFTER[name], MaxPool(3, stride=2, padding=1))
    # The last maps become one value each, whatever size of image went in.
    _, H, W = b.network("googlenet", input_shape).output_shape
    b.add("pool5", AvgPool(H, W))
    b.add("flatten", Flatten())
    b.add("drop", Dropout(0.4))
    b.add("fc", Dense(classes))
    b.add("softmax", Softmax())
    return b.network("googlenet", input_shape)


def _conv(b: Builder, name: str, conv: Conv, *inputs: str) -> str:
    b.add(name, conv, *inputs)
    return b.add(f"{name}_relu", ReLU())


def _inception(b: Builder, name: str, widths: tuple[int, ...]) -> str:
    """Four branches over one input, their maps one after the other."""
    one, reduce3, three, reduce5, five, project = widths
    source = b.last
    branch1 = _conv(b, f"{name}_1x1", Conv(one, 1), source)
    _conv(b, f"{name}_3x3_reduce", Conv(reduce3, 1), source)
    branch3 = _conv(b, f"{name}_3x3", Conv(three, 3, padding=1))
    _conv(b, f"{name}_5x5_reduce", Conv(reduce5, 1), source)
    branch5 = _conv(b, f"{name}_5x5", Conv(five, 5, padding=2))
    b.add(f"{name}_pool", MaxPool(3, stride=1, padding=1), source)
    pooled = _conv(b, f"{name}_project", Conv(project, 1))
    return b.add(name, Concat(), branch1, branch3, branch5, pooled)
