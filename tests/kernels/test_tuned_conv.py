"""Tuned convolutions and the ladder of kernels that leads to them, with tiny tiles in Numba's simulator."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from labkit.engine.reference import conv
from labkit.errors import LabError
from labkit.kernels.executors.gpu import Gpu
from labkit.kernels.sizes import ConvSizes
from labkit.kernels.tuned import convolution
from labkit.kernels.tuned.ladder import LADDER, recipe
from labkit.kernels.tuned.recipe import Pick, Recipe, run
from labkit.kernels.tuned.tiles import Tile

TILE = Tile(16, 32, TM=4, TN=4)
SQUARE = Tile(32, 16, TM=4, TN=4)
LOW = Tile(16, 64, TM=4, TN=4)  # half of its threads have no weights to copy
PLAIN = ConvSizes(2, 8, 4, 4, 12, 3, 3, 1, 1, 1, 1)  # 16 pixels per map: four of them are one 128-bit store
ODD = ConvSizes(2, 3, 5, 4, 6, 3, 2, 2, 1, 1, 0)  # nothing is a multiple of anything
WIDE = ConvSizes(1, 10, 3, 7, 9, 3, 3, 1, 2, 2, 1)
POINT = ConvSizes(1, 9, 4, 5, 18, 1, 1, 2, 2)  # three of the four kinds of pixels of BP have no tap
GROUPED = ConvSizes(1, 6, 5, 5, 8, 4, 3, 3, 2, 2, 1, groups=2)
EXTRA_PADDING = ConvSizes(1, 2, 3, 3, 4, 1, 2, 1, 1, 1, 2)  # windows that see only padding
CASES = {"plain": PLAIN, "odd": ODD, "wide": WIDE, "point": POINT, "grouped": GROUPED, "padding": EXTRA_PADDING}
PICKS = {
    "FP": [Pick("implicit", LOW), Pick("implicit", TILE, 2, asynchronous=False), Pick("few_channels", LOW)],
    "BP": [Pick("implicit", TILE), Pick("implicit", TILE, 3)],
    "KU": [Pick("weights", TILE, 2), Pick("weights_few", TILE, 3), Pick("weights_few", TILE, 1, asynchronous=False)],
}
CLIMBED = ("plain", "odd")  # by the whole ladder
TOLERANCE = 2e-5


def names() -> list[str]:
    """Every check that `simulate` makes."""
    tuned = [f"{case} {d} {i}" for case in CASES for d in PICKS for i in range(len(PICKS[d]))]
    return [*tuned, *(f"{case} rung {rung.number}" for case in CLIMBED for rung in LADDER)]


def difference(steps: Recipe, arrays: dict[str, np.ndarray], wanted: dict[str, np.ndarray], shaped: bool) -> float:
    """Run a recipe; the largest difference from what is wanted, as a share of the largest value wanted."""
    outputs = {name: np.full(array.shape, np.nan, np.float32) for name, array in wanted.items()}
    workspace = {name: np.full(size, np.nan, np.float32) for name, size in steps.workspace.items()}
    given = {**arrays, **outputs}
    run(steps, Gpu(), {**(given if shaped else {k: v.reshape(-1) for k, v in given.items()}), **workspace})
    assert set(steps.names) <= set(given)
    return max(float(np.abs(outputs[name] - array).max() / np.abs(array).max()) for name, array in wanted.items())


def simulate() -> dict[str, float]:
    """Run in a process with NUMBA_ENABLE_CUDASIM=1: name of a check -> difference from the reference."""
    rng = np.random.default_rng(7)
    found = {}
    for case, z in CASES.items():
        shapes = {"x": (z.N, z.C, z.H, z.W), "weight": (z.K, z.C // z.groups, z.R, z.S), "bias": (z.K,)}
        a = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
        a["dy"] = rng.standard_normal((z.N, z.K, z.P, z.Q)).astype(np.float32)
        y = conv.forward(z.layer, a["x"], a["weight"], a["bias"])
        dx = conv.backward_data(z.layer, a["dy"], a["weight"], a["x"].shape)
        dweight, dbias = conv.backward_weights(z.layer, a["x"], a["dy"])
        for i, pick in enumerate(PICKS["FP"]):
            relu = convolution.forward(z, pick, function=2)
            found[f"{case} FP {i}"] = difference(relu, a, {"y": np.maximum(y, 0)}, False)
        for i, pick in enumerate(PICKS["BP"]):
            found[f"{case} BP {i}"] = difference(convolution.backward_data(z, pick), a, {"dx": dx}, False)
        for i, pick in enumerate(PICKS["KU"]):
            wanted = {"dweight": dweight, "dbias": dbias} if i == 0 else {"dweight": dweight}
            found[f"{case} KU {i}"] = difference(convolution.backward_weights(z, pick, i == 0), a, wanted, False)
        for rung in LADDER if case in CLIMBED else ():
            steps = recipe(rung, z, SQUARE if rung.number == 4 else TILE, 2)
            found[f"{case} rung {rung.number}"] = difference(steps, a, {"y": y}, rung.shaped)
    return found


@pytest.fixture(scope="module")
def simulated() -> dict[str, float]:
    environment = dict(os.environ, NUMBA_ENABLE_CUDASIM="1")
    ran = subprocess.run([sys.executable, __file__], env=environment, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.mark.parametrize("name", names())
def test_agrees_with_the_reference(simulated, name):
    assert simulated[name] < TOLERANCE


def test_nothing_else_was_simulated(simulated):
    assert sorted(simulated) == sorted(names())


def test_a_kernel_that_cannot_do_it_is_refused():
    with pytest.raises(LabError, match="few_chanels"):
        convolution.forward(PLAIN, Pick("few_chanels", TILE))
    with pytest.raises(LabError, match="'weights' cannot"):
        convolution.backward_data(PLAIN, Pick("weights", TILE))


def test_the_ladder_refuses_groups():
    with pytest.raises(LabError, match="no groups"):
        recipe(LADDER[0], GROUPED)


def test_a_tile_that_no_warp_computes_is_refused():
    with pytest.raises(LabError, match="no block of warps"):
        Tile(16, 16, TM=4, TN=4)


def test_a_rung_refuses_a_tile_with_idle_threads():
    with pytest.raises(LabError, match="without a copy"):
        recipe(LADDER[5], PLAIN, LOW)


def test_too_many_values_for_int32_are_refused():
    with pytest.raises(LabError, match="take a smaller batch"):
        convolution.forward(ConvSizes(1024, 1024, 64, 64, 8, 1, 1), Pick("implicit", TILE))


if __name__ == "__main__":
    print(json.dumps(simulate()))
