"""Counts of the zoo, pinned to the literature; each is computed from the layer records."""

import pytest

from labkit.network import activation_bytes, phase_macs, table, training_macs, zoo

# name: (parameters, where the number comes from)
PARAMETERS = {
    "lenet5": 61_706,  # eserol-2019 table 2.1, biases included; convnet-strategies-mpi
    "lenet5_1998": 60_840,  # krishna-gupta-nayak table I
    "alexnet_star": 28_567_498,  # krishna-gupta-nayak table I
    "alexnet": 62_378_344,  # the architecture of eserol-2019 table 2.2
    "vgg16": 138_357_544,  # eserol-2019 table 5.13
    "googlenet": 6_998_552,  # Szegedy et al. 2015 with biases, without auxiliary heads
    "resnet18": 11_689_512,  # He et al. 2016 with BatchNorm and projections
    "resnet18_32": 11_173_962,
    "resnet18_star": 10_862_986 + 9 * 128 * 128,  # the table's number and the 3x3 kernel that it lacks
    "mlp": 784 * 256 + 256 + 256 * 10 + 10,
}


def test_every_network_of_the_zoo_is_pinned():
    assert list(PARAMETERS) and set(PARAMETERS) == set(zoo.names())


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters(name):
    assert zoo.get(name).parameters == PARAMETERS[name]


def test_lenet5_work():
    lenet = zoo.get("lenet5")
    assert lenet.macs == 416_520
    assert training_macs(lenet) == 3 * 416_520


def test_lenet5_of_1998_layer_by_layer():
    """LeCun et al. 1998, section II.B: trainable parameters and connections of each layer."""
    network = zoo.get("lenet5_1998")
    expected = {
        "c1": (156, 122_304),
        "s2": (12, 5_880),
        "c3": (1_516, 151_600),
        "s4": (32, 2_000),
        "c5": (48_120, 48_120),
        "f6": (10_164, 10_164),
        "output": (840, 840),
    }
    rows = {row.name: row for row in table(network)}
    for name, (parameters, connections) in expected.items():
        node = network[name]
        inputs = network.input_shapes(node)
        assert rows[name].parameters == parameters
        assert node.layer.macs(*inputs) + node.layer.bias_additions(*inputs) == connections
    assert network.connections == 340_908 == sum(c for _, c in expected.values())


def test_alexnet_star_work_is_that_of_the_table():
    """krishna-gupta-nayak table I prints 1.08e8, which is multiply-accumulates."""
    network = zoo.get("alexnet_star")
    assert round(network.macs / 1e6) == 108
    assert [network.shape(f"conv{i}")[1:] for i in (1, 2, 3, 4, 5)] == [(28, 28), (14, 14), (3, 3), (3, 3), (3, 3)]


# eserol-2019 table 5.13: output elements, and parameters without biases.
VGG16_ROWS = {
    "conv1": (224 * 224 * 64, 1_728),
    "conv2": (224 * 224 * 64, 36_864),
    "pool1": (112 * 112 * 64, 0),
    "conv3": (112 * 112 * 128, 73_728),
    "conv4": (112 * 112 * 128, 147_456),
    "pool2": (56 * 56 * 128, 0),
    "conv5": (56 * 56 * 256, 294_912),
    "conv6": (56 * 56 * 256, 589_824),
    "conv7": (56 * 56 * 256, 589_824),
    "pool3": (28 * 28 * 256, 0),
    "conv8": (28 * 28 * 512, 1_179_648),
    "conv9": (28 * 28 * 512, 2_359_296),
    "conv10": (28 * 28 * 512, 2_359_296),
    "pool4": (14 * 14 * 512, 0),
    "conv11": (14 * 14 * 512, 2_359_296),
    "conv12": (14 * 14 * 512, 2_359_296),
    "conv13": (14 * 14 * 512, 2_359_296),
    "pool5": (7 * 7 * 512, 0),
    "fc1": (4_096, 102_760_448),
    "fc2": (4_096, 16_777_216),
    "fc3": (1_000, 4_096_000),
}


def test_vgg16_rows_of_table_5_13():
    network = zoo.get("vgg16")
    rows = {row.name: row for row in table(network) if row.activation_bytes}
    assert list(rows) == list(VGG16_ROWS)
    for name, (elements, weights) in VGG16_ROWS.items():
        biases = 0 if name.startswith("pool") else network.shape(name)[0]
        assert rows[name].activation_bytes == 4 * elements
        assert rows[name].parameters == weights + biases


def test_vgg16_holds_61_megabytes_of_activations_not_93():
    """The table's own rows, input included, sum to 15.24 million values: 61.0 MB in float32; it prints 93 MB."""
    elements = 224 * 224 * 3 + sum(e for e, _ in VGG16_ROWS.values())
    assert activation_bytes(zoo.get("vgg16")) == 4 * elements
    assert round(4 * elements / 1e6, 1) == 61.0


def test_alexnet_work_and_googlenet_maps():
    assert round(zoo.get("alexnet").macs / 1e9, 3) == 1.135
    googlenet = zoo.get("googlenet")
    assert googlenet.shape("inception3a") == (256, 28, 28)
    assert googlenet.shape("inception4e") == (832, 14, 14)
    assert googlenet.shape("inception5b") == (1024, 7, 7)


@pytest.mark.parametrize("name", zoo.names())
def test_three_phases(name):
    """BP costs one forward pass less the first layer with weights, which reads the images; KU costs exactly one."""
    network = zoo.get(name)
    phases = phase_macs(network)
    first = next(row.macs for row in table(network) if row.macs)
    assert phases == {"fp": network.macs, "bp": network.macs - first, "ku": network.macs}
