"""What the doctor looks at: for each item a probe that measures, and a judge that says whether it will do.

A judge is a pure function of what the probe found and returns (ok, found, advice); the advice is what to type. Probes
may raise: the doctor is called when something is broken, and a probe that cannot run is a finding like any other.
"""

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from labkit.machine import folders, gpu, gpu_choice, lab, libraries, mpi, processor

Verdict = tuple[bool, str, str]
SETUP = "type: make setup (without make: pip install -e .)"
SHOWN = ("jupyterlab", "anywidget", "numpy", "numba", "numba-cuda")  # the packages whose versions matter most often
LEAST_PYTHON = (3, 11)
LEAST_MEMORY_BYTES = 2 * 10**9  # JupyterLab, a browser's page and LeNet-5 need about 1 GB
LEAST_SHARED_BYTES = 256 * 2**20  # containers give 64 MiB, which is too little for processes that share arrays


@dataclass(frozen=True)
class Item:
    """One thing to look at. `needed`: the lab cannot run without it."""

    name: str
    probe: Callable[[], object]
    judge: Callable[[object], Verdict]
    needed: bool = True


def judge_python(version: tuple[int, int, int]) -> Verdict:
    found = "{}.{}.{}".format(*version)
    return version >= LEAST_PYTHON, found, "install Python 3.11 or newer, then: make setup PYTHON=/path/to/python3"


def judge_packages(versions: dict[str, tuple[str, str | None]]) -> Verdict:
    """`versions`: name -> (specifier that is asked for, installed version or None)."""
    from packaging.specifiers import SpecifierSet

    bad = [
        f"{name} {has or 'missing'} (needs {wanted or 'any'})"
        for name, (wanted, has) in versions.items()
        if has is None or not SpecifierSet(wanted).contains(has, prereleases=True)
    ]
    shown = ", ".join(f"{name} {versions[name][1]}" for name in SHOWN if name in versions)
    return not bad, ", ".join(bad) or f"{len(versions)} packages within their bounds: {shown}", SETUP


def judge_cores(cores: tuple[int, int]) -> Verdict:
    """`cores`: (physical cores of the machine, hardware threads that this process may use)."""
    return cores[1] >= 1, f"{cores[0]} physical, {cores[1]} usable", ""


def judge_memory(size_bytes: int) -> Verdict:
    return size_bytes >= LEAST_MEMORY_BYTES, f"{size_bytes / 1e9:.1f} GB", "close other programs; the lab takes 2 GB"


def judge_load(load: tuple[float, int]) -> Verdict:
    """`load`: (processes that want to run, usable hardware threads)."""
    advice = "times measured now are too long; find what is running with: top"
    return load[0] <= load[1], f"{load[0]:.1f} processes on {load[1]} threads", advice


def judge_blas(library: tuple[str, int]) -> Verdict:
    advice = "training is slow without a BLAS library; type: pip install --force-reinstall numpy"
    return library[0] != "unknown", f"{library[0]}, {library[1]} threads", advice


def judge_numba(layer: tuple[str, int]) -> Verdict:
    return True, f"layer {layer[0]}, {layer[1]} threads", ""


def judge_gpu(found: tuple[gpu.Gpu | None, tuple[int, int] | None, str]) -> Verdict:
    """`found`: (the GPU, version of the installed toolkit, what a tiny kernel on the GPU said: '' if it ran)."""
    card, toolkit, said = found
    if card is None:
        return True, "no NVIDIA GPU: CUDA kernels run in the simulator", ""
    text = f"{card.name}, driver {card.driver} (CUDA {card.cuda[0]}.{card.cuda[1]})"
    install = f'type: make setup EXTRAS="dev {"gpu" if card.cuda[0] >= 13 else "gpu12"}"'
    if said and toolkit is not None and toolkit > card.cuda:  # a linker of the toolkit's can make up for it
        return False, f"{text}, but toolkit {toolkit[0]}.{toolkit[1]}: newer than the driver takes", install
    if said:
        return False, f"{text}, but a kernel does not run: {said}", install
    return True, text + (f", toolkit {toolkit[0]}.{toolkit[1]}" if toolkit else ", the system's toolkit"), ""


