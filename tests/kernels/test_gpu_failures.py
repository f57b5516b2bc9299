"""What a GPU server can have wrong, from injected findings: no GPU, an old one, an old driver, no memory, a fault."""

from types import SimpleNamespace

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.kernels.backend import KernelBackend
from labkit.kernels.executors import failures, gpu
from labkit.kernels.executors.cpu import Cpu
from labkit.kernels.executors.failures import understood
from labkit.machine import gpu as machine
from labkit.network import zoo


def found(monkeypatch, capability=(9, 0), driver_cuda=(13, 0), toolkit=(13, 0)):
    card = machine.Gpu("NVIDIA Test", capability, 10**10, "580.1", driver_cuda, 100)
    monkeypatch.setattr(machine, "first_gpu", lambda: card if capability else None)
    monkeypatch.setattr(machine, "toolkit_version", lambda: toolkit)


def test_a_fitting_gpu_is_taken(monkeypatch):
    found(monkeypatch)
    assert gpu.gpu().name in ("gpu", "simulator")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"capability": None}, "no NVIDIA GPU here.*cuda-cpu"),
        ({"capability": (6, 0)}, r"NVIDIA Test has compute capability 6\.0.*7\.5.*cuda-cpu"),
        ({"driver_cuda": (12, 8)}, r"toolkit is 13\.0, but driver 580\.1 .*12\.8.*cuda-toolkit==12\.8"),
    ],
)
def test_what_does_not_fit_is_named(monkeypatch, wrong, message):
    found(monkeypatch, **wrong)
    with pytest.raises(LabError, match=message):
        gpu.gpu()


def test_a_toolkit_that_pip_does_not_know_is_left_to_numba(monkeypatch):
    found(monkeypatch, toolkit=None)
    gpu.gpu()


@pytest.mark.parametrize("linker", [True, False])
def test_a_toolkit_a_little_newer_than_the_driver_needs_a_linker(monkeypatch, linker):
    found(monkeypatch, toolkit=(13, 3))
    monkeypatch.setattr(gpu, "has_linker", lambda: linker)
    if linker:
        gpu.gpu()
        return
    with pytest.raises(LabError, match=r"toolkit is 13\.3.*up to CUDA 13\.0"):
        gpu.gpu()


class CudaAPIError(Exception):
    """As Numba's: known by its name, because the module that has it needs a driver."""


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("[700] Call to cuCtxSynchronize results in CUDA_ERROR_ILLEGAL_ADDRESS", "restart it"),
        ("[719] CUDA_ERROR_LAUNCH_FAILED", "restart it"),
        ("[701] CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "fewer threads.*can still be used"),
        ("[222] CUDA_ERROR_UNSUPPORTED_PTX_VERSION", "newer than the driver"),
        ("[999] CUDA_ERROR_UNKNOWN", "labkit doctor"),
    ],
)
def test_errors_of_the_driver_say_what_helps(text, advice):
    with pytest.raises(LabError, match=f"conv_forward failed on the GPU.*{advice}"), understood("conv_forward"):
        raise CudaAPIError(text)


def test_memory_that_is_not_there_is_counted(monkeypatch):
    context = SimpleNamespace(get_memory_info=lambda: SimpleNamespace(free=123_456))
    monkeypatch.setattr(failures, "cuda", SimpleNamespace(current_context=lambda: context))
    told = "10,000,000 bytes were wanted, 123,456 bytes are free"
    with pytest.raises(LabError, match=told), understood("an allocation", 10_000_000):
        raise CudaAPIError("[2] Call to cuMemAlloc results in CUDA_ERROR_OUT_OF_MEMORY")


class nvJitLinkError(Exception):
    """Its text has no CUDA_ERROR."""


class Newer(nvJitLinkError):
    """A class of a later version that goes back to a known one."""


@pytest.mark.parametrize("kind", [nvJitLinkError, Newer])
def test_errors_of_the_linker_are_known_by_their_class(kind):
    with pytest.raises(LabError, match="a kernel failed on the GPU: ERROR_PTX_COMPILE"), understood("a kernel"):
        raise kind("ERROR_PTX_COMPILE (4)")


def test_other_errors_pass():
    with pytest.raises(ZeroDivisionError), understood("a kernel"):
        raise ZeroDivisionError
    with pytest.raises(LabError, match="as it was"), understood("a kernel"):
        raise LabError("as it was")


def test_memory_that_waits_to_be_freed_counts_as_free(monkeypatch):
    waiting = [100]
    context = SimpleNamespace(
        memory_manager=SimpleNamespace(deallocations=waiting),
        get_memory_info=lambda: SimpleNamespace(free=1000 - sum(waiting)),
    )
    monkeypatch.setattr(gpu, "SIMULATED", False)
    monkeypatch.setattr(gpu, "cuda", SimpleNamespace(current_context=lambda: context))
    assert gpu.Gpu().free_bytes() == 1000


class Small(Cpu):
    """An executor with little memory."""

    def free_bytes(self) -> int:
        return 2_000_000


def prepare(network, batch: int) -> None:
    """The first layer of `network` for `batch` samples, where the memory of all of it is looked at."""
    first = network.nodes[0]
    KernelBackend(Small(), network).prepare(first.name, first.layer, network.input_shapes(first), batch, np.float32)


def test_a_batch_that_cannot_fit_names_one_that_does():
    network = zoo.get("lenet5")
    with pytest.raises(
        LabError, match=r"batch 1024 takes about .* 2,000,000 are free.*take a batch of (\d+)"
    ) as refused:
        prepare(network, 1024)
    fits = int(str(refused.value).rpartition(" ")[2])
    prepare(network, fits)
    with pytest.raises(LabError, match="take a smaller network"):
        prepare(zoo.get("vgg16"), 1)
