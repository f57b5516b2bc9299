"""Gradient-descent stepper: its JavaScript against NumPy and against the optimisers of the engine."""

import json

import numpy as np
import pytest

from labkit.engine import optimizers
from labkit.errors import LabError
from labkit.widgets import gradient_descent_stepper
from labkit.widgets._base import esm
from labkit.widgets.descent import OPTIMIZERS, PROBLEMS, samples

MODULE = esm("choice.js", "axes.js", "player.js", "descent_math.js", "descent.js")
TABLE = samples().astype(np.float64)
X, T = TABLE[:, :2], TABLE[:, 2]
DATA = json.dumps(TABLE.tolist())
SETTINGS = {"problem": "least squares", "optimizer": "sgd", "rate": 0.1, "batch": 120, "w1": -2.0, "w2": 1.0, "seed": 3}


def loss(problem, w, x=X, t=T):
    score = x @ w
    return np.mean((score - t) ** 2 / 2 if problem == "least squares" else np.logaddexp(0, -t * score))


def gradient(problem, w, x=X, t=T):
    score = x @ w
    slope = score - t if problem == "least squares" else -t / (1 + np.exp(t * score))
    return x.T @ slope / len(t)


def hessian(problem, w):
    score = X @ w
    bend = np.ones(len(T)) if problem == "least squares" else 1 / (2 + np.exp(score) + np.exp(-score))
    return (X * bend[:, None]).T @ X / len(T)


def walk(run_js, settings, steps):
    """The states after 0..steps steps in the page: [{w, loss, gradient, lost}, ...]."""
    body = f"const set = {json.dumps(settings)}, data = {DATA}; const path = [m.first(set, data)];"
    body += f" for (let k = 0; k < {steps}; k++) path.push(m.advance(path.at(-1), set, data)); return path;"
    return run_js(MODULE, f"(m) => {{ {body} }}")


