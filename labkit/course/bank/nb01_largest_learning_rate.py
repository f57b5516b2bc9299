"""Notebook 01: why gradient descent diverges, as the largest learning rate that does not."""

import numpy as np

from labkit.course.exercise import Case, Exercise, WrongSolution


def largest_learning_rate(H: np.ndarray) -> float:
    """The learning rate at which gradient descent on 1/2 w^T H w stops converging: 2 / (largest eigenvalue)."""
    return 2 / np.linalg.eigvalsh(H)[-1]


def cases(rng: np.random.Generator) -> list[Case]:
    """Tilted bowls: the axes of the ellipses are never those of the weights, and never equally steep."""
    made = []
    for n in (2, 3, 2, 5, 4):
        axes, _ = np.linalg.qr(rng.normal(size=(n, n)))
        steepness = np.sort(rng.uniform(0.5, 2.0, size=n) * 10.0 ** np.linspace(0, rng.uniform(0.5, 2.5), n))
        H = (axes * steepness) @ axes.T
        made.append(
            Case(((H + H.T) / 2,), f"a tilted bowl of {n} weights, eigenvalues {np.round(steepness, 2).tolist()}")
        )
    return made


def _one_over(H):
    return 1 / np.linalg.eigvalsh(H)[-1]


def _flattest(H):
    return 2 / np.linalg.eigvalsh(H)[0]


def _fastest(H):
    eigenvalues = np.linalg.eigvalsh(H)
    return 2 / (eigenvalues[0] + eigenvalues[-1])


def _diagonal(H):
    return 2 / np.max(np.diag(H))


def _trace(H):
    return 2 / np.trace(H)


def _frobenius(H):
    return 2 / np.linalg.norm(H)


EXERCISE = Exercise(
    id="largest-learning-rate",
    title="The largest learning rate",
    prompt=(
        "Write `largest_learning_rate(H)`: the learning rate above which gradient descent on the loss 1/2 w^T H w "
        "diverges. H is the symmetric matrix of second derivatives, all of whose eigenvalues are positive. "
        "np.linalg.eigvalsh(H) gives its eigenvalues in ascending order."
    ),
    reference=largest_learning_rate,
    cases=cases,
    wrong=(
        WrongSolution(
            "half of it",
            _one_over,
            "1 / (largest eigenvalue) reaches the minimum of the steepest direction in one step. It may overshoot, "
            "too, as long as it lands nearer than it started.",
            "For which learning rates is |1 - rate x eigenvalue| below 1?",
        ),
        WrongSolution(
            "the flattest direction",
            _flattest,
            "You used the smallest eigenvalue. The flat direction tolerates large steps; the steep one explodes first.",
            "Take H = diag(1, 100) and follow both weights for three steps with your rate.",
        ),
        WrongSolution(
            "the fastest rate",
            _fastest,
            "2 / (smallest + largest eigenvalue) converges fastest. Larger ones still converge, only more slowly.",
            "What is the factor of the steepest direction at your rate? The limit is where it becomes -1.",
        ),
        WrongSolution(
            "the diagonal only",
            _diagonal,
            "The largest second derivative along an axis is on the diagonal, but the bowl is tilted: its steepest "
            "direction lies between the axes.",
            "Compare the diagonal of [[2, 1], [1, 2]] with its eigenvalues.",
        ),
        WrongSolution(
            "all directions at once",
            _trace,
            "The trace is the sum of all eigenvalues. Only one direction has to stay stable at a time: the steepest.",
            "Which of the eigenvalues is the first to break the condition?",
        ),
        WrongSolution(
            "the wrong norm",
            _frobenius,
            "np.linalg.norm adds the squares of all entries. How steep the bowl can be is the largest eigenvalue.",
            "np.linalg.norm(H, 2) is the norm that you mean for a symmetric H.",
        ),
    ),
    hints=(
        "One step is w <- w - rate * H w. In the direction of an eigenvector, H is a mere number.",
        "Each step multiplies the part of w along an eigenvector by 1 - rate * eigenvalue.",
        "That shrinks as long as the factor lies between -1 and 1. Which eigenvalue leaves this range first?",
    ),
    next_step="Work it out for one weight first: H = [[4]], w = 1. Try rates of 0.1, 0.5 and 0.6 on paper.",
)
