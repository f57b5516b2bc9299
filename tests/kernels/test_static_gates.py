"""Gates that the machine code of every kernel passes, for three architectures, on a machine without a GPU."""

import re
from functools import partial

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.kernels import registers
from labkit.kernels.conv.forward import forward_hybrid
from labkit.kernels.launch import TEACHING
from labkit.kernels.offline import ARCHITECTURES, available, catalogue, compile_kernel, many, signature, table
from labkit.kernels.offline.gates import Gate, offences
from labkit.kernels.source import cuda, float32
from labkit.kernels.vectors import squares

VECTOR = np.empty(1, np.float32)
TEACHING_GATE = Gate(most_registers=128)  # two blocks of 256 threads on every multiprocessor since Turing
KERNELS = sorted(job.name for job in catalogue.teaching_jobs())


def clean(x, y):
    """Two multiply-adds per trip, among a handful of instructions."""
    total = float32(0)
    for i in range(x.shape[0]):
        total += x[i] * y[i]
    y[cuda.threadIdx.x] = total


def with_a_bare_one(x, y):
    y[cuda.threadIdx.x] = x[cuda.threadIdx.x] / (1.0 + x[0])


def with_a_table_of_its_own(x, y):
    own = cuda.local.array(64, float32)
    for i in range(x.shape[0]):
        own[i % 64] = x[i]
    y[cuda.threadIdx.x] = own[int(x[0]) % 64]


def unsound(x, y):
    y.no_such_attribute()


@pytest.fixture(scope="session")
def compiled():
    """Name -> capability -> every teaching kernel, compiled; None where nothing can be."""
    return None if available() else many.compile_all(catalogue.teaching_jobs(), loops_of=((9, 0),))


@pytest.fixture(autouse=True)
def toolchain(require):
    require(available() == "", available())


@pytest.mark.parametrize("name", KERNELS)
def test_teaching_kernels_pass(compiled, name):
    found = compiled[name]
    assert set(found) == set(ARCHITECTURES)
    errors = [str(one) for one in found.values() if isinstance(one, LabError)]
    assert not errors
    bad = [line for one in found.values() for line in offences(one, TEACHING_GATE)]
    assert not bad, "\n".join(bad)


def test_every_kernel_of_a_mapping_is_found():
    tabled = [
        kernel
        for module in catalogue.modules()
        for value in vars(module).values()
        if isinstance(value, dict) and value and set(value) <= set(TEACHING)
        for kernel in value.values()
    ]
    assert tabled and {registers.kernel_name(kernel) for kernel in tabled} <= set(catalogue.teaching_kernels())


def test_every_kernel_is_launched_in_training():
    assert catalogue.never_launched() == []


def test_a_kernel_that_nobody_launches_is_named(monkeypatch):
    monkeypatch.setattr(catalogue, "recorded", lambda: {squares: signature(VECTOR, VECTOR)})
    assert "vectors.squares" not in catalogue.never_launched() and "vectors.fill" in catalogue.never_launched()


def test_the_recorded_registers_are_those_of_today(compiled):
    lines = table.stale(registers.table(), table.entries(compiled))
    assert not lines, "run: python -m labkit.kernels.offline.table\n" + "\n".join(lines)


@pytest.mark.parametrize(
    ("kernel", "gate", "message"),
    [
        (with_a_bare_one, Gate(255), "double precision: .*f64"),
        (with_a_table_of_its_own, Gate(255), "0 bytes spilled, 256 bytes of local memory"),
        (clean, Gate(8), r"\d+ registers, 8 at most"),
        (clean, Gate(255, vector_loads=True), "no 128-bit load"),
        (clean, Gate(255, asynchronous=True), "no asynchronous copy"),
        (clean, Gate(255, bound=0.9), r"its hottest loop allows \d+\.\d% of the FP32 peak, 90\.0% at least"),
        (clean, Gate(255, bound=0.9, ffma=64), r"its hottest loop allows \d+\.\d%"),
        (with_a_bare_one, Gate(255, bound=0.1), r"its hottest loop allows 0\.0%"),
    ],
)
def test_each_gate_can_fail(kernel, gate, message):
    lines = offences(compile_kernel(kernel, signature(VECTOR, VECTOR)), gate)
    assert any(re.search(message, line) for line in lines), lines


def test_a_clean_kernel_passes_and_old_gpus_need_no_asynchronous_copy():
    types = signature(VECTOR, VECTOR)
    assert offences(compile_kernel(clean, types), Gate(64, bound=0.02)) == []
    assert offences(compile_kernel(clean, types, cc=(7, 5)), Gate(64, asynchronous=True)) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_is_kept_with_its_kernel_and_the_others_go_on(workers):
    types = signature(VECTOR, VECTOR)
    jobs = [
        many.Job("good", partial(many.plain, squares, types), ((9, 0),)),
        many.Job("bad", partial(many.plain, np.linalg.norm, types), ((9, 0), (8, 0))),
    ]
    found = many.compile_all(jobs, workers=workers)
    assert found["good"][9, 0].registers > 0
    assert all(str(found["bad"][cc]).startswith("bad: norm does not compile") for cc in ((9, 0), (8, 0)))
    assert found["good"][9, 0].loops == () or found["good"][9, 0].hot_loop.ffma


def test_what_ptxas_refuses_is_kept_with_its_architecture():
    jobs = [many.Job("late", partial(many.plain, squares, signature(VECTOR, VECTOR)), ((9, 0), (99, 0)))]
    found = many.compile_all(jobs, loops_of=(), workers=1)["late"]
    assert found[9, 0].loops == () and str(found[99, 0]).startswith("late for sm_990: ptxas refused")


def test_one_ptx_serves_all_architectures():
    types = catalogue.types_of(forward_hybrid)
    shared = many.compile_all([many.Job("k", partial(many.plain, forward_hybrid, types))], workers=1)["k"]
    for cc, compiled in shared.items():
        own = compile_kernel(forward_hybrid, types, cc)
        assert (compiled.registers, compiled.code_bytes, compiled.loops) == (own.registers, own.code_bytes, own.loops)


def test_a_job_without_an_answer_is_given_up(monkeypatch):
    monkeypatch.setattr(many, "TIMEOUT_S", 0.01)
    jobs = [many.Job(name, partial(many.plain, clean, ())) for name in "ab"]
    with pytest.raises(LabError, match=r"compiling a did not end within 0\.01 s"):
        many.compile_all(jobs, workers=2)
