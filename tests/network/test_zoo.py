"""How the networks of the zoo are built: kinds of layers, work, constants, and other inputs and classes."""

from collections import Counter

import pytest

from labkit.errors import LabError
from labkit.network import LRN, BatchNorm, Dropout, LeakyReLU, MaxPool, zoo

# Multiply-accumulates of one forward pass. He et al. 2016 table 1 prints 1.8e9 for ResNet-18; VGG16's are the 15.5e9,
# GoogLeNet's the 1.6e9 that are usually given; krishna-gupta-nayak table I prints 1.08e8 for AlexNet*.
MACS = {
    "lenet5": 416_520,
    "lenet5_1998": 332_824,
    "alexnet_star": 108_070_400,
    "alexnet": 1_135_256_096,
    "vgg16": 15_470_264_320,
    "googlenet": 1_582_671_872,
    "resnet18": 1_814_073_344,
    "resnet18_32": 555_422_720,
    "resnet18_star": 450_507_776,
    "mlp": 784 * 256 + 256 * 10,
}
KINDS = {
    "lenet5": {"conv": 3, "tanh": 4, "avgpool": 2, "flatten": 1, "dense": 2, "softmax": 1},
    "lenet5_1998": {"conv": 3, "subsample": 2, "tanh": 4, "flatten": 1, "dense": 2, "softmax": 1},
    "alexnet_star": {"conv": 5, "relu": 7, "maxpool": 2, "flatten": 1, "dense": 3, "dropout": 2, "softmax": 1},
    "alexnet": {"conv": 5, "relu": 7, "maxpool": 3, "flatten": 1, "dense": 3, "dropout": 2, "softmax": 1},
    "vgg16": {"conv": 13, "relu": 15, "maxpool": 5, "flatten": 1, "dense": 3, "dropout": 2, "softmax": 1},
    "googlenet": {"conv": 57, "relu": 57, "maxpool": 13, "lrn": 2, "concat": 9, "avgpool": 1}
    | {"flatten": 1, "dropout": 1, "dense": 1, "softmax": 1},
    "resnet18": {"conv": 20, "batchnorm": 20, "relu": 17, "add": 8, "maxpool": 1, "avgpool": 1}
    | {"flatten": 1, "dense": 1, "softmax": 1},
    "resnet18_32": {"conv": 20, "batchnorm": 20, "relu": 17, "add": 8, "avgpool": 1}
    | {"flatten": 1, "dense": 1, "softmax": 1},
    "resnet18_star": {"conv": 17, "relu": 17, "add": 8, "padshortcut": 3, "avgpool": 1}
    | {"flatten": 1, "dense": 1, "softmax": 1},
    "mlp": {"flatten": 1, "dense": 2, "relu": 1, "softmax": 1},
}


@pytest.mark.parametrize("name", zoo.names())
def test_kinds_of_layers_and_work(name):
    network = zoo.get(name)
    assert Counter(node.layer.kind for node in network.nodes) == KINDS[name]
    assert network.macs == MACS[name]
    assert network.output == "softmax"


@pytest.mark.parametrize("name", zoo.names())
def test_every_layer_with_weights_but_the_last_meets_an_activation_or_a_norm(name):
    network = zoo.get(name)
    for node in network.nodes:
        if node.layer.kind in ("conv", "dense"):
            readers = {network[reader].layer.kind for reader in network.consumers(node.name)}
            assert readers <= {"relu", "tanh", "batchnorm", "subsample", "avgpool", "add", "softmax"}, node.name


def test_lenets_third_layer_reads_as_in_1998():
    """LeCun et al. 1998, table I: 6 filters read 3 maps in a row, 9 read 4, one reads all; every map has 10 readers."""
    rows = zoo.get("lenet5_1998")["c3"].layer.connections
    assert [len(row) for row in rows] == [3] * 6 + [4] * 9 + [6]
    assert Counter(channel for row in rows for channel in row) == dict.fromkeys(range(6), 10)
    assert len(set(map(frozenset, rows))) == 16
    assert rows[4] == (4, 5, 0) and rows[11] == (5, 0, 1, 2) and rows[14] == (0, 2, 3, 5)


def test_maps_of_resnets_stages():
    """He et al. 2016, table 1: 56, 28, 14, 7; and a 3x3 first pool. Without that pool and stride: 32, 16, 8, 4."""
    widths = (64, 128, 256, 512)
    large, small = zoo.get("resnet18"), zoo.get("resnet18_32")
    assert large["pool1"].layer == MaxPool(3, stride=2, padding=1)
    assert [large.shape(f"s{i}b{b}_add") for i in (1, 2, 3, 4) for b in (1, 2)] == [
        (K, size, size) for K, size in zip(widths, (56, 28, 14, 7), strict=True) for _ in (1, 2)
    ]
    assert [small.shape(f"s{i}b2_add") for i in (1, 2, 3, 4)] == [
        (K, size, size) for K, size in zip(widths, (32, 16, 8, 4), strict=True)
    ]
    shortcuts = [n.name for n in large.nodes if n.name.endswith("_project")]
    assert shortcuts == ["s2b1_project", "s3b1_project", "s4b1_project"]


def test_constants_are_those_of_the_literature():
    """Krizhevsky et al. 2012 sections 3.3 and 4.2, Szegedy et al. 2015 table 1; BatchNorm's are PyTorch's."""
    assert (LRN().size, LRN().alpha, LRN().beta, LRN().k) == (5, 1e-4, 0.75, 2)
    assert (BatchNorm().epsilon, BatchNorm().momentum, LeakyReLU().slope) == (1e-5, 0.1, 0.01)
    assert Dropout().rate == zoo.get("alexnet")["drop6"].layer.rate == zoo.get("vgg16")["fc2_drop"].layer.rate == 0.5
    assert zoo.get("googlenet")["drop"].layer.rate == 0.4


@pytest.mark.parametrize("name", zoo.names())
def test_other_classes_change_the_last_layer_only(name):
    usual, seven = zoo.get(name), zoo.get(name, classes=7)
    assert seven.output_shape == (7,)
    K = usual.output_shape[0]
    dense = [n for n in usual.nodes if n.layer.kind == "dense"][-1]
    per_class = usual.weights()[f"{dense.name}.weight"][1] + dense.layer.bias
    assert usual.parameters - seven.parameters == (K - 7) * per_class


def test_other_inputs():
    assert zoo.get("resnet18_32", input_shape=(1, 40, 24))["pool"].layer.R == 5
    assert zoo.get("googlenet", input_shape=(3, 128, 96)).output_shape == (1000,)
    assert zoo.get("mlp", input_shape=(3, 8, 8)).parameters == 192 * 256 + 256 + 2570
    with pytest.raises(LabError, match=r"'pool2' of network 'alexnet'.*3x3"):
        zoo.get("alexnet", input_shape=(3, 32, 32))
    with pytest.raises(LabError, match="did you mean 'vgg16'"):
        zoo.get("vgg19")
