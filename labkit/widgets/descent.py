"""Gradient-descent stepper: a loss over two weights, real samples, and five optimisers over it, step by step.

The samples are digits 3 and 8 of the embedded data set, each reduced to two features: the ink in the left half of the
image, where an eight is closed and a three is open, and the ink in the middle columns. Two weights score a sample as
w·x; the loss compares the score with the target, 1 for an eight and -1 for a three.
"""

import anywidget
import numpy as np
import traitlets

from labkit.data import load
from labkit.widgets._base import css, decode, encode, esm, one_of, within

KIND = "gradient_descent_stepper"
SAMPLES_PER_CLASS = 60
FEATURES = ("ink in the left half", "ink in the middle   (○ eight, × three)")
PROBLEMS = ("least squares", "logistic")
OPTIMIZERS = ("sgd", "momentum", "adagrad", "adadelta", "adam")
LONGEST = 3000
DEFAULTS = {
    "problem": "least squares",
    "optimizer": "sgd",
    "rate": 0.1,
    "batch": 2 * SAMPLES_PER_CLASS,
    "w1": -2.0,
    "w2": 1.0,
    "seed": 0,
    "speed": 10,
    "steps": 0,
}
LIMITS = (
    ("rate", 0.001, 10, False),
    ("batch", 1, 2 * SAMPLES_PER_CLASS, True),
    ("w1", -4, 4, False),
    ("w2", -4, 4, False),
    ("seed", 0, 99, True),
    ("speed", 1, 100, True),
    ("steps", 0, LONGEST, True),
)


class GradientDescentStepper(anywidget.AnyWidget):
    """Contours and a path; make one with `gradient_descent_stepper`.

    samples: float32 [120, 3], two features and the target (-1 or 1) of each. state: the settings and `steps`, how many
    steps have been taken; the path follows from them, so the string of the state draws it again.
    """

    _esm = esm("choice.js", "axes.js", "player.js", "descent_math.js", "descent.js")
    _css = css()
    title = traitlets.Unicode("Gradient descent on two weights").tag(sync=True)
    features = traitlets.List(list(FEATURES)).tag(sync=True)
    samples = traitlets.Bytes().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)

    def state_string(self) -> str:
        """The settings and the number of steps as a line; `from_state=line` shows the same path."""
        return encode(KIND, self.state)


def gradient_descent_stepper(
    problem: str = "least squares",
    optimizer: str = "sgd",
    learning_rate: float = 0.1,
    batch: int = 2 * SAMPLES_PER_CLASS,
    *,
    start: tuple[float, float] = (-2.0, 1.0),
    seed: int = 0,
    from_state: str | None = None,
) -> GradientDescentStepper:
    """Step an optimiser over the loss of two weights; everything is computed in the page.

    problem: "least squares" (mean of (w·x - t)^2 / 2) or "logistic" (mean of ln(1 + e^(-t w·x))).
    optimizer: "sgd", "momentum", "adagrad", "adadelta" or "adam", with the formulas and constants of `labkit.engine`.
    learning_rate: 0.001 to 10. batch: samples a step sees, 1 (stochastic) to 120 (all).
    start: the two first weights, -4 to 4. seed: 0 to 99, the order of the samples.
    from_state: a line of `state_string()`; it overrides the rest.
    Raises LabError for anything else.
    """
    w1, w2 = start
    state = DEFAULTS | {"problem": problem, "optimizer": optimizer, "rate": learning_rate, "batch": batch}
    state |= {"w1": w1, "w2": w2, "seed": seed}
    if from_state is not None:
        state = decode(KIND, from_state, state)
    one_of("problem", state["problem"], PROBLEMS)
    one_of("optimizer", state["optimizer"], OPTIMIZERS)
    for key, low, high, whole in LIMITS:
        state[key] = within(key, state[key], low, high, whole)
    return GradientDescentStepper(samples=samples().tobytes(), state=state)


def samples() -> np.ndarray:
    """float32 [120, 3]: the two features of 60 eights and 60 threes, standardised over the 120, and the target."""
    split = load("digits", shape=(1, 8, 8)).train
    chosen = np.concatenate([np.flatnonzero(split.labels == digit)[:SAMPLES_PER_CLASS] for digit in (8, 3)])
    images = split.take(chosen)[0][:, 0].astype(np.float64)
    left, middle = images[:, :, :4].mean(axis=(1, 2)), images[:, :, 3:5].mean(axis=(1, 2))
    features = np.stack([left, middle], axis=1)
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    target = np.repeat([1.0, -1.0], SAMPLES_PER_CLASS)
    return np.column_stack([features, target]).astype(np.float32)
