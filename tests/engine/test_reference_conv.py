"""Convolution and fully connected layers against their definition, SciPy, and what must hold between their phases."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import correlate

from labkit.engine.reference import conv, conv_by_definition, dense, subsample
from labkit.network import Conv, Dense, Subsample
from labkit.network.layer import window_output

C3 = ((0, 2), (1,), (3, 0, 2), (2, 1, 0, 3))


def random(seed, *shapes):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in shapes]


@st.composite
def convolutions(draw):
    """(layer, shape of x) of any small convolution, non-square everywhere."""
    size = st.integers(1, 4)
    groups, R, S = draw(st.integers(1, 3)), draw(size), draw(size)
    padding = (draw(st.integers(0, 2)), draw(st.integers(0, 2)))
    H, W = (max(draw(st.integers(1, 7)), window - 2 * pad) for window, pad in zip((R, S), padding, strict=True))
    stride = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    layer = Conv(groups * draw(st.integers(1, 2)), R, S, stride, padding, groups, bias=draw(st.booleans()))
    return layer, (draw(st.integers(1, 2)), groups * draw(st.integers(1, 2)), H, W)


@settings(max_examples=60, deadline=None)
@given(convolutions(), st.integers(0, 1000))
def test_any_convolution_is_what_the_definition_says(case, seed):
    layer, shape = case
    x, *weights = random(seed, shape, *layer.weights(shape[1:]).values())
    y = conv.forward(layer, x, *weights)
    np.testing.assert_allclose(y, conv_by_definition(layer, x, *weights), atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(convolutions(), st.integers(0, 1000))
def test_any_convolution_is_linear_in_input_and_weights(case, seed):
    """Without bias sum(dy * y) = sum(dx * x) = sum(dweight * weight): three phases, one triple product."""
    layer, shape = case
    x, weight = random(seed, shape, layer.weights(shape[1:])["weight"])
    y = conv.forward(layer, x, weight)
    (dy,) = random(seed + 1, y.shape)
    dx, (dweight, dbias) = conv.backward_data(layer, dy, weight, x.shape), conv.backward_weights(layer, x, dy)
    assert dx.shape == x.shape and dweight.shape == weight.shape
    assert np.sum(dx * x) == pytest.approx(np.sum(dy * y), abs=1e-9)
    assert np.sum(dweight * weight) == pytest.approx(np.sum(dy * y), abs=1e-9)
    np.testing.assert_allclose(dbias, [dy[:, k].sum() for k in range(layer.K)], atol=1e-12)


@pytest.mark.parametrize(("padding", "stride"), [((0, 0), (1, 1)), ((2, 1), (1, 1)), ((0, 3), (2, 3))])
def test_convolution_is_scipys_correlation(padding, stride):
    layer = Conv(3, 3, 2, stride, padding)
    x, weight, bias = random(0, (2, 4, 7, 6), (3, 4, 3, 2), (3,))
    padded = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding)))
    full = [[correlate(sample, filter, mode="valid")[0] for filter in weight] for sample in padded]
    expected = np.array(full)[:, :, :: stride[0], :: stride[1]] + bias[:, None, None]
    np.testing.assert_allclose(conv.forward(layer, x, weight, bias), expected, atol=1e-12)


def test_connections_are_a_convolution_with_zeros():
    sparse, full = Conv(4, 3, 2, padding=1, connections=C3), Conv(4, 3, 2, padding=1)
    x, weight, bias, dy = random(1, (2, 4, 5, 4), (10, 3, 2), (4,), (2, 4, 5, 5))
    filters, link = np.zeros((4, 4, 3, 2)), 0
    for k, row in enumerate(C3):
        for c in row:
            filters[k, c] = weight[link]
            link += 1
    y = conv.forward(sparse, x, weight, bias)
    np.testing.assert_allclose(y, conv.forward(full, x, filters, bias), atol=1e-12)
    np.testing.assert_allclose(y, conv_by_definition(sparse, x, weight, bias), atol=1e-12)
    dx = conv.backward_data(sparse, dy, weight, x.shape)
    np.testing.assert_allclose(dx, conv.backward_data(full, dy, filters, x.shape), atol=1e-12)
    dweight, dfilters = (conv.backward_weights(layer, x, dy)[0] for layer in (sparse, full))
    np.testing.assert_allclose(dweight, [dfilters[k, c] for k, row in enumerate(C3) for c in row], atol=1e-12)


def test_groups_are_convolutions_side_by_side():
    """AlexNet's two columns: each half of the filters sees its own half of the channels."""
    x, weight, bias = random(2, (2, 6, 5, 4), (4, 3, 3, 2), (4,))
    y = conv.forward(Conv(4, 3, 2, groups=2), x, weight, bias)
    halves = [conv.forward(Conv(2, 3, 2), x[:, 3 * g :][:, :3], weight[2 * g :][:2], bias[2 * g :][:2]) for g in (0, 1)]
    np.testing.assert_allclose(y, np.concatenate(halves, axis=1), atol=1e-12)


def test_a_window_as_large_as_the_input_is_a_dense_layer():
    x, weight, bias = random(3, (3, 2, 4, 3), (5, 2, 4, 3), (5,))
    y = dense.forward(Dense(5), x.reshape(3, -1), weight.reshape(5, -1), bias)
    np.testing.assert_allclose(conv.forward(Conv(5, 4, 3), x, weight, bias)[:, :, 0, 0], y, atol=1e-12)


def test_dense_by_hand():
    x, weight, bias = np.array([[1.0, 2.0]]), np.array([[3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]), np.array([10.0, 20, 30])
    np.testing.assert_array_equal(dense.forward(Dense(3), x, weight, bias), [[21, 37, 53]])
    np.testing.assert_array_equal(dense.forward(Dense(3, bias=False), x, weight), [[11, 17, 23]])
    np.testing.assert_array_equal(dense.backward_data(Dense(3), np.array([[1.0, 0, -1]]), weight), [[-4, -4]])


def test_subsample_is_a_convolution_with_one_weight_per_channel():
    layer = Subsample(3, 2, stride=(2, 3))
    x, weight, bias = random(4, (2, 3, 8, 7), (3,), (3,))
    same = Conv(3, 3, 2, stride=(2, 3), groups=3)
    filters = np.broadcast_to(weight[:, None, None, None], (3, 1, 3, 2))
    y = subsample.forward(layer, x, weight, bias)
    assert y.shape[2:] == window_output(layer, x.shape[1:])
    np.testing.assert_allclose(y, conv.forward(same, x, filters, bias), atol=1e-12)
