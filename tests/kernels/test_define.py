"""The layer-define function: every kind of layer against the reference, what it tells, and what it refuses."""

import doctest
import subprocess
import sys

import numpy as np
import pytest

from labkit import kernels
from labkit.engine import ops
from labkit.engine.ops import Draw
from labkit.errors import LabError
from labkit.kernels import primitives
from labkit.kernels.executors import Executor
from labkit.kernels.executors.cpu import Cpu
from labkit.kernels.ops import OPS
from labkit.kernels.primitives import define
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

MAP = (4, 9, 7)
CASES = [
    (Conv(6, 3, 2, stride=(2, 3), padding=(1, 0), groups=2), MAP),
    (Conv(3, 2, bias=False), MAP),
    (MaxPool(3, 2, stride=(2, 3), padding=(1, 0)), MAP),
    (AvgPool(2), MAP),
    (Subsample(2), MAP),
    (Dense(5), (37,)),
    (BatchNorm(1e-3, 0.3), MAP),
    (BatchNorm(), (5,)),
    (LRN(3), MAP),
    (Logistic(), MAP),
    (Tanh(), (5,)),
    (ReLU(), MAP),
    (LeakyReLU(0.1), MAP),
    (Dropout(0.5), MAP),
    (Softmax(), (7,)),
    (Flatten(), MAP),
    (Add(), (MAP, MAP)),
    (Concat(), (MAP, (2, 9, 7))),
    (PadShortcut(6, 2), MAP),
]
IDS = [f"{layer.kind}-{i}" for i, (layer, _) in enumerate(CASES)]
CPU = Cpu()


