"""The sum of the parts into which split-K has divided a result: in a fixed order, so that every run gives the same."""

from collections.abc import Callable
from functools import cache
from math import ceil

from labkit.kernels.activate import activate
from labkit.kernels.intrinsics import ld, ld4, st, st4
from labkit.kernels.launch import Launch
from labkit.kernels.source import cuda, device_function, float32

THREADS = 256


@device_function
def finished(bias, total, i, plane, channels, function, add_bias):
    """f(total + bias of the channel to which value i belongs)."""
    return activate(function, total + (ld(bias, i // plane % channels) if add_bias else float32(0)))


@cache
def make(
    values: int,
    split: int,
    plane: int = 1,
    channels: int = 1,
    function: int = 0,
    add_bias: bool = False,
    aligned: bool = True,
) -> tuple[Callable, Launch]:
    """Kernel (parts, bias, out): out[i] = f(sum over s of parts[s * values + i] + bias[i // plane % channels]).

    All flat float32: parts [split * values], bias [channels] (read only if `add_bias`), out [values]. function: index
    into `activate.FUNCTIONS`. One thread per four values, or per value where `values` is no multiple of four or `out`
    is not `aligned` to 16 bytes.
    """
    VALUES, SPLIT, PLANE, CHANNELS, FUNCTION, BIAS = values, split, plane, channels, function, add_bias
    LANES = 1 if values % 4 or not aligned else 4

    def sum_of_parts(parts, bias, out):
        i = (cuda.blockIdx.x * THREADS + cuda.threadIdx.x) * LANES
        if i < VALUES and LANES == 4:
            x, y, z, w = ld4(parts, i)
            for s in range(1, SPLIT):
                dx, dy, dz, dw = ld4(parts, s * VALUES + i)
                x, y, z, w = x + dx, y + dy, z + dz, w + dw
            x = finished(bias, x, i, PLANE, CHANNELS, FUNCTION, BIAS)
            y = finished(bias, y, i + 1, PLANE, CHANNELS, FUNCTION, BIAS)
            z = finished(bias, z, i + 2, PLANE, CHANNELS, FUNCTION, BIAS)
            w = finished(bias, w, i + 3, PLANE, CHANNELS, FUNCTION, BIAS)
            st4(out, i, x, y, z, w)
        elif i < VALUES:
            total = ld(parts, i)
            for s in range(1, SPLIT):
                total += ld(parts, s * VALUES + i)
            st(out, i, finished(bias, total, i, PLANE, CHANNELS, FUNCTION, BIAS))

    return sum_of_parts, Launch((ceil(values / (LANES * THREADS)), 1, 1), THREADS)


@cache
def make_turned(values: int, split: int, taps: int, inner: int) -> tuple[Callable, Launch]:
    """Kernel (parts, out) for the parts of `weights`: they are [split][rows][taps][inner], out is [rows][inner][taps].

    Reads side by side, and writes `taps` values apart: the parts are read `split` times as often as out is written.
    """
    VALUES, SPLIT, TAPS, INNER = values, split, taps, inner

    def sum_of_turned_parts(parts, out):
        i = cuda.blockIdx.x * THREADS + cuda.threadIdx.x
        if i < VALUES:
            total = ld(parts, i)
            for s in range(1, SPLIT):
                total += ld(parts, s * VALUES + i)
            st(out, (i // (TAPS * INNER) * INNER + i % INNER) * TAPS + i // INNER % TAPS, total)

    return sum_of_turned_parts, Launch((ceil(values / THREADS), 1, 1), THREADS)
