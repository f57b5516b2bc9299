"""What a block of each teaching kernel does, counted by hand from the kernels' contracts."""

from types import SimpleNamespace

import pytest

from labkit.kernels.conv.backward_data import BACKWARD_DATA
from labkit.kernels.conv.backward_weights import BACKWARD_WEIGHTS
from labkit.kernels.conv.forward import FORWARD
from labkit.kernels.costs import work_of

N, C, K, GROUPS, R, S, H, P = 3, 4, 6, 2, 5, 3, 8, 4  # stride 2


def array(*shape):
    return SimpleNamespace(shape=shape)


X, Y, WEIGHT, BIAS = array(N, C, H, H), array(N, K, P, P), array(K, C // GROUPS, R, S), array(K)
GEOMETRY = (2, 2, 2, 1, GROUPS)


@pytest.mark.parametrize(
    ("mapping", "items", "copies"), [("data", K * P * P, 0), ("model", N * P * P, 30), ("hybrid", P * P, 30)]
)
def test_forward(mapping, items, copies):
    work = work_of(FORWARD[mapping], (X, WEIGHT, BIAS, Y, *GEOMETRY, 0))
    assert (work.items, work.taps, work.copies) == (items, 2 * 5 * 3, copies)
    assert work.bytes_once == 4 * (N * C * H * H + 6 * 2 * 5 * 3 + 6 + N * K * P * P)


@pytest.mark.parametrize(
    ("mapping", "items", "copies"), [("data", C * H * H, 0), ("model", N * H * H, 45), ("hybrid", H * H, 45)]
)
def test_backward_data_copies_a_slice_of_the_filters_of_a_group(mapping, items, copies):
    work = work_of(BACKWARD_DATA[mapping], (Y, WEIGHT, X, *GEOMETRY))
    assert (work.items, work.copies) == (items, copies)
    assert work.taps == 45 / 4  # of 3 filters' 5x3 taps, one in four meets a given pixel


@pytest.mark.parametrize(
    ("mapping", "items", "taps", "atomics"),
    [("data", K * 31, P * P, 1), ("model", 31, N * P * P, 0), ("hybrid", 31, P * P, 1)],
)
def test_backward_weights_takes_the_bias_as_one_more_weight(mapping, items, taps, atomics):
    work = work_of(BACKWARD_WEIGHTS[mapping], (X, Y, WEIGHT, BIAS, *GEOMETRY))
    assert (work.items, work.taps, work.atomics, work.copies) == (items, taps, atomics, 0)


def test_all_blocks_together_do_the_same_products_in_every_mapping():
    grids = {"data": N, "model": K, "hybrid": N * K}
    for table, arguments in ((FORWARD, (X, WEIGHT, BIAS, Y)), (BACKWARD_WEIGHTS, (X, Y, WEIGHT, BIAS))):
        works = {m: work_of(kernel, (*arguments, *GEOMETRY)) for m, kernel in table.items()}
        assert len({grids[m] * work.items * work.taps for m, work in works.items()}) == 1
