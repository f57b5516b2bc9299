"""The proof that one thread per block is enough: what it covers, and what it must not."""

import math

import numpy as np
import pytest

from labkit.kernels.conv import backward_data, forward
from labkit.kernels.executors.cpu import Cpu
from labkit.kernels.executors.program import program, why_all_threads
from labkit.kernels.launch import Launch
from labkit.kernels.source import cuda, device_function, float32

SIZE, ITS_OWN = 64, 3


def launch(blocks: int, threads: int = 8, shared_bytes: int = 0) -> Launch:
    return Launch((blocks, 1, 1), threads, shared_bytes)


def both(kernel, where: Launch, *arguments) -> list[np.ndarray]:
    """The last argument after a run with the threads that are needed, and after one with all of them."""
    found = []
    for whole_blocks in (False, True):
        given = [np.array(a) if isinstance(a, np.ndarray) else a for a in arguments]
        Cpu(checked=True, whole_blocks=whole_blocks).launch(kernel, where, *given)
        found.append(given[-1])
    return found


def sum_of_squares(x, y):
    part = cuda.shared.array(SIZE, float32)
    n, tid, total = cuda.blockIdx.x, cuda.threadIdx.x, float32(0)
    for i in range(tid, x.shape[1], cuda.blockDim.x):
        total += x[n, i] * x[n, i]
    part[tid] = total
    cuda.syncthreads()
    half = cuda.blockDim.x // 2
    while half > 0:
        if tid < half:
            part[tid] += part[tid + half]
        cuda.syncthreads()
        half //= 2
    if tid == 0:
        y[n] = math.sqrt(part[0])


def largest(x, y):
    part = cuda.shared.array(SIZE, float32)
    n, tid = cuda.blockIdx.x, cuda.threadIdx.x
    part[tid] = float32(-math.inf)
    for i in range(tid + 1, x.shape[1], cuda.blockDim.x):
        part[tid] = max(part[tid], x[n, i])
    cuda.syncthreads()
    half = cuda.blockDim.x // 2
    while half > 0:
        if tid < half:
            part[tid] = max(part[tid], part[tid + half])
        cuda.syncthreads()
        half = half // 2
    if tid == 0:
        y[n] = part[0]


