"""Layers of the reference against loops that follow their definition, and at the edges of what they take."""

import warnings
from itertools import product

import numpy as np
import pytest

from labkit.engine.ops import Draw, prepare
from labkit.engine.reference import activation, lrn, norm, pool, shape, softmax
from labkit.errors import LabError
from labkit.network import (
    LRN,
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    Dropout,
    Flatten,
    Layer,
    LeakyReLU,
    Logistic,
    MaxPool,
    PadShortcut,
    ReLU,
    Softmax,
    Tanh,
)


def random(*size, seed=0):
    return np.random.default_rng(seed).normal(size=size)


def window_values(layer, x, n, c, p, q):
    """Values of x that one window reads, row by row, without the padding."""
    rows = [p * layer.stride[0] + r - layer.padding[0] for r in range(layer.R)]
    columns = [q * layer.stride[1] + s - layer.padding[1] for s in range(layer.S)]
    inside = [(h, w) for h, w in product(rows, columns) if 0 <= h < x.shape[2] and 0 <= w < x.shape[3]]
    return [x[n, c, h, w] for h, w in inside]


@pytest.mark.parametrize("window", [(2,), (3, 2, (2, 1)), (3, 3, 2, (1, 2)), (2, 3, (3, 2), (1, 0))])
def test_pools_by_definition(window):
    x = random(2, 3, 7, 6) - 3  # mostly negative: padding with zeros would win
    largest, average = MaxPool(*window), AvgPool(*window)
    shape = (2, *largest.output_shape(x.shape[1:]))
    y, z = pool.forward(largest, x), pool.forward(average, x)
    assert y.shape == z.shape == shape
    for place in np.ndindex(shape):
        values = window_values(largest, x, *place)
        assert y[place] == max(values)
        assert z[place] == pytest.approx(sum(values) / (average.R * average.S))


def test_of_equal_values_the_first_one_wins_row_by_row():
    x = np.array([[[[1.0, 5, 5], [5, 2, 5], [0, 0, 0]]]])
    dx = pool.backward_data(MaxPool(2, stride=1), x, np.array([[[[1.0, 10], [100, 1000]]]]))
    np.testing.assert_array_equal(dx, [[[[0, 11, 0], [100, 0, 1000], [0, 0, 0]]]])


def test_padding_gets_no_gradient():
    layer = MaxPool(3, stride=2, padding=1)
    x = np.full((1, 1, 4, 5), -7.0)
    dx = pool.backward_data(layer, x, np.ones((1, 1, 2, 3)))
    assert pool.forward(layer, x).max() == -7 and dx.sum() == 6


@pytest.mark.parametrize("size", [(4, 3, 5, 2), (6, 3)])
def test_batchnorm_by_channel(size):
    x, weight, bias = random(*size) * 3 + 1, random(3, seed=1), random(3, seed=2)
    layer = BatchNorm(epsilon=1e-3)
    y = norm.forward(layer, x, weight, bias, *norm.statistics(x))
    for c in range(3):
        values = x[:, c]
        variance = np.mean((values - values.mean()) ** 2)
        expected = weight[c] * (values - values.mean()) / np.sqrt(variance + 1e-3) + bias[c]
        np.testing.assert_allclose(y[:, c], expected, atol=1e-12)


def batchnorm(layer, x, state, training):
    ops = prepare("reference", layer, (x.shape[1:],), len(x), x.dtype)
    C = x.shape[1]
    return ops.forward((x,), {"weight": np.ones(C), "bias": np.zeros(C)}, state, training, Draw())


def test_running_statistics_follow_the_batch_with_the_unbiased_variance():
    x, state = random(5, 2, 3, 4), {"mean": np.array([1.0, 2]), "variance": np.array([3.0, 4])}
    batchnorm(BatchNorm(momentum=0.2), x, state, training=True)
    np.testing.assert_allclose(state["mean"], 0.8 * np.array([1, 2]) + 0.2 * x.mean(axis=(0, 2, 3)))
    np.testing.assert_allclose(state["variance"], 0.8 * np.array([3, 4]) + 0.2 * x.var(axis=(0, 2, 3), ddof=1))


def test_evaluation_uses_the_running_statistics_and_leaves_them():
    x, state = random(1, 2, 3, 4), {"mean": np.array([1.0, 2]), "variance": np.array([3.0, 4])}
    y = batchnorm(BatchNorm(epsilon=0.5), x, state, training=False)
    np.testing.assert_allclose(y[:, 1], (x[:, 1] - 2) / np.sqrt(4.5))
    np.testing.assert_array_equal([*state["mean"], *state["variance"]], [1, 2, 3, 4])


def test_one_value_per_channel_leaves_the_running_variance():
    state = {"mean": np.zeros(3), "variance": np.array([1.0, 2, 3])}
    y = batchnorm(BatchNorm(momentum=0.5), np.array([[4.0, 5, 6]]), state, training=True)
    np.testing.assert_array_equal(y, np.zeros((1, 3)))
    np.testing.assert_array_equal(state["variance"], [1, 2, 3])
    np.testing.assert_array_equal(state["mean"], [2, 2.5, 3])
    batchnorm(BatchNorm(momentum=0.5), np.array([[4.0, 5, 6], [6, 5, 2]]), state, training=True)
    np.testing.assert_array_equal(state["variance"], [1.5, 1, 5.5])  # half way to 2, 0, 8: over M - 1 = 1


