"""Where the tests of kernels run them: on this machine's cores, on its GPU if it has one, thread by thread in the
tracer, and in Numba's simulator.

Tests with "tiny" in their name run in all of these, in tracer and simulator with 32 threads per block at most. The
others, of real sizes, run compiled only. The simulator needs a process of its own: see `simulated`.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from labkit.engine.threads import limit
from labkit.kernels.executors import Executor
from labkit.kernels.executors.cpu import Cpu
from labkit.kernels.launch import WARP, Launch
from labkit.kernels.source import SIMULATED
from labkit.kernels.trace import findings, trace
from labkit.machine.gpu import first_gpu

COMPILED = ("cpu", "gpu") if first_gpu() else ("cpu",)
PLACES = ("simulator",) if SIMULATED else (*COMPILED, "tracer")


class Tracer(Cpu):
    """Runs kernels thread by thread, and fails for races, indices outside, memory never written and float64."""

    name = "tracer"

    def launch(self, kernel: Callable, launch: Launch, *arguments: Any) -> None:
        # Whether all of an output was written is left to the comparison of its values, which begin as NaN.
        found = findings(trace(kernel, launch, *arguments), outputs=())
        assert not found, "\n".join(map(str, found))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test that asks for `on` (or for `run`) in each of its places."""
    if "on" in metafunc.fixturenames:
        places = PLACES if "tiny" in metafunc.function.__name__ else [p for p in PLACES if p in COMPILED]
        metafunc.parametrize("on", places, indirect=True, scope="session")


@pytest.fixture(scope="session")
def on(request) -> Executor:
    """One of the places."""
    if request.param in ("cpu", "tracer"):
        return Cpu() if request.param == "cpu" else Tracer()
    from labkit.kernels.executors.gpu import gpu

    return gpu()


@pytest.fixture(scope="session")
def run(on) -> Callable[..., list[np.ndarray]]:
    """run(kernel, launch, *arguments): the arrays among `arguments` as they are after the launch; copies, in order."""

    def started(kernel: Callable, launch: Launch, *arguments: Any) -> list[np.ndarray]:
        if on.name in ("simulator", "tracer"):
            launch = replace(launch, block=min(launch.block, WARP))
        given = [on.put(np.ascontiguousarray(a)) if isinstance(a, np.ndarray) else a for a in arguments]
        with limit(2):
            on.launch(kernel, launch, *given)
        on.synchronize()
        return [np.array(on.get(a)) for a, was in zip(given, arguments, strict=True) if isinstance(was, np.ndarray)]

    return started


@pytest.fixture
def simulated() -> Callable[[str], None]:
    """simulated(file): run the tiny tests of a test file in the simulator, and fail with what they print."""

    def check(file: str) -> None:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-k", "tiny", file]
        environment = dict(os.environ, NUMBA_ENABLE_CUDASIM="1")
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-2000:]

    return check


@pytest.fixture(scope="session")
def close() -> Callable[[np.ndarray, np.ndarray], None]:
    """close(got, wanted): every value of `got` is within 1e-5 of the largest magnitude in `wanted` from its own."""

    def check(got: np.ndarray, wanted: np.ndarray, part: float = 1e-5) -> None:
        scale = float(np.abs(wanted).max(initial=0)) or 1.0
        np.testing.assert_allclose(got, wanted, rtol=0, atol=part * scale)

    return check
