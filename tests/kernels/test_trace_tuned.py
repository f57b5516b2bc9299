"""Tuned kernels in the tracer: same results, and nothing to find fault with. Teaching kernels: see `conftest.on`."""

import numpy as np
import pytest

from labkit.engine.reference import conv
from labkit.kernels.sizes import ConvSizes
from labkit.kernels.trace import findings, trace
from labkit.kernels.tuned import convolution
from labkit.kernels.tuned.ladder import LADDER, recipe
from labkit.kernels.tuned.recipe import Pick, Recipe
from labkit.kernels.tuned.tiles import Tile

TILE, SQUARE = Tile(16, 32, TM=4, TN=4), Tile(32, 16, TM=4, TN=4)
PLAIN = ConvSizes(1, 8, 4, 4, 12, 3, 3, 1, 1, 1, 1)
ODD = ConvSizes(2, 3, 5, 4, 6, 3, 2, 2, 1, 1, 0)
GROUPED = ConvSizes(1, 6, 5, 5, 8, 4, 3, 3, 2, 2, 1, groups=2)


def arrays(z: ConvSizes) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    shapes = {"x": (z.N, z.C, z.H, z.W), "weight": (z.K, z.C // z.groups, z.R, z.S), "bias": (z.K,)}
    shapes["dy"] = (z.N, z.K, z.P, z.Q)
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def check(steps: Recipe, given: dict[str, np.ndarray], wanted: dict[str, np.ndarray], shaped: bool = False) -> None:
    """Trace each step of a recipe; nothing may be found, and the outputs must be what is wanted."""
    outputs = {name: np.full(array.shape, np.nan, np.float32) for name, array in wanted.items()}
    workspace = {name: np.full(size, np.nan, np.float32) for name, size in steps.workspace.items()}
    arrays = {name: a if shaped else a.reshape(-1) for name, a in {**given, **outputs}.items()} | workspace
    for step in (*steps.prepare, *steps.steps):
        launched = [arrays[one] if isinstance(one, str) else one for one in step.arguments]
        ran = trace(step.kernel, step.launch, *launched)
        assert findings(ran, outputs=()) == (), ran.kernel
    for name, array in wanted.items():
        np.testing.assert_allclose(outputs[name], array, rtol=0, atol=2e-5 * np.abs(array).max())


@pytest.mark.parametrize("z", [PLAIN, ODD], ids=["plain", "odd"])
@pytest.mark.parametrize("rung", LADDER, ids=lambda rung: rung.name)
def test_every_rung_of_the_ladder(rung, z):
    given = arrays(z)
    y = conv.forward(z.layer, given["x"], given["weight"], given["bias"])
    check(recipe(rung, z, SQUARE if rung.number == 4 else TILE, 2), given, {"y": y}, rung.shaped)


@pytest.mark.parametrize("z", [ODD, GROUPED], ids=["odd", "grouped"])
def test_tuned_convolutions(z):
    given = arrays(z)
    y = conv.forward(z.layer, given["x"], given["weight"], given["bias"])
    check(convolution.forward(z, Pick("implicit", TILE), function=2), given, {"y": np.maximum(y, 0)})
    dx = conv.backward_data(z.layer, given["dy"], given["weight"], given["x"].shape)
    check(convolution.backward_data(z, Pick("implicit", TILE, 3)), given, {"dx": dx})
    dweight, dbias = conv.backward_weights(z.layer, given["x"], given["dy"])
    check(convolution.backward_weights(z, Pick("weights", TILE, 2), True), given, {"dweight": dweight, "dbias": dbias})
