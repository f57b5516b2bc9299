"""This machine as data: names, limits of containers, libraries, the GPU through a stand-in for the driver's library."""

import dataclasses
import subprocess
import sys
import types
from pathlib import Path

import pytest

from labkit.machine import (
    CLAIMED,
    MEASURED_HERE,
    MODELLED,
    folders,
    gpu,
    libraries,
    processor,
    recorded_on,
    this_machine,
)


def test_this_machine_is_a_frozen_record():
    machine = this_machine()
    assert machine is this_machine()
    assert machine.cores >= 1 and machine.usable_cores >= 1 and machine.memory_bytes > 10**8
    assert f"{machine.usable_cores} cores usable" in machine.name and machine.cpu in machine.name
    with pytest.raises(dataclasses.FrozenInstanceError):
        machine.cores = 64


def test_the_name_tells_the_gpu():
    card = gpu.Gpu("NVIDIA H200", (9, 0), 150_000_000_000, "580.95.05", (13, 0), 132)
    assert dataclasses.replace(this_machine(), gpu=card).name.endswith(", NVIDIA H200")


def test_origins():
    assert (MEASURED_HERE, MODELLED, CLAIMED) == ("measured here", "modelled", "claimed")
    assert recorded_on("a laptop") == "recorded on a laptop"
    assert recorded_on(this_machine()) == f"recorded on {this_machine().name}"


def group(folder: Path, **files: str) -> Path:
    """A control group's folder with these files; `__` in a name stands for a dot, `___` for a slash."""
    for name, text in files.items():
        path = folder / name.replace("___", "/").replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu__max": "150000 100000\n"}, 1.5),
        ({"cpu__max": "max 100000\n"}, None),
        ({"cpu___cpu__cfs_quota_us": "50000\n", "cpu___cpu__cfs_period_us": "100000\n"}, 0.5),
        ({"cpu___cpu__cfs_quota_us": "-1\n", "cpu___cpu__cfs_period_us": "100000\n"}, None),
        ({}, None),
    ],
)
def test_cores_that_a_control_group_allows(tmp_path, files, cores):
    assert processor.cores_allowed(group(tmp_path, **files)) == cores


def test_half_a_core_counts_as_one(tmp_path):
    assert processor.usable_cores([group(tmp_path, cpu__max="50000 100000")]) == 1


def test_a_part_of_a_core_counts_as_a_whole_one(tmp_path, monkeypatch):
    monkeypatch.setattr("labkit.machine.processor.os.sched_getaffinity", lambda _: range(8), raising=False)
    assert processor.usable_cores([group(tmp_path, cpu__max="250000 100000")]) == 3
    assert processor.usable_cores([group(tmp_path, cpu__max="max 100000")]) == 8


def test_the_tightest_group_counts(tmp_path):
    outer, inner = group(tmp_path, memory__max="50000000"), group(tmp_path / "job", memory__max="max")
    assert processor.memory_bytes([inner, outer]) == 50_000_000


def test_groups_are_found_from_the_inside_out(tmp_path):
    membership = tmp_path / "cgroup"
    membership.write_text("0::/batch/job7\n")
    assert processor.control_groups(tmp_path, membership) == [tmp_path / "batch/job7", tmp_path / "batch", tmp_path]
    membership.write_text("0::/\n")
    assert processor.control_groups(tmp_path, membership) == [tmp_path]
    assert processor.control_groups(tmp_path, tmp_path / "none") == [tmp_path]


def test_cpu_name_is_the_makers(tmp_path):
    file = tmp_path / "cpuinfo"
    file.write_text("processor : 0\nmodel name\t: A  Fast   CPU @ 3 GHz\n")
    assert processor.cpu_name(file) == "A Fast CPU @ 3 GHz"
    assert processor.cpu_name(tmp_path / "none")


def test_shared_memory(tmp_path):
    assert processor.shared_memory_bytes(tmp_path) > 0
    assert processor.shared_memory_bytes(tmp_path / "none") is None


def test_required_packages_are_those_of_pyproject(root):
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    wanted = libraries.required()
    assert wanted["numpy"] and all(f'"{name}' in text for name in wanted)
    assert "pytest" not in wanted, "extras are not needed to open the lab"
    assert libraries.installed(["numpy", "no-such-package"])["no-such-package"] is None


def test_blas_is_found():
    name, threads = libraries.blas()
    assert name and threads >= 1


def process(code: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("pass", ""),
        ("raise ValueError('no toolkit')", "ValueError: no toolkit"),
        ("import sys; sys.exit('first\\nlast words\\n:\\n')", "last words"),
        ("import sys; sys.exit(3)", "ended with status 3"),
    ],
)
def test_outcome_of_a_kernel(code, said):
    assert libraries.outcome(process(code), timeout_s=30) == said


