"""Whole blocks on the CPU: kernels cut at their barriers."""

import os
import subprocess
import sys

import numpy as np
import pytest

from labkit.engine.threads import limit
from labkit.errors import LabError
from labkit.kernels import intrinsics
from labkit.kernels.executors.cpu import Cpu
from labkit.kernels.executors.program import why_all_threads
from labkit.kernels.launch import Launch
from labkit.kernels.source import cuda, device_function, float32, int32

SIZE, FEW, ITS_OWN = 64, 4, 3


def launch(blocks: int, threads: int = 8, shared_bytes: int = 0) -> Launch:
    return Launch((blocks, 1, 1), threads, shared_bytes)


def turned(x, y):
    """Every thread keeps its own value across a barrier, and takes its neighbour's from shared memory."""
    held = cuda.shared.array(SIZE, float32)
    tid, size = cuda.threadIdx.x, cuda.blockDim.x
    mine = x[cuda.blockIdx.x * size + tid]
    held[tid] = mine
    cuda.syncthreads()
    y[cuda.blockIdx.x * size + tid] = mine - held[(tid + 1) % size]


def test_values_of_a_thread_live_across_a_barrier():
    x = np.random.default_rng(1).standard_normal((3, 8)).astype(np.float32)
    y = np.zeros_like(x)
    with limit(2):
        Cpu().launch(turned, launch(3), x.ravel(), y.ravel())
    np.testing.assert_array_equal(y, x - np.roll(x, -1, axis=1))


def rounds(x, y, n):
    """Barriers in loops, a sum in a register, a local array, a flag, and a counter that decides when to stop."""
    held = cuda.shared.array(SIZE, float32)
    last = cuda.local.array(FEW, float32)
    tid, total, odd, left = cuda.threadIdx.x, float32(0), False, n
    for i in range(FEW):
        last[i] = float32(0)
    for turn in range(n):
        held[tid] = x[turn, tid]
        cuda.syncthreads()
        if odd:
            total += held[(tid + turn) % cuda.blockDim.x]
        else:
            total -= held[(tid + turn) % cuda.blockDim.x]
        last[turn % FEW] = total
        odd = not odd
        cuda.syncthreads()
    while left > 0:
        left -= 2
        cuda.syncthreads()
    if tid >= y.shape[1]:
        return
    for i in range(FEW):
        y[i, tid] = last[i] + left


@pytest.mark.parametrize("n", [0, 1, 6])
def test_barriers_in_loops_with_registers_and_local_arrays(n):
    x = np.random.default_rng(2).standard_normal((6, 8)).astype(np.float32)
    wanted, total = np.zeros((FEW, 8)), np.zeros(8)
    for turn in range(n):
        total += (-1) ** (turn + 1) * np.roll(x[turn], -turn)
        wanted[turn % FEW] = total
    y = np.full((FEW, 5), np.nan, np.float32)  # the block has three threads more than there are columns
    Cpu(checked=True).launch(rounds, launch(1), x, y, n)
    np.testing.assert_allclose(y, wanted[:, :5] - n % 2, rtol=1e-5, atol=1e-6)


def types(y, small, half):
    """Values of several types across a barrier; one is whole at first and a fraction later."""
    tid = cuda.threadIdx.x
    count, fraction, wide, either = int32(tid), half * tid, tid * 1.0, tid
    cuda.syncthreads()
    if small > 0:
        either = fraction * 0.5
    cuda.syncthreads()
    y[tid] = count + fraction + wide + either


def test_slots_have_room_for_every_type_that_a_variable_takes():
    for small, share in ((1, 0.25), (0, 1)):
        y = np.zeros(4)
        Cpu().launch(types, launch(1, 4), y, small, 0.5)
        assert y.tolist() == [(1 + 0.5 + 1 + share) * tid for tid in range(4)]


def copied(x, y, n):
    """Two halves of a buffer: one is filled, asynchronously on a GPU, while the other is read."""
    held = cuda.shared.array(SIZE, float32, alignment=16)
    tid, total = cuda.threadIdx.x, float32(0)
    intrinsics.cp_async16z(held, tid * 4, x, tid * 4, True)
    intrinsics.cp_async_commit()
    for step in range(1, n + 1):
        intrinsics.cp_async_wait0()
        cuda.syncthreads()
        half = step & 1
        if step < n:
            at = step * 4 * cuda.blockDim.x + tid * 4
            intrinsics.cp_async16z(held, half * 32 + tid * 4, x, at, step % 2 == 1)
            intrinsics.cp_async_commit()
        a, b, c, d = intrinsics.ld4(held, (1 - half) * 32 + (7 - tid) * 4)
        total += a + b + c + d
    intrinsics.st(y, tid, total)


