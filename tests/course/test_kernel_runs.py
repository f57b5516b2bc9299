"""Checks of kernels: what is a stub, what memory shows, what is compiled, and what is said about it."""

from dataclasses import replace

import numpy as np
import pytest

from labkit.course import bank, conv_cases, demo_kernels
from labkit.course.bank.nb03_data_mapping import data_mapping
from labkit.course.bank.nb03_model_mapping import model_mapping
from labkit.course.checks import examine
from labkit.course.compare import Told, difference
from labkit.course.kernel_runs import CLEAN, Runner, mistakes
from labkit.course.verdict import NOT_ATTEMPTED, OVER_PAR, RAISED, RIGHT, WRONG
from labkit.kernels.launch import Launch
from labkit.kernels.source import cuda
from labkit.kernels.trace import trace

DATA, MODEL = bank.exercise("data-mapping"), bank.exercise("model-mapping")


def half_written(x, weight, bias, y):
    """What the student edition leaves: a raise in the middle of a kernel, where nothing can raise."""
    n = cuda.blockIdx.x
    for i in range(cuda.threadIdx.x, y.shape[1], cuda.blockDim.x):
        raise NotImplementedError("write this part, then run the check")
        y[n, i, 0, 0] = bias[i]


def only_dots(x, weight, bias, y):
    """A docstring is no kernel."""
    ...


def test_a_kernel_with_a_stub_in_it_is_not_attempted():
    for stub in (half_written, only_dots):
        assert examine(DATA, stub).status == NOT_ATTEMPTED


def test_other_parameters_are_named():
    verdict = examine(DATA, demo_kernels.doubled)
    assert verdict.status == RAISED
    assert "(x, y); it has to take (x, weight, bias, y)" in verdict.came
    assert "parameters of your function differ" in verdict.misconception


def test_renamed_parameters_are_no_mistake():
    def renamed(inputs, filters, offsets, out):
        n, P, Q = cuda.blockIdx.x, out.shape[2], out.shape[3]
        for i in range(cuda.threadIdx.x, out.shape[1] * P * Q, cuda.blockDim.x):
            k, p, q = i // (P * Q), i // Q % P, i % Q
            total = offsets[k]
            for c in range(filters.shape[1]):
                for r in range(filters.shape[2]):
                    for s in range(filters.shape[3]):
                        total += inputs[n, c, p + r, q + s] * filters[k, c, r, s]
            out[n, k, p, q] = total

    assert examine(DATA, renamed).status == RIGHT


