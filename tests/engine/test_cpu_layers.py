"""Every layer and option of the cpu backend against the reference: outputs, gradients of inputs and of weights."""

import numpy as np
import pytest

from labkit.engine import threads
from labkit.engine.ops import Draw, prepare
from labkit.errors import LabError
from labkit.network import (
    LRN,
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    Dense,
    Dropout,
    Flatten,
    LeakyReLU,
    Logistic,
    MaxPool,
    PadShortcut,
    ReLU,
    Softmax,
    Subsample,
    Tanh,
)
from labkit.network.zoo.lenet import C3_CONNECTIONS

DRAW = Draw(seed=3, layer="drop", step=5, first=2)
# Largest error allowed, as a part of the root mean square of the result: about ten times what is seen. Sums are taken
# in another order than the reference's, and Winograd's method rounds more (see its module).
TOLERANCE = {np.float32: 5e-5, np.float64: 1e-12}

# Layer, input shapes, samples in the batch. The workspaces are for 5 samples.
CASES = {
    "conv 3x3": (Conv(20, 3, padding=1), [(17, 9, 7)], 5),
    "conv 3x3 whole vectors": (Conv(32, 3, padding=1), [(32, 8, 16)], 4),
    "conv 3x3 one panel and a half": (Conv(48, 3), [(33, 11, 6)], 3),
    "conv 3x3 padding pair": (Conv(16, 3, padding=(2, 0)), [(16, 5, 13)], 5),
    "conv 3x3 groups": (Conv(64, 3, padding=1, groups=2), [(40, 6, 6)], 3),
    "conv 3x3 many channels of small maps": (Conv(128, 3, padding=1), [(96, 3, 3)], 5),
    "conv 5x5": (Conv(33, 5, padding=2), [(19, 14, 10)], 5),
    "conv 5x5 groups, no bias": (Conv(36, 5, padding=(1, 2), groups=3, bias=False), [(48, 7, 9)], 2),
    "conv 3x3 few channels": (Conv(7, 3, padding=1), [(3, 10, 8)], 5),
    "conv 3x3 stride": (Conv(18, 3, stride=2, padding=1), [(20, 9, 12)], 5),
    "conv 3x3 stride pair": (Conv(5, 3, stride=(1, 3), padding=(0, 1)), [(4, 7, 11)], 3),
    "conv stride beyond window": (Conv(6, 2, stride=3), [(3, 10, 9)], 4),
    "conv 1x1": (Conv(35, 1), [(18, 5, 5)], 5),
    "conv 1x1 stride, no bias": (Conv(24, 1, stride=2, bias=False), [(18, 7, 6)], 5),
    "conv not square": (Conv(9, 2, 5, padding=(1, 2)), [(6, 6, 7)], 3),
    "conv 7x7, one channel": (Conv(12, 7, padding=3), [(1, 14, 14)], 5),
    "conv 11x11 stride 4": (Conv(8, 11, stride=4), [(3, 31, 27)], 2),
    "conv over the whole map": (Conv(21, 5), [(16, 5, 5)], 5),
    "conv over the whole map, groups": (Conv(8, 4, groups=2), [(6, 4, 4)], 5),
    "conv padding beyond window": (Conv(16, 3, padding=4), [(16, 4, 5)], 2),
    "conv input without any window": (Conv(4, 1, stride=3), [(4, 6, 8)], 2),
    "conv windows on padding only": (Conv(2, 1, stride=(1, 3), padding=(0, 1), groups=2), [(4, 3, 2)], 3),
    "conv windows on padding only, wide": (Conv(3, 1, 4, stride=2, padding=1, groups=3), [(6, 1, 3)], 2),
    "conv depthwise": (Conv(6, 3, padding=1, groups=6), [(6, 7, 5)], 4),
    "conv connections": (Conv(16, 5, connections=C3_CONNECTIONS), [(6, 14, 14)], 3),
    "conv connections, no bias": (Conv(3, 3, padding=1, bias=False, connections=((0,), (2, 1), (3,))), [(4, 5, 6)], 5),
    "maxpool": (MaxPool(2), [(3, 8, 6)], 5),
    "maxpool odd": (MaxPool(2), [(3, 7, 9)], 3),
    "maxpool 4": (MaxPool(4), [(3, 14, 14)], 3),
    "maxpool overlapping": (MaxPool(3, stride=2, padding=1), [(4, 9, 8)], 5),
    "maxpool not square": (MaxPool(3, 2, stride=(1, 2), padding=(1, 0)), [(2, 6, 7)], 4),
    "avgpool": (AvgPool(2), [(6, 28, 28)], 5),
    "avgpool odd": (AvgPool(2), [(3, 7, 9)], 3),
    "avgpool whole map": (AvgPool(4), [(5, 4, 4)], 5),
    "avgpool overlapping": (AvgPool(3, stride=(2, 1), padding=(1, 0)), [(4, 9, 8)], 5),
    "subsample": (Subsample(2), [(6, 10, 8)], 5),
    "subsample odd": (Subsample(3, 2, stride=(2, 1)), [(4, 9, 8)], 3),
    "dense": (Dense(33), [(50,)], 5),
    "dense whole vectors": (Dense(64), [(128,)], 5),
    "dense one": (Dense(1), [(7,)], 1),
    "dense wide, no bias": (Dense(600, bias=False), [(1100,)], 5),
    "batchnorm": (BatchNorm(), [(5, 7, 6)], 5),
    "batchnorm vectors": (BatchNorm(epsilon=1e-3, momentum=0.3), [(9,)], 5),
    "batchnorm one value": (BatchNorm(), [(4, 1, 1)], 1),
    "lrn": (LRN(), [(9, 4, 5)], 5),
    "lrn narrow": (LRN(size=3, alpha=0.1, beta=0.5, k=1.0), [(2, 4, 5)], 3),
    "logistic": (Logistic(), [(3, 5, 7)], 5),
    "tanh": (Tanh(), [(3, 5, 7)], 5),
    "relu": (ReLU(), [(33,)], 5),
    "leakyrelu": (LeakyReLU(0.1), [(3, 5, 7)], 5),
    "softmax": (Softmax(), [(10,)], 5),
    "dropout": (Dropout(0.4), [(3, 5, 7)], 5),
    "flatten": (Flatten(), [(3, 5, 7)], 5),
    "add": (Add(), [(3, 5, 7)] * 2, 5),
    "add three": (Add(), [(11,)] * 3, 3),
    "concat": (Concat(), [(3, 5, 7), (1, 5, 7), (4, 5, 7)], 5),
    "padshortcut": (PadShortcut(7), [(3, 5, 8)], 5),
    "padshortcut pair": (PadShortcut(4, stride=(1, 3)), [(4, 5, 8)], 3),
}