def whole_grid(x, y):
    total = float32(0)
    first = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    for i in range(first, x.size, cuda.gridDim.x * cuda.blockDim.x):
        total += x[i // x.shape[1], i % x.shape[1]]
    cuda.atomic.add(y, 0, total)


@pytest.mark.parametrize("kernel", [sum_of_squares, largest, whole_grid])
def test_what_is_proved_to_need_one_thread_does_the_same_with_all(kernel):
    assert why_all_threads(kernel) is None
    x = np.random.default_rng(4).standard_normal((5, 21)).astype(np.float32)
    one, all_threads = both(kernel, launch(5), x, np.zeros(5, np.float32))
    np.testing.assert_allclose(one, all_threads, rtol=1e-5)
    assert np.abs(one).max() > 0


def fixed_rounds(x, y):
    """Right for blocks of eight only: a round of the loop fills shared memory for all."""
    held = cuda.shared.array(8, float32)
    for first in range(0, x.size, 8):
        for i in range(cuda.threadIdx.x, 8, cuda.blockDim.x):
            held[i] = x[first + i]
        cuda.syncthreads()
        y[first + cuda.threadIdx.x] = held[(cuda.threadIdx.x + 1) % 8]
        cuda.syncthreads()


def counts_threads(x, y):
    for i in range(cuda.threadIdx.x, x.size, cuda.blockDim.x):
        y[i] = x[i]
    cuda.atomic.add(y, 0, float32(1))


def hands_on(x, y):
    before = float32(0)
    for i in range(cuda.threadIdx.x, x.size, cuda.blockDim.x):
        y[i] = before
        before = x[i]


def leaks(x, y):
    last = 0
    for i in range(cuda.threadIdx.x, x.size, cuda.blockDim.x):
        last = i
    if cuda.threadIdx.x == 0:
        y[0] = last


def own_part_only(x, y):
    total = float32(0)
    for i in range(cuda.threadIdx.x, x.size, cuda.blockDim.x):
        total += x[i]
    if cuda.threadIdx.x == 0:
        y[0] = total


def not_begun_anew(x, y):
    part = cuda.shared.array(SIZE, float32)
    part[cuda.threadIdx.x] = float32(0)
    for turn in range(2):
        for i in range(cuda.threadIdx.x, x.size, cuda.blockDim.x):
            part[cuda.threadIdx.x] += x[i]
        cuda.syncthreads()
        half = cuda.blockDim.x // 2
        while half > 0:
            if cuda.threadIdx.x < half:
                part[cuda.threadIdx.x] += part[cuda.threadIdx.x + half]
            cuda.syncthreads()
            half //= 2
        y[turn + cuda.threadIdx.x * 2] = part[0]


def adds_ones(x, y):
    part = cuda.shared.array(SIZE, float32)
    one = float32(1)
    part[cuda.threadIdx.x] = one
    cuda.syncthreads()
    half = cuda.blockDim.x // 2
    while half > 0:
        if cuda.threadIdx.x < half:
            part[cuda.threadIdx.x] += part[cuda.threadIdx.x + half]
        cuda.syncthreads()
        half //= 2
    if cuda.threadIdx.x == 0:
        y[0] = part[0]


def not_halved(x, y):
    part = cuda.shared.array(SIZE, float32)
    part[cuda.threadIdx.x] = float32(0)
    for i in range(cuda.threadIdx.x, x.size, cuda.blockDim.x):
        part[cuda.threadIdx.x] += x[i]
    cuda.syncthreads()
    if cuda.threadIdx.x == 0:
        y[0] = part[0]


def chosen_start(x, y):
    for i in range(cuda.threadIdx.x + 1 if x[0] > 9 else 2, x.size, cuda.blockDim.x):
        y[i] += x[i]


def both_ways(x, y):
    for i in range(cuda.threadIdx.x, 3, cuda.blockDim.x):
        for j in range(cuda.threadIdx.x, 3, cuda.blockDim.x):
            y[i * 3 + j] = x[i]


def stops(x, y):
    for i in range(cuda.threadIdx.x, x.size, cuda.blockDim.x):
        if x[i] > 0:
            break
        y[i] = 1


def local_memory(x, y):
    mine = cuda.local.array(ITS_OWN, float32)
    for i in range(cuda.threadIdx.x, x.size, cuda.blockDim.x):
        mine[0] = x[i]
    y[cuda.threadIdx.x] = mine[0]


@device_function
def marks(y):
    y[0] += 1


def all_call(x, y):
    marks(y)


REFUSED = [
    *(fixed_rounds, counts_threads, hands_on, leaks, own_part_only, not_begun_anew, adds_ones, not_halved),
    *(chosen_start, both_ways, stops, local_memory, all_call),
]


@pytest.mark.parametrize("kernel", REFUSED)
def test_what_depends_on_the_number_of_threads_is_not_run_with_one(kernel):
    assert why_all_threads(kernel)
    assert program(kernel) == program(kernel, whole_blocks=True)
    x = np.cos(2 * np.arange(16)).astype(np.float32)
    results = []
    for threads in (1, 8):
        y = np.zeros(32, np.float32)
        Cpu().launch(kernel, launch(1, threads), x, y)
        results.append(y)
    assert not np.array_equal(*results)  # so one thread would indeed have been wrong


def test_every_teaching_kernel_needs_one_thread():
    from labkit.kernels.offline.catalogue import teaching_kernels

    unproved = {name: why for name, kernel in teaching_kernels().items() if (why := why_all_threads(kernel))}
    assert not unproved


def test_convolutions_do_the_same_with_one_thread_and_with_all():
    rng = np.random.default_rng(5)
    x, dy = (rng.standard_normal(shape).astype(np.float32) for shape in ((3, 4, 6, 5), (3, 6, 3, 5)))
    weight = rng.standard_normal((6, 2, 3, 2)).astype(np.float32)
    bias, geometry = np.ones(6, np.float32), (2, 1, 1, 0, 2)
    cases = [
        (
            forward.FORWARD,
            (x, weight, bias, np.zeros((3, 6, 3, 4), np.float32)),
            (*geometry, 0),
            (3, 6),
            weight[0].size,
        ),
        (backward_data.BACKWARD_DATA, (dy[..., :4], weight, np.zeros_like(x)), geometry, (3, 4), weight[:, 0].size),
    ]
    for kernels, arrays, numbers, (N, K), shared in cases:
        for mapping, kernel in kernels.items():
            grid = {"data": (N, 1, 1), "model": (K, 1, 1), "hybrid": (N, K, 1)}[mapping]
            found = []
            for whole_blocks in (False, True):
                out = np.full_like(arrays[-1], np.nan)
                given = (*(np.ascontiguousarray(a) for a in arrays[:-1]), out, *numbers)
                Cpu(whole_blocks=whole_blocks).launch(kernel, Launch(grid, 32, 4 * shared), *given)
                found.append(out)
            np.testing.assert_allclose(*found, rtol=1e-5, atol=1e-5)
