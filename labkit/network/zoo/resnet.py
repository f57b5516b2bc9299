"""ResNet-18 for ImageNet and for 32x32 images, and the nearest natural network to krishna-gupta-nayak's ResNet-18*."""

from labkit.network.build import Builder
from labkit.network.graph import Network
from labkit.network.layer import Shape
from labkit.network.layers import AvgPool, BatchNorm, Conv, Dense, MaxPool
from labkit.network.weightless import Add, Flatten, PadShortcut, ReLU, Softmax

WIDTHS = (64, 128, 256, 512)  # four stages of two basic blocks each


def resnet18(input_shape: Shape = (3, 224, 224), classes: int = 1000) -> Network:
    """ResNet-18 (He et al. 2016, table 1) with BatchNorm and 1x1 projections: 11,689,512 parameters."""
    b = Builder()
    _conv_norm(b, "conv1", Conv(64, 7, stride=2, padding=3, bias=False))
    b.add("relu1", ReLU())
    b.add("pool1", MaxPool(3, stride=2, padding=1))
    _stages(b)
    return _head(b, "resnet18", input_shape, classes)


def resnet18_32(input_shape: Shape = (3, 32, 32), classes: int = 10) -> Network:
    """ResNet-18 with a 3x3 first convolution and no first pool, as usual for CIFAR-10: 11,173,962 parameters."""
    b = Builder()
    _conv_norm(b, "conv1", Conv(64, 3, padding=1, bias=False))
    b.add("relu1", ReLU())
    _stages(b)
    return _head(b, "resnet18_32", input_shape, classes)


def resnet18_star(input_shape: Shape = (1, 28, 28), classes: int = 10) -> Network:
    """The nearest natural network to ResNet-18* of krishna-gupta-nayak table I: 11,010,442 parameters.

    The table says 10,862,986, and no natural variant among 401 million has that. This one (no BatchNorm, biases
    everywhere, shortcuts without weights, 2x2 maps before the classifier) has 147,456 = 9*128*128 more: exactly one
    3x3 kernel from 128 to 128 channels, which the paper's count lacks.
    """
    b = Builder()
    b.add("conv1", Conv(64, 3, padding=1))
    b.add("relu1", ReLU())
    for stage, K in enumerate(WIDTHS, start=1):
        for block in (1, 2):
            stride = 2 if stage > 1 and block == 1 else 1
            name, source = f"s{stage}b{block}", b.last
            b.add(f"{name}_conv1", Conv(K, 3, stride=stride, padding=1))
            b.add(f"{name}_relu1", ReLU())
            main = b.add(f"{name}_conv2", Conv(K, 3, padding=1))
            shortcut = source if stride == 1 else b.add(f"{name}_shortcut", PadShortcut(K, stride), source)
            b.add(f"{name}_add", Add(), main, shortcut)
            b.add(f"{name}_relu2", ReLU())
    b.add("pool", AvgPool(2))
    b.add("flatten", Flatten())
    b.add("fc", Dense(classes))
    b.add("softmax", Softmax())
    return b.network("resnet18_star", input_shape)


def _conv_norm(b: Builder, name: str, conv: Conv, *inputs: str) -> str:
    """A convolution and its BatchNorm, which makes a bias pointless."""
    b.add(name, conv, *inputs)
    return b.add(f"{name}_norm", BatchNorm())


def _stages(b: Builder) -> None:
    for stage, K in enumerate(WIDTHS, start=1):
        for block in (1, 2):
            _basic_block(b, f"s{stage}b{block}", K, stride=2 if stage > 1 and block == 1 else 1)


def _basic_block(b: Builder, name: str, K: int, stride: int) -> None:
    """Two 3x3 convolutions beside a shortcut, which is a 1x1 projection where the shape changes (option B)."""
    source = b.last
    _conv_norm(b, f"{name}_conv1", Conv(K, 3, stride=stride, padding=1, bias=False), source)
    b.add(f"{name}_relu1", ReLU())
    main = _conv_norm(b, f"{name}_conv2", Conv(K, 3, padding=1, bias=False))
    if stride > 1:
        source = _conv_norm(b, f"{name}_project", Conv(K, 1, stride=stride, bias=False), source)
    b.add(f"{name}_add", Add(), main, source)
    b.add(f"{name}_relu2", ReLU())


def _head(b: Builder, name: str, input_shape: Shape, classes: int) -> Network:
    # The last maps become one value each, whatever size of image went in.
    _, H, W = b.network(name, input_shape).output_shape
    b.add("pool", AvgPool(H, W))
    b.add("flatten", Flatten())
    b.add("fc", Dense(classes))
    b.add("softmax", Softmax())
    return b.network(name, input_shape)
