"""Every layer of the reference, with every option, against central finite differences in float64.

A table of cases: it fails if a layer record, or a field of one, is not in it.
"""

from dataclasses import MISSING, fields
from functools import partial

import numpy as np
import pytest

from labkit.engine.gradient_check import gradient_error, numerical_gradient
from labkit.engine.ops import Draw, prepare
from labkit.engine.reference import activation, conv, dense, lrn, norm, pool, softmax
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
from labkit.network.document import KINDS

DRAW = Draw(seed=2, layer="here", step=5, first=3)
C3 = ((0, 2), (1,), (3, 0, 2), (2, 1, 0, 3))  # filters that read different numbers of channels, in any order

# A layer and the shapes of its inputs; each runs with 1 and 3 samples, in training and in evaluation.
CASES = [
    (Conv(3, 3), [(2, 5, 4)]),
    (Conv(2, 3, 2, bias=False), [(3, 4, 5)]),
    (Conv(5, 1), [(3, 3, 2)]),
    (Conv(3, 2, 3, stride=(2, 3)), [(2, 6, 7)]),  # a row is left over
    (Conv(2, 2, stride=3), [(1, 6, 7)]),  # strides skip what no window reads
    (Conv(3, 3, padding=(2, 0)), [(2, 3, 5)]),
    (Conv(2, 3, 2, stride=(2, 1), padding=(0, 3)), [(2, 4, 3)]),  # windows that lie within the padding
    (Conv(6, 2, groups=3, padding=1), [(3, 3, 4)]),
    (Conv(4, 3, 2, groups=2, stride=2, bias=False), [(6, 5, 4)]),
    (Conv(4, 2, connections=C3), [(4, 4, 3)]),
    (Conv(4, 3, 2, stride=(1, 2), padding=1, connections=C3, bias=False), [(4, 3, 4)]),
    (MaxPool(2), [(2, 5, 4)]),
    (MaxPool(3, 2, stride=(2, 1)), [(2, 6, 5)]),  # windows overlap
    (MaxPool(3, 3, stride=2, padding=(1, 2)), [(1, 5, 4)]),
    (AvgPool(2), [(2, 5, 4)]),
    (AvgPool(3, 2, stride=(1, 2)), [(2, 5, 5)]),
    (AvgPool(3, 3, stride=2, padding=(2, 1)), [(2, 4, 5)]),
    (Subsample(), [(3, 5, 4)]),
    (Subsample(3, 2, stride=(2, 3)), [(2, 6, 7)]),
    (Subsample(2, 3), [(1, 4, 7)]),
    (Dense(3), [(5,)]),
    (Dense(1, bias=False), [(7,)]),
    (BatchNorm(), [(3, 4, 2)]),
    (BatchNorm(epsilon=0.1, momentum=0.3), [(5,)]),
    (LRN(alpha=0.5), [(7, 2, 3)]),
    (LRN(size=3, alpha=0.3, beta=1.5, k=0.7), [(2, 3, 2)]),  # fewer channels than neighbours
    (LRN(size=4, alpha=0.5), [(6, 1, 2)]),
    (Logistic(), [(2, 3, 4)]),
    (Tanh(), [(7,)]),
    (ReLU(), [(2, 3, 4)]),
    (LeakyReLU(), [(9,)]),
    (LeakyReLU(slope=0.3), [(2, 3, 1)]),
    (Dropout(), [(2, 3, 5)]),
    (Dropout(rate=0.2), [(9,)]),
    (Softmax(), [(5,)]),
    (Flatten(), [(2, 3, 4)]),
    (Add(), [(2, 3, 1), (2, 3, 1)]),
    (Add(), [(4,), (4,), (4,)]),
    (Concat(), [(2, 3, 2), (1, 3, 2), (3, 3, 2)]),
    (PadShortcut(3), [(2, 5, 4)]),
    (PadShortcut(2, stride=(1, 3)), [(2, 3, 5)]),
]
IDS = [f"{i}-{layer.kind}" for i, (layer, _) in enumerate(CASES)]


class Layer:
    """One layer with random inputs, weights, states and dL/dy; dy . y is the scalar whose gradient is wanted."""

    def __init__(self, layer, shapes, n, training=True, dtype=np.float64):
        rng = np.random.default_rng(len(shapes) + n)
        self.xs = tuple(apart(rng, (n, *shape)).astype(dtype) for shape in shapes)
        self.weights = {k: rng.normal(size=s).astype(dtype) for k, s in layer.weights(*shapes).items()}
        self.state = {k: rng.uniform(0.5, 2, s).astype(dtype) for k, s in layer.state(*shapes).items()}
        self.dy = rng.normal(size=(n, *layer.output_shape(*shapes))).astype(dtype)
        self.ops = prepare("reference", layer, tuple(shapes), n, np.dtype(dtype))
        self.training = training

    def forward(self, xs=None, weights=None):
        state = {k: v.copy() for k, v in self.state.items()}
        return self.ops.forward(xs or self.xs, weights or self.weights, state, self.training, DRAW)

    def scalar(self, xs=None, weights=None) -> float:
        return np.sum(self.dy * self.forward(xs, weights))

    def backward(self):
        """(gradients of the inputs, gradients of the weights by name)."""
        self.forward()
        gradients = {k: np.full_like(v, np.nan) for k, v in self.weights.items()}
        if self.weights:
            self.ops.backward_weights(self.dy, self.weights, gradients)
        return self.ops.backward_data(self.dy, self.weights), gradients

    def errors(self) -> dict[str, float]:
        """Error of every gradient against finite differences."""
        dxs, gradients = self.backward()
        found = {}
        for i, dx in enumerate(dxs):
            numeric = numerical_gradient(lambda x, i=i: self.scalar(replaced(self.xs, i, x)), self.xs[i])
            found[f"x{i}"] = gradient_error(dx, numeric)
        for k, gradient in gradients.items():
            numeric = numerical_gradient(lambda w, k=k: self.scalar(weights=self.weights | {k: w}), self.weights[k])
            found[k] = gradient_error(gradient, numeric)
        return found


