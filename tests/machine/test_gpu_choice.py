"""Which GPU a process uses, on machines that are made up for it."""

import sys
import types

import pytest

from labkit.errors import LabError
from labkit.machine import cuda_driver, gpu, gpu_choice
from labkit.machine.gpu_choice import VISIBLE

UUIDS = [f"GPU-{n}0000000-1111-2222-3333-444444444444" for n in range(4)]


class Management(types.ModuleType):
    """Stands in for pynvml: so many GPUs, of which this process may open those of `mine`."""

    class NVMLError(Exception):
        pass

    def __init__(self, cards: int = 4, mine=range(4)):
        super().__init__("pynvml")
        self.cards, self.mine = cards, mine

    def nvmlInit(self):
        if not self.cards:
            raise self.NVMLError("driver not loaded")

    def nvmlShutdown(self):
        pass

    def nvmlDeviceGetCount(self):
        return self.cards

    def nvmlDeviceGetHandleByIndex(self, number):
        if number not in self.mine or number >= self.cards:
            raise self.NVMLError("no permission")
        return number

    def nvmlDeviceGetUUID(self, handle):
        return UUIDS[handle].encode()

    nvmlDeviceGetCudaComputeCapability = staticmethod(lambda handle: (9, 0))
    nvmlSystemGetCudaDriverVersion_v2 = staticmethod(lambda: 13000)
    nvmlDeviceGetNumGpuCores = staticmethod(lambda handle: 16896)
    nvmlDeviceGetName = staticmethod(lambda handle: f"NVIDIA Test {handle}")
    nvmlDeviceGetMemoryInfo = staticmethod(lambda handle: types.SimpleNamespace(total=10**9))
    nvmlSystemGetDriverVersion = staticmethod(lambda: "580.1")


@pytest.fixture
def machine(monkeypatch):
    """machine(CUDA_VISIBLE_DEVICES or None, **of Management): that machine, for a process that has not chosen."""

    def made(value: str | None, **more):
        monkeypatch.setitem(sys.modules, "pynvml", Management(**more))
        monkeypatch.setattr(gpu_choice, "_chosen", [])
        monkeypatch.setenv(VISIBLE, value or "")
        if value is None:
            monkeypatch.delenv(VISIBLE)

    return made


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("", ()),
        ("2", ("2",)),
        ("1, 0", ("1", "0")),
        ("1,-1,0", ("1",)),
        ("NoDevFiles", ()),
        (f"{UUIDS[3]},GPU-2", (UUIDS[3], "GPU-2")),
        ("MIG-77,0", ("MIG-77", "0")),
        ("0,0", ("0",)),
    ],
)
def test_the_variable_is_read_as_cuda_does(machine, value, found):
    machine(value)
    assert gpu_choice.visible() == gpu_choice.listed(value) == found


def test_without_the_variable_it_is_what_this_process_may_open(machine):
    machine(None)
    assert gpu_choice.visible() == tuple(UUIDS)
    machine(None, mine=(1, 3))
    assert gpu_choice.visible() == (UUIDS[1], UUIDS[3])
    machine(None, cards=0)
    assert gpu_choice.visible() == ()


@pytest.mark.parametrize(
    ("value", "places"),
    [("3,1", ["3", "1", "3"]), ("2", ["2", "2", "2"]), (None, [UUIDS[0], UUIDS[1], UUIDS[2]]), ("", [None] * 3)],
)
def test_processes_take_turns(machine, monkeypatch, value, places):
    for place, expected in enumerate(places):
        machine(value)
        assert gpu_choice.choose(place) == expected
        if expected is not None:
            assert gpu_choice.visible() == (expected,)
            assert gpu_choice.choose(place + 1) == expected, "a process that has chosen stays with it"


@pytest.mark.parametrize(
    ("value", "name"),
    [(None, "Test 0"), ("2,0", "Test 2"), (UUIDS[3], "Test 3"), ("GPU-1", "Test 1"), ("MIG-5", "Test 0")],
)
def test_the_first_gpu_is_the_first_that_this_process_sees(machine, value, name):
    machine(value)
    assert gpu.first_gpu().name == f"NVIDIA {name}"


def test_a_process_that_is_to_see_no_gpu_has_none(machine):
    for value in ("", "-1", "7"):
        machine(value)
        assert gpu.first_gpu() is None


class Library:
    """Stands in for libcuda.so.1: fills what it is given a reference to, as the real one does."""

    def __init__(self, refuses: str = ""):
        self.refuses = refuses

    def __getattr__(self, name):
        does = getattr(type(self), f"_{name}", lambda *_: None)
        return lambda *arguments: 1 if name == self.refuses else does(self, *arguments)

    def _cuDeviceGetCount(self, count):
        count._obj.value = 2

    def _cuDeviceGetName(self, name, size, device):
        assert size == 256
        name.value = b"NVIDIA Test"

    def _cuDeviceGetUuid_v2(self, number, device):
        number.raw = bytes(range(16))

    def _cuDeviceGetAttribute(self, value, number, device):
        value._obj.value = 10 * number


def test_the_driver_tells_which_gpu_it_is(monkeypatch):
    monkeypatch.setattr(cuda_driver.ctypes, "CDLL", lambda name: Library())
    card = cuda_driver.card()
    assert card == cuda_driver.Card("GPU-00010203-0405-0607-0809-0a0b0c0d0e0f", "NVIDIA Test", 2)
    assert cuda_driver.attributes()(7) == 70


@pytest.mark.parametrize("refuses", ["cuInit", "cuDeviceGet"])
def test_a_driver_without_a_gpu_tells_nothing(monkeypatch, refuses):
    monkeypatch.setattr(cuda_driver.ctypes, "CDLL", lambda name: Library(refuses))
    assert cuda_driver.card() is None and cuda_driver.attributes() is None


def test_no_driver(monkeypatch):
    def missing(name):
        raise OSError(f"{name}: cannot open")

    monkeypatch.setattr(cuda_driver.ctypes, "CDLL", missing)
    assert cuda_driver.card() is None and cuda_driver.attributes() is None


def test_a_driver_that_does_not_answer(monkeypatch):
    for refuses in ("cuDeviceGetUuid_v2", "cuDeviceGetName"):
        monkeypatch.setattr(cuda_driver.ctypes, "CDLL", lambda name, refuses=refuses: Library(refuses))
        with pytest.raises(LabError, match="which GPU this is"):
            cuda_driver.card()


def test_this_machines_driver():
    if gpu.first_gpu() is None:
        pytest.skip("no NVIDIA GPU: nothing to ask")
    card = cuda_driver.card()
    assert card.name == gpu.first_gpu().name and card.uuid.startswith("GPU-") and card.visible >= 1
