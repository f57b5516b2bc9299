"""Networks that do not fit together fail at construction, and say which layer, which shapes and what would fit."""

import pytest

from labkit.errors import LabError
from labkit.network import (
    Add,
    AvgPool,
    Builder,
    Concat,
    Conv,
    Dense,
    Dropout,
    Flatten,
    LeakyReLU,
    MaxPool,
    Network,
    Node,
    PadShortcut,
    ReLU,
    Softmax,
    Subsample,
    chain,
)

IMAGE = (3, 9, 7)


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ({"fc": Dense(4)}, ["'fc'", "(3, 9, 7)", "Flatten"]),
        ({"flat": Flatten(), "conv": Conv(4, 3)}, ["'conv'", "(189,)", "before Flatten"]),
        ({"conv": Conv(4, 9)}, ["'conv'", "9x9", "9x7", "at least 9x9"]),
        ({"conv": Conv(4, 3, groups=2)}, ["'conv'", "C=3", "groups=2", "1, 3"]),
        ({"pool": MaxPool(2), "pool2": MaxPool(5)}, ["'pool2'", "5x5", "4x3"]),
        ({"softmax": Softmax()}, ["'softmax'", "Flatten"]),
        ({"short": PadShortcut(2)}, ["'short'", "K=2", "C=3"]),
        ({"conv": Conv(2, 3, connections=((0, 1), (1, 3)))}, ["'conv'", "C=3", "0 to 2"]),
        ({"conv": Conv(4, 14, 12, padding=(2, 2))}, ["'conv'", "14x12", "at least 10x8"]),
        ({"sum": Add()}, ["'sum'", "two or more inputs, 1 came"]),
        ({"join": Concat()}, ["'join'", "two or more inputs, 1 came"]),
    ],
)
def test_a_layer_that_does_not_fit_is_named(layers, words):
    with pytest.raises(LabError) as caught:
        chain("n", IMAGE, layers)
    assert all(word in str(caught.value) for word in ["'n'", *words])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Conv(0, 3), ["K=0"]),
        (lambda: Conv(4, 3, stride=0), ["stride=0", "pair"]),
        (lambda: Conv(4, 3, padding=(1, -1)), ["padding=(1, -1)"]),
        (lambda: Conv(4, 3, stride=(1, 2, 3)), ["stride=(1, 2, 3)"]),
        (lambda: Conv(6, 3, groups=4), ["K=6", "groups=4", "1, 2, 3, 6"]),
        (lambda: Conv(2, 3, connections=((0,),)), ["1 rows", "K=2"]),
        (lambda: Conv(2, 3, connections=((0,), (1, 1))), ["filter 1", "(1, 1)"]),
        (lambda: MaxPool(2, padding=2), ["padding=(2, 2)", "2x2"]),
        (lambda: Dense(True), ["K=True"]),
        (lambda: Dropout(1.0), ["rate=1.0"]),
        (lambda: LeakyReLU(-0.1), ["slope=-0.1"]),
        (lambda: Subsample(0), ["R=0"]),
    ],
)
def test_bad_numbers_are_refused_by_the_record(make, words):
    with pytest.raises(LabError) as caught:
        make()
    assert all(word in str(caught.value) for word in words)


def test_names_are_unique_known_and_used():
    relu = ReLU()
    with pytest.raises(LabError, match="two layers called 'a'"):
        Network("n", IMAGE, (Node("a", relu, ("input",)), Node("a", relu, ("a",))))
    with pytest.raises(LabError, match="did you mean 'conv1'"):
        Network("n", IMAGE, (Node("conv1", Conv(3, 3), ("input",)), Node("b", relu, ("conv2",))))
    with pytest.raises(LabError, match=r"'b' .* feeds no other layer"):
        Network("n", IMAGE, (Node("a", relu, ("input",)), Node("b", relu, ("a",)), Node("c", relu, ("a",))))
    with pytest.raises(LabError, match="which no earlier layer is"):
        Network("n", IMAGE, (Node("a", relu, ("b",)), Node("b", relu, ("input",))))
    with pytest.raises(LabError, match="0 layers"):
        Network("n", IMAGE, ())


def test_joining_layers_says_which_shapes_came():
    b = Builder()
    left = b.add("left", Conv(4, 3, padding=1), "input")
    right = b.add("right", Conv(5, 3, padding=1), "input")
    b.add("sum", Add(), left, right)
    with pytest.raises(LabError, match=r"'sum'.*\(4, 9, 7\) and \(5, 9, 7\).*PadShortcut"):
        b.network("n", IMAGE)
    b.nodes[-1] = Node("join", Concat(), (left, right))
    assert b.network("n", IMAGE).output_shape == (9, 9, 7)
    b.nodes[-2:] = [Node("right", Conv(5, 2), ("input",)), b.nodes[-1]]
    with pytest.raises(LabError, match=r"'join'.*\(4, 9, 7\) and \(5, 8, 6\)"):
        b.network("n", IMAGE)


def test_shapes_of_ragged_windows():
    network = chain(
        "n",
        IMAGE,
        {
            "conv": Conv(6, 3, 2, stride=(2, 3), padding=(1, 0), groups=3),
            "pool": AvgPool(2, 1, stride=(1, 2)),
            "short": PadShortcut(8, stride=3),
        },
    )
    assert network.shape("conv") == (6, 5, 2)
    assert network.shape("pool") == (6, 4, 1)
    assert network.output_shape == (8, 2, 1)
    assert network.weights() == {"conv.weight": (6, 1, 3, 2), "conv.bias": (6,)}


def test_consumers_lookup_and_equality():
    network = chain("n", IMAGE, {"conv": Conv(2, 3), "relu": ReLU(), "flat": Flatten(), "fc": Dense(2)})
    assert network.consumers("conv") == ("relu",)
    assert network["fc"].layer == Dense(2)
    assert not network.needs_input_gradient("conv") and network.needs_input_gradient("relu")
    with pytest.raises(LabError, match="did you mean 'conv'"):
        network["cov"]
    assert network == chain("n", IMAGE, {"conv": Conv(2, 3), "relu": ReLU(), "flat": Flatten(), "fc": Dense(2)})
    assert network != chain("n", IMAGE, {"conv": Conv(2, 3), "relu": ReLU(), "flat": Flatten(), "fc": Dense(3)})
