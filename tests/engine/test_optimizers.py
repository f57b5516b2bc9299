"""Each optimiser against a scalar written out by hand, and against what must happen on a parabola."""

from math import sqrt

import numpy as np
import pytest

from labkit.engine import rules
from labkit.engine.optimizers import SGD, Adadelta, Adagrad, Adam, Momentum, get, names
from labkit.engine.threads import limit
from labkit.errors import LabError


def by_hand(optimizer, w, gradients):
    """The weight after each gradient, in Python floats, from the formulas of the papers."""
    a = b = 0.0
    path = []
    for t, g in enumerate(gradients, start=1):
        match optimizer:
            case SGD(lr):
                w = w - lr * g
            case Momentum(lr, mu):
                a = mu * a + g
                w = w - lr * a
            case Adagrad(lr, epsilon):
                a = a + g * g
                w = w - lr * g / (sqrt(a) + epsilon)
            case Adadelta(lr, rho, epsilon):
                a = rho * a + (1 - rho) * g**2
                delta = -sqrt(b + epsilon) / sqrt(a + epsilon) * g
                b = rho * b + (1 - rho) * delta**2
                w = w + lr * delta
            case Adam(lr, beta1, beta2, epsilon):
                a = beta1 * a + (1 - beta1) * g
                b = beta2 * b + (1 - beta2) * g**2
                w = w - lr * (a / (1 - beta1**t)) / (sqrt(b / (1 - beta2**t)) + epsilon)
        path.append(w)
    return path


ALL = [SGD(0.1), Momentum(0.1, 0.8), Adagrad(0.5), Adadelta(0.9, 0.9, 1e-3), Adam(0.05, 0.8, 0.95, 1e-4)]


@pytest.mark.parametrize("optimizer", ALL, ids=lambda o: o.name)
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-12), (np.float32, 2e-5)])
def test_ten_steps_against_scalars(optimizer, dtype, rtol):
    draw = np.random.default_rng(1)
    gradients = draw.standard_normal((10, 7)).astype(dtype)
    w = draw.standard_normal(7).astype(dtype)
    expected = np.array([by_hand(optimizer, float(w[i]), map(float, gradients[:, i])) for i in range(7)]).T
    slots = optimizer.start(w)
    assert len(slots) == len(optimizer.slots)
    for step, g in enumerate(gradients):
        before = g.copy()
        optimizer.update(w, g, slots, step)
        np.testing.assert_allclose(w, expected[step], rtol=rtol, atol=rtol)
        assert np.array_equal(g, before)
    assert w.dtype == dtype and all(s.dtype == dtype for s in slots)


def run(optimizer, curvature, w0, steps):
    """Weights of L(w) = curvature * w^2 / 2 after each step, starting from w0."""
    w = np.array([w0])
    slots = optimizer.start(w)
    path = []
    for step in range(steps):
        optimizer.update(w, curvature * w, slots, step)
        path.append(float(w[0]))
    return np.array(path)


def test_sgd_on_a_parabola_is_a_geometric_series():
    path = run(SGD(0.3), 2.0, 5.0, 20)
    np.testing.assert_allclose(path, 5 * (1 - 0.3 * 2) ** np.arange(1, 21), rtol=1e-12)


def test_sgd_diverges_just_above_twice_the_inverse_curvature():
    assert abs(run(SGD(0.99), 2.0, 1.0, 200)[-1]) < 0.1
    assert abs(run(SGD(1.01), 2.0, 1.0, 200)[-1]) > 10


def test_momentum_on_a_parabola_follows_its_recurrence():
    # w[t+1] = (1 + mu - lr * c) w[t] - mu w[t-1]: powers of the two roots of its characteristic equation.
    lr, mu, c, w0 = 0.1, 0.5, 2.0, 3.0
    roots = np.roots([1, -(1 + mu - lr * c), mu])
    w1 = w0 - lr * c * w0
    share = np.linalg.solve(np.array([[1, 1], roots]), [w0, w1])
    expected = [(share * roots**t).sum().real for t in range(1, 31)]
    np.testing.assert_allclose(run(Momentum(lr, mu), c, w0, 30), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("curvature", [1e-3, 1.0, 1e3])
def test_first_steps_of_adam_and_adagrad_are_lr_whatever_the_gradient(curvature):
    assert run(Adam(0.01), curvature, 1.0, 1)[0] == pytest.approx(0.99, abs=1e-6)
    assert run(Adagrad(0.01), curvature, 1.0, 1)[0] == pytest.approx(0.99, abs=1e-6)


def test_adagrad_under_a_constant_gradient_takes_steps_of_lr_over_root_t():
    w = np.zeros(1)
    optimizer = Adagrad(0.1)
    slots = optimizer.start(w)
    for step in range(50):
        optimizer.update(w, np.full(1, 4.0), slots, step)
    assert w[0] == pytest.approx(-0.1 * sum(1 / sqrt(t) for t in range(1, 51)))


def test_adadelta_goes_downhill_without_a_learning_rate():
    path = run(Adadelta(), 1.0, 1.0, 500)
    assert (np.diff(path) < 0).all() and path[-1] < 0.8


@pytest.mark.parametrize("optimizer", ALL, ids=lambda o: o.name)
def test_slots_are_updated_where_they_are(optimizer):
    w = np.ones(4, np.float32)
    slots = optimizer.start(w)
    where = [s.ctypes.data for s in slots]
    optimizer.update(w, np.ones(4, np.float32), slots, 0)
    assert [s.ctypes.data for s in slots] == where and all((s != 0).all() for s in slots)


@pytest.mark.parametrize("optimizer", ALL, ids=lambda o: o.name)
def test_threads_change_no_bit(optimizer, monkeypatch):
    monkeypatch.setattr(rules, "ALONE", 100)
    draw = np.random.default_rng(2)
    start, g = draw.standard_normal((2, 1001)).astype(np.float32)
    results = []
    for threads in (1, 3):
        w = start.copy()
        slots = optimizer.start(w)
        with limit(threads):
            optimizer.update(w, g, slots, 0)
            optimizer.update(w, g, slots, 1)
        results.append([w, *slots])
    assert all(np.array_equal(one, three) for one, three in zip(*results, strict=True))


def test_a_schedule_may_change_the_rate_of_one_step():
    w = np.array([1.0])
    SGD(0.1).update(w, np.array([1.0]), (), lr=0.5)
    assert w[0] == 0.5


def test_names_and_refusals():
    assert names() == ("sgd", "momentum", "adagrad", "adadelta", "adam")
    assert get("adam", lr=0.5) == Adam(0.5)
    with pytest.raises(LabError, match="did you mean 'adam'"):
        get("adm")
    with pytest.raises(LabError, match="no constant 'mo'"):
        get("momentum", mo=0.9)
    for wrong in (0, -1, float("nan"), float("inf"), "0.1", True):
        with pytest.raises(LabError, match="lr="):
            SGD(wrong)
    with pytest.raises(LabError, match="mu=1"):
        Momentum(0.1, 1.0)
