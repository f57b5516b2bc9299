"""The update of all weights, over the flat vectors of `labkit.engine.tensors`: one kernel whatever the mapping.

w weights, g gradients, then the optimiser's slots (float32 [n], updated in place) and its constants (float32), as in
`labkit.engine.rules`, where the same loops run on a CPU; the formulas are in `labkit.engine.optimizers`. They
are launched like the other `vectors`: every value is read and written once, neighbours by neighbouring threads.
"""

import math

from labkit.kernels.source import cuda, float32
from labkit.kernels.vectors import chunk


def sgd(w, g, lr):
    """krishna-gupta-nayak equation (6), with the sign that makes the loss fall."""
    begin, end = chunk(cuda.blockIdx.x, w.size)
    for i in range(begin + cuda.threadIdx.x, end, cuda.blockDim.x):
        w[i] -= lr * g[i]


def momentum(w, g, velocity, lr, mu):
    """velocity = mu * velocity + g; w -= lr * velocity."""
    begin, end = chunk(cuda.blockIdx.x, w.size)
    for i in range(begin + cuda.threadIdx.x, end, cuda.blockDim.x):
        velocity[i] = mu * velocity[i] + g[i]
        w[i] -= lr * velocity[i]


def adagrad(w, g, squares, lr, epsilon):
    """squares += g^2; w -= lr * g / (sqrt(squares) + epsilon)."""
    begin, end = chunk(cuda.blockIdx.x, w.size)
    for i in range(begin + cuda.threadIdx.x, end, cuda.blockDim.x):
        squares[i] += g[i] * g[i]
        w[i] -= lr * g[i] / (math.sqrt(squares[i]) + epsilon)


def adadelta(w, g, squares, steps, lr, rho, rest, epsilon):
    """See `labkit.engine.optimizers.Adadelta`; rest = 1 - rho."""
    begin, end = chunk(cuda.blockIdx.x, w.size)
    for i in range(begin + cuda.threadIdx.x, end, cuda.blockDim.x):
        squares[i] = rho * squares[i] + rest * (g[i] * g[i])
        step = math.sqrt(steps[i] + epsilon) / math.sqrt(squares[i] + epsilon) * g[i]
        steps[i] = rho * steps[i] + rest * (step * step)
        w[i] -= lr * step


def adam(w, g, mean, squares, rate, root, beta1, rest1, beta2, rest2, epsilon):
    """See `labkit.engine.optimizers.Adam.constants` for rate, root and the rests."""
    begin, end = chunk(cuda.blockIdx.x, w.size)
    for i in range(begin + cuda.threadIdx.x, end, cuda.blockDim.x):
        mean[i] = beta1 * mean[i] + rest1 * g[i]
        squares[i] = beta2 * squares[i] + rest2 * (g[i] * g[i])
        w[i] -= rate * mean[i] / (math.sqrt(squares[i]) * root + epsilon)


def penalise(w, g, l1, l2):
    """g += l1 * sign(w) + l2 * w: the gradient of the penalties, before the update."""
    begin, end = chunk(cuda.blockIdx.x, w.size)
    for i in range(begin + cuda.threadIdx.x, end, cuda.blockDim.x):
        sign = float32(0)
        if w[i] > float32(0):
            sign = float32(1)
        elif w[i] < float32(0):
            sign = float32(-1)
        g[i] += l1 * sign + l2 * w[i]


def scale(v, factor):
    """v *= factor: the part of a micro-batch in the mean over the global batch."""
    begin, end = chunk(cuda.blockIdx.x, v.size)
    for i in range(begin + cuda.threadIdx.x, end, cuda.blockDim.x):
        v[i] *= factor


UPDATES = {rule.__name__: rule for rule in (sgd, momentum, adagrad, adadelta, adam, penalise, scale)}
