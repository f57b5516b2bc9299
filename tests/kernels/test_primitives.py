"""The paper's primitives against the reference, and what they refuse."""

import numpy as np
import pytest

from labkit.engine.reference import conv
from labkit.errors import LabError
from labkit.kernels.executors.cpu import Cpu
from labkit.kernels.primitives.convolution import conv_backward_data, conv_backward_weights, conv_forward
from labkit.network import Conv

SIZES = (3, 4, 9, 7, 6, 3, 2, 1, 0, 2, 3, 5, 2)  # N C H W K R S pad_H pad_W str_H str_W out_H out_W
LAYER = Conv(6, 3, 2, stride=(2, 3), padding=(1, 0), groups=2)
MAPPINGS = ("data", "model", "hybrid")


@pytest.fixture
def arrays():
    rng = np.random.default_rng(1)
    shapes = {"x": (3, 4, 9, 7), "w": (6, 2, 3, 2), "b": (6,), "dy": (3, 6, 5, 2)}
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_the_three_phases_of_a_convolution(arrays, mapping):
    x, w, b, dy = arrays.values()
    y, dx, dw, db = (np.full(shape, np.nan, np.float32) for shape in (dy.shape, x.shape, w.shape, b.shape))
    options = {"groups": 2, "mapping": mapping, "on": Cpu()}
    launch = conv_forward(*SIZES, "relu", x, w, b, y, **options)
    conv_backward_data(*SIZES, dy, w, dx, **options)
    conv_backward_weights(*SIZES, x, dy, dw, db, **options)
    np.testing.assert_allclose(y, np.maximum(conv.forward(LAYER, x, w, b), 0), atol=1e-5)
    np.testing.assert_allclose(dx, conv.backward_data(LAYER, dy, w, x.shape), atol=1e-5)
    for found, wanted in zip((dw, db), conv.backward_weights(LAYER, x, dy), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert launch.blocks == {"data": 3, "model": 6, "hybrid": 18}[mapping]


@pytest.mark.parametrize("function", ["identity", "logistic", "tanh"])
def test_activations(arrays, function):
    x, w, b, dy = arrays.values()
    y = np.empty_like(dy)
    conv_forward(*SIZES, function, x, w, b, y, groups=2, on=Cpu())
    z = conv.forward(LAYER, x, w, b)
    wanted = {"identity": z, "logistic": 1 / (1 + np.exp(-z)), "tanh": np.tanh(z)}[function]
    np.testing.assert_allclose(y, wanted, atol=1e-5)


def test_refusals_name_the_argument(arrays):
    x, w, b, dy = arrays.values()
    y = np.empty_like(dy)

    def refused(named, sizes=SIZES, function="relu", **changed):
        given = {"x": x, "w": w, "b": b, "y": y} | changed
        with pytest.raises(LabError, match=named):
            conv_forward(*sizes, function, *given.values(), groups=2, on=Cpu())

    refused(r"weight is float32 of shape \(6, 4, 3, 2\)", w=np.empty((6, 4, 3, 2), np.float32))
    refused("input is float64", x=x.astype(np.float64))
    refused("bias is list", b=[0] * 6)
    refused("output is a view", y=np.empty((3, 6, 5, 4), np.float32)[..., ::2])
    refused("'selu'", function="selu")
    refused("out_H=6", sizes=(*SIZES[:11], 6, 2))
    refused("C=5", sizes=(3, 5, *SIZES[2:]))
