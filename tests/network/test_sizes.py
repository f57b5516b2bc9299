"""Memory of training and of inference, added up by hand for networks that are small enough."""

import pytest

from labkit.errors import LabError
from labkit.network import (
    Add,
    Builder,
    Conv,
    Dense,
    Flatten,
    ReLU,
    Softmax,
    activation_bytes,
    chain,
    inference_bytes,
    table,
    training_bytes,
)

# 1 x 4 x 4 -> 3 x 4 x 4 (30 weights) -> relu -> 48 -> 5 (245 weights) -> softmax
CHAIN = {"conv": Conv(3, 3, padding=1), "relu": ReLU(), "flat": Flatten(), "fc": Dense(5), "softmax": Softmax()}


@pytest.mark.parametrize("slots", [0, 1, 2])
def test_memory_of_a_chain(slots):
    network = chain("small", (1, 4, 4), CHAIN)
    weights = 4 * (30 + 245)
    assert activation_bytes(network, 7) == 4 * 7 * (16 + 48 + 5)
    assert training_bytes(network, 7, slots) == {
        "weights": weights,
        "gradients": weights,
        "optimizer": slots * weights,
        "activations": 4 * 7 * (16 + 48 + 5),
        "activation_gradients": 4 * 7 * (16 + 48),  # of the convolution's input and output
    }
    assert inference_bytes(network, 7) == {"weights": weights, "activations": 4 * 7 * (16 + 48)}


def test_an_add_holds_all_its_inputs_and_its_output():
    b = Builder()
    left, right = (b.add(name, Conv(2, 1), "input") for name in ("left", "right"))
    b.add("sum", Add(), left, right)
    network = b.network("two", (1, 3, 3))
    assert inference_bytes(network)["activations"] == 4 * 3 * 18
    assert activation_bytes(network) == 4 * (9 + 3 * 18)


def test_rows_of_the_table():
    conv, relu, flat, fc, softmax = table(chain("small", (1, 4, 4), CHAIN), batch=2)
    assert (conv.name, conv.kind, conv.output_shape, conv.parameters) == ("conv", "conv", (3, 4, 4), 30)
    assert (conv.macs, conv.activation_bytes, conv.weight_bytes) == (48 * 9, 2 * 4 * 48, 120)
    assert conv.ratio == 120 / 384
    assert [row.activation_bytes for row in (relu, flat, softmax)] == [0, 0, 0]
    assert [row.ratio for row in (relu, flat, softmax)] == [None] * 3
    assert (fc.macs, fc.parameters, fc.activation_bytes) == (240, 245, 40)


@pytest.mark.parametrize("batch", [0, -1, 1.5, True, "8", None])
def test_batches_that_are_none(batch):
    with pytest.raises(LabError, match="batch="):
        table(chain("small", (1, 4, 4), CHAIN), batch)
