"""VGG16, the network that eserol-2019 partitions."""

from labkit.network.build import Builder
from labkit.network.graph import Network
from labkit.network.layer import Shape
from labkit.network.layers import Conv, Dense, MaxPool
from labkit.network.weightless import Dropout, Flatten, ReLU, Softmax

WIDTHS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


def vgg16(input_shape: Shape = (3, 224, 224), classes: int = 1000) -> Network:
    """VGG16 of eserol-2019 tables 2.3 and 5.13: 13 convolutions, 138,357,544 parameters.

    Table 2.3 prints 3x3 pooling windows; the 2x2 of Simonyan and Zisserman 2015 give the sizes that the table shows.
    """
    b = Builder()
    number = 0
    for block, widths in enumerate(WIDTHS, start=1):
        for K in widths:
            number += 1
            b.add(f"conv{number}", Conv(K, 3, padding=1))
            b.add(f"relu{number}", ReLU())
        b.add(f"pool{block}", MaxPool(2))
    b.add("flatten", Flatten())
    for i in (1, 2):
        b.add(f"fc{i}", Dense(4096))
        b.add(f"fc{i}_relu", ReLU())
        b.add(f"fc{i}_drop", Dropout(0.5))
    b.add("fc3", Dense(classes))
    b.add("softmax", Softmax())
    return b.network("vgg16", input_shape)
