"""The execution of kernels on the CPU: its rewriting, its arrays, its threads, its errors."""

import math
import re
import textwrap

import numpy as np
import pytest

from labkit.engine.reference import conv as reference
from labkit.engine.threads import limit
from labkit.errors import LabError
from labkit.kernels.conv.forward import FORWARD
from labkit.kernels.executors import cpu as executor
from labkit.kernels.executors.cpu import Cpu
from labkit.kernels.launch import Launch
from labkit.kernels.source import cuda, device_function, float32, int32
from labkit.network import Conv

TILE, HALF = 8, 4
BIAS = -1.5


@pytest.fixture
def cpu() -> Cpu:
    return Cpu()


def launch_of(mapping: str, x: np.ndarray, weight: np.ndarray) -> Launch:
    grid = {"data": (len(x), 1, 1), "model": (len(weight), 1, 1), "hybrid": (len(x), len(weight), 1)}[mapping]
    return Launch(grid, 32, 4 * weight[0].size)


@pytest.mark.parametrize("mapping", FORWARD)
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_convolutions_agree_with_the_reference(cpu, mapping, threads):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((3, 4, 7, 6)).astype(np.float32)
    weight = rng.standard_normal((6, 2, 3, 2)).astype(np.float32)
    bias = rng.standard_normal(6).astype(np.float32)
    wanted = reference.forward(Conv(6, 3, 2, (2, 1), (1, 0), 2), x, weight, bias)
    y = np.full(wanted.shape, np.nan, np.float32)
    with limit(threads):
        cpu.launch(FORWARD[mapping], launch_of(mapping, x, weight), x, weight, bias, y, 2, 1, 1, 0, 2, 0)
    np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-5)


def count(values, total):
    for i in range(cuda.threadIdx.x, values.shape[1], cuda.blockDim.x):
        cuda.atomic.add(total, values[cuda.blockIdx.x, i], 1)


def test_atomics_lose_nothing_when_blocks_run_side_by_side(cpu):
    values = np.random.default_rng(2).integers(0, 3, (64, 20_000)).astype(np.int32)
    for dtype in (np.float32, np.int32, np.float64):
        total = np.zeros(3, dtype)
        with limit(4):
            cpu.launch(count, Launch((64, 1, 1), 32), values, total)
        assert total.tolist() == np.bincount(values.ravel()).tolist()


@pytest.mark.parametrize(
    ("threads", "parts"),
    [(1, [(0, 7, 0)]), (3, [(0, 2, 0), (2, 4, 1), (4, 7, 2)]), (9, [(i, i + 1, i) for i in range(7)])],
)
def test_blocks_are_shared_among_as_many_threads_as_are_allowed(cpu, monkeypatch, threads, parts):
    seen = []
    pretended = executor.Compiled(lambda *arguments: seen.append(arguments[:3]), lambda *sizes: 0, [])
    monkeypatch.setattr(executor, "compiled", lambda *_: pretended)
    with limit(threads):
        cpu.launch(count, Launch((7, 1, 1), 32), None, None)
    assert sorted(seen) == parts


def extremes(values, found):
    for i in range(cuda.threadIdx.x, values.size, cuda.blockDim.x):
        cuda.atomic.max(found, (0, 0), values[i])
        cuda.atomic.min(found, (0, 1), values[i])


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_atomic_maximum_and_minimum_know_the_sign(cpu, dtype):
    found = np.zeros((1, 2), dtype)
    cpu.launch(extremes, Launch((1, 1, 1), 32), np.array([-7, 3, 5, -2], dtype), found)
    assert found.tolist() == [[5, -7]]