@pytest.mark.parametrize("layer", [LRN(), LRN(3, 0.5, 1.2, 1.0), LRN(4, 0.5)])
def test_lrn_by_definition(layer):
    x = random(2, 7, 2, 3)
    y = lrn.forward(layer, x)
    for c in range(7):
        near = x[:, max(0, c - layer.size // 2) : c + layer.size // 2 + 1]
        expected = x[:, c] / (layer.k + layer.alpha * np.sum(near**2, axis=1)) ** layer.beta
        np.testing.assert_allclose(y[:, c], expected, atol=1e-12)


def test_activations_at_known_points():
    x = np.array([-2.0, 0.0, 1.0])
    np.testing.assert_allclose(activation.forward(Logistic(), x), 1 / (1 + np.exp(-x)))
    np.testing.assert_allclose(activation.forward(Tanh(), x), (np.exp(2 * x) - 1) / (np.exp(2 * x) + 1))
    np.testing.assert_array_equal(activation.forward(ReLU(), x), [0, 0, 1])
    np.testing.assert_array_equal(activation.forward(LeakyReLU(0.25), x), [-0.5, 0, 1])


@pytest.mark.parametrize("layer", [ReLU(), LeakyReLU(0.25)])
def test_at_zero_the_slope_is_that_of_the_negative_side(layer):
    dx = activation.backward_data(layer, np.zeros(1), np.ones(1))
    assert dx[0] == getattr(layer, "slope", 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_inputs_overflow_nowhere(dtype):
    x = np.array([[1e4, -1e4, 0]], dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(softmax.forward(Softmax(), x), [[1, 0, 0]])
        np.testing.assert_array_equal(activation.forward(Logistic(), x), [[1, 0, 0.5]])


@pytest.mark.parametrize("layer", [ReLU(), LeakyReLU(), Tanh(), Logistic(), MaxPool(1), AvgPool(1), Softmax()])
def test_not_a_number_is_passed_on(layer):
    """Otherwise training would go on with a network that is broken."""
    x = np.array([[1.0, np.nan, 2.0]]) if isinstance(layer, Softmax) else np.array([[[[1.0, np.nan, 2.0]]]])
    y = prepare("reference", layer, (x.shape[1:],), 1, x.dtype).forward((x,), {}, {}, True, Draw())
    assert np.isnan(y).any()


def test_layers_that_move_values():
    a, b = random(2, 1, 3, 2), random(2, 3, 3, 2, seed=1)
    np.testing.assert_array_equal(shape.forward(Flatten(), b), [sample.ravel() for sample in b])
    np.testing.assert_array_equal(shape.forward(Add(), b, b, b), b + b + b)
    y = shape.forward(Concat(), a, b)
    np.testing.assert_array_equal(y[:, :1], a)
    np.testing.assert_array_equal(y[:, 1:], b)
    y = shape.forward(PadShortcut(4, stride=(2, 1)), b)
    np.testing.assert_array_equal(y[:, :3], b[:, :, ::2])
    assert y.shape == (2, 4, 2, 2) and not y[:, 3].any()


def test_dropout_drops_in_training_only_and_drops_the_gradient_too():
    x = random(3, 200)
    ops = prepare("reference", Dropout(0.5), ((200,),), 3, x.dtype)
    np.testing.assert_array_equal(ops.forward((x,), {}, {}, False, Draw()), x)
    np.testing.assert_array_equal(ops.backward_data(x, {})[0], x)
    y = ops.forward((x,), {}, {}, True, Draw(seed=1, layer="drop"))
    kept = y != 0
    assert 200 < kept.sum() < 400
    np.testing.assert_allclose(y[kept], 2 * x[kept])
    np.testing.assert_array_equal(ops.backward_data(np.ones_like(x), {})[0], np.where(kept, 2.0, 0.0))


@pytest.mark.parametrize("layer", [Conv(5, 3), Flatten(), Dropout(), BatchNorm(), ReLU(), MaxPool(2)])
def test_bytes_are_those_of_the_arrays_that_a_full_batch_leaves(layer):
    x = random(2, 3, 4, 4)
    weights = {name: random(*size) for name, size in layer.weights(x.shape[1:]).items()}
    state = {name: random(*size) for name, size in layer.state(x.shape[1:]).items()}
    ops = prepare("reference", layer, (x.shape[1:],), 2, x.dtype)
    y = ops.forward((x,), weights, state, True, Draw())
    own = 0 if np.shares_memory(x, y) else y.nbytes
    assert ops.workspace_bytes == own + sum(array.nbytes for array in ops.more)


def test_an_unknown_record_is_refused():
    with pytest.raises(LabError, match="no layer 'layer'"):
        prepare("reference", Layer(), ((3,),), 1, np.dtype(np.float64))
