"""Value by value: copies, sums, activations and their derivatives, 128 bits at a time.

Such kernels are as fast as memory, if there are enough bytes on their way: with four values per thread, and as many
threads as fit, a multiprocessor asks for 32 KiB at once.
"""

from collections.abc import Callable
from functools import cache
from math import ceil

from labkit.errors import LabError, suggest
from labkit.kernels.activate import activate, slope_at
from labkit.kernels.intrinsics import ld, ld4, st, st4
from labkit.kernels.launch import Launch
from labkit.kernels.source import cuda, device_function

THREADS = 256
UNARY = ("copy", "activation")
BINARY = ("add", "activation_backward")


@device_function
def combined(a, b, adds, function):
    """f(a + b), or the gradient b of an output a = f(z) times f'(z)."""
    if adds:
        return activate(function, a + b)
    return b * slope_at(function, a)


def make(what: str, values: int, function: int = 0, threads: int = THREADS) -> tuple[Callable, Launch]:
    """Kernel and launch for flat float32 arrays of `values` values that begin at 16-byte boundaries.

    copy (x, y). activation (x, y): y = f(x). add (a, b, y): y = f(a + b). activation_backward (y, dy, dx): dx =
    dy f'(z) where y = f(z). function: index of f in `activate.FUNCTIONS`. The result may overwrite any of the others.
    Raises LabError for another `what`.
    """
    if what not in (*UNARY, *BINARY):
        raise LabError(f"unknown operation {what!r}", suggest(what, (*UNARY, *BINARY)))
    if what in UNARY:
        return _unary(values, function if what == "activation" else 0, threads)
    return _binary(values, what == "add", function, threads)


def launch(values: int, threads: int) -> Launch:
    """A thread for every four values, the last of them perhaps fewer."""
    return Launch((ceil(values / (4 * threads)), 1, 1), threads)


@cache
def _unary(values: int, function: int, threads: int) -> tuple[Callable, Launch]:
    VALUES, FUNCTION, BLOCK = values, function, 4 * threads

    def unary(x, y):
        i = cuda.blockIdx.x * BLOCK + cuda.threadIdx.x * 4
        if i + 4 <= VALUES:
            a, b, c, d = ld4(x, i)
            st4(y, i, activate(FUNCTION, a), activate(FUNCTION, b), activate(FUNCTION, c), activate(FUNCTION, d))
        else:
            for j in range(i, VALUES):
                st(y, j, activate(FUNCTION, ld(x, j)))

    return unary, launch(values, threads)


@cache
def _binary(values: int, adds: bool, function: int, threads: int) -> tuple[Callable, Launch]:
    VALUES, ADDS, FUNCTION, BLOCK = values, adds, function, 4 * threads

    def binary(a, b, y):
        i = cuda.blockIdx.x * BLOCK + cuda.threadIdx.x * 4
        if i + 4 <= VALUES:
            a0, a1, a2, a3 = ld4(a, i)
            b0, b1, b2, b3 = ld4(b, i)
            x, z = combined(a0, b0, ADDS, FUNCTION), combined(a1, b1, ADDS, FUNCTION)
            v, w = combined(a2, b2, ADDS, FUNCTION), combined(a3, b3, ADDS, FUNCTION)
            st4(y, i, x, z, v, w)
        else:
            for j in range(i, VALUES):
                st(y, j, combined(ld(a, j), ld(b, j), ADDS, FUNCTION))

    return binary, launch(values, threads)