def sums(x, y):
    partial = cuda.shared.array(TILE, float32)
    pairs = cuda.shared.array((2, HALF), dtype=int32)
    for i in range(cuda.threadIdx.x, TILE, cuda.blockDim.x):
        partial[i] = x[cuda.blockIdx.x, i] + float32(BIAS)
        pairs[i % 2, i // 2] = i
    cuda.syncthreads()
    if cuda.threadIdx.x == 0:
        total = float32(0)
        for i in range(TILE):
            total += partial[i] * float32(pairs[i % 2, i // 2])
        y[cuda.blockIdx.x] = total


def test_static_shared_memory_with_sizes_of_the_module(cpu):
    x = np.random.default_rng(3).standard_normal((5, TILE)).astype(np.float32)
    y = cpu.empty(5)
    cpu.launch(sums, Launch((5, 1, 1), 32), x, y)
    np.testing.assert_allclose(y, ((x + np.float32(BIAS)) * np.arange(TILE)).sum(1), rtol=1e-5)


def unwritten(y):
    held = cuda.shared.array(0, float32)
    for i in range(cuda.threadIdx.x, y.shape[1], cuda.blockDim.x):
        y[cuda.blockIdx.x, i] = held[i]
        held[i] = float32(1)


def test_shared_memory_that_was_not_written_shows_as_nan_in_every_block(cpu):
    y = np.zeros((3, 4), np.float32)
    cpu.launch(unwritten, Launch((3, 1, 1), 32, 16), y)
    assert np.isnan(y).all()


@device_function
def squared(value):
    return value * value


@device_function
def norm(x, n, row):
    """Of x[n]; `row` is a spelling that the rewriting has to leave alone."""
    total = float32(0)
    for i in range(row):
        total += squared(x[n, i])
    return math.sqrt(total)


def norms(x, y):
    if cuda.threadIdx.x == 0:
        y[cuda.blockIdx.x] = norm(x, cuda.blockIdx.x, x.shape[1])


def test_device_functions_may_call_device_functions(cpu):
    x = np.random.default_rng(4).standard_normal((6, 9)).astype(np.float32)
    y = cpu.empty(6)
    cpu.launch(norms, Launch((6, 1, 1), 32), x, y)
    np.testing.assert_allclose(y, np.linalg.norm(x, axis=1), rtol=1e-5)


def scaling(factor, sizes):
    def scale(x, y):
        for i in range(cuda.threadIdx.x, sizes[0], cuda.blockDim.x):
            y[i] = x[i] * float32(factor)

    return scale


def test_kernels_of_a_factory_keep_their_own_numbers(cpu):
    x, y = np.arange(4, dtype=np.float32), np.zeros(4, np.float32)
    for factor, n in ((2.5, 4), (-3, 2)):
        cpu.launch(scaling(factor, (n, 1)), Launch((1, 1, 1), 32), x, y)
    assert y.tolist() == [0, -3, 5, 7.5]


def test_kernels_of_a_notebook_cell(cpu):
    shell = pytest.importorskip("IPython.core.interactiveshell").InteractiveShell.instance()
    cell = """
        from labkit.kernels.source import cuda
        STEP = {step}
        def mine(y):
            for i in range(cuda.threadIdx.x, y.size, cuda.blockDim.x):
                y[i] = i * STEP
    """
    y = np.zeros(3, np.float32)
    for step in (2, 5):  # the learner changes the cell, and runs it again
        assert shell.run_cell(textwrap.dedent(cell.format(step=step)), store_history=True).success
        cpu.launch(shell.user_ns["mine"], Launch((1, 1, 1), 32), y)
        assert y.tolist() == [0, step, 2 * step]


def annotated(slots, _at, at: int):
    """Names that the rewritten text has for itself, annotations, and an assertion, which a GPU passes over."""
    math: float = float32(at)
    assert at < 0, "never true"
    for _block_x in range(cuda.threadIdx.x, slots.size, cuda.blockDim.x):
        slots[_block_x] = _at[_block_x] + math


def test_any_name_will_do(cpu):
    y = np.zeros(3, np.float32)
    cpu.launch(annotated, Launch((1, 1, 1), 32), y, np.arange(3, dtype=np.float32), 7)
    assert y.tolist() == [7, 8, 9]


def loss(x, y):
    for i in range(cuda.threadIdx.x, x.size, cuda.blockDim.x):
        y[i] = x[i] * float32(0) + x[i] - x[i]


def test_nan_and_infinity_survive(cpu):
    y = np.zeros(3, np.float32)
    cpu.launch(loss, Launch((1, 1, 1), 32), np.array([np.nan, np.inf, 1], np.float32), y)
    assert np.isnan(y).tolist() == [True, True, False]


def outside(x, y):
    for i in range(cuda.threadIdx.x, y.size, cuda.blockDim.x):
        y[i] = x[i - 1]


def atomic_outside(x, y):
    cuda.atomic.add(y, x.size, float32(1))


def outside_elsewhere(x, y):
    y[0] = squared_at(x, (2, x.shape[1]))


@device_function
def squared_at(x, place):
    return x[place[0], place[1]] * x[0, 0]


@pytest.mark.parametrize(
    ("kernel", "found"),
    [
        (outside, "x[i - 1], where index -1 stands along axis 0, which has 3"),
        (atomic_outside, "y[x.size], where index 3 stands along axis 0, which has 3"),
        (outside_elsewhere, "x[place[0], place[1]], where index 4 stands along axis 1, which has 4"),
    ],
)
def test_the_checked_executor_reports_indices_outside_of_an_array(kernel, found):
    x = np.ones((3, 4) if kernel is outside_elsewhere else 3, np.float32)
    message = f"kernel {kernel.__name__} reads or writes outside of an array: {found}"
    for whole_blocks in (False, True):
        with pytest.raises(LabError, match=re.escape(message)):
            Cpu(checked=True, whole_blocks=whole_blocks).launch(
                kernel, Launch((1, 1, 1), 32), x, np.ones(3, np.float32)
            )


def test_arguments_that_do_not_fit(cpu):
    with pytest.raises(LabError, match="kernel loss takes 2 arguments, not 1"):
        cpu.launch(loss, Launch((1, 1, 1), 32), np.zeros(3, np.float32))
    with pytest.raises(LabError, match="kernel loss does not compile for the CPU"):
        cpu.launch(loss, Launch((1, 1, 1), 32), np.zeros((3, 1), np.float32), 7)


def test_arrays_come_and_go(cpu):
    host = np.arange(6, dtype=np.float32).reshape(2, 3)
    held = cpu.put(host)
    assert held is not host and np.array_equal(cpu.get(held), host)
    assert cpu.put(host[::-1], held) is held and np.array_equal(held, host[::-1])
    assert cpu.empty((2, 3), np.int32).dtype == np.int32
    with pytest.raises(LabError, match=r"no memory for an array of 4,611,686,018,427,387,904 bytes: .* bytes are free"):
        cpu.empty((1 << 30, 1 << 30))


def test_launches_are_profiled_and_laps_add_up(cpu):
    x, launch, watch = np.ones(3, np.float32), Launch((1, 1, 1), 32), cpu.stopwatch()
    with cpu.profile() as ran:
        cpu.launch(loss, launch, x, x)
        cpu.launch(outside, launch, x, x)
    cpu.launch(loss, launch, x, x)
    assert [(r.kernel, r.launch) for r in ran] == [("loss", launch), ("outside", launch)]
    assert all(r.seconds > 0 for r in ran)
    watch.lap("a"), watch.lap("b"), watch.lap("a")
    assert list(watch.seconds()) == ["a", "b"] and min(watch.seconds().values()) > 0
