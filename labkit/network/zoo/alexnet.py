"""AlexNet for ImageNet, and the AlexNet* that krishna-gupta-nayak trained on small images."""

from labkit.network.build import chain
from labkit.network.graph import Network
from labkit.network.layer import Layer, Shape
from labkit.network.layers import Conv, Dense, MaxPool
from labkit.network.weightless import Dropout, Flatten, ReLU, Softmax


def alexnet(input_shape: Shape = (3, 227, 227), classes: int = 1000) -> Network:
    """AlexNet of eserol-2019 table 2.2: ungrouped, without LRN, 62,378,344 parameters."""
    layers = {
        "conv1": Conv(96, 11, stride=4),
        "relu1": ReLU(),
        "pool1": MaxPool(3, stride=2),
        "conv2": Conv(256, 5, padding=2),
        "relu2": ReLU(),
        "pool2": MaxPool(3, stride=2),
        "conv3": Conv(384, 3, padding=1),
        "relu3": ReLU(),
        "conv4": Conv(384, 3, padding=1),
        "relu4": ReLU(),
        "conv5": Conv(256, 3, padding=1),
        "relu5": ReLU(),
        "pool5": MaxPool(3, stride=2),
        **_classifier(classes),
    }
    return chain("alexnet", input_shape, layers)


def alexnet_star(input_shape: Shape = (1, 28, 28), classes: int = 10) -> Network:
    """AlexNet* of krishna-gupta-nayak table I: 28,567,498 parameters.

    The paper gives only that total. Of 76,800 conventional variants this is the single one that has it: one input
    channel, 7x7 first filters, conv2, conv4 and conv5 in two groups. The pools (2, then 4) make its maps 28-14-3, as
    the text says, and its 1.08e8 multiply-accumulates, as the table says.
    """
    layers = {
        "conv1": Conv(96, 7, padding=3),
        "relu1": ReLU(),
        "pool1": MaxPool(2),
        "conv2": Conv(256, 5, padding=2, groups=2),
        "relu2": ReLU(),
        "pool2": MaxPool(4),
        "conv3": Conv(384, 3, padding=1),
        "relu3": ReLU(),
        "conv4": Conv(384, 3, padding=1, groups=2),
        "relu4": ReLU(),
        "conv5": Conv(256, 3, padding=1, groups=2),
        "relu5": ReLU(),
        **_classifier(classes),
    }
    return chain("alexnet_star", input_shape, layers)


def _classifier(classes: int) -> dict[str, Layer]:
    """The three dense layers, which hold most of the weights of both networks."""
    return {
        "flatten": Flatten(),
        "fc6": Dense(4096),
        "relu6": ReLU(),
        "drop6": Dropout(0.5),
        "fc7": Dense(4096),
        "relu7": ReLU(),
        "drop7": Dropout(0.5),
        "fc8": Dense(classes),
        "softmax": Softmax(),
    }