def test_the_sentence_of_a_finding_is_shown_and_its_kind_explained():
    def unsure(x, weight, bias, y):
        n, P, Q = cuda.blockIdx.x, y.shape[2], y.shape[3]
        for i in range(cuda.threadIdx.x, y.shape[1] * P * Q, cuda.blockDim.x):
            y[n, i // (P * Q), i // Q % P, i % Q] = x[n, 0, i // Q % P, i] * bias[i // (P * Q)]

    verdict = examine(DATA, unsure)
    assert verdict.status == WRONG and verdict.mistake == ""
    assert "reads x[0, 0, " in verdict.came and "axis 3 has 5 cells" in verdict.came
    assert "On a GPU nobody complains" in verdict.misconception


def test_reading_the_weights_from_global_memory_is_right_but_over_par():
    def unshared(x, weight, bias, y):
        k, N, P, Q = cuda.blockIdx.x, y.shape[0], y.shape[2], y.shape[3]
        for i in range(cuda.threadIdx.x, N * P * Q, cuda.blockDim.x):
            n, p, q = i // (P * Q), i // Q % P, i % Q
            total = bias[k]
            for c in range(weight.shape[1]):
                for r in range(weight.shape[2]):
                    for s in range(weight.shape[3]):
                        total += x[n, c, p + r, q + s] * weight[k, c, r, s]
            y[n, k, p, q] = total

    verdict = examine(MODEL, unshared)
    assert verdict.status == OVER_PAR
    loads = 2 * 4 * 5 * 4 * 3 * 3 * 2  # N K P Q outputs, C R S reads each
    assert f"{loads:,} loads" in verdict.came


def test_a_sum_that_begins_as_a_double_is_right_but_over_par():
    def double(x, weight, bias, y):
        n, P, Q = cuda.blockIdx.x, y.shape[2], y.shape[3]
        for i in range(cuda.threadIdx.x, y.shape[1] * P * Q, cuda.blockDim.x):
            k, p, q = i // (P * Q), i // Q % P, i % Q
            total = 0.0
            for c in range(weight.shape[1]):
                for r in range(weight.shape[2]):
                    for s in range(weight.shape[3]):
                        total += x[n, c, p + r, q + s] * weight[k, c, r, s]
            y[n, k, p, q] = total + bias[k]

    assert examine(DATA, double).status == OVER_PAR


def test_the_late_case_runs_compiled_and_can_fail():
    """A kernel that is wrong for the real layer only: its small cases all have fewer than 16 filters."""

    def small_only(x, weight, bias, y):
        n, P, Q = cuda.blockIdx.x, y.shape[2], y.shape[3]
        for i in range(cuda.threadIdx.x, y.shape[1] * P * Q, cuda.blockDim.x):
            k, p, q = i // (P * Q), i // Q % P, i % Q
            total = bias[k]
            for c in range(weight.shape[1]):
                for r in range(min(4, weight.shape[2])):
                    for s in range(weight.shape[3]):
                        total += x[n, c, p + r, q + s] * weight[k, c, r, s]
            y[n, k, p, q] = total

    verdict = examine(DATA, small_only)
    assert verdict.status == WRONG
    assert "x 32x6x14x14" in verdict.expected


def test_late_cases_wait_for_the_others():
    """A kernel that is wrong already is never compiled."""
    tried = []

    def run(kernel, args):
        tried.append(args[0])
        return conv_cases.RUN(kernel, args)

    examine(replace(DATA, run=run), model_mapping_without_barrier)
    assert tried and not any(tried)


def model_mapping_without_barrier(x, weight, bias, y):
    """Right as a data mapping would be, but for the bias."""
    n, P, Q = cuda.blockIdx.x, y.shape[2], y.shape[3]
    for i in range(cuda.threadIdx.x, y.shape[1] * P * Q, cuda.blockDim.x):
        y[n, i // (P * Q), i // Q % P, i % Q] = bias[i // (P * Q)]


def test_an_endless_kernel_ends():
    def endless(x, weight, bias, y):
        i = 0
        while i < 1:
            i += 0
        y[0, 0, 0, 0] = bias[0]

    verdict = examine(DATA, endless, 20.0)
    assert verdict.status == RAISED


def test_the_three_mappings_agree_where_their_grids_do():
    """Reference against reference: one sample and one channel make data, model and hybrid the same block."""
    case = conv_cases.case(np.random.default_rng(0), "model", 1, 2, 4, 5, 1, 2, 3, 8)
    first = conv_cases.RUN(data_mapping, case.args)
    second = conv_cases.RUN(model_mapping, case.args)
    assert difference(first, second, 1e-6) is None


@pytest.mark.parametrize(
    ("kernel", "launch", "shapes", "kind"),
    [
        (demo_kernels.hasty_sum, Launch((3, 1, 1), 8), ((2, 3, 3, 5), (3,)), "race in shared memory between threads"),
        (demo_kernels.ragged_pool, Launch((2, 3, 1), 8), ((2, 3, 5, 4), (2, 3, 3, 2)), "outside of an array"),
        (
            demo_kernels.lost_additions,
            Launch((2, 1, 1), 8),
            ((2, 2, 5, 4), (2, 3, 4, 3), (3, 2, 2, 2)),
            "race in global memory between blocks",
        ),
    ],
)
def test_what_is_planted_is_found(kernel, launch, shapes, kind):
    arrays = [np.ones(shape, np.float32) for shape in shapes]
    told = mistakes(trace(kernel, launch, *arrays))
    assert told == kind and told.sentence != kind


@pytest.mark.parametrize(
    ("kernel", "launch", "shapes"),
    [
        (demo_kernels.doubled, Launch((3, 1, 1), 8), ((20,), (20,))),
        (demo_kernels.flat, Launch((9, 1, 1), 16), ((2, 2, 5, 6), (3, 2, 2, 3), (3,), (2, 3, 4, 4))),
        (demo_kernels.kept_additions, Launch((2, 1, 1), 8), ((2, 2, 5, 4), (2, 3, 4, 3), (3, 2, 2, 2))),
    ],
)
def test_the_worked_examples_are_clean(kernel, launch, shapes):
    arrays = [np.ones(shape, np.float32) for shape in shapes]
    assert mistakes(trace(kernel, launch, *arrays)) is CLEAN


def test_flat_computes_the_convolution():
    case = conv_cases.case(np.random.default_rng(1), "data", 2, 3, 7, 5, 4, 3, 2, 8)
    _, _, *arrays = case.args
    made = Runner(("x", "weight", "bias", "y"), ("y",))(demo_kernels.flat, (False, Launch((40, 1, 1), 4), *arrays))
    assert difference(made, conv_cases.expected(*case.args), 1e-4) is None


def test_a_told_word_compares_as_a_word_and_shows_its_sentence():
    got = Told("race", "Line 3 and line 4 meet.", "Wait.")
    found = difference((got, 1), (CLEAN, 1), 0.0, ("memory", "y"))
    assert (found.where, found.came, found.expected) == ("memory", "Line 3 and line 4 meet.", "no mistake")
    assert difference((Told("race", "elsewhere"), 1), (got, 1), 0.0) is None
