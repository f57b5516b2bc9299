"""Kernels run thread by thread: the same results as the reference, and an account of every access."""

import math

import numpy as np
import pytest

from labkit.engine.reference import conv as reference
from labkit.kernels.activate import function_number
from labkit.kernels.conv import work
from labkit.kernels.conv.backward_data import BACKWARD_DATA
from labkit.kernels.conv.backward_weights import BACKWARD_WEIGHTS
from labkit.kernels.conv.forward import FORWARD
from labkit.kernels.launch import TEACHING, Launch, choose
from labkit.kernels.sizes import ConvSizes
from labkit.kernels.source import cuda, device_function, float32, int32
from labkit.kernels.trace import findings, trace

SIZES = {
    "odd": ConvSizes(2, 4, 5, 7, 6, 3, 2, 2, 1, 1, 0, 2),
    "one value": ConvSizes(1, 1, 1, 1, 1, 1, 1),
    "filter larger than the image": ConvSizes(1, 2, 3, 2, 2, 5, 4, 1, 2, 2, 1),
    "depthwise": ConvSizes(1, 3, 4, 4, 3, 3, 3, 1, 1, 1, 1, 3),
}
HALF = 4
ONE_BLOCK = Launch((1, 1, 1), 8)


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def geometry(z: ConvSizes) -> tuple[int, ...]:
    return z.stride_h, z.stride_w, z.pad_h, z.pad_w, z.groups


