"""Trainable subsampling: FP, BP and KU in three mappings, against the reference in double precision."""

from math import prod

import numpy as np
import pytest

from labkit.engine.reference import subsample as reference
from labkit.kernels.elementwise import maps_work
from labkit.kernels.launch import TEACHING, choose
from labkit.kernels.subsample import BACKWARD_DATA, BACKWARD_WEIGHTS, FORWARD
from labkit.network import Subsample

TINY = {
    "lenet5 1998": ((2, 3, 4, 6), Subsample()),
    "odd, rest at the edge": ((3, 2, 8, 5), Subsample(3, 2, (2, 3))),
    "overlapping": ((1, 2, 4, 4), Subsample(2, 3, 1)),
    "one value": ((1, 1, 1, 1), Subsample(1)),
}
REAL = {"lenet5": ((65, 6, 28, 28), Subsample())}


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def double(*values: np.ndarray) -> list[np.ndarray]:
    return [value.astype(np.float64) for value in values]


def unwritten(*shape: int) -> np.ndarray:
    return np.full(shape, np.nan, np.float32)


def check(run, close, shape: tuple[int, ...], layer: Subsample, mapping: str) -> None:
    N, C = shape[:2]
    outputs = (N, *layer.output_shape(shape[1:]))
    x, weight, bias, dy = numbers(*shape), numbers(C), numbers(C) + 1, numbers(*outputs)
    geometry = (layer.R, layer.S, *layer.stride)
    over_y, over_x = (choose(mapping, maps_work("s2", N, C, prod(size[2:]))) for size in (outputs, shape))
    y = run(FORWARD[mapping], over_y, x, weight, bias, unwritten(*outputs), *geometry)[3]
    close(y, reference.forward(layer, *double(x, weight, bias)))
    dx = run(BACKWARD_DATA[mapping], over_x, dy, weight, unwritten(*shape), *geometry)[2]
    close(dx, reference.backward_data(layer, *double(dy, weight), shape))
    before = [unwritten(C) if mapping == "model" else np.zeros(C, np.float32) for _ in range(2)]
    found = run(BACKWARD_WEIGHTS[mapping], over_y, x, dy, *before, *geometry)[2:]
    for got, wanted in zip(found, reference.backward_weights(layer, *double(x, dy)), strict=True):
        close(got, wanted)


@pytest.mark.parametrize("mapping", TEACHING)
@pytest.mark.parametrize("case", TINY)
def test_tiny(run, close, case, mapping):
    check(run, close, *TINY[case], mapping)


def test_in_the_simulator(simulated):
    simulated(__file__)


@pytest.mark.parametrize("mapping", TEACHING)
@pytest.mark.parametrize("case", REAL)
def test_real_sizes(run, close, case, mapping):
    check(run, close, *REAL[case], mapping)
