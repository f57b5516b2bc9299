"""Copies beside the kernels of a GPU: a pretended driver tells what is asked of it, and the simulator does it."""

import sys
import threading
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.kernels.executors import failures, gpu, side_line
from labkit.kernels.executors.cpu import Cpu
from labkit.kernels.source import SIMULATED
from labkit.kernels.vectors import add, vector_launch


class CudaAPIError(Exception):
    """As Numba's, known by its name."""


class Vector:
    """Of a GPU: notes its copies, which are over when the stream's event is."""

    shape, dtype, nbytes, size = (5,), np.dtype(np.float32), 20, 5

    def __init__(self, log):
        self.log = log

    def copy_to_host(self, target, stream):
        self.log.append(("to the host", target.shape, stream))

    def copy_to_device(self, source, stream):
        self.log.append(("to the GPU", source.shape, stream))


class Event:
    """Over at the third look; fails where it is told to."""

    def __init__(self, fails):
        self.looks, self.fails = 0, fails

    @property
    def is_done(self):
        self.looks += 1
        if self.fails:
            raise CudaAPIError("[700] CUDA_ERROR_ILLEGAL_ADDRESS")
        return self.looks > 2


@pytest.fixture
def driver(monkeypatch):
    """Numba's and cuda-core's parts that a side line uses. log: what was asked; fails: whether copies do."""
    pretended = SimpleNamespace(log=[], fails=False)
    stream = SimpleNamespace(handle=4711, record=lambda: Event(pretended.fails))

    class Device:
        def __init__(self, number):
            assert number == 0

        def set_current(self):
            pretended.log.append("current")

        def create_stream(self):
            return stream

    core = ModuleType("cuda.core")
    core.Device = Device
    monkeypatch.setitem(sys.modules, "cuda.core", core)
    numba = SimpleNamespace(
        get_current_device=lambda: SimpleNamespace(id=0),
        external_stream=lambda handle: f"stream {handle}",
        current_context=lambda: pretended.log.append("enter"),
        pinned_array=lambda shape, dtype: pretended.log.append("page-locked") or np.empty(shape, dtype),
        default_stream=lambda: SimpleNamespace(synchronize=lambda: pretended.log.append("kernels are over")),
    )
    for module in (side_line, gpu, failures):
        monkeypatch.setattr(module, "cuda", numba)
    for module in (side_line, gpu):
        monkeypatch.setattr(module, "SIMULATED", False)
    return pretended


def test_a_mirror_copies_in_a_line_of_its_own_and_says_when_it_is_over(driver):
    executor = gpu.Gpu()
    mirror = executor.mirror(Vector(driver.log))
    assert mirror.done(), "nothing was started"
    mirror.fetch()
    assert [mirror.done() for _ in range(3)] == [False, False, True]
    mirror.store()
    assert not mirror.done()
    copies = [entry for entry in driver.log if isinstance(entry, tuple)]
    assert copies == [("to the host", (5,), "stream 4711"), ("to the GPU", (5,), "stream 4711")]
    assert driver.log.index("enter") < driver.log.index(copies[0]), "lanes are threads: each enters the GPU"
    assert driver.log.count("page-locked") == 1 and "kernels are over" not in driver.log


def test_all_mirrors_of_a_gpu_share_one_line(driver):
    executor = gpu.Gpu()
    for _ in range(3):
        executor.mirror(Vector(driver.log))
    assert driver.log.count("current") == 1


def test_waiting_for_kernels_is_not_waiting_for_messages(driver):
    gpu.Gpu().synchronize()
    assert driver.log == ["kernels are over"]


def test_a_copy_that_fails_says_what_helps(driver):
    driver.fails = True
    mirror = gpu.Gpu().mirror(Vector(driver.log))
    mirror.fetch()
    with pytest.raises(LabError, match=r"work beside the kernels failed on the GPU.*restart it"):
        mirror.done()


def test_of_nothing_there_is_nothing_to_copy(driver):
    empty = SimpleNamespace(size=0, dtype=np.float32)
    mirror = gpu.Gpu().mirror(empty)
    mirror.fetch()
    mirror.store()
    assert mirror.done() and mirror.values.shape == (0,) and not driver.log


def test_on_the_cores_a_mirror_is_the_array_itself():
    vector = np.arange(4, dtype=np.float32)
    mirror = Cpu().mirror(vector)
    mirror.fetch()
    assert mirror.done() and mirror.values is vector


if SIMULATED:  # in the process that the last test starts

    def test_tiny_mirrors_of_the_simulator():
        executor = gpu.gpu()
        vector = executor.put(np.arange(6, dtype=np.float32))
        mirror = executor.mirror(vector[2:5])
        mirror.fetch()
        assert mirror.done() and mirror.values.tolist() == [2, 3, 4]
        mirror.values[:] = 7
        mirror.store()
        assert mirror.done() and executor.get(vector).tolist() == [0, 1, 7, 7, 7, 5]

    def test_tiny_recordings_are_a_threads_own():
        """Ranks may be threads: while one records, the others' kernels run."""
        executor, begun, over = gpu.gpu(), threading.Event(), threading.Event()
        a, b, out = (executor.put(np.full(3, value, np.float32)) for value in (1, 2, 0))

        def recorded():
            begun.set()
            assert over.wait(30) and executor.recording

        recording = threading.Thread(target=executor.record, args=(recorded,))
        recording.start()
        assert begun.wait(30) and not executor.recording
        executor.launch(add, vector_launch(3), a, b, out)
        assert executor.get(out).tolist() == [3] * 3
        over.set()
        recording.join()


def test_in_the_simulator(simulated):
    simulated(__file__)


def test_on_this_machines_gpu():
    from labkit.machine.gpu import first_gpu

    if first_gpu() is None:
        pytest.skip("no NVIDIA GPU")
    executor, found = gpu.gpu(), []
    vector = executor.put(np.arange(1000, dtype=np.float32))
    mirror = executor.mirror(vector[200:300])

    def lane():
        mirror.fetch()
        while not mirror.done():
            pass
        found.append(mirror.values.copy())
        mirror.values[:] = 0
        mirror.store()
        while not mirror.done():
            pass

    thread = threading.Thread(target=lane)
    thread.start()
    thread.join()
    assert found[0].tolist() == list(range(200, 300))
    assert executor.get(vector)[199:302].tolist() == [199] + [0] * 100 + [300, 301]
