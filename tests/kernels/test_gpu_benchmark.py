"""The GPU benchmark, rehearsed on the cores: the same code, with nothing but the packages that it may count on."""

import importlib
import json
import subprocess
import sys

import pytest

from labkit.kernels.experiments.recording import LARGEST_BYTES, read

# What a GPU server need not have; numpy, numba, numba-cuda and nvidia-ml-py are there.
ABSENT = ("ipywidgets", "anywidget", "plotly", "IPython", "jupyterlab", "ipykernel", "typer", "rich", "tqdm", "pooch")
ABSENT += ("safetensors", "sklearn", "PIL", "psutil", "threadpoolctl", "mpi4py", "torch", "cupy", "tabulate")
TIMEOUT_S = 280


def run(root, *words: str) -> subprocess.CompletedProcess:
    """`python benchmarks/gpu.py WORDS` in a Python in which the packages of ABSENT cannot be imported."""
    code = f"""
import runpy, sys
for name in {ABSENT}:
    sys.modules[name] = None
sys.argv = ["gpu.py", *{words}]
runpy.run_path("benchmarks/gpu.py", run_name="__main__")
"""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=TIMEOUT_S)


@pytest.fixture
def counters(root, monkeypatch):
    """benchmarks/gpu_parts/counters.py, imported as the benchmark does."""
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    return importlib.import_module("gpu_parts.counters")


def test_a_rehearsal_goes_through_every_part(root, tmp_path):
    ran = run(root, "--executor", "cpu", "--quick", "--out", str(tmp_path), "--budget", "2000")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (path,) = tmp_path.glob("cpu-*.json")
    recording = read(path)
    document = recording.document
    assert document["complete"] and path.stat().st_size <= LARGEST_BYTES
    assert not {name: part["error"] for name, part in document["parts"].items() if part["error"]}
    assert {"correctness", "tuned", "batch_sweep", "profile", "loads", "steps", "bandwidth"} <= set(recording.parts)
    wrong = [row for row in recording.rows("correctness") if not row["ok"]]
    assert not wrong and {row["mapping"] for row in recording.rows("correctness")} == {"data", "model", "hybrid"}
    assert all(row["difference"] < 1e-4 for row in recording.rows("tuned"))
    checks = {row["check"]: row["ok"] for row in recording.rows("checks")}
    assert checks["a kernel runs"]
    assert recording.rows("batch_sweep")[0]["origin"] == "recorded on no GPU: the kernels ran on the cores"


def test_a_part_that_fails_is_recorded_and_the_others_go_on(root, tmp_path):
    code = """
import runpy, sys
sys.path[:0] = ["benchmarks"]
from gpu_parts import teaching
def broken(executor, quick):
    yield {"a": 1}
    raise ZeroDivisionError("made up")
teaching.image_size = broken
sys.argv = ["gpu.py", "--executor", "cpu", "--quick", "--parts", "image_size", "footprint", "--out", sys.argv[1]]
runpy.run_path("benchmarks/gpu.py", run_name="__main__")
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    ran = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    parts = json.loads(next(tmp_path.glob("*.json")).read_text())["parts"]
    assert parts["image_size"]["error"] == "ZeroDivisionError: made up" and parts["image_size"]["rows"] == [[1]]
    assert parts["footprint"]["ok"] and parts["footprint"]["rows"]


def test_without_a_gpu_it_says_how_to_try_it(root):
    from labkit.machine.gpu import first_gpu

    if first_gpu() is not None:
        pytest.skip("there is a GPU: the benchmark would run for minutes")
    ran = subprocess.run(
        [sys.executable, "benchmarks/gpu.py"], cwd=root, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    assert ran.returncode == 2 and "--executor cpu --quick" in ran.stderr


def test_what_ncu_prints_is_read(counters):
    names = list(counters.COUNTERS)
    head = ",".join(f'"{name}"' for name in ("ID", "Kernel Name", *names))
    units = ",".join(f'"{unit}"' for unit in ("", "", "sector", "sector", "Mbyte", "inst"))
    values = '"0","labkit::forward_hybrid[abi:v1]","1,000","200","3.2","50"'
    rows = list(counters.read(f"==PROF== made up\n{head}\n{units}\n{values}\n", "lenet5", "conv1", 8))
    assert {row["level"]: row["loads"] for row in rows} == {"L1": 1000, "L2": 200, "DRAM": 100_000, "shared": 200}
    assert {row["mapping"] for row in rows} == {"hybrid"}
    with pytest.raises(RuntimeError, match="ERR_NVGPUCTRPERM"):
        list(counters.read("==ERROR== ERR_NVGPUCTRPERM", "lenet5", "conv1", 8))