def numbers(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng((seed, *shape)).standard_normal(shape).astype(np.float32)


def check(layer, shape, mapping: str, n: int = 3, training: bool = True, on: Executor = CPU) -> primitives.Defined:
    """All phases of `layer`, defined for batches of 3, on n samples against the reference; returns the defined one."""
    shapes = shape if isinstance(shape[0], tuple) else (shape,)
    xs = tuple(numbers((n, *s), seed) for seed, s in enumerate(shapes))
    weights = {name: numbers(s, 1) for name, s in layer.weights(*shapes).items()}
    state = {name: np.abs(numbers(s, 2)) for name, s in layer.state(*shapes).items()}
    made = define(layer, shape, 3, mapping, on, name="it")
    y = made.forward(*xs, training=training, step=4, **weights, **state)
    dy = numbers(y.shape, 5)
    gradients, dx = made.backward_weights(dy), made.backward_data(dy)

    right = ops.prepare("reference", layer, shapes, 3, np.dtype(np.float32))
    wanted = right.forward(tuple(x.copy() for x in xs), weights, state, training, Draw(layer="it", step=4)).copy()
    np.testing.assert_allclose(y, wanted, atol=1e-4)
    into = {name: np.empty_like(array) for name, array in weights.items()}
    if weights:
        right.backward_weights(dy.copy(), weights, into)
    wanted_dx = tuple(right.backward_data(dy.copy(), weights))
    assert gradients.keys() == into.keys() and made.state.keys() == state.keys()
    for found, wanted in ((gradients, into), (made.state, state)):
        for name, array in wanted.items():
            np.testing.assert_allclose(found[name], array, atol=2e-4)
    for found, wanted in zip(dx if isinstance(dx, tuple) else (dx,), wanted_dx, strict=True):
        np.testing.assert_allclose(found, wanted, atol=2e-4)
    return made


@pytest.mark.parametrize("mapping", ["data", "model", "hybrid"])
@pytest.mark.parametrize(("layer", "shape"), CASES, ids=IDS)
def test_every_kind_of_layer_is_what_the_reference_is(layer, shape, mapping):
    check(layer, shape, mapping)


def test_no_kind_of_layer_is_left_out():
    assert {type(layer) for layer, _ in CASES} == OPS.keys()


@pytest.mark.parametrize("layer", [BatchNorm(1e-3), Dropout(0.5)])
def test_evaluation_and_a_smaller_batch(layer):
    check(layer, MAP, "hybrid", training=False)
    check(layer, MAP, "hybrid", n=2)


@pytest.mark.parametrize(
    ("layer", "shape"), [(Conv(2, 2), (2, 3, 3)), (MaxPool(2), (1, 4, 4)), (BatchNorm(), (2, 2, 2))]
)
def test_tiny_layers_wherever_kernels_run(layer, shape, on):
    check(layer, shape, "hybrid", on=on)
    check(layer, shape, "model", n=2, on=on)


def test_tiny_arrays_of_an_executor_are_used_as_they_are(on):
    x, y, host = on.put(numbers((2, 3, 2, 2))), on.put(np.zeros((2, 3, 2, 2), np.float32)), np.zeros((2, 3, 2, 2), "f4")
    primitives.activation_forward(2, 3, 2, 2, "tanh", x, y, on=on)
    primitives.residual_add(2, 3, 2, 2, x, y, host, on=on)
    np.testing.assert_allclose(on.get(y), np.tanh(on.get(x)), atol=1e-6)
    np.testing.assert_allclose(host, on.get(x) + on.get(y), atol=1e-6)


def test_in_the_simulator(simulated):
    simulated(__file__)


def test_tuned_kernels_where_a_layer_has_them():
    made = check(Conv(8, 3, padding=1), (4, 8, 8), "tuned")
    assert made.launches and all(started.launch.mapping == "tuned" for started in made.launches)
    assert {started.phase for started in made.launches} == {"FP", "KU", "BP"}
    assert made.launches[0].kernel in made.explain("h100")


def test_a_layer_without_tuned_kernels_runs_in_hybrid():
    made = check(LRN(3), MAP, "tuned")
    assert {started.launch.mapping for started in made.launches} == {"hybrid"}


def test_launches_and_workspace_are_known_before_anything_runs():
    made = define(Conv(6, 5), (1, 28, 28), 4, "model", on=CPU)
    before, held = made.launches, made.workspace_bytes
    assert [started.kernel for started in before] == [
        "conv.forward.forward_model",
        "conv.backward_weights.backward_weights_model",
        "conv.backward_data.backward_data_model",
    ]
    x = 4 * 28 * 28 * 4
    y = 4 * 6 * 24 * 24 * 4
    weights = (6 * 25 + 6) * 4
    assert held == 2 * (x + y + weights)  # each with its gradient: x and y go in and out, weights and gradients stay
    y = made.forward(numbers((4, 1, 28, 28)), weight=numbers((6, 1, 5, 5)), bias=numbers((6,)))
    made.backward_weights(y)
    made.backward_data(y)
    assert (made.launches, made.workspace_bytes) == (before, held)


def test_explanation_names_kernels_and_gpu():
    text = define(Conv(6, 5), (1, 28, 28), 4, "model", on=CPU).explain("a100")
    assert "FP  conv.forward.forward_model: grid 6 x 1 x 1" in text
    assert "102 of its 108 SMs get no block at all" in text and "modelled" in text
    assert define(Flatten(), MAP, 4, on=CPU).explain() == "flatten: no kernel"
    with pytest.raises(LabError, match="unknown GPU 'a1000'"):
        define(ReLU(), MAP, 4, on=CPU).explain("a1000")


def test_weights_stay_and_results_are_the_callers_own():
    made, x = define(Dense(2), (3,), 4, on=CPU), numbers((4, 3))
    first = made.forward(x, weight=np.ones((2, 3), np.float32), bias=np.zeros(2, np.float32))
    kept = first.copy()
    second = made.forward(x, bias=np.ones(2, np.float32))
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_allclose(second, first + 1, atol=1e-6)


X = np.zeros((2, 3), np.float32)
WEIGHTS = {"weight": np.zeros((2, 3), np.float32), "bias": np.zeros(2, np.float32)}


@pytest.mark.parametrize(
    ("refused", "named"),
    [
        (lambda: define("conv", MAP, 3), "no kernel for 'conv'"),
        (lambda: define(Dense(2), (3,), 4, "tune"), "unknown mapping 'tune'"),
        (lambda: define(Dense(2), (3,), 0, on=CPU), "batch=0"),
        (lambda: define(Conv(1, 1, connections=((0,),)), (2, 3, 3), 1, on=CPU), "connections"),
        (lambda: define(Dense(2), 3, 4, on=CPU), "input_shape=3"),
        (lambda: define(Dense(2), (3, 0), 4, on=CPU), r"input_shape=\(3, 0\)"),
        (lambda: define(Dense(2), MAP, 4, on=CPU), "dense takes a vector"),
        (lambda: define(Dense(2), (3,), 4, on="gpu"), "on='gpu' is no executor"),
        (lambda: define(Conv(2, 5), (999, 5, 5), 4, "model", on=CPU, name="big"), "a filter of big"),
        (lambda: dense().forward(X), "dense was never given bias, weight"),
        (lambda: dense().forward(X, **WEIGHTS, weights=X), "no weights 'weights'"),
        (lambda: dense().forward(X, **WEIGHTS | {"bias": X}), "bias is float32"),
        (lambda: dense().forward(X, X, **WEIGHTS), "given 2 inputs, not 1"),
        (lambda: dense().forward(np.zeros((5, 3), np.float32), **WEIGHTS), "5 samples for dense"),
        (lambda: dense().forward(X[:, :2], **WEIGHTS), "input is float32"),
        (lambda: dense().forward(X.tolist(), **WEIGHTS), "0 samples|input is list"),
        (lambda: dense().backward_data(X), "dense has not been run forward"),
        (lambda: dense().backward_weights(X), "dense has not been run forward"),
        (lambda: relu().forward(X, weight=X), "relu has no weights 'weight'"),
        (lambda: relu(run=True).backward_data(X[:1]), "output_gradient is float32"),
    ],
)
def test_refusals_name_the_argument(refused, named):
    with pytest.raises(LabError, match=named):
        refused()


def dense() -> primitives.Defined:
    return define(Dense(2), (3,), 4, on=CPU)


def relu(run: bool = False) -> primitives.Defined:
    made = define(ReLU(), (3,), 4, on=CPU)
    if run:
        made.forward(X)
    return made


@pytest.mark.parametrize("module", [kernels, primitives])
def test_the_examples_in_the_docstrings(module):
    found = doctest.testmod(module)
    assert found.attempted > 4 and found.failed == 0


def test_importing_the_room_loads_nothing_heavy():
    code = "import sys, labkit.kernels; print([m for m in ('numpy', 'numba') if m in sys.modules], dir(labkit.kernels))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.stdout.startswith("[] ") and "'define'" in ran.stdout, ran.stderr
    with pytest.raises(AttributeError, match="no attribute 'defined'"):
        _ = kernels.defined
