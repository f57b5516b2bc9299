"""Where the tests of kernels run them: on this machine's cores, on its GPU if it has one, and in Numba's simulator.

The simulator needs a process of its own, in which `simulated` runs those tests of a file again that have "tiny" in
their name: there `on` is the simulator, and no block has more than 32 threads.
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
from labkit.kernels.launch import WARP, Launch
from labkit.kernels.source import SIMULATED
from labkit.machine.gpu import first_gpu

PLACES = ("simulator",) if SIMULATED else ("cpu", "gpu") if first_gpu() else ("cpu",)


@pytest.fixture(scope="session", params=PLACES)
def on(request) -> Executor:
    """Each executor that there is."""
    if request.param == "cpu":
        from labkit.kernels.executors.cpu import Cpu

        return Cpu()
    from labkit.kernels.executors.gpu import gpu

    return gpu()


@pytest.fixture(scope="session")
def run(on) -> Callable[..., list[np.ndarray]]:
    """run(kernel, launch, *arguments): the arrays among `arguments` as they are after the launch; copies, in order."""

    def started(kernel: Callable, launch: Launch, *arguments: Any) -> list[np.ndarray]:
        if SIMULATED:
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
