"""What a block of each teaching kernel does, counted by hand from the kernels' contracts."""

from types import SimpleNamespace

import pytest

from labkit.errors import LabError
from labkit.kernels import dense, update
from labkit.kernels.conv.backward_data import BACKWARD_DATA
from labkit.kernels.conv.backward_weights import BACKWARD_WEIGHTS
from labkit.kernels.conv.forward import FORWARD
from labkit.kernels.costs import work_of
from labkit.kernels.launch import Launch

N, C, K, GROUPS, R, S, H, P = 3, 4, 6, 2, 5, 3, 8, 4  # stride 2


def array(*shape):
    return SimpleNamespace(shape=shape)


X, Y, WEIGHT, BIAS = array(N, C, H, H), array(N, K, P, P), array(K, C // GROUPS, R, S), array(K)
GEOMETRY = (2, 2, 2, 1, GROUPS)
ONE = Launch((1, 1, 1), 64)


@pytest.mark.parametrize(
    ("mapping", "items", "copies"), [("data", K * P * P, 0), ("model", N * P * P, 30), ("hybrid", P * P, 30)]
)
def test_forward(mapping, items, copies):
    work = work_of(FORWARD[mapping], ONE, (X, WEIGHT, BIAS, Y, *GEOMETRY, 0))
    assert (work.items, work.taps, work.copies) == (items, 2 * 5 * 3, copies)
    assert work.bytes_once == 4 * (N * C * H * H + 6 * 2 * 5 * 3 + 6 + N * K * P * P)


@pytest.mark.parametrize(
    ("mapping", "items", "copies"), [("data", C * H * H, 0), ("model", N * H * H, 45), ("hybrid", H * H, 45)]
)
def test_backward_data_copies_a_slice_of_the_filters_of_a_group(mapping, items, copies):
    work = work_of(BACKWARD_DATA[mapping], ONE, (Y, WEIGHT, X, *GEOMETRY))
    assert (work.items, work.copies) == (items, copies)
    assert work.taps == 45 / 4  # of 3 filters' 5x3 taps, one in four meets a given pixel


@pytest.mark.parametrize(
    ("mapping", "items", "taps", "atomics"),
    [("data", K * 31, P * P, 1), ("model", 31, N * P * P, 0), ("hybrid", 31, P * P, 1)],
)
def test_backward_weights_takes_the_bias_as_one_more_weight(mapping, items, taps, atomics):
    work = work_of(BACKWARD_WEIGHTS[mapping], ONE, (X, Y, WEIGHT, BIAS, *GEOMETRY))
    assert (work.items, work.taps, work.atomics, work.copies) == (items, taps, atomics, 0)


def test_all_blocks_together_do_the_same_products_in_every_mapping():
    grids = {"data": N, "model": K, "hybrid": N * K}
    for table, arguments in ((FORWARD, (X, WEIGHT, BIAS, Y)), (BACKWARD_WEIGHTS, (X, Y, WEIGHT, BIAS))):
        works = {m: work_of(kernel, ONE, (*arguments, *GEOMETRY)) for m, kernel in table.items()}
        assert len({grids[m] * work.items * work.taps for m, work in works.items()}) == 1


@pytest.mark.parametrize("mapping", ["data", "model", "hybrid"])
def test_dense_layers_do_the_same_products_in_every_mapping(mapping):
    F, K = 128, 10
    x, dy, weight, bias = array(N, F), array(N, K), array(K, F), array(K)
    blocks = {"data": N, "model": K, "hybrid": N * K}[mapping]
    work = work_of(dense.FORWARD[mapping], ONE, (x, weight, bias, dy, 0))
    assert blocks * work.items * work.taps == N * F * K
    work = work_of(dense.BACKWARD_WEIGHTS[mapping], ONE, (x, dy, weight, bias))
    assert blocks * work.items * work.taps == N * (F + 1) * K
    blocks = {"data": N, "model": F, "hybrid": N * F}[mapping]
    work = work_of(dense.BACKWARD_DATA[mapping], ONE, (dy, weight, x))
    assert blocks * work.items * work.taps == N * F * K


def test_rows_that_lie_apart_cost_passes():
    arguments = (array(64, 128), array(10, 128), array(10), array(64, 10), 0)
    passes = {mapping: work_of(kernel, ONE, arguments).passes for mapping, kernel in dense.FORWARD.items()}
    assert passes == {"data": 33, "model": 33, "hybrid": 2}


def test_other_kernels_pass_over_their_arrays_once():
    work = work_of(update.momentum, Launch((4, 1, 1), 256), (array(1000), array(1000), array(1000), 0.1, 0.9))
    assert (work.items, work.taps, work.passes, work.bytes_once) == (250, 1, 3, 12_000)


def test_tuned_kernels_are_refused():
    def implicit(image, packed):
        """Stands for a kernel that a factory of the tuned mapping made."""

    implicit.__module__ = "labkit.kernels.tuned.implicit"
    with pytest.raises(LabError, match="take mapping data, model or hybrid"):
        work_of(implicit, ONE, (X, Y))
