"""Planted mistakes are found and named; their correct twins are not accused."""

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.kernels.launch import Launch
from labkit.kernels.source import cuda, float32, int32
from labkit.kernels.trace import findings, trace

SIZE = 32


def tiles(x, y):
    part = cuda.shared.array(SIZE, float32)
    tid = cuda.threadIdx.x
    part[tid] = x[tid]
    cuda.syncthreads()
    y[tid] = part[SIZE - 1 - tid]


def no_barrier(x, y):
    part = cuda.shared.array(SIZE, float32)
    tid = cuda.threadIdx.x
    part[tid] = x[tid]
    y[tid] = part[SIZE - 1 - tid]


def overtaken(x, y):
    """The second round overwrites what the first is still reading."""
    part = cuda.shared.array(SIZE, float32)
    tid = cuda.threadIdx.x
    for _ in range(2):
        part[tid] = x[tid]
        cuda.syncthreads()
        y[tid] = part[SIZE - 1 - tid]


def waited_twice(x, y):
    part = cuda.shared.array(SIZE, float32)
    tid = cuda.threadIdx.x
    for _ in range(2):
        part[tid] = x[tid]
        cuda.syncthreads()
        y[tid] = part[SIZE - 1 - tid]
        cuda.syncthreads()


def off_by_one(x, y):
    tid = cuda.threadIdx.x
    y[tid] = x[tid + 1] - x[tid]


def kept_inside(x, y):
    tid = cuda.threadIdx.x
    y[tid] = x[min(tid + 1, x.size - 1)] - x[tid]


def from_the_end(x, y):
    tid = cuda.threadIdx.x
    y[tid] = x[tid - 1]


def around_the_end(x, y):
    tid = cuda.threadIdx.x
    y[tid] = x[(tid - 1) % x.size]


def half_filled(x, y):
    part = cuda.shared.array(SIZE, float32)
    tid = cuda.threadIdx.x
    if tid % 2 == 0:
        part[tid] = x[tid]
    cuda.syncthreads()
    y[tid] = part[tid]


def all_filled(x, y):
    part = cuda.shared.array(SIZE, float32)
    tid = cuda.threadIdx.x
    part[tid] = x[tid] if tid % 2 == 0 else float32(0)
    cuda.syncthreads()
    y[tid] = part[tid]


def register_left(x, y):
    own = cuda.local.array(2, float32)
    own[0] = x[cuda.threadIdx.x]
    y[cuda.threadIdx.x] = own[0] + own[1]


def register_set(x, y):
    own = cuda.local.array(2, float32)
    own[0], own[1] = x[cuda.threadIdx.x], float32(0)
    y[cuda.threadIdx.x] = own[0] + own[1]


def early_return(x, y):
    tid = cuda.threadIdx.x
    if tid >= 20:
        return
    y[tid] = x[tid]
    cuda.syncthreads()


def other_barrier(x, y):
    tid = cuda.threadIdx.x
    y[tid] = x[tid]
    if tid < 20:
        cuda.syncthreads()
    else:
        cuda.syncthreads()


