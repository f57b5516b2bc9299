"""Convolution walk-through: the arithmetic of its JavaScript against loops in NumPy, its input, its string."""

import json

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.widgets import convolution_walk
from labkit.widgets._base import esm
from labkit.widgets.convolution import FILTERS, IMAGES

MODULE = esm("choice.js", "player.js", "convolution.js")
CASES = [
    ((7, 7), (3, 3), 1, 0),
    ((7, 7), (3, 3), 2, 1),
    ((5, 8), (2, 3), 2, 0),
    ((6, 4), (3, 1), 3, 2),
    ((4, 4), (4, 4), 1, 3),
    ((9, 5), (3, 2), 4, 1),
]


def numpy_passes(image, filter, stride, padding):
    """Y, dX and dW of one channel, straight from the definition."""
    padded = np.pad(image, padding)
    R, S = filter.shape
    P, Q = ((side - f) // stride + 1 for side, f in zip(padded.shape, filter.shape, strict=True))
    dy = np.array([(k * 5 + 1) % 7 - 3 for k in range(P * Q)], dtype=float).reshape(P, Q)
    y, dpadded, dw = np.zeros((P, Q)), np.zeros_like(padded), np.zeros_like(filter)
    for p in range(P):
        for q in range(Q):
            window = (slice(p * stride, p * stride + R), slice(q * stride, q * stride + S))
            y[p, q] = (padded[window] * filter).sum()
            dpadded[window] += dy[p, q] * filter
            dw += dy[p, q] * padded[window]
    H, W = image.shape
    return y, dpadded[padding : padding + H, padding : padding + W], dw


@pytest.mark.parametrize(("image_shape", "filter_shape", "stride", "padding"), CASES)
def test_all_three_passes_equal_numpy(image_shape, filter_shape, stride, padding, run_js):
    rng = np.random.default_rng(5)
    image, filter = rng.normal(size=image_shape), rng.normal(size=filter_shape)
    expected = numpy_passes(image, filter, stride, padding)
    given = f"{json.dumps(image.tolist())}, {json.dumps(filter.tolist())}, {stride}, {padding}"
    body = f"['forward', 'dX', 'dW'].map((mode) => {{ const b = m.lay({given}, mode); return b.grids[b.target]; }})"
    for got, want in zip(run_js(MODULE, f"(m) => {body}"), expected, strict=True):
        assert (got["rows"], got["columns"]) == want.shape
        assert np.array(got["values"]).reshape(want.shape) == pytest.approx(want, abs=1e-6)


def test_every_product_of_the_forward_pass_flows_back_once(run_js):
    """The same connections serve all passes, so each is counted once per pass (inputs on padding have no gradient)."""
    image, filter = json.dumps(np.ones((6, 5)).tolist()), json.dumps(np.ones((3, 2)).tolist())
    count = "(b) => b.grids[b.target].values.map((_, k) => m.termsOf(b, k).length).reduce((x, y) => x + y)"
    body = f"['forward', 'dX', 'dW'].map((mode) => ({count})(m.lay({image}, {filter}, 2, 1, mode)))"
    forward, dx, dw = run_js(MODULE, f"(m) => {body}")
    P, Q = (6 + 2 - 3) // 2 + 1, (5 + 2 - 2) // 2 + 1
    assert forward == dw == P * Q * 6
    padded = np.zeros((8, 7), dtype=bool)
    padded[1:7, 1:6] = True
    inside = sum(padded[2 * p : 2 * p + 3, 2 * q : 2 * q + 2].sum() for p in range(P) for q in range(Q))
    assert dx == inside < forward


def test_the_sentence_counts_padding(run_js):
    board = "m.lay([[1, 2], [3, 4]], [[1, 1], [1, -1]], 1, 1, 'forward')"
    text = run_js(MODULE, f"(m) => m.sentence({board}, 0)")
    assert text.startswith("Y[1, 1] = −1, the sum of 4 products under the window, 3 of them on padding.")
    text = run_js(MODULE, f"(m) => m.sentence({board.replace('forward', 'dX')}, 3)")
    assert text.startswith("dX[2, 2] = ") and "took part in 4 outputs" in text


def test_state_string_rebuilds_the_view_with_your_numbers():
    view = convolution_walk([[1, 0.5], [2, 3]], np.eye(2), stride=2, padding=1, mode="dW")
    view.state = view.state | {"cell": 3, "reached": 3}
    again = convolution_walk(from_state=view.state_string())
    assert again.state == view.state
    assert again.images["yours"] == [[1, 0.5], [2, 3]] and again.filters["yours"] == [[1, 0], [0, 1]]
    assert set(again.filters) == {"sum of 2 × 2", "yours"}  # the others do not fit into 2 × 2


def test_named_images_and_filters_are_there():
    view = convolution_walk("box", "sharpen")
    assert set(view.images) == set(IMAGES) and set(view.filters) == set(FILTERS)
    assert np.array(view.images["box"]).shape == (7, 7)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"image": np.zeros((2, 20))}, "2 to 14"),
        ({"image": np.zeros((3, 3, 3))}, "two-dimensional"),
        ({"image": [[1, 2], [3]]}, "equal length"),
        ({"image": [[1, np.nan], [3, 4]]}, "finite"),
        ({"image": "eight"}, "seven"),
        ({"filter": "blur"}, "sharpen"),
        ({"image": np.ones((2, 2)), "filter": np.ones((3, 3))}, "no larger"),
        ({"stride": 0}, "from 1 to 4"),
        ({"padding": 1.5}, "integer"),
        ({"mode": "backward"}, "forward"),
        ({"from_state": "convolution_walk?cell=-1"}, "cell"),
    ],
)
def test_bad_input_is_refused(arguments, word):
    with pytest.raises(LabError, match=word):
        convolution_walk(**arguments)
