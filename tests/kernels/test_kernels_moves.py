"""Kernels that only move values, against the reference: every value arrives, bit by bit."""

import numpy as np
import pytest

from labkit.engine.reference import shape as reference
from labkit.kernels.moves import put_channels, take_channels, thin, widen
from labkit.kernels.vectors import vector_launch
from labkit.network import Concat, PadShortcut

CHANNELS = [((2, 3, 6), (2, 1, 6), (2, 4, 6)), ((1, 1, 1), (1, 2, 1)), ((40, 1, 3), (40, 2, 3))]
SHORTCUTS = [((2, 3, 5, 8), PadShortcut(5, (2, 3))), ((1, 1, 1, 1), PadShortcut(1)), ((3, 2, 4, 3), PadShortcut(2, 1))]


def numbers(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def unwritten(shape: tuple[int, ...]) -> np.ndarray:
    return np.full(shape, np.nan, np.float32)


@pytest.mark.parametrize("shapes", CHANNELS, ids=str)
def test_joining_and_parting_channels_tiny(run, shapes):
    xs = [numbers(shape) for shape in shapes]
    joined = reference.forward(Concat(), *xs)
    y, first = unwritten(joined.shape), 0
    for x in xs:
        y = run(put_channels, vector_launch(x.size), x, y, first)[1]
        back = run(take_channels, vector_launch(x.size), joined, unwritten(x.shape), first)[1]
        assert np.array_equal(back, x)
        first += x.shape[1]
    assert np.array_equal(y, joined)


@pytest.mark.parametrize(("shape", "layer"), SHORTCUTS, ids=str)
def test_shortcuts_tiny(run, shape, layer):
    x, outputs = numbers(shape), (shape[0], *layer.output_shape(shape[1:]))
    y = run(thin, vector_launch(np.prod(outputs)), x, unwritten(outputs), *layer.stride)[1]
    assert np.array_equal(y, reference.forward(layer, x))
    dy = numbers(outputs)
    dx = run(widen, vector_launch(x.size), dy, unwritten(shape), *layer.stride)[1]
    assert np.array_equal(dx, reference.backward_data(layer, dy, shape)[0])


def test_a_shortcut_of_real_size(run):
    test_shortcuts_tiny(run, (33, 64, 32, 32), PadShortcut(128))


def test_in_the_simulator(simulated):
    simulated(__file__)