@pytest.mark.parametrize(("simulator", "flag"), [(True, "1"), (False, "0")])
def test_the_kernel_runs_where_it_is_to_run(monkeypatch, simulator, flag):
    started = []
    monkeypatch.setattr(libraries.subprocess, "Popen", lambda *words, **more: started.append(more))
    libraries.start_kernel(simulator)
    assert started[0]["env"]["NUMBA_ENABLE_CUDASIM"] == flag


def test_data_sets_lie_in_the_checkout_or_here(tmp_path, monkeypatch):
    monkeypatch.delenv("LABKIT_DATASETS", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(folders, "__file__", str(tmp_path / "site-packages" / "labkit" / "machine" / "folders.py"))
    assert folders.datasets_folder() == tmp_path / "datasets"
    monkeypatch.setattr(folders, "__file__", str(tmp_path / "clone" / "labkit" / "machine" / "folders.py"))
    (tmp_path / "clone").mkdir()
    (tmp_path / "clone" / "pyproject.toml").write_text("")
    assert folders.datasets_folder() == tmp_path / "clone" / "datasets"


def test_a_kernel_that_hangs_is_ended():
    hanging = process("import time; time.sleep(60)")
    assert libraries.outcome(hanging, timeout_s=0.2) == "no answer within 0 s"
    assert hanging.poll() is not None


class Driver(types.ModuleType):
    """Stands in for pynvml on a machine with one H200, or with none."""

    class NVMLError(Exception):
        pass

    def __init__(self, cards: int = 1):
        super().__init__("pynvml")
        self.cards, self.running = cards, 0

    def nvmlInit(self):
        self.running += 1

    def nvmlShutdown(self):
        self.running -= 1

    def nvmlDeviceGetHandleByIndex(self, index):
        if index >= self.cards:
            raise self.NVMLError("not found")
        return index

    def nvmlDeviceGetCudaComputeCapability(self, handle):
        return [9, 0]

    def nvmlSystemGetCudaDriverVersion_v2(self):
        return 13020

    def nvmlDeviceGetNumGpuCores(self, handle):
        return 16896

    def nvmlDeviceGetName(self, handle):
        return b"NVIDIA H200"

    def nvmlDeviceGetMemoryInfo(self, handle):
        return types.SimpleNamespace(total=150_754_820_096)

    def nvmlSystemGetDriverVersion(self):
        return "595.10"


def test_a_gpu_is_described(monkeypatch):
    driver = Driver()
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    assert gpu.first_gpu() == gpu.Gpu("NVIDIA H200", (9, 0), 150_754_820_096, "595.10", (13, 2), 132)
    assert driver.running == 0


def test_a_gpu_that_keeps_its_cores_to_itself_is_still_a_gpu(monkeypatch):
    driver = Driver()

    def refuse(handle):
        raise driver.NVMLError("not supported")

    driver.nvmlDeviceGetNumGpuCores = refuse
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    assert gpu.first_gpu().name == "NVIDIA H200" and gpu.first_gpu().multiprocessors is None


@pytest.mark.parametrize(
    ("capability", "lanes", "multiprocessors"),
    [([7, 0], 5120, 80), ([7, 5], 2560, 40), ([8, 0], 6912, 108), ([8, 9], 7424, 58), ([12, 0], 24064, 188)],
    ids=["V100", "T4", "A100", "L4", "RTX PRO 6000"],
)
def test_multiprocessors_follow_from_the_cores(monkeypatch, capability, lanes, multiprocessors):
    driver = Driver()
    driver.nvmlDeviceGetCudaComputeCapability = lambda handle: capability
    driver.nvmlDeviceGetNumGpuCores = lambda handle: lanes
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    assert gpu.first_gpu().multiprocessors == multiprocessors


def test_a_driver_without_a_gpu_is_no_gpu(monkeypatch):
    driver = Driver(cards=0)
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    assert gpu.first_gpu() is None and driver.running == 0


@pytest.mark.parametrize(
    ("packages", "version"),
    [
        ({"nvidia-cuda-nvrtc": "13.0.88"}, (13, 0)),
        ({"nvidia-cuda-nvrtc-cu12": "12.9.86"}, (12, 9)),
        ({}, None),
    ],
)
def test_toolkit_version(monkeypatch, packages, version):
    from importlib import metadata

    def look_up(name):
        if name not in packages:
            raise metadata.PackageNotFoundError(name)
        return packages[name]

    monkeypatch.setattr(metadata, "version", look_up)
    assert gpu.toolkit_version() == version