def arrays(z: ConvSizes) -> tuple[np.ndarray, ...]:
    weight = numbers(z.K, z.C // z.groups, z.R, z.S)
    return numbers(z.N, z.C, z.H, z.W), weight, numbers(z.K), numbers(z.N, z.K, z.P, z.Q)


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("mapping", TEACHING)
def test_convolutions_equal_the_reference_and_nothing_is_found(mapping, name):
    z = SIZES[name]
    x, weight, bias, dy = arrays(z)
    y, dx = np.full_like(dy, np.nan), np.full_like(x, np.nan)
    launch = choose(mapping, work.forward_work("c", z))
    ran = trace(FORWARD[mapping], launch, x, weight, bias, y, *geometry(z), function_number("tanh"))
    assert findings(ran) == ()
    np.testing.assert_allclose(y, np.tanh(reference.forward(z.layer, x, weight, bias)), atol=1e-5)

    launch = choose(mapping, work.backward_data_work("c", z))
    assert findings(trace(BACKWARD_DATA[mapping], launch, dy, weight, dx, *geometry(z))) == ()
    np.testing.assert_allclose(dx, reference.backward_data(z.layer, dy, weight, x.shape), atol=1e-5)

    dweight, dbias = np.zeros_like(weight), np.zeros_like(bias)
    launch = choose(mapping, work.backward_weights_work("c", z))
    assert findings(trace(BACKWARD_WEIGHTS[mapping], launch, x, dy, dweight, dbias, *geometry(z))) == ()
    wanted = reference.backward_weights(z.layer, x, dy)
    np.testing.assert_allclose(dweight, wanted[0], atol=2e-5)
    np.testing.assert_allclose(dbias, wanted[1], atol=2e-5)


def shifted(x, y):
    """Every thread reads its neighbour's value through shared memory."""
    part = cuda.shared.array(0, float32)
    tid = cuda.threadIdx.x
    part[tid] = x[cuda.blockIdx.x, tid]
    cuda.syncthreads()
    y[cuda.blockIdx.x, tid] = part[(tid + 1) % cuda.blockDim.x]


def test_the_trace_names_every_access():
    x, y = numbers(3, 4), np.zeros((3, 4), np.float32)
    ran = trace(shifted, Launch((3, 1, 1), 4, 16), x, y, blocks=[1])
    np.testing.assert_array_equal(y, np.roll(x, -1, axis=1))
    assert ran.names == ("x", "y", "part") and ran.blocks == (1,) and set(ran.phases) == {1}
    first = shifted.__code__.co_firstlineno
    assert ran.phases[1] == (first + 5, 0)
    rows = ran.accesses
    told = [
        (int(t), int(p), int(line) - first, ran.names[a], int(i), ran.sites[s].kind)
        for t, p, line, a, i, s in zip(
            rows.thread, rows.phase, rows.line, rows.array, rows.index, rows.site, strict=True
        )
    ]
    assert told[:2] == [(0, 0, 4, "x", 4, "read"), (0, 0, 4, "part", 0, "write")]
    assert told[-2:] == [(3, 1, 6, "part", 0, "read"), (3, 1, 6, "y", 7, "write")]
    assert len(told) == 16 and not rows.occurrence.any()
    assert [ran.written[a].sum() for a in range(2)] == [0, 12]  # of all blocks, recorded or not
    assert ran.sources[0].lines[4].strip() == "part[tid] = x[cuda.blockIdx.x, tid]"
    assert repr(ran) == "Trace of shifted: 1 of 3 blocks of 4 threads, 16 accesses"


def ragged(x, y):
    """Threads do different numbers of rounds of the inner loop, and meet again behind it."""
    tid = cuda.threadIdx.x
    for i in range(2):
        for j in range(tid, 4):
            y[tid] += x[i, j]


def test_threads_meet_again_behind_each_loop():
    """Round 0 of the inner loop is one moment for all threads, whichever of them did more rounds the time before."""
    ran = trace(ragged, Launch((1, 1, 1), 4), numbers(2, 4), np.zeros(4, np.float32))
    rows = ran.accesses.where(ran.accesses.array == 0)
    together = [sorted(rows.thread[rows.moment == moment].tolist()) for moment in np.unique(rows.moment)]
    assert sorted(map(len, together)) == [1, 1, 2, 2, 3, 3, 4, 4]
    assert rows.occurrence.max() == 7  # of thread 0, in two times four rounds


@device_function
def summed(part, tid):
    """Waits inside of the function that the kernel calls."""
    half = part.shape[0] // 2
    while half > 0:
        if tid < half:
            part[tid] += part[tid + half]
        cuda.syncthreads()
        half //= 2
    return part[0]


def sums(x, y, count):
    part = cuda.shared.array((2, HALF), dtype=float32)
    tid = cuda.threadIdx.x
    own = cuda.local.array(2, int32)
    own[0], own[1] = tid // HALF, tid % HALF
    part[own[0], own[1]] = x[tid] if tid < x.size else float32(0)
    cuda.syncthreads()
    row = part[own[0]]
    if own[1] == 0:
        for i in range(1, row.shape[0]):
            row[0] += row[i]
    cuda.syncthreads()
    heads = part[:, 0]
    total = summed(heads, tid) if tid >= 0 else float32(0)
    if tid == 0:
        y[0] = total
    cuda.atomic.add(count, 0, 1)
    cuda.atomic.max(count, (1,), tid)


def test_device_functions_views_local_arrays_and_atomics():
    x, y, count = np.arange(1, 8, dtype=np.float32), np.zeros(1, np.float32), np.zeros(2, np.int32)
    ran = trace(sums, ONE_BLOCK, x, y, count)
    assert ran.divergences == () and y[0] == x.sum() and count.tolist() == [8, 7]
    assert {site.kind for site in ran.sites} == {"array", "atomic", "barrier", "call", "loop", "read", "write"}
    assert [array.space for array in ran.arrays] == ["global"] * 3 + ["shared", "local"]
    assert len(ran.phases[0]) == 4 and findings(ran) == ()


def factory(scale, taps):
    def scaled(x, y):
        i = cuda.grid(1)
        if i < y.size:
            y[i] = math.exp(x[i] * float32(scale)) + float32(taps[1])

    return scaled


def test_kernels_of_a_factory_know_their_constants():
    x, y = numbers(10), np.zeros(10, np.float32)
    trace(factory(0.5, (1, 2)), Launch((3, 1, 1), 4), x, y)
    np.testing.assert_allclose(y, np.exp(x / 2) + 2, rtol=1e-6)


def test_kernels_of_a_notebook_cell_are_counted_in_its_lines():
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    cell = "from labkit.kernels.source import cuda\ndef mine(x):\n    x[cuda.threadIdx.x] = 1\n"
    try:
        assert shell.run_cell(cell).success
        ran = trace(shell.user_ns["mine"], ONE_BLOCK, np.zeros(8, np.float32))
    finally:
        InteractiveShell.clear_instance()
    assert set(ran.accesses.line.tolist()) == {3}
