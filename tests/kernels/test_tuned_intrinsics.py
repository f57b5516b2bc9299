"""Unchecked loads, 128-bit accesses and asynchronous copies: in Numba's simulator, as plain functions, and compiled."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from numba import njit

from labkit.errors import LabError
from labkit.kernels import intrinsics
from labkit.kernels.intrinsics import (
    PLAIN,
    copy4z,
    copy16z,
    cp_async4z,
    cp_async16z,
    cp_async_commit,
    cp_async_wait0,
    cp_async_wait1,
    ld,
    ld4,
    st,
    st4,
)
from labkit.kernels.source import cuda, float32, jit


def waiting(x, y):
    shared = cuda.shared.array(32, float32, alignment=16)
    i = cuda.threadIdx.x
    copy16z(shared, i * 4, x, i * 4, i < 3)
    cuda.syncthreads()
    a, b, c, d = ld4(shared, i * 4)
    st4(y, i * 4, d, c, b, a)
    cuda.syncthreads()
    copy4z(shared, i, x, i, i < 5)
    cuda.syncthreads()
    st(y, 32 + i, ld(shared, i))


def running_on(x, y):
    shared = cuda.shared.array(64, float32, alignment=16)
    i = cuda.threadIdx.x
    cp_async16z(shared, i * 4, x, i * 4, i < 3)
    cp_async_commit()
    cp_async4z(shared, 32 + i, x, i, i < 5)
    cp_async_commit()
    cp_async_wait1()
    cuda.syncthreads()
    a, b, c, d = ld4(shared, i * 4)
    st4(y, i * 4, d, c, b, a)
    cp_async_wait0()
    cuda.syncthreads()
    st(y, 32 + i, ld(shared, 32 + i))


def two_arrays_on_one_line(x, y):
    first, second = cuda.shared.array(8, float32), cuda.shared.array(8, float32, alignment=16)
    i = cuda.threadIdx.x
    first[i], second[i] = x[i], -x[i]
    cuda.syncthreads()
    y[i], y[8 + i] = first[7 - i], second[7 - i]


def unwritten(x, y):
    local = cuda.local.array(2, float32)
    local[0] = x[0]
    y[cuda.threadIdx.x] = local[0] + local[1]


def misaligned(x, y):
    st4(y, 2, *ld4(x, 0))


def before_the_start(x, y):
    st(y, 0, ld(x, -1))


def past_the_end(x, y):
    st4(y, 0, *ld4(x, 32))


def expected() -> np.ndarray:
    """What `waiting` and `running_on` make of x = 1, 2, ...: 12 values turned round by fours, and 5 of 8 values."""
    x = np.arange(1, 33, dtype=np.float32)
    first = np.where(np.arange(32) < 12, x, 0).reshape(8, 4)[:, ::-1]
    return np.concatenate([first.ravel(), np.where(np.arange(8) < 5, x[:8], 0)])


def simulate() -> dict:
    """Run in a process with NUMBA_ENABLE_CUDASIM=1: what each kernel leaves in y, or the error it ends with."""
    found = {}
    kernels = (waiting, running_on, two_arrays_on_one_line, unwritten, misaligned, before_the_start, past_the_end)
    for kernel in kernels:
        x, y = np.arange(1, 33, dtype=np.float32), np.zeros(40, np.float32)
        try:
            jit(kernel)[1, 8](x, y)
            found[kernel.__name__] = y.tolist()
        except IndexError as error:
            found[kernel.__name__] = str(error)
    return found


@pytest.fixture(scope="module")
def simulated() -> dict:
    environment = dict(os.environ, NUMBA_ENABLE_CUDASIM="1")
    ran = subprocess.run([sys.executable, __file__], env=environment, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.mark.parametrize("kernel", ["waiting", "running_on"])
def test_copies_fill_with_zeros(simulated, kernel):
    assert simulated[kernel] == expected().tolist()


def test_two_shared_arrays_on_one_line_are_two(simulated):
    assert simulated["two_arrays_on_one_line"][:16] == [8, 7, 6, 5, 4, 3, 2, 1, -8, -7, -6, -5, -4, -3, -2, -1]


def test_what_was_never_written_is_not_a_number(simulated):
    assert np.isnan(simulated["unwritten"][:8]).all()


@pytest.mark.parametrize(
    ("kernel", "said"),
    [
        ("misaligned", "st4: 4 values at 2 of 40"),
        ("before_the_start", "ld: 1 values at -1 of 32"),
        ("past_the_end", "ld4: 4 values at 32 of 32"),
    ],
)
def test_wrong_accesses_are_named(simulated, kernel, said):
    assert said in simulated[kernel]


def test_every_name_has_a_plain_function_that_compiles_for_a_cpu():
    x, y = np.arange(8, dtype=np.float32), np.full(8, 9, np.float32)
    compiled = {name: njit(function) for name, function in PLAIN.items()}
    compiled["st4"](y, 0, *compiled["ld4"](x, 4))
    compiled["copy16z"](y, 4, x, 0, False)
    compiled["cp_async4z"](y, 5, x, 3, True)
    compiled["st"](y, 6, compiled["ld"](x, 2))
    compiled["cp_async_wait0"]()
    assert y.tolist() == [4, 5, 6, 7, 0, 3, 2, 0]
    assert all(callable(getattr(intrinsics, name)) for name in PLAIN)


@pytest.mark.parametrize(
    ("kernel", "wanted"),
    [
        (waiting, {"ld.global.v4.f32": 1, "st.shared.v4.f32": 1, "ld.shared.v4.f32": 1, "st.global.v4.f32": 1}),
        (running_on, {"cp.async.cg.shared.global": 1, "cp.async.ca.shared.global": 1, "cp.async.wait_group 1": 1}),
    ],
)
def test_compiled_for_a_gpu_that_is_not_here(kernel, wanted, require):
    from labkit.kernels.offline import build

    flat = np.zeros(4, np.float32)
    try:
        compiled = build.compile_kernel(kernel, build.signature(flat, flat), (9, 0))
    except LabError as error:
        require(False, str(error))
    assert {text: compiled.ptx.count(text) for text in wanted} == wanted
    assert not compiled.doubles and not compiled.spill_bytes


if __name__ == "__main__":
    print(json.dumps(simulate()))
