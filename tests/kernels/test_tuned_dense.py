"""Tuned dense layers against the reference, with tiny tiles in Numba's simulator."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from labkit.engine.reference import dense as reference
from labkit.kernels.executors.gpu import Gpu
from labkit.kernels.sizes import DenseSizes
from labkit.kernels.tuned import dense
from labkit.kernels.tuned.recipe import Pick, Recipe, run
from labkit.kernels.tuned.tiles import Tile
from labkit.network import Dense

TILE = Tile(16, 32, TM=4, TN=4)
CASES = {"even": DenseSizes(8, 20, 36), "odd": DenseSizes(5, 21, 18), "one": DenseSizes(1, 3, 2)}
PICKS = {"whole": Pick("gemm", TILE), "parts": Pick("gemm", TILE, 2), "waiting": Pick("gemm", TILE, 1, False)}
TOLERANCE = 2e-5
NAMES = [f"{case} {pick} {d}" for case in CASES for pick in PICKS for d in ("FP", "BP", "KU")]


def difference(steps: Recipe, arrays: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> float:
    """Run a recipe; the largest difference from what is wanted, as a share of the largest value wanted."""
    outputs = {name: np.full(array.shape, np.nan, np.float32) for name, array in wanted.items()}
    workspace = {name: np.full(size, np.nan, np.float32) for name, size in steps.workspace.items()}
    run(steps, Gpu(), {name: array.reshape(-1) for name, array in {**arrays, **outputs, **workspace}.items()})
    return max(float(np.abs(outputs[name] - array).max() / np.abs(array).max()) for name, array in wanted.items())


def simulate() -> dict[str, float]:
    """Run in a process with NUMBA_ENABLE_CUDASIM=1: name of a check -> difference from the reference."""
    rng = np.random.default_rng(3)
    found = {}
    for case, z in CASES.items():
        shapes = {"x": (z.N, z.F), "weight": (z.K, z.F), "bias": (z.K,), "dy": (z.N, z.K)}
        a = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
        layer = Dense(z.K)
        y = reference.forward(layer, a["x"], a["weight"], a["bias"])
        dx = reference.backward_data(layer, a["dy"], a["weight"])
        dweight, dbias = reference.backward_weights(layer, a["x"], a["dy"])
        for name, pick in PICKS.items():
            aligned = name != "waiting"
            found[f"{case} {name} FP"] = difference(dense.forward(z, pick, function=3), a, {"y": np.tanh(y)})
            found[f"{case} {name} BP"] = difference(dense.backward_data(z, pick, aligned), a, {"dx": dx})
            ku = dense.backward_weights(z, pick, aligned=aligned)
            found[f"{case} {name} KU"] = difference(ku, a, {"dweight": dweight, "dbias": dbias})
    return found


@pytest.fixture(scope="module")
def simulated() -> dict[str, float]:
    environment = dict(os.environ, NUMBA_ENABLE_CUDASIM="1")
    ran = subprocess.run([sys.executable, __file__], env=environment, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.mark.parametrize("name", NAMES)
def test_agrees_with_the_reference(simulated, name):
    assert simulated[name] < TOLERANCE


def test_weights_that_begin_anywhere_are_read_and_written_one_by_one():
    z = DenseSizes(8, 20, 36)
    for make in (dense.backward_data, dense.backward_weights):
        assert make(z, PICKS["whole"], aligned=False).steps[0].kernel is not make(z, PICKS["whole"]).steps[0].kernel


if __name__ == "__main__":
    print(json.dumps(simulate()))
