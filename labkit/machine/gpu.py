"""The NVIDIA GPU of this machine, read through the driver's management library; no CUDA toolkit is needed."""

import os
from dataclasses import dataclass

from labkit.machine.gpu_choice import VISIBLE, listed

# FP32 lanes; 128 in every other architecture since Maxwell (CUDA C Programming Guide, throughput of float32 additions).
CORES_PER_MULTIPROCESSOR = {(6, 0): 64, (7, 0): 64, (7, 2): 64, (7, 5): 64, (8, 0): 64}


@dataclass(frozen=True)
class Gpu:
    """One GPU. `cuda` is the newest CUDA version (major, minor) whose programs the driver accepts.

    multiprocessors: None where the driver does not tell (some laptops, Windows' subsystem for Linux).
    """

    name: str
    compute_capability: tuple[int, int]
    memory_bytes: int
    driver: str
    cuda: tuple[int, int]
    multiprocessors: int | None


def first_gpu() -> Gpu | None:
    """The GPU that this process uses: the first that it sees (CUDA_VISIBLE_DEVICES). None where there is no NVIDIA
    driver or no GPU behind it.
    """
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        handle = _first(pynvml)
        return None if handle is None else _describe(pynvml, handle)
    except pynvml.NVMLError:
        return None
    finally:
        pynvml.nvmlShutdown()


def _first(nvml):
    """The management library's handle of the first GPU that this process sees; None if it is to see none."""
    named = listed(os.environ.get(VISIBLE))
    if named == ():
        return None
    first = named[0] if named else "0"
    if first.isdecimal():
        return nvml.nvmlDeviceGetHandleByIndex(int(first))
    handles = map(nvml.nvmlDeviceGetHandleByIndex, range(nvml.nvmlDeviceGetCount()))
    same = (handle for handle in handles if _text(nvml.nvmlDeviceGetUUID(handle)).startswith(first))
    found = next(same, None)  # None for a part of a GPU: of the first, for all we know
    return nvml.nvmlDeviceGetHandleByIndex(0) if found is None else found


def _describe(nvml, handle) -> Gpu:
    capability = tuple(nvml.nvmlDeviceGetCudaComputeCapability(handle))
    version = nvml.nvmlSystemGetCudaDriverVersion_v2()  # 13020 is 13.2
    try:
        multiprocessors = nvml.nvmlDeviceGetNumGpuCores(handle) // CORES_PER_MULTIPROCESSOR.get(capability, 128)
    except nvml.NVMLError:
        multiprocessors = None
    return Gpu(
        name=_text(nvml.nvmlDeviceGetName(handle)),
        compute_capability=capability,
        memory_bytes=nvml.nvmlDeviceGetMemoryInfo(handle).total,
        driver=_text(nvml.nvmlSystemGetDriverVersion()),
        cuda=(version // 1000, version % 1000 // 10),
        multiprocessors=multiprocessors,
    )


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def toolkit_version() -> tuple[int, int] | None:
    """(major, minor) of the CUDA compiler library that pip installed, or None if there is none.

    numba-cuda compiles with it. One that is newer than the driver writes PTX that the driver refuses.
    """
    from importlib.metadata import PackageNotFoundError, version

    for package in ("nvidia-cuda-nvrtc", "nvidia-cuda-nvrtc-cu12"):
        try:
            major, minor = version(package).split(".")[:2]
        except PackageNotFoundError:
            continue
        return int(major), int(minor)
    return None
