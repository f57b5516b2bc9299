"""Tuned kernels that are bound by memory, against the reference, in Numba's simulator."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable

import numpy as np
import pytest

from labkit.engine import losses
from labkit.engine.reference import activation, norm, pool, softmax
from labkit.errors import LabError
from labkit.kernels.executors.gpu import Gpu
from labkit.kernels.tuned import elementwise, normalisation, update
from labkit.kernels.tuned import pool as tuned_pool
from labkit.kernels.tuned import softmax as tuned_softmax
from labkit.kernels.tuned.norm import NormSizes
from labkit.kernels.tuned.pool import PoolSizes
from labkit.kernels.tuned.recipe import run
from labkit.network import AvgPool, BatchNorm, Logistic, MaxPool, ReLU, Softmax

TOLERANCE = 2e-5
NORMS = {
    "plain": NormSizes(3, 2, 8),
    "relu": NormSizes(3, 2, 9, relu=True),
    "add": NormSizes(2, 3, 4, add=True),
    "relu add": NormSizes(2, 3, 5, relu=True, add=True),
    "relu add fours": NormSizes(2, 3, 12, relu=True, add=True),
    "inference": NormSizes(2, 3, 4, relu=True, add=True, training=False),
    "vectors": NormSizes(6, 5, 1, relu=True),
    "one value": NormSizes(1, 2, 1),
}
POOLS = {
    "pairs": PoolSizes(3, 5, 8, 2, 2, 2, 2),
    "overlapping": PoolSizes(2, 7, 7, 3, 3, 2, 2),
    "padded": PoolSizes(2, 5, 4, 3, 2, 2, 1, 1, 1),
    "gaps": PoolSizes(1, 7, 8, 2, 1, 3, 2),
}


def same(got: np.ndarray, wanted: np.ndarray) -> float:
    """The largest difference as a share of the largest value wanted; of nothing but zeros, the difference itself."""
    return float(np.abs(got - wanted).max() / (np.abs(wanted).max() or 1))


def launch(made, *arrays: np.ndarray) -> None:
    """Run one kernel on host arrays, of which one may be given twice: as on a GPU, it then is one array."""
    ran(lambda device: Gpu().launch(*made, *(device[id(array)] for array in arrays)), arrays)


def ran(work: Callable, arrays: Iterable[np.ndarray]) -> None:
    """Call `work` with the arrays (by their `id`) copied to the device and laid flat, then copy them back."""
    device = {id(array): Gpu().put(array.reshape(-1)) for array in arrays}
    work(device)
    for array in arrays:
        array.reshape(-1)[:] = Gpu().get(device[id(array)])


def normal(rng, *shape) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def check_elementwise(rng, found: dict) -> None:
    """Of 70 values the last two are no vector, and the last thread of 32 x 4 finds none."""
    a, b, y = normal(rng, 70), normal(rng, 70), np.zeros(70, np.float32)
    launch(elementwise.make("copy", 70, threads=32), a, y)
    found["copy"] = same(y, a)
    launch(elementwise.make("add", 70, threads=32), a, b, y)
    found["add"] = same(y, a + b)
    launch(elementwise.make("add", 70, 2, threads=32), a, b, y)
    found["add ReLU"] = same(y, np.maximum(a + b, 0))
    for number, layer in ((1, Logistic()), (2, ReLU())):
        launch(elementwise.make("activation", 70, number, threads=32), a, y)
        found[f"{layer.kind} FP"] = same(y, activation.forward(layer, a))
        dx = b.copy()
        launch(elementwise.make("activation_backward", 70, number, threads=32), y, dx, dx)
        found[f"{layer.kind} BP"] = same(dx, activation.backward_data(layer, y, b))


def check_update(rng, found: dict) -> None:
    w, g, v = normal(rng, 70), normal(rng, 70), normal(rng, 70)
    velocity = np.float32(0.9) * v + g
    wanted, plain = w - np.float32(0.1) * velocity, w - np.float32(0.1) * g
    w2 = w.copy()
    launch(update.make(70, True, threads=32), w, g, v, np.array([0.1, 0.9], np.float32))
    launch(update.make(70, False, threads=32), w2, g, np.array([0.1], np.float32))
    found["momentum"] = max(same(w, wanted), same(v, velocity))
    found["sgd"] = same(w2, plain)


def check_softmax(rng, found: dict) -> None:
    """45 classes for 64 threads, 70 for 128; one row is so large that exp(row) would overflow, one has two largest."""
    for K in (45, 70):
        x = normal(rng, 3, K) * 5
        x[1] += 200
        x[2, 7] = x[2, 3] = x[2].max() + 1
        labels = np.array([4, 0, 7], np.int32)
        loss, gradient = losses.softmax_cross_entropy(x, labels)
        dx, each, correct = np.zeros_like(x), np.zeros(3, np.float32), np.zeros(3, np.float32)
        launch(tuned_softmax.make_loss(3, K), x, labels, dx, each, correct)
        found[f"loss of {K}"] = max(same(dx, gradient), same(each.mean(), loss))
        found[f"correct of {K}"] = same(correct, (x.argmax(axis=1) == labels).astype(np.float32))
        y, dy = np.zeros_like(x), normal(rng, 3, K)
        launch(tuned_softmax.make(3, K), x, y)
        found[f"softmax of {K}"] = same(y, softmax.forward(Softmax(), x))
        wanted = softmax.backward_data(Softmax(), y, dy)
        launch(tuned_softmax.make_backward(3, K), y, dy, dy)
        found[f"softmax BP of {K}"] = same(dy, wanted)


def check_pools(rng, found: dict) -> None:
    """Values from a set of four, so that many windows hold their largest value twice."""
    for name, z in POOLS.items():
        x = rng.integers(0, 4, (1, z.maps, z.H, z.W)).astype(np.float32)
        y, dy = np.full((1, z.maps, z.P, z.Q), np.nan, np.float32), normal(rng, 1, z.maps, z.P, z.Q)
        winner, dx = np.full(y.shape, -1, np.int32), np.full(x.shape, np.nan, np.float32)
        for kind in (MaxPool, AvgPool):
            layer = kind(z.R, z.S, (z.stride_h, z.stride_w), (z.pad_h, z.pad_w))
            launch(tuned_pool.make_forward(z, kind is MaxPool, threads=32), x, y, winner)
            found[f"{layer.kind} {name} FP"] = same(y, pool.forward(layer, x))
            launch(tuned_pool.make_backward(z, kind is MaxPool, threads=32), dy, winner, dx)
            found[f"{layer.kind} {name} BP"] = same(dx, pool.backward_data(layer, x, dy))
    x = np.array([[1, np.nan, 2, 3], [4, 0, np.nan, 5]], np.float32)
    y, winner = np.zeros(2, np.float32), np.full(2, -1, np.int32)
    launch(tuned_pool.make_forward(PoolSizes(1, 2, 4, 2, 2, 2, 2), True, keep=False, threads=32), x, y, winner)
    found["a NaN wins"] = float(not (np.isnan(y).all() and (winner == -1).all()))


def check_norms(rng, found: dict) -> None:
    for name, z in NORMS.items():
        layer, shape = BatchNorm(), (z.N, z.C, z.plane)
        a = {k: normal(rng, *shape) for k in ("x", "other", "dy")} | {k: normal(rng, z.C) for k in ("weight", "bias")}
        a["x"] = a["x"] * 2 + 30  # far from zero: the square of the mean must not swallow the variance
        mean, variance = normal(rng, z.C), np.abs(normal(rng, z.C))
        a |= {"running_mean": mean.copy(), "running_variance": variance.copy(), "kept": np.zeros(2 * z.C, np.float32)}
        a |= {k: np.full(shape, np.nan, np.float32) for k in ("y", "dx", "dother")}
        a |= {k: np.full(z.C, np.nan, np.float32) for k in ("dweight", "dbias")}
        exact = {k: v.astype(np.float64) for k, v in a.items()}
        x, weight, bias = exact["x"], exact["weight"], exact["bias"]
        used = norm.statistics(x) if z.training else (exact["running_mean"], exact["running_variance"])
        z_out = norm.forward(layer, x, weight, bias, *used) + (exact["other"] if z.add else 0)
        for recipe in (normalisation.forward(z, layer.momentum), normalisation.backward(z)):
            both = a | {k: np.full(n, np.nan, np.float32) for k, n in recipe.workspace.items()}
            ran(lambda d, r=recipe, b=both: run(r, Gpu(), {k: d[id(v)] for k, v in b.items()}), tuple(both.values()))
        g = exact["dy"] * (z_out > 0) if z.relu else exact["dy"]
        found[f"norm {name} FP"] = same(a["y"], np.maximum(z_out, 0) if z.relu else z_out)
        dx = norm.backward_data(layer, x, g, weight, *used, z.training)
        dweight, dbias = norm.backward_weights(layer, x, g, *used)
        errors = [same(a[k], v) for k, v in (("dx", dx), ("dweight", dweight), ("dbias", dbias))]
        found[f"norm {name} BP"] = max(errors + ([same(a["dother"], g)] if z.add else []))
        new = norm.unbiased(used[1], x)
        moved = norm.running(layer, mean, used[0]) if z.training else mean
        spread = norm.running(layer, variance, new) if z.training and new is not None else variance
        found[f"norm {name} running"] = max(same(a["running_mean"], moved), same(a["running_variance"], spread))


CHECKS = (check_elementwise, check_update, check_softmax, check_pools, check_norms)


@pytest.fixture(scope="module")
def simulated() -> dict[str, float]:
    environment = dict(os.environ, NUMBA_ENABLE_CUDASIM="1")
    ran = subprocess.run([sys.executable, __file__], env=environment, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_all_agree_with_the_reference(simulated):
    assert not {name: error for name, error in simulated.items() if not error < TOLERANCE}


def test_all_were_run(simulated):
    assert len(simulated) == 3 + 4 + 2 + 8 + 4 * len(POOLS) + 1 + 3 * len(NORMS)


def test_an_unknown_operation_is_refused():
    with pytest.raises(LabError, match="'multiply'"):
        elementwise.make("multiply", 4)


if __name__ == "__main__":
    checked: dict[str, float] = {}
    for check in CHECKS:
        check(np.random.default_rng(11), checked)
    print(json.dumps(checked))
