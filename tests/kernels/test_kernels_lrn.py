"""Local response normalisation: FP and BP in three mappings, against the reference in double precision."""

from math import prod

import numpy as np
import pytest

from labkit.engine.reference import lrn as reference
from labkit.kernels.elementwise import maps_work
from labkit.kernels.launch import TEACHING, choose
from labkit.kernels.lrn import BACKWARD_DATA, FORWARD
from labkit.network import LRN

TINY = {
    "alexnet's constants": ((2, 7, 3, 4), LRN()),
    "even size": ((1, 5, 2, 3), LRN(4, 0.3, 0.6, 1.5)),
    "more neighbours than channels": ((3, 2, 3, 1), LRN(9, 0.5, 1.25, 0.5)),
    "itself only": ((1, 1, 1, 1), LRN(1, 2.0, 0.5, 0.1)),
}
REAL = {"alexnet": ((9, 96, 15, 13), LRN(5, 0.01))}


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def check(run, close, shape: tuple[int, ...], layer: LRN, mapping: str) -> None:
    N, C, M = shape[0], shape[1], prod(shape[2:])
    x, dy = numbers(*shape), numbers(*shape[::-1]).reshape(shape)
    alpha, beta, k = map(np.float32, (layer.alpha, layer.beta, layer.k))
    launch = choose(mapping, maps_work("norm1", N, C, M))
    unwritten = np.full((N, C, M), np.nan, np.float32)
    half, planes = layer.size // 2, x.reshape(N, C, M)
    _, y, d = run(FORWARD[mapping], launch, planes, unwritten, unwritten, half, alpha, beta, k)
    wanted = reference.forward(layer, x.astype(np.float64))
    close(y.reshape(shape), wanted)
    close(d.reshape(shape), reference.denominator(layer, x.astype(np.float64)))
    dx = run(BACKWARD_DATA[mapping], launch, planes, dy.reshape(N, C, M), d, unwritten, half, alpha, beta)[3]
    close(dx.reshape(shape), reference.backward_data(layer, x.astype(np.float64), dy.astype(np.float64)))


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