def judge_gpu_ranks(found: tuple[int, str | None]) -> Verdict:
    """`found`: (GPUs that this process may use, version of nccl4py, None where it is not installed)."""
    gpus, nccl = found
    if gpus == 0:
        return True, "no GPU: ranks compute on the cores", ""
    if gpus == 1:
        return True, "one GPU: several ranks share it, and their kernels take turns", ""
    text = f"{gpus} GPUs: a rank on each, more ranks share them; "
    if nccl is None:
        return True, text + "their all-reduce goes through the host (no nccl4py)", ""
    return True, text + f"their all-reduce by NCCL (nccl4py {nccl})", ""


def judge_simulator(said: str) -> Verdict:
    return not said, said or "a kernel ran and was right", SETUP


def judge_mpi(found: dict) -> Verdict:
    """`found`: see `mpi.try_ranks`."""
    if "missing" in found:
        return True, found["missing"], ""
    if "fault" in found:
        return False, found["fault"], found["advice"]
    text = f"{found['library']} {found['version']} ({found['launcher']}), threads {found['thread_level']}"
    text += f"; {found['ranks_started']} ranks started in {found['seconds']:.1f} s" + (" as root" * found["root"])
    return True, f"{text}; more than {found['cores']} share cores", ""


def judge_front_ends(present: dict[str, bool]) -> Verdict:
    missing = [name for name, there in present.items() if not there]
    text = f"missing: {', '.join(missing)}" if missing else "installed: " + ", ".join(present)
    return not missing, text, "type: pip install --force-reinstall jupyterlab_widgets anywidget, reload the page"


def judge_port(port: int) -> Verdict:
    return True, f"{port} is free", ""


def judge_shared_memory(size_bytes: int | None) -> Verdict:
    if size_bytes is None:
        return True, "this system has no /dev/shm, and needs none", ""
    return size_bytes >= LEAST_SHARED_BYTES, f"{size_bytes / 2**20:,.0f} MiB", "docker run --shm-size=1g ..."


def judge_browser(path: str | None) -> Verdict:
    return path is not None, path or "none", "only the browser tests need it; type: apt-get install chromium"


def judge_datasets(folder: Path) -> Verdict:
    ok = folder.is_dir() and os.access(folder, os.W_OK)
    advice = f"downloads cannot be kept; type: mkdir -p {folder} && chmod u+w {folder}"
    return ok, f"{folder} {'can' if ok else 'cannot'} be written to", advice


def find_browser() -> str | None:
    """Chromium or Chrome on the PATH; the browser tests use the same ones."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def package_versions() -> dict[str, tuple[str, str | None]]:
    wanted = libraries.required()
    return {name: (wanted[name], has) for name, has in libraries.installed(list(wanted)).items()}


def gpu_and_toolkit() -> tuple[gpu.Gpu | None, tuple[int, int] | None, str]:
    card = gpu.first_gpu()
    said = libraries.outcome(libraries.start_kernel(simulator=False)) if card else ""
    return card, gpu.toolkit_version(), said


def gpus_and_nccl() -> tuple[int, str | None]:
    return len(gpu_choice.visible()), libraries.installed(["nccl4py"])["nccl4py"]


ITEMS = (
    Item("python", lambda: tuple(sys.version_info[:3]), judge_python),
    Item("packages", package_versions, judge_packages),
    Item("widgets", libraries.widget_front_ends, judge_front_ends),
    Item("port", lab.choose_port, judge_port),
    Item("cores", lambda: (processor.physical_cores(), processor.usable_cores()), judge_cores),
    Item("memory", processor.memory_bytes, judge_memory, needed=False),
    Item("load", lambda: (processor.load_average(), processor.usable_cores()), judge_load, needed=False),
    Item("blas", libraries.blas, judge_blas, needed=False),
    Item("numba", libraries.numba_threads, judge_numba),
    Item("simulator", lambda: libraries.outcome(libraries.start_kernel(simulator=True)), judge_simulator),
    Item("gpu", gpu_and_toolkit, judge_gpu, needed=False),
    Item("gpu ranks", gpus_and_nccl, judge_gpu_ranks, needed=False),
    Item("mpi", mpi.try_ranks, judge_mpi, needed=False),
    Item("shared memory", processor.shared_memory_bytes, judge_shared_memory, needed=False),
    Item("datasets", folders.datasets_folder, judge_datasets, needed=False),
    Item("browser", find_browser, judge_browser, needed=False),
)
