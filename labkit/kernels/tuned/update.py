"""One update of all weights of a network: SGD, with momentum or without, over the flat vectors of the engine.

One launch per step instead of one per array. The constants of the rule come in an array, so that a step recorded as a
CUDA graph can be replayed with another learning rate.
"""

from collections.abc import Callable
from functools import cache

from labkit.kernels.intrinsics import ld, ld4, st, st4
from labkit.kernels.launch import Launch
from labkit.kernels.source import cuda
from labkit.kernels.tuned.elementwise import THREADS, launch


@cache
def make(values: int, momentum: bool, threads: int = THREADS) -> tuple[Callable, Launch]:
    """Kernel (w, g, v, constants) with momentum, (w, g, constants) without, and its launch.

    v = mu * v + g; w -= lr * v (Polyak 1964), or w -= lr * g. w, g, v: flat float32 [values], from 16-byte boundaries.
    constants: float32 [2], lr and mu (without momentum [1], lr).
    """
    return _momentum(values, threads) if momentum else _sgd(values, threads)


def _momentum(values: int, threads: int) -> tuple[Callable, Launch]:
    VALUES, BLOCK = values, 4 * threads

    def momentum_update(w, g, v, constants):
        lr, mu = ld(constants, 0), ld(constants, 1)
        i = cuda.blockIdx.x * BLOCK + cuda.threadIdx.x * 4
        if i + 4 <= VALUES:
            g0, g1, g2, g3 = ld4(g, i)
            v0, v1, v2, v3 = ld4(v, i)
            w0, w1, w2, w3 = ld4(w, i)
            v0, v1, v2, v3 = mu * v0 + g0, mu * v1 + g1, mu * v2 + g2, mu * v3 + g3
            st4(v, i, v0, v1, v2, v3)
            st4(w, i, w0 - lr * v0, w1 - lr * v1, w2 - lr * v2, w3 - lr * v3)
        else:
            for j in range(i, VALUES):
                velocity = mu * ld(v, j) + ld(g, j)
                st(v, j, velocity)
                st(w, j, ld(w, j) - lr * velocity)

    return momentum_update, launch(values, threads)


def _sgd(values: int, threads: int) -> tuple[Callable, Launch]:
    VALUES, BLOCK = values, 4 * threads

    def sgd_update(w, g, constants):
        lr = ld(constants, 0)
        i = cuda.blockIdx.x * BLOCK + cuda.threadIdx.x * 4
        if i + 4 <= VALUES:
            g0, g1, g2, g3 = ld4(g, i)
            w0, w1, w2, w3 = ld4(w, i)
            st4(w, i, w0 - lr * g0, w1 - lr * g1, w2 - lr * g2, w3 - lr * g3)
        else:
            for j in range(i, VALUES):
                st(w, j, ld(w, j) - lr * ld(g, j))

    return sgd_update, launch(values, threads)