def apart(rng, shape) -> np.ndarray:
    """Values from -1 to 1.05 in random order, none equal and none 0: no difference steps over a kink."""
    return rng.permutation(np.linspace(-1, np.pi / 3, int(np.prod(shape)))).reshape(shape)


def replaced(xs, i, x):
    return (*xs[:i], x, *xs[i + 1 :])


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize(("layer", "shapes"), CASES, ids=IDS)
def test_gradients_match_finite_differences(layer, shapes, n, training):
    errors = Layer(layer, shapes, n, training).errors()
    assert set(errors) == {f"x{i}" for i in range(len(shapes))} | set(layer.weights(*shapes))
    assert all(error < 1e-7 for error in errors.values()), errors


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize(("layer", "shapes"), CASES, ids=IDS)
def test_float_type_is_kept_and_results_agree(layer, shapes, dtype):
    case, exact = Layer(layer, shapes, 3, dtype=dtype), Layer(layer, shapes, 3)
    arrays = {"y": (case.forward(), exact.forward())}
    (dxs, gradients), (exact_dxs, exact_gradients) = case.backward(), exact.backward()
    arrays |= {f"x{i}": pair for i, pair in enumerate(zip(dxs, exact_dxs, strict=True))}
    arrays |= {k: (gradients[k], exact_gradients[k]) for k in gradients}
    for name, (array, expected) in arrays.items():
        assert array.dtype == dtype and array.flags.c_contiguous, name
        np.testing.assert_allclose(array, expected, atol=2e-5 if dtype == np.float32 else 1e-13, err_msg=name)


@pytest.mark.parametrize(("layer", "shapes"), CASES, ids=IDS)
def test_nothing_that_comes_in_is_overwritten(layer, shapes):
    case = Layer(layer, shapes, 3)
    given = (*case.xs, *case.weights.values(), case.dy)
    copies = [array.copy() for array in given]
    case.backward()
    for array, copy in zip(given, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_every_layer_record_is_in_the_table():
    assert {type(layer) for layer, _ in CASES} == set(KINDS.values())


def test_every_option_is_in_the_table():
    """For each field with a default there is a case in which it has another value than the default gives."""
    options = {(record, f.name) for record in KINDS.values() for f in fields(record) if f.default is not MISSING}
    assert not {
        (record, name) for record, name in options if not any(varies(layer, record, name) for layer, _ in CASES)
    }


def varies(layer, record, name) -> bool:
    if type(layer) is not record:
        return False
    plain = record(**{f.name: getattr(layer, f.name) for f in fields(record) if f.default is MISSING})
    return getattr(layer, name) != getattr(plain, name)


# Mistakes that one could make: what is called, the layer it is seen in, the function and what it is replaced by, which
# is given the right function and its arguments.
def no_neighbours(right, layer, x, dy):
    return dy * lrn.denominator(layer, x) ** -layer.beta


MUTANTS = [
    (
        "filter turned round",
        (Conv(2, 3, 2), [(3, 4, 5)]),
        (conv, "scatter"),
        lambda right, layer, dwindows, shape: right(layer, dwindows[..., ::-1, ::-1], shape),
    ),
    (
        "gradient of the next weight",
        (Conv(4, 2, connections=C3), [(4, 4, 3)]),
        (conv, "only_links"),
        lambda right, layer, filters: np.roll(right(layer, filters), 1, axis=-1),
    ),
    (
        "mean for sum",
        (Dense(3), [(5,)]),
        (dense, "backward_weights"),
        lambda right, layer, x, dy: [gradient / len(x) for gradient in right(layer, x, dy)],
    ),
    (
        "all of the window wins",
        (MaxPool(3, 2, stride=1), [(2, 6, 5)]),
        (pool, "winners"),
        lambda right, layer, x: np.full_like(right(layer, x), True),
    ),
    (
        "mean and variance taken for constants",
        (BatchNorm(), [(5,)]),
        (norm, "backward_data"),
        lambda right, *arguments: right(*arguments[:-1], False),
    ),
    ("nothing through the neighbours", (LRN(alpha=0.5), [(7, 2, 3)]), (lrn, "backward_data"), no_neighbours),
    (
        "input for output",
        (Tanh(), [(7,)]),
        (activation, "backward_data"),
        lambda right, layer, y, dy: right(layer, np.arctanh(y), dy),
    ),
    (
        "other classes left out",
        (Softmax(), [(5,)]),
        (softmax, "backward_data"),
        lambda right, layer, y, dy: dy * y * (1 - y),
    ),
]


@pytest.mark.parametrize(("case", "where", "wrong"), [m[1:] for m in MUTANTS], ids=[m[0] for m in MUTANTS])
def test_mistakes_are_found(case, where, wrong, monkeypatch):
    """The finite differences can fail: with a planted mistake the error is orders of magnitude above the limit."""
    module, function = where
    monkeypatch.setattr(module, function, partial(wrong, getattr(module, function)))
    assert max(Layer(*case, 3).errors().values()) > 1e-2