def run(backend: str, layer, shapes, n: int, dtype, training: bool = True, threads_: int = 1) -> dict[str, np.ndarray]:
    """One FP, KU and BP on `n` samples with fixed random numbers; every array that comes out, by name."""
    rng = np.random.default_rng(7)
    xs = tuple(rng.normal(size=(n, *shape)).astype(dtype) for shape in shapes)
    weights = {name: rng.normal(size=shape).astype(dtype) for name, shape in layer.weights(*shapes).items()}
    state = {name: rng.uniform(0.5, 2, size=shape).astype(dtype) for name, shape in layer.state(*shapes).items()}
    gradients = {name: np.full_like(weight, np.nan) for name, weight in weights.items()}
    dy = rng.normal(size=(n, *layer.output_shape(*shapes))).astype(dtype)
    ops = prepare(backend, layer, tuple(shapes), 5, dtype)
    with threads.limit(threads_):
        found = {"y": ops.forward(xs, weights, state, training, DRAW).copy()}
        if weights:
            ops.backward_weights(dy, weights, gradients)
        for i, dx in enumerate(ops.backward_data(dy, weights)):
            found[f"dx{i}"] = dx.copy()
    return found | {f"d{name}": g for name, g in gradients.items()} | {f"new {name}": s for name, s in state.items()}


def assert_close(found: dict, expected: dict, tolerance: float) -> None:
    assert found.keys() == expected.keys()
    for name, array in found.items():
        wanted = expected[name]
        assert array.shape == wanted.shape, name
        scale = np.sqrt(np.mean(np.square(wanted, dtype=np.float64))) or 1.0
        error = np.abs(array.astype(np.float64) - wanted).max() / scale
        assert error <= tolerance, f"{name} is off by {error:.1e} of its root mean square"


@pytest.mark.parametrize("dtype", TOLERANCE, ids=["float32", "float64"])
@pytest.mark.parametrize("case", CASES)
def test_layer_is_what_the_reference_says(case, dtype):
    layer, shapes, n = CASES[case]
    found = run("cpu", layer, shapes, n, dtype)
    assert all(array.dtype == dtype for array in found.values())
    assert_close(found, run("reference", layer, shapes, n, dtype), TOLERANCE[dtype])


@pytest.mark.parametrize("case", [c for c in CASES if c.startswith(("batchnorm", "dropout"))])
def test_evaluation_differs_from_training_as_the_reference_says(case):
    layer, shapes, n = CASES[case]
    found = run("cpu", layer, shapes, n, np.float32, training=False)
    assert_close(found, run("reference", layer, shapes, n, np.float32, training=False), TOLERANCE[np.float32])


@pytest.mark.parametrize("threads_", [2, 3])
@pytest.mark.parametrize("case", CASES)
def test_threads_change_no_more_than_the_order_of_sums(case, threads_, monkeypatch):
    monkeypatch.setattr("labkit.engine.cpu.work.LEAST_WORK", 0)  # let even these small layers be shared out
    layer, shapes, n = CASES[case]
    alone = run("cpu", layer, shapes, n, np.float32)
    shared = run("cpu", layer, shapes, n, np.float32, threads_=threads_)
    assert_close(shared, alone, 1e-5)
    again = run("cpu", layer, shapes, n, np.float32, threads_=threads_)
    assert all(np.array_equal(shared[name], again[name]) for name in shared), "a second run must be bit-identical"


@pytest.mark.parametrize("case", [case for case, (layer, _, _) in CASES.items() if not layer.in_place])
def test_arrays_that_came_in_stay_unless_the_layer_works_in_place(case):
    layer, shapes, n = CASES[case]
    rng = np.random.default_rng(1)
    xs = tuple(rng.normal(size=(n, *shape)).astype(np.float32) for shape in shapes)
    weights = {k: rng.normal(size=s).astype(np.float32) for k, s in layer.weights(*shapes).items()}
    state = {k: np.ones(s, np.float32) for k, s in layer.state(*shapes).items()}
    dy = rng.normal(size=(n, *layer.output_shape(*shapes))).astype(np.float32)
    ops = prepare("cpu", layer, tuple(shapes), 5, np.float32)
    given = [*xs, *weights.values(), dy]
    before = [a.copy() for a in given]
    ops.forward(xs, weights, state, True, DRAW)
    if weights:
        ops.backward_weights(dy, weights, {k: np.empty_like(w) for k, w in weights.items()})
    ops.backward_data(dy, weights)
    assert all(np.array_equal(a, b) for a, b in zip(given, before, strict=True))


def test_other_float_types_are_refused():
    with pytest.raises(LabError, match="float16"):
        prepare("cpu", ReLU(), ((3,),), 2, np.float16)
