"""What training asks of whole arrays, on kernels: against the same on the host, and steps that are replayed."""

import numpy as np
import pytest

from labkit.engine import optimizers
from labkit.engine.arrays import HOST
from labkit.errors import LabError
from labkit.kernels.device_arrays import KernelArrays
from labkit.kernels.executors.cpu import Cpu
from labkit.kernels.source import SIMULATED
from labkit.kernels.vectors import add, vector_launch


@pytest.fixture
def arrays() -> KernelArrays:
    return KernelArrays(Cpu())


def vector(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(n).astype(np.float32)


@pytest.mark.parametrize("n", [1, 4096, 9001])
def test_copies_sums_and_norms(arrays, n):
    a, b, out = vector(n), vector(n, 1), np.empty(n, np.float32)
    arrays.add(a, b, out)
    np.testing.assert_array_equal(out, a + b)
    arrays.add(out, b, out)
    np.testing.assert_array_equal(out, a + b + b)
    arrays.copy(a, out)
    np.testing.assert_array_equal(out, a)
    parts = {"first": slice(0, (n + 1) // 2), "rest": slice((n + 1) // 2, n)} if n > 1 else {"first": slice(0, 1)}
    assert arrays.norms(a, parts) == pytest.approx(HOST.norms(a, parts), rel=1e-5)
    assert arrays.norms(a, {}) == {}


def test_staged_arrays_are_reused_and_class_numbers_become_32_bit(arrays):
    first = arrays.stage("x", np.ones((4, 2), np.float32))
    second = arrays.stage("x", np.full((3, 2), 2, np.float32))
    assert np.shares_memory(first, second) and second.tolist() == [[2, 2]] * 3
    larger = arrays.stage("x", np.zeros((5, 2), np.float32))
    assert not np.shares_memory(first, larger)
    assert arrays.stage("labels", np.array([1, 2])).dtype == np.int32


@pytest.mark.parametrize("name", ["mse", "binary_crossentropy", "categorical_crossentropy"])
def test_losses_are_the_hosts(arrays, name):
    output, labels = np.random.default_rng(3).random((5, 4), np.float32), np.array([0, 3, 1, 1, 2])
    wanted, found = HOST.loss(name, False, output, labels), arrays.loss(name, False, output, labels)
    np.testing.assert_allclose(found.dy, wanted.dy, rtol=1e-6)
    assert found.value() == pytest.approx(wanted.value())


@pytest.mark.parametrize("tuned", [False, True])
def test_softmax_with_cross_entropy_is_the_hosts(tuned):
    arrays = KernelArrays(Cpu(), tuned)
    logits, labels = 10 * vector(20).reshape(5, 4), np.array([0, 3, 1, 1, 2])
    wanted = HOST.loss("categorical_crossentropy", True, logits, labels)
    found = arrays.loss("categorical_crossentropy", True, logits, arrays.stage("labels", labels))
    np.testing.assert_allclose(found.dy, wanted.dy, atol=1e-6)
    assert found.value() == pytest.approx(wanted.value(), rel=1e-5)


@pytest.mark.parametrize("rule", ["sgd", "momentum", "adam"])
def test_updates_are_the_hosts(rule):
    """The tuned ones take their constants from an array, so that a step can be repeated with another learning rate."""
    optimizer = optimizers.get(rule, lr=0.1)
    ends = []
    for arrays in (HOST, KernelArrays(Cpu()), KernelArrays(Cpu(), tuned=True)):
        w, g = vector(1000), vector(1000, 1)
        slots = optimizer.start(w, arrays)
        for step, lr in enumerate((0.1, 0.03)):
            optimizer.update(w, g, slots, step, lr, arrays)
        ends.append(w)
    for found in ends[1:]:
        np.testing.assert_allclose(found, ends[0], rtol=1e-5, atol=1e-6)


def test_an_unknown_loss_is_named(arrays):
    with pytest.raises(LabError, match="mes"):
        arrays.loss("mes", False, np.zeros((1, 2), np.float32), np.array([0]))


class Recorder(Cpu):
    """An executor that records by remembering its launches, as the simulator's does."""

    def __init__(self):
        super().__init__()
        self.log = []

    def launch(self, kernel, launch, *arguments):
        self.log.append((kernel, launch, arguments))
        super().launch(kernel, launch, *arguments)

    def record(self, work):
        before, self.log = self.log, []
        result, launches = work(), self.log
        self.log = before
        return result, lambda: [Cpu.launch(self, *one[:2], *one[2]) for one in launches]


@pytest.mark.parametrize("make", [Recorder, Cpu])
def test_a_replayed_step_works_on_what_its_arrays_hold_then(make):
    """First done, then recorded and replayed, then replayed only; an executor that cannot record does it anew."""
    arrays, calls = KernelArrays(make(), tuned=True), []
    a, b, out = vector(10), vector(10, 1), np.zeros(10, np.float32)

    def work():
        calls.append(1)
        arrays.executor.launch(add, vector_launch(10), a, b, out)
        return "done"

    for value in (1, 2, 3, 4):
        a[:] = value
        assert arrays.replay("step", work) == "done"
        np.testing.assert_array_equal(out, a + b)
    assert len(calls) == (2 if make is Recorder else 4)
    arrays.replay(None, work)
    assert len(calls) == (3 if make is Recorder else 5)


def test_a_recording_ends_with_the_memory_that_it_points_to():
    """A larger batch, such as one to evaluate on, takes another array for its samples; so do other types."""
    arrays, out = KernelArrays(Recorder(), tuned=True), np.zeros(10, np.float32)

    def step(value: float) -> list:
        x = arrays.stage("x", np.full(10, value, np.float32))
        arrays.replay("step", lambda: arrays.executor.launch(add, vector_launch(10), x, x, out))
        return out.tolist()

    assert [step(value) for value in (1, 2, 3)] == [[2] * 10, [4] * 10, [6] * 10]
    arrays.stage("x", np.zeros(11, np.float32))
    assert [step(value) for value in (4, 5, 6)] == [[8] * 10, [10] * 10, [12] * 10]
    arrays.stage("x", np.zeros(11, np.float64))
    assert step(7) == [14] * 10


def test_a_step_that_is_profiled_is_not_replayed():
    arrays, calls = KernelArrays(Recorder(), tuned=True), []
    for profiling in (False, True, False, True):
        arrays.executor.profiling = profiling
        arrays.replay("step", lambda: calls.append(1))
    assert len(calls) == 4
    arrays.executor.profiling = False
    arrays.replay("step", lambda: calls.append(1))
    assert len(calls) == 4


def test_an_executor_whose_recording_fails_goes_on_without_it():
    class Fails(Recorder):
        def record(self, work):
            raise LabError("recording a step failed on the GPU: CUDA_ERROR_NOT_SUPPORTED", "see `labkit doctor`")

    arrays, calls = KernelArrays(Fails(), tuned=True), []
    arrays.replay("step", lambda: calls.append(1))
    with pytest.warns(UserWarning, match="launch by launch.*CUDA_ERROR_NOT_SUPPORTED"):
        arrays.replay("step", lambda: calls.append(2))
    arrays.replay("step", lambda: calls.append(3))
    assert calls == [1, 2, 3]


if SIMULATED:  # in the process that the test below starts

    def test_tiny_recordings_of_the_simulator():
        from labkit.kernels.executors.gpu import gpu

        executor = gpu()
        a, b, out = (executor.put(np.full(5, value, np.float32)) for value in (1, 2, 0))
        result, again = executor.record(lambda: executor.launch(add, vector_launch(5), a, b, out))
        assert result is None and not executor.recording
        executor.put(np.full(5, 7, np.float32), a)
        again()
        assert executor.get(out).tolist() == [9] * 5


def test_in_the_simulator(simulated):
    simulated(__file__)