def test_the_samples_are_real_standardised_and_balanced():
    assert TABLE.shape == (120, 3) and (np.bincount((T + 1).astype(int) // 2) == 60).all()
    assert X.mean(axis=0) == pytest.approx(0, abs=1e-6) and X.std(axis=0) == pytest.approx(1, abs=1e-6)
    right = np.mean(np.sign(X @ np.linalg.solve(hessian("least squares", np.zeros(2)), X.T @ T / 120)) == T)
    assert 0.8 < right < 1  # separable would have no logistic minimum


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("w", [(0.0, 0.0), (-2.0, 1.0), (3.5, -0.25)])
def test_loss_gradient_and_curvature_equal_numpy(problem, w, run_js):
    got = run_js(MODULE, f"(m) => m.measure({json.dumps(problem)}, {DATA}, {list(w)})")
    w = np.array(w)
    assert got["loss"] == pytest.approx(loss(problem, w), abs=1e-6)
    assert got["gradient"] == pytest.approx(gradient(problem, w), abs=1e-6)
    H = hessian(problem, w)
    assert got["hessian"] == pytest.approx([H[0, 0], H[0, 1], H[1, 1]], abs=1e-6)
    assert run_js(MODULE, f"(m) => m.steepest({got['hessian']})") == pytest.approx(np.linalg.eigvalsh(H).max())
    step = np.array([1e-5, 0])
    assert got["gradient"][0] == pytest.approx((loss(problem, w + step) - loss(problem, w - step)) / 2e-5, abs=1e-6)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_minimum_has_no_gradient(problem, run_js):
    best = run_js(MODULE, f"(m) => m.minimum({json.dumps(problem)}, {DATA})")
    assert gradient(problem, np.array(best)) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("batch", [1, 32, 120])
def test_paths_equal_the_engines_optimisers(problem, name, batch, run_js):
    steps, rate = 60, 1.0 if name == "adadelta" else 0.05
    settings = SETTINGS | {"problem": problem, "optimizer": name, "rate": rate, "batch": batch}
    orders = run_js(MODULE, f"(m) => Array.from({{ length: {steps} }}, (_, k) => m.batchOf(120, {batch}, 3, k))")
    w, optimizer = np.array([-2.0, 1.0]), optimizers.get(name, lr=rate)
    slots, expected = optimizer.start(w), [w.copy()]
    for step, chosen in enumerate(orders):
        optimizer.update(w, gradient(problem, w, X[chosen], T[chosen]), slots, step)
        expected.append(w.copy())
    got = walk(run_js, settings, steps)
    assert np.array([one["w"] for one in got]) == pytest.approx(np.array(expected), abs=1e-6)
    assert [one["loss"] for one in got] == pytest.approx([loss(problem, w) for w in expected], abs=1e-6)


@pytest.mark.parametrize("batch", [1, 7, 32, 119])
def test_an_epoch_goes_once_through_all_samples_in_an_order_of_its_own(batch, run_js):
    each = -(-120 // batch)
    order = "(m) => Array.from({ length: %d }, (_, k) => m.batchOf(120, %d, %d, k))"
    first, again, other = (run_js(MODULE, order % (2 * each, batch, seed)) for seed in (3, 3, 4))
    assert first == again and first != other
    epochs = [[i for chosen in part for i in chosen] for part in (first[:each], first[each:])]
    assert all(sorted(epoch) == list(range(120)) for epoch in epochs) and epochs[0] != epochs[1]


def test_sgd_converges_below_the_bound_and_diverges_above_it(run_js):
    bound = 2 / np.linalg.eigvalsh(hessian("least squares", np.zeros(2))).max()
    below = walk(run_js, SETTINGS | {"rate": 0.95 * bound}, 400)[-1]
    best = run_js(MODULE, f"(m) => m.minimum('least squares', {DATA})")
    assert below["w"] == pytest.approx(best, abs=1e-6) and not below["lost"]
    above = walk(run_js, SETTINGS | {"rate": 1.2 * bound}, 60)
    assert above[-1]["lost"] and above[-1]["loss"] > 1e6 > above[0]["loss"]


def test_momentum_has_a_bound_of_its_own(run_js):
    """Gradient descent with velocity mu is stable below 2 (1 + mu) / lambda_max on a bowl."""
    bound = 2 * 1.9 / np.linalg.eigvalsh(hessian("least squares", np.zeros(2))).max()
    for factor, lost in ((0.97, False), (1.1, True)):
        end = walk(run_js, SETTINGS | {"optimizer": "momentum", "rate": factor * bound}, 600)[-1]
        assert (end["lost"] or end["loss"] is None) == lost


def spoken(run_js, function, steps, **changes):
    settings = json.dumps(SETTINGS | changes)
    state = json.dumps(walk(run_js, SETTINGS | changes, steps)[-1])
    return run_js(MODULE, f"(m) => m.{function}({settings}, {state}, 120)")


def test_the_answer_says_what_the_bound_means(run_js):
    def said(**changes):
        return spoken(run_js, "verdict", 1, **changes)

    assert said() == "2 / λmax = 1.2004: SGD at 0.1 can converge."
    assert "SGD at 1.2 can converge" in said(rate=1.2) and "SGD at 1.2004 can" in said(rate=1.2004)
    assert "SGD at 1.2005 overshoots" in said(rate=1.2005) and "overshoots" in said(rate=1.3)
    assert "not of Adam" in said(optimizer="adam")
    assert "2 (1 + 0.9) / λmax = 2.2808: Momentum at 0.1 can" in said(optimizer="momentum")
    assert "Momentum at 2.281 overshoots" in said(optimizer="momentum", rate=2.281)


def test_the_sentence_says_where_the_path_stands_and_leaves_the_bound_to_find(run_js):
    def said(steps, **changes):
        return spoken(run_js, "sentence", steps, **changes)

    assert said(3).startswith("Step 3, epoch 3: w = (") and not any(word in said(3) for word in ("λ", "converge"))
    assert "Diverged" in said(60, rate=3)
    assert said(16, batch=8).startswith("Step 16, epoch 2:") and said(15, batch=8).startswith("Step 15, epoch 1:")


def test_contours_lie_on_their_level(run_js):
    values = [float(i * i + 2 * j * j) for j in range(9) for i in range(11)]
    pieces = np.array(run_js(MODULE, f"(m) => m.contour({values}, 10, 8, 30)"))
    i, j = pieces[..., 0], pieces[..., 1]
    assert len(pieces) > 5 and np.abs(i * i + 2 * j * j - 30).max() < 1.0


def test_the_window_holds_the_path(run_js):
    path = json.dumps([{"w": [-2, 1]}, {"w": [500, -900]}])
    view = run_js(MODULE, f"(m) => m.windowOf({path}, [0.8, 0], 1.5)")
    assert view["x"][0] < -2 and view["x"][1] > 500 and view["y"][0] < -900 and view["y"][1] > 1


def test_state_string_rebuilds_the_view():
    view = gradient_descent_stepper("logistic", "adam", 0.3, 16, start=(1, -1), seed=7)
    view.state = view.state | {"steps": 12}
    again = gradient_descent_stepper(from_state=view.state_string())
    assert again.state == view.state and again.samples == view.samples


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"problem": "hinge"}, "logistic"),
        ({"optimizer": "adem"}, "adam"),
        ({"learning_rate": 0}, "0.001"),
        ({"batch": 121}, "120"),
        ({"start": (9, 0)}, "-4"),
        ({"from_state": "gradient_descent_stepper?steps=1.5"}, "integer"),
    ],
)
def test_bad_input_is_refused(arguments, word):
    with pytest.raises(LabError, match=word):
        gradient_descent_stepper(**arguments)
