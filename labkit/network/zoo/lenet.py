"""LeNet-5 twice: as it is built today, and as LeCun et al. drew it in 1998. And a plain multi-layer perceptron."""

from labkit.network.build import chain
from labkit.network.graph import Network
from labkit.network.layer import Shape
from labkit.network.layers import AvgPool, Conv, Dense, Subsample
from labkit.network.weightless import Flatten, ReLU, Softmax, Tanh

# Which of the 6 maps of S2 each of the 16 filters of C3 reads (LeCun et al. 1998, table I).
C3_CONNECTIONS = (
    *((i, (i + 1) % 6, (i + 2) % 6) for i in range(6)),
    *((i, (i + 1) % 6, (i + 2) % 6, (i + 3) % 6) for i in range(6)),
    (0, 1, 3, 4),
    (1, 2, 4, 5),
    (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
)


def lenet5(input_shape: Shape = (1, 32, 32), classes: int = 10) -> Network:
    """LeNet-5 of eserol-2019 table 2.1, with every filter of C3 reading every map: 61,706 parameters, 416,520 MACs."""
    layers = {
        "conv1": Conv(6, 5),
        "tanh1": Tanh(),
        "pool1": AvgPool(2),
        "conv2": Conv(16, 5),
        "tanh2": Tanh(),
        "pool2": AvgPool(2),
        "conv3": Conv(120, 5),
        "tanh3": Tanh(),
        "flatten": Flatten(),
        "fc1": Dense(84),
        "tanh4": Tanh(),
        "fc2": Dense(classes),
        "softmax": Softmax(),
    }
    return chain("lenet5", input_shape, layers)


def lenet5_1998(input_shape: Shape = (1, 32, 32), classes: int = 10) -> Network:
    """LeNet-5 as counted in krishna-gupta-nayak table I: 60,840 parameters; its "FLOPs" 3.41e5 are 340,908 connections.

    Trainable subsampling (S2, S4), the sparse C3 of 1998, and 84 x 10 output weights without biases. Those were centres
    of radial basis functions in 1998; here they are an ordinary layer with softmax, which has as many.
    """
    layers = {
        "c1": Conv(6, 5),
        "s2": Subsample(2),
        "s2_tanh": Tanh(),
        "c3": Conv(16, 5, connections=C3_CONNECTIONS),
        "s4": Subsample(2),
        "s4_tanh": Tanh(),
        "c5": Conv(120, 5),
        "c5_tanh": Tanh(),
        "flatten": Flatten(),
        "f6": Dense(84),
        "f6_tanh": Tanh(),
        "output": Dense(classes, bias=False),
        "softmax": Softmax(),
    }
    return chain("lenet5_1998", input_shape, layers)


def mlp(input_shape: Shape = (1, 28, 28), classes: int = 10) -> Network:
    """A perceptron with one hidden layer of 256 units: 203,530 parameters for 28x28 inputs."""
    layers = {
        "flatten": Flatten(),
        "fc1": Dense(256),
        "relu1": ReLU(),
        "fc2": Dense(classes),
        "softmax": Softmax(),
    }
    return chain("mlp", input_shape, layers)
