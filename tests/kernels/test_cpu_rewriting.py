"""What kernels must not use on the CPU, and where their rewritten text and compiled code is kept."""

import os
import time

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.kernels.executors import generated
from labkit.kernels.executors.cpu import Cpu
from labkit.kernels.executors.program import program
from labkit.kernels.launch import Launch
from labkit.kernels.source import cuda, float32


def not_marked(y):
    return y[0]


def with_list(y):
    y[0] = sum([i * i for i in range(3)])


def with_default(y, n=3):
    y[0] = n


def with_warp(y):
    y[0] = cuda.shfl_sync(0xFFFFFFFF, y[0], 0)


def with_plain_function(y):
    y[0] = not_marked(y)


def with_text(y):
    y[0] = len(__name__)


def with_else(y):
    for i in range(y.size):
        y[i] = 1
    else:
        y[0] = 2


def with_unknown(y):
    y[0] = nowhere  # noqa: F821


def with_two_dynamic(y):
    a = cuda.shared.array(0, float32)
    b = cuda.shared.array(0, float32)
    y[0] = a[0] + b[0]


def with_size_of_argument(y):
    a = cuda.shared.array(y.shape[0], float32)
    y[0] = a[0]


@pytest.mark.parametrize(
    ("kernel", "construct"),
    [
        (with_list, "a list comprehension"),
        (with_default, "default values"),
        (with_warp, "cuda.shfl_sync"),
        (with_plain_function, "not_marked .function.*mark it with @device_function"),
        (with_else, "a loop with else .line 2 of its source"),
        (with_text, "__name__ .str."),
        (with_unknown, "'nowhere', which is not defined"),
        (with_two_dynamic, "dynamic shared memory twice"),
        (with_size_of_argument, "the size in cuda.shared.array"),
    ],
)
def test_what_cannot_be_rewritten_is_named(kernel, construct):
    with pytest.raises(LabError, match=f"kernel {kernel.__name__} .*{construct}"):
        program(kernel)


def test_a_kernel_without_source():
    cpu = Cpu()
    scope = {}
    exec("def made(y):\n    y[0] = 1", scope)
    with pytest.raises(LabError, match="source of kernel made cannot be read"):
        cpu.launch(scope["made"], Launch((1, 1, 1), 32), np.zeros(1))
    with pytest.raises(LabError, match="is not a plain function"):
        cpu.launch(3, Launch((1, 1, 1), 32), np.zeros(1))


def adds(x, y):
    total, count, last = float32(0), 0, float32(0)
    for i in range(cuda.threadIdx.x, x.shape[0], cuda.blockDim.x):
        for j in range(x.shape[1]):
            if j != 1:
                total += x[i, j]
            count += 1
            last += total if j == 0 else 0
    for j in range(3):
        last += j
        last = last * 2
    y[0], y[1], y[2] = total, count, last


def test_sums_of_inner_loops_begin_anew():
    text = program(adds)
    assert "_sum_count += 1" in text and "_sum_last += total" in text and "count += _sum_count" in text
    assert "_sum_total" not in text  # the loop looks at it
    assert text.count("zero_like(last)") == 1  # and the other loop changes it otherwise, too
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    y = np.zeros(3)
    Cpu().launch(adds, Launch((1, 1, 1), 1), x, y)
    last = 0 + 5 + 16 + 33  # what the total was after the first value of each row
    assert y.tolist() == [x[:, [0, 2]].sum(), 12, ((last * 2 + 1) * 2 + 2) * 2]


def test_the_compiled_code_is_kept_where_numba_was_told(tmp_path, monkeypatch):
    monkeypatch.setattr(generated.numba.config, "CACHE_DIR", str(tmp_path))
    module = generated.module("kept", "@compiled\ndef run(x):\n    return x + 1\n", "compiled")
    assert module.run(1) == 2
    assert list(tmp_path.glob("kept_*.py")) and list(tmp_path.rglob("*.nbc"))


def test_texts_that_nobody_used_for_long_are_dropped(tmp_path, monkeypatch):
    monkeypatch.setattr(generated, "folders", lambda: [tmp_path])
    for name in ("old_1.py", "new_1.py", "__pycache__/old_1.run-9.py311.nbi", "old_2.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    long_ago = time.time() - generated.KEPT_S - 10
    os.utime(tmp_path / "old_1.py", (long_ago, long_ago))
    generated.module("latest", "run = scratch = None\n", "compiled")
    left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert {name.split("_")[0] for name in left} == {"new", "old", "latest"} and "old_2.txt" in left and len(left) == 3


def test_a_kernel_runs_where_nothing_can_be_kept(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setattr(generated, "folders", lambda: [tmp_path / "file"])
    module = generated.module("lost", "@compiled\ndef run(x):\n    return x + 2\n", "compiled")
    assert module.run(1) == 3
