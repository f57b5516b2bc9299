"""The arithmetic of the optimisers and penalties: one compiled loop each over the flat vectors, in place.

A network of 28 million weights is updated as fast as memory delivers it because every value is read and written once
and nothing is allocated; a chain of NumPy operations would pass over it five to ten times. All loops work on float32
and float64 alike: the constants come in as numbers of the array's own type.

w weights, g gradients; the other vectors are the optimiser's slots. The formulas stand in `optimizers.py`.
"""

import numpy as np

from labkit.engine.jit import jit
from labkit.engine.threads import spread

ALONE = 1 << 18  # shorter vectors are done by one thread: waking another would take longer


def apply(rule, vectors: tuple[np.ndarray, ...], constants: tuple[float, ...]) -> None:
    """Run one of the loops below over `vectors` (of one length and type), shared among the threads that `limit` allows.

    Every value is worked on by itself, so the number of threads changes no bit.
    """
    own_type = tuple(vectors[0].dtype.type(c) for c in constants)

    def part(first: int, end: int, _: int) -> None:
        rule(*(v[first:end] for v in vectors), *own_type)

    n = len(vectors[0])
    if n < ALONE:
        part(0, n, 0)
    else:
        spread(part, n)


# error_model: no check for a division by zero, which would keep the loop from using vector instructions.
compiled = jit(error_model="numpy", nogil=True)


@compiled
def sgd(w, g, lr):
    for i in range(w.size):
        w[i] -= lr * g[i]


@compiled
def momentum(w, g, velocity, lr, mu):
    for i in range(w.size):
        velocity[i] = mu * velocity[i] + g[i]
        w[i] -= lr * velocity[i]


@compiled
def adagrad(w, g, squares, lr, epsilon):
    for i in range(w.size):
        squares[i] += g[i] * g[i]
        w[i] -= lr * g[i] / (np.sqrt(squares[i]) + epsilon)


@compiled
def adadelta(w, g, squares, steps, lr, rho, rest, epsilon):
    for i in range(w.size):
        squares[i] = rho * squares[i] + rest * (g[i] * g[i])
        step = np.sqrt(steps[i] + epsilon) / np.sqrt(squares[i] + epsilon) * g[i]
        steps[i] = rho * steps[i] + rest * (step * step)
        w[i] -= lr * step


@compiled
def adam(w, g, mean, squares, rate, root, beta1, rest1, beta2, rest2, epsilon):
    for i in range(w.size):
        mean[i] = beta1 * mean[i] + rest1 * g[i]
        squares[i] = beta2 * squares[i] + rest2 * (g[i] * g[i])
        w[i] -= rate * mean[i] / (np.sqrt(squares[i]) * root + epsilon)


@compiled
def penalise(w, g, l1, l2):
    for i in range(w.size):
        g[i] += l1 * np.sign(w[i]) + l2 * w[i]


@compiled
def scale(v, factor):
    for i in range(v.size):
        v[i] *= factor
