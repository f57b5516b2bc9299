"""Convolution: the three phases in three mappings, against the reference in double precision."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labkit.engine.reference import conv as reference
from labkit.errors import LabError
from labkit.kernels.activate import FUNCTIONS, function_number
from labkit.kernels.conv import work
from labkit.kernels.conv.backward_data import BACKWARD_DATA
from labkit.kernels.conv.backward_weights import BACKWARD_WEIGHTS
from labkit.kernels.conv.forward import FORWARD
from labkit.kernels.launch import TEACHING, choose
from labkit.kernels.sizes import ConvSizes

#             N  C  H  W  K  R  S  strides  padding  groups
TINY = {
    "odd": ConvSizes(2, 4, 5, 7, 6, 3, 2, 2, 1, 1, 0, 2),
    "one value": ConvSizes(1, 1, 1, 1, 1, 1, 1),
    "1x1, pixels never read": ConvSizes(2, 3, 4, 6, 2, 1, 1, 3, 2),
    "rest at the edge": ConvSizes(3, 2, 6, 8, 4, 2, 3, 3, 2, 0, 2, 2),
    "filter larger than the image": ConvSizes(1, 2, 3, 2, 2, 5, 4, 1, 2, 2, 1),
    "padding wider than the filter": ConvSizes(1, 1, 2, 3, 1, 2, 1, 1, 1, 3, 2),
    "depthwise": ConvSizes(1, 3, 4, 4, 3, 3, 3, 1, 1, 1, 1, 3),
}
REAL = {
    "lenet5 conv2": ConvSizes(33, 6, 14, 14, 16, 5, 5),
    "alexnet conv2": ConvSizes(2, 96, 15, 15, 256, 5, 5, 1, 1, 2, 2, 2),
    "resnet18, stride 2": ConvSizes(8, 64, 16, 16, 128, 3, 3, 2, 2, 1, 1),
}


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def arrays(z: ConvSizes) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """x, weight, bias, dy."""
    weight = numbers(z.K, z.C // z.groups, z.R, z.S)
    return numbers(z.N, z.C, z.H, z.W), weight, numbers(z.K), numbers(z.N, z.K, z.P, z.Q)


def geometry(z: ConvSizes) -> tuple[int, ...]:
    return z.stride_h, z.stride_w, z.pad_h, z.pad_w, z.groups


def double(*values: np.ndarray) -> list[np.ndarray]:
    return [value.astype(np.float64) for value in values]


def unwritten(shape: tuple[int, ...]) -> np.ndarray:
    return np.full(shape, np.nan, np.float32)


def check_forward(run, close, z: ConvSizes, mapping: str, function: int = 0) -> None:
    x, weight, bias, dy = arrays(z)
    launch = choose(mapping, work.forward_work("c", z))
    y = run(FORWARD[mapping], launch, x, weight, bias, unwritten(dy.shape), *geometry(z), function)[3]
    wanted = reference.forward(z.layer, *double(x, weight, bias))
    after = (lambda v: v, lambda v: 1 / (1 + np.exp(-v)), lambda v: np.maximum(v, 0), np.tanh)
    close(y, after[function](wanted))


def check_backward_data(run, close, z: ConvSizes, mapping: str) -> None:
    x, weight, _, dy = arrays(z)
    launch = choose(mapping, work.backward_data_work("c", z))
    dx = run(BACKWARD_DATA[mapping], launch, dy, weight, unwritten(x.shape), *geometry(z))[2]
    close(dx, reference.backward_data(z.layer, *double(dy, weight), x.shape))


def check_backward_weights(run, close, z: ConvSizes, mapping: str) -> None:
    x, weight, bias, dy = arrays(z)
    launch = choose(mapping, work.backward_weights_work("c", z))
    before = [unwritten(a.shape) if mapping == "model" else np.zeros_like(a) for a in (weight, bias)]
    _, _, dweight, dbias = run(BACKWARD_WEIGHTS[mapping], launch, x, dy, *before, *geometry(z))
    wanted = reference.backward_weights(z.layer, *double(x, dy))
    close(dweight, wanted[0])
    close(dbias, wanted[1])


CHECKS = (check_forward, check_backward_data, check_backward_weights)


@pytest.mark.parametrize("mapping", TEACHING)
@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("case", TINY)
def test_tiny(run, close, case, check, mapping):
    check(run, close, TINY[case], mapping)


def test_in_the_simulator(simulated):
    simulated(__file__)


@pytest.mark.parametrize("mapping", TEACHING)
@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("case", REAL)
def test_real_sizes(run, close, case, check, mapping):
    check(run, close, REAL[case], mapping)


@pytest.mark.parametrize("mapping", TEACHING)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_activation(run, close, function, mapping):
    check_forward(run, close, TINY["odd"], mapping, function_number(function))


@st.composite
def convolutions(draw) -> ConvSizes:
    groups, R, S = draw(st.sampled_from((1, 2, 3))), draw(st.integers(1, 4)), draw(st.integers(1, 4))
    C, K = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
    pad_h, pad_w = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    H, W = (draw(st.integers(max(1, size - 2 * pad), 9)) for size, pad in ((R, pad_h), (S, pad_w)))
    strides = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    return ConvSizes(draw(st.integers(1, 3)), C, H, W, K, R, S, *strides, pad_h, pad_w, groups)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=convolutions())
def test_any_sizes(run, close, sizes):
    for check in CHECKS:
        for mapping in TEACHING:
            check(run, close, sizes, mapping)


def test_what_a_block_holds_is_part_of_its_work():
    z = ConvSizes(2, 64, 8, 8, 32, 3, 5, groups=2)
    assert work.forward_work("c", z).shared_values == {"model": 32 * 15, "hybrid": 32 * 15}
    assert work.backward_data_work("c", z).shared_values == {"model": 16 * 15, "hybrid": 16 * 15}
    assert choose("model", work.backward_data_work("c", z)).grid == (64, 1, 1)
    assert choose("hybrid", work.backward_weights_work("c", z)).grid == (2, 32, 1)
    with pytest.raises(LabError, match=r"a filter of fc takes 51,200 bytes.*mapping=\{'fc': 'data'\}"):
        choose("hybrid", work.forward_work("fc", ConvSizes(1, 512, 5, 5, 8, 5, 5)))