def some_rounds(x, y):
    tid = cuda.threadIdx.x
    for _ in range(1 + tid // 20):
        cuda.syncthreads()
    y[tid] = x[tid]


def all_rounds(x, y):
    tid = cuda.threadIdx.x
    for i in range(2):
        if tid < 20 * (i + 1):
            y[tid] = x[tid]
        cuda.syncthreads()


def added_up(x, y):
    y[cuda.blockIdx.x] += x[cuda.threadIdx.x]


def added_atomically(x, y):
    cuda.atomic.add(y, cuda.blockIdx.x, x[cuda.threadIdx.x])


def peeked(x, y):
    cuda.atomic.add(y, 0, x[cuda.threadIdx.x])
    if cuda.threadIdx.x == 3:
        y[1] = y[0]


def blocks_meet(x, y):
    if cuda.threadIdx.x == 0:
        y[cuda.blockIdx.x // 2] = x[cuda.blockIdx.x]


def blocks_apart(x, y):
    if cuda.threadIdx.x == 0:
        y[cuda.blockIdx.x] = x[cuda.blockIdx.x]


def untidy(x, y):
    y[int32(cuda.threadIdx.x * 0.5) * 2] = x[cuda.threadIdx.x]


def run(kernel, outputs=None, blocks=1, y_size=SIZE, **options):
    x, y = np.arange(1, SIZE + 1, dtype=np.float32), np.zeros(y_size, np.float32)
    return findings(trace(kernel, Launch((blocks, 1, 1), SIZE), x, y, **options), outputs)


def line_of(kernel, words, number=0):
    """The number of the line that holds `words`, in this file."""
    import inspect

    lines, first = inspect.getsourcelines(kernel)
    return [first + i for i, line in enumerate(lines) if words in line][number]


RACE, GLOBAL_RACE, OUTSIDE = "race in shared memory", "race in global memory", "outside of an array"


@pytest.mark.parametrize(
    ("kernel", "kind", "culprits", "words"),
    [
        (no_barrier, RACE, ["part[tid] =", "y[tid] ="], ["thread 0 writes part[0]", "thread 31 reads", "32 cells"]),
        (overtaken, RACE, ["part[tid] =", "y[tid] ="], ["part[", "no barrier"]),
        (off_by_one, OUTSIDE, ["y[tid] ="], ["x[32]", "thread 31", "32 cells, the last is 31"]),
        (from_the_end, OUTSIDE, ["y[tid] ="], ["x[-1]", "thread 0", "negative"]),
        (half_filled, "never written", ["y[tid] ="], ["part[1]", "thread 1", "16 reads"]),
        (register_left, "never written", ["own[1]"], ["own[1]", "local", "thread 0", "32 reads"]),
        (early_return, "barrier divergence", ["syncthreads"], ["20 threads", "thread 20 has ended (12 threads)"]),
        (some_rounds, "barrier divergence", ["syncthreads"], ["thread 0 has ended (20 threads)"]),
        (added_up, GLOBAL_RACE, ["+=", "+="], ["y[0]", "thread 0", "thread 1"]),
        (peeked, GLOBAL_RACE, ["atomic", "y[1] ="], ["atomically changes y[0]", "thread 3 reads"]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_planted_mistake_is_found(kernel, kind, culprits, words):
    found = [finding for finding in run(kernel, outputs=()) if finding.kind == kind]
    assert len(found) >= 1
    first = found[0]
    assert first.severity == "error" and str(first) == first.sentence
    assert all(word in first.sentence for word in words), first.sentence
    assert set(first.lines) == {line_of(kernel, words) for words in culprits}
    assert all(str(line) in first.sentence for line in first.lines)


def test_barriers_at_two_places_are_two_barriers():
    (found,) = run(other_barrier)
    lines = [line_of(other_barrier, "syncthreads", number) for number in (0, 1)]
    assert found.kind == "barrier divergence" and set(found.lines) == set(lines)
    assert set(found.threads) == {0, 20}


@pytest.mark.parametrize(
    "kernel",
    [tiles, waited_twice, kept_inside, around_the_end, all_filled, register_set, all_rounds],
    ids=lambda kernel: kernel.__name__,
)
def test_a_correct_kernel_is_not_accused(kernel):
    assert run(kernel) == ()


def test_atomic_additions_do_not_race():
    assert run(added_atomically, blocks=3) == ()


def test_blocks_that_write_the_same_cell_race():
    (found,) = run(blocks_meet, outputs=(), blocks=4)
    assert found.kind == GLOBAL_RACE and found.blocks == (0, 1) and found.times == 2
    assert "thread 0 of block 0 and thread 0 of block 1 both write y[0]" in found.sentence
    assert run(blocks_apart, blocks=32) == ()


def test_a_race_in_a_grid_of_two_dimensions_names_the_block():
    x, y = np.ones(SIZE, np.float32), np.zeros(SIZE, np.float32)
    (found,) = findings(trace(no_barrier, Launch((1, 2, 1), SIZE), x, y, blocks=[1]))
    assert "block (0, 1)" in found.sentence


def test_cells_of_an_output_that_nobody_writes():
    (found,) = run(tiles, y_size=SIZE + 3)
    assert found.kind == "output not written" and found.index == SIZE and found.times == 3
    assert "3 of the 35 cells of y" in found.sentence and "y[32]" in found.sentence
    assert run(tiles, outputs=[], y_size=SIZE + 3) == ()
    with pytest.raises(LabError, match="did you mean 'y'"):
        run(tiles, outputs=["yy"])


def test_errors_come_before_warnings_and_rows_point_at_them():
    x, y = np.ones(SIZE, np.float32), np.zeros(SIZE, np.float32)
    ran = trace(untidy, Launch((1, 1, 1), SIZE), x, y)
    found = findings(ran)
    assert [one.severity for one in found] == sorted(one.severity for one in found) and len(found) >= 2
    race = found[0]
    assert [int(ran.accesses.thread[row]) for row in race.rows] == list(race.threads)
    outside = findings(trace(off_by_one, Launch((1, 1, 1), SIZE), x, y))[0]
    assert int(trace(off_by_one, Launch((1, 1, 1), SIZE), x, y).accesses.index[outside.rows[0]]) == -1
