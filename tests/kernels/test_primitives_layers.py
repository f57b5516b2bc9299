"""The primitives of pooling, dense, normalisation, activation, addition, loss and update against the reference."""

import numpy as np
import pytest

from labkit.engine import losses
from labkit.engine.reference import activation, dense, norm, pool
from labkit.errors import LabError
from labkit.kernels import primitives
from labkit.kernels.executors.cpu import Cpu
from labkit.network import AvgPool, BatchNorm, Dense, Logistic, MaxPool, ReLU, Tanh

MAPPINGS = pytest.mark.parametrize("mapping", ["data", "model", "hybrid"])
POOL = (3, 5, 9, 7, 3, 2, 1, 0, 2, 3, 5, 2)  # N C H W R S pad_H pad_W str_H str_W out_H out_W
WINDOW = {"R": 3, "S": 2, "stride": (2, 3), "padding": (1, 0)}
MAPS = (3, 5, 7, 3)  # N C H W
CPU = Cpu()


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng((seed, *shape)).standard_normal(shape).astype(np.float32)


def unwritten(*shape: int) -> np.ndarray:
    return np.full(shape, np.nan, np.float32)


@MAPPINGS
def test_max_pooling(mapping, close):
    x, dy, y, dx = numbers(3, 5, 9, 7), numbers(3, 5, 5, 2), unwritten(3, 5, 5, 2), unwritten(3, 5, 9, 7)
    x[0, 0] = 1  # all equal: the first place of each window wins
    places = np.full(y.shape, -1, np.int32)
    launch = primitives.max_pool_forward(*POOL, x, y, places, mapping=mapping, on=CPU)
    primitives.max_pool_backward(*POOL, dy, places, dx, mapping=mapping, on=CPU)
    close(y, pool.forward(MaxPool(**WINDOW), x))
    close(dx, pool.backward_data(MaxPool(**WINDOW), x, dy))
    assert launch.blocks == {"data": 3, "model": 5, "hybrid": 15}[mapping]


@MAPPINGS
def test_average_pooling(mapping, close):
    x, dy, y, dx = numbers(3, 5, 9, 7), numbers(3, 5, 5, 2), unwritten(3, 5, 5, 2), unwritten(3, 5, 9, 7)
    primitives.average_pool_forward(*POOL, x, y, mapping=mapping, on=CPU)
    primitives.average_pool_backward(*POOL, dy, dx, mapping=mapping, on=CPU)
    close(y, pool.forward(AvgPool(**WINDOW), x))
    close(dx, pool.backward_data(AvgPool(**WINDOW), x, dy))


@MAPPINGS
def test_the_three_phases_of_a_dense_layer(mapping, close):
    x, w, b, dy = numbers(3, 37), numbers(5, 37), numbers(5), numbers(3, 5)
    y, dx, dw, db = (unwritten(*array.shape) for array in (dy, x, w, b))
    primitives.dense_forward(3, 37, 5, "tanh", x, w, b, y, mapping=mapping, on=CPU)
    primitives.dense_backward_data(3, 37, 5, dy, w, dx, mapping=mapping, on=CPU)
    primitives.dense_backward_weights(3, 37, 5, x, dy, dw, db, mapping=mapping, on=CPU)
    close(y, np.tanh(dense.forward(Dense(5), x, w, b)))
    close(dx, dense.backward_data(Dense(5), dy, w))
    for found, wanted in zip((dw, db), dense.backward_weights(Dense(5), x, dy), strict=True):
        close(found, wanted)


@MAPPINGS
@pytest.mark.parametrize("shape", [MAPS, (7, 3, 1, 1), (1, 2, 1, 1)])
def test_batch_normalisation_in_training(mapping, shape, close):
    layer, C = BatchNorm(1e-3, 0.3), shape[1]
    x, dy, w, b = numbers(*shape) + 2, numbers(*shape, seed=1), numbers(C), numbers(C, seed=1)
    running = [numbers(C, seed=2), numbers(C, seed=3) ** 2]
    mean, variance = norm.statistics(x)
    wanted = [norm.running(layer, running[0], mean), running[1].copy()]
    if norm.unbiased(variance, x) is not None:
        wanted[1] = norm.running(layer, running[1], norm.unbiased(variance, x))
    used, y, dx = [unwritten(C), unwritten(C)], unwritten(*shape), unwritten(*shape)
    dw, db = unwritten(C), unwritten(C)
    options = {"mapping": mapping, "on": CPU}
    primitives.batch_norm_forward_training(*shape, 1e-3, 0.3, x, w, b, *running, *used, y, **options)
    primitives.batch_norm_backward(*shape, 1e-3, x, dy, w, *used, dx, dw, db, **options)
    for found, right in zip((*used, *running), (mean, variance, *wanted), strict=True):
        close(found, right)
    close(y, norm.forward(layer, x, w, b, mean, variance), 1e-4)
    np.testing.assert_allclose(dx, norm.backward_data(layer, x, dy, w, mean, variance), atol=1e-4)
    for found, right in zip((dw, db), norm.backward_weights(layer, x, dy, mean, variance), strict=True):
        np.testing.assert_allclose(found, right, atol=1e-4)


@MAPPINGS
def test_batch_normalisation_in_inference(mapping, close):
    layer, C = BatchNorm(1e-3), MAPS[1]
    x, dy, w, b = numbers(*MAPS), numbers(*MAPS, seed=1), numbers(C), numbers(C, seed=1)
    running, y, dx = (numbers(C, seed=2), numbers(C, seed=3) ** 2), unwritten(*MAPS), unwritten(*MAPS)
    sums, options = (unwritten(C), unwritten(C)), {"mapping": mapping, "on": CPU}
    primitives.batch_norm_forward_inference(*MAPS, 1e-3, x, w, b, *running, y, **options)
    primitives.batch_norm_backward(*MAPS, 1e-3, x, dy, w, *running, dx, *sums, training=False, **options)
    close(y, norm.forward(layer, x, w, b, *running))
    close(dx, norm.backward_data(layer, x, dy, w, *running, training=False))