def test_intrinsics_and_asynchronous_copies():
    x = np.random.default_rng(3).standard_normal((5, 8, 4)).astype(np.float32)
    y = np.zeros(8, np.float32)
    Cpu(checked=True).launch(copied, launch(1), x.ravel(), y, 5)
    np.testing.assert_allclose(y, x[[0, 1, 3]].sum((0, 2))[::-1], rtol=1e-5)


def test_the_same_in_a_process_that_has_the_simulator():
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        __file__,
        "-k",
        "asynchronous or live_across",
    ]
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1"}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0 and "2 passed" in ran.stdout, ran.stdout


def uneven(x, y):
    i = cuda.grid(1)
    if i >= x.size:
        return
    for j in range(3):
        if x[i] < j:
            y[i] = j
            return
    y[i] = float32(-1)


def test_one_thread_per_item_and_an_uneven_last_block():
    x = np.array([0, 5, 1, -1, 2, 9, 0], np.float32)
    y = np.full(8, np.nan, np.float32)
    Cpu(checked=True).launch(uneven, launch(2, 4), x, y)
    assert y[:7].tolist() == [1, -1, 2, 0, -1, -1, 1] and np.isnan(y[7])
    assert why_all_threads(uneven) == "all threads run `y[cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x] = j`"


def counters(y):
    """The name of an outer loop's counter serves inside a region as well; blocks may leave as a whole."""
    held = cuda.shared.array(SIZE, float32)
    tid = cuda.threadIdx.x
    if cuda.blockIdx.x > 1:
        return
    for i in range(2):
        held[tid] = float32(i)
    total, _own, at = float32(0), 1, 2
    for k in range(3):
        cuda.syncthreads()
        for i in range(k):
            total += held[(tid + i) % 8]
        if k == 1 + cuda.blockIdx.x:
            break
    y[cuda.blockIdx.x, tid] = total + _own + at


def test_counters_breaks_and_blocks_that_return():
    y = np.full((3, 8), np.nan, np.float32)
    Cpu(checked=True).launch(counters, launch(3), y)
    assert (y[0] == 4).all() and (y[1] == 6).all() and np.isnan(y[2]).all()


def uneven_barrier(x, y):
    if x[cuda.threadIdx.x] > 0:
        cuda.syncthreads()
    y[0] = 1


def uneven_rounds(x, y):
    n = x[cuda.threadIdx.x]
    while n > 0:
        cuda.syncthreads()
        n -= 1


def uneven_rounds_over_items(x, y):
    for i in range(cuda.threadIdx.x, x.size, cuda.blockDim.x):
        y[i] = x[i]
        cuda.syncthreads()


def returns_early(x, y):
    if cuda.threadIdx.x > 2:
        return
    cuda.syncthreads()
    y[0] = 1


def returns_from_a_loop(x, y):
    cuda.syncthreads()
    for _ in range(3):
        if cuda.threadIdx.x > 2:
            return
    y[0] = 1


def keeps_a_view(x, y):
    mine = x[cuda.threadIdx.x :]
    cuda.syncthreads()
    y[0] = mine[0]


@device_function
def ticket(x):
    return cuda.atomic.add(x, 0, float32(1))


def draws_lots(x, y):
    n = ticket(x)
    while n > 0:
        cuda.syncthreads()
        n -= 1


@device_function
def waits(x):
    cuda.syncthreads()


def waits_elsewhere(x, y):
    waits(x)


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (uneven_barrier, "depends on `if x.*which its threads may see differently"),
        (uneven_rounds, r"depends on `n = x\[cuda.threadIdx.x\]`, which its threads may compute differently"),
        (uneven_rounds_over_items, r"depends on `for range\(cuda.threadIdx.x, x.size, cuda.blockDim.x\)`"),
        (draws_lots, r"depends on `n = ticket\(x\)`, which its threads may compute differently"),
        (returns_early, "depends on `if cuda.threadIdx.x > 2`"),
        (returns_from_a_loop, "returns from inside a loop — leave the loop with break"),
        (keeps_a_view, "is kept across a barrier; numbers can be"),
        (waits_elsewhere, r"cuda.syncthreads\(\) in a device function"),
    ],
)
def test_kernels_whose_threads_may_not_meet_are_refused(kernel, message):
    with pytest.raises(LabError, match=message):
        Cpu().launch(kernel, launch(1, 4), np.zeros(9, np.float32), np.zeros(9, np.float32))