@MAPPINGS
@pytest.mark.parametrize(("name", "layer"), [("logistic", Logistic()), ("relu", ReLU()), ("tanh", Tanh())])
def test_activation_with_a_new_array_and_in_place(mapping, name, layer, close):
    x, dy, y = numbers(*MAPS), numbers(*MAPS, seed=1), unwritten(*MAPS)
    primitives.activation_forward(*MAPS, name, x, y, mapping=mapping, on=CPU)
    close(y, activation.forward(layer, x))
    wanted = activation.backward_data(layer, y, dy)
    primitives.activation_backward(*MAPS, name, y, dy, dy, mapping=mapping, on=CPU)
    close(dy, wanted)


@MAPPINGS
def test_residual_addition(mapping):
    a, b, y = numbers(*MAPS), numbers(*MAPS, seed=1), unwritten(*MAPS)
    primitives.residual_add(*MAPS, a, b, y, mapping=mapping, on=CPU)
    np.testing.assert_array_equal(y, a + b)


@MAPPINGS
def test_softmax_with_cross_entropy(mapping, close):
    z, labels = numbers(5, 7) * 3, np.array([0, 6, 3, 3, 1], np.int32)
    each, right, dz = unwritten(5), np.full(5, -1, np.int32), unwritten(5, 7)
    primitives.softmax_cross_entropy(5, 7, z, labels, each, right, dz, mapping=mapping, on=CPU)
    loss, gradient = losses.softmax_cross_entropy(z, labels.astype(np.int64))
    assert each.mean() == pytest.approx(loss, rel=1e-5)
    close(dz, gradient)
    assert right.tolist() == (z.argmax(axis=1) == labels).astype(int).tolist()


def test_update_by_momentum(close):
    w, g, v = (numbers(5001, seed=seed) for seed in range(3))
    velocity = np.float32(0.9) * v + g
    wanted = w - np.float32(0.01) * velocity
    primitives.sgd_momentum(5001, 0.01, 0.9, w, g, v, on=CPU)
    close(v, velocity)
    close(w, wanted)


MAP, PLACES = np.zeros(MAPS, np.float32), np.zeros((3, 5, 5, 2), np.int64)
X, Y = np.zeros((3, 5, 9, 7), np.float32), np.zeros((3, 5, 5, 2), np.float32)
Z, CLASSES, ROW = np.zeros((3, 5), np.float32), np.array([0, 1, 5], np.int32), np.zeros(3, np.float32)
P = primitives


@pytest.mark.parametrize(
    ("refused", "named"),
    [
        (lambda: P.residual_add(*MAPS, MAP, MAP, MAP, on=CPU, mapping={"*": "data"}), "unknown mapping {"),
        (lambda: P.max_pool_forward(*POOL, X, Y, PLACES, on=CPU), "places is int64"),
        (lambda: P.max_pool_forward(0, *POOL[1:], X, Y, PLACES, on=CPU), "N=0"),
        (lambda: P.average_pool_forward(*POOL[:10], 4, 2, X, Y, on=CPU), "out_H=4"),
        (lambda: P.average_pool_backward(*POOL, X, X, on=CPU), "output_gradient is float32"),
        (lambda: P.average_pool_forward(*POOL, X, Y, on=CPU, mapping="hybird"), "unknown mapping 'hybird'"),
        (lambda: P.average_pool_forward(*POOL, X, Y, on="cpu"), "on='cpu' is no executor"),
        (lambda: P.dense_forward(3, 0, 5, "relu", X, X, X, X, on=CPU), "C=0"),
        (lambda: P.dense_forward(3, 5, 5, "rely", Z, Z, Z, Z, on=CPU), "'rely'"),
        (lambda: P.dense_backward_data(3, 5, 5, Z, Z, Z, on=CPU), "weight is float32 of shape"),
        (lambda: P.dense_backward_weights(3, 13000, 5, Z, Z, Z, Z, on=CPU, mapping="model"), "input is float32"),
        (lambda: P.batch_norm_backward(*MAPS, 2.0, *[MAP] * 8, on=CPU), "epsilon=2.0"),
        (lambda: P.batch_norm_forward_inference(*MAPS, 0.1, *[MAP] * 6, on=CPU), "weight is float32"),
        (lambda: P.batch_norm_backward(*MAPS, 0.1, *[MAP] * 8, training=1, on=CPU), "training=1"),
        (lambda: P.activation_forward(3, 5, 7, 4, "relu", MAP, MAP, on=CPU), "input is float32"),
        (lambda: P.residual_add(*MAPS, MAP, Z, MAP, on=CPU), "shortcut is float32"),
        (lambda: P.softmax_cross_entropy(3, 5, Z, CLASSES, ROW, CLASSES, Z, on=CPU), "labels from 0 to 5"),
        (lambda: P.sgd_momentum(3, -0.1, 0.9, ROW, ROW, ROW, on=CPU), "learning_rate=-0.1"),
        (lambda: P.sgd_momentum(3, 0.1, 1.0, ROW, ROW, ROW, on=CPU), "momentum=1.0"),
        (lambda: P.sgd_momentum(3, 0.1, 0.9, ROW, ROW, None, on=CPU), "velocity is NoneType"),
    ],
)
def test_refusals_name_the_argument(refused, named):
    with pytest.raises(LabError, match=named):
        refused()
