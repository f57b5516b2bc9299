"""Weights [K, C / groups, R, S] in the order in which `implicit` reads them: [groups][R * S][summed][made].

Channels that are written lie side by side, so that four of them are one 16-byte copy. FP sums over C and writes K: the
two have to change places, through a tile in shared memory, so that both reading and writing are coalesced. BP sums over
K and writes C: a thread's R * S weights lie together where they come from, and side by side with its neighbours' where
they go.
"""

from collections.abc import Callable
from functools import cache
from math import ceil

from labkit.kernels.intrinsics import ld, st
from labkit.kernels.launch import Launch
from labkit.kernels.source import cuda, float32
from labkit.kernels.tuned.maps import Maps

SIDE = 32  # of the tile that changes rows for columns
THREADS = 256


def make(maps: Maps, BK: int, taps_first: bool = True) -> tuple[Callable, Launch]:
    """Kernel (weight, packed) for the direction of `maps`, both flat float32, and its launch.

    packed: `maps.packed_values(BK)` values, zeros where a channel was added to fill up. taps_first=False (FP only):
    rows in the order [summed][R * S] instead, filled up to a multiple of BK rows in all, as `few_channels` reads them.
    """
    return _forward(maps, BK, taps_first) if maps.forward else _backward(maps, BK)


@cache
def _forward(maps: Maps, BK: int, taps_first: bool) -> tuple[Callable, Launch]:
    SUMMED, MADE, MADE_P, RS = maps.summed, maps.made, maps.made_padded, maps.R * maps.S
    COLUMNS = SUMMED * RS
    SUMMED_P = maps.summed_padded(BK) if taps_first else 0
    ROWS = SUMMED_P * RS if taps_first else ceil(COLUMNS / BK) * BK
    TAPS_FIRST, LINES, TILE, STRIDE = taps_first, THREADS // SIDE, SIDE * (SIDE + 1), SIDE + 1

    def pack_forward(weight, packed):
        """Block (x, y, g): 32 weights x of each of 32 filters y of group g, and one barrier."""
        tile = cuda.shared.array(TILE, float32)
        lane, line = cuda.threadIdx.x % SIDE, cuda.threadIdx.x // SIDE
        x0, k0, g = cuda.blockIdx.x * SIDE, cuda.blockIdx.y * SIDE, cuda.blockIdx.z
        for i in range(line, SIDE, LINES):
            if k0 + i < MADE and x0 + lane < COLUMNS:
                tile[lane * STRIDE + i] = ld(weight, (g * MADE + k0 + i) * COLUMNS + x0 + lane)
            else:
                tile[lane * STRIDE + i] = float32(0)
        cuda.syncthreads()
        for i in range(line, SIDE, LINES):
            x = x0 + i
            row = x % RS * SUMMED_P + x // RS if TAPS_FIRST else x
            if x < ROWS and k0 + lane < MADE_P:
                st(packed, (g * ROWS + row) * MADE_P + k0 + lane, tile[i * STRIDE + lane])

    return pack_forward, Launch((ceil(ROWS / SIDE), ceil(MADE_P / SIDE), maps.groups), THREADS)


@cache
def _backward(maps: Maps, BK: int) -> tuple[Callable, Launch]:
    SUMMED, MADE, MADE_P, RS = maps.summed, maps.made, maps.made_padded, maps.R * maps.S
    SUMMED_P = maps.summed_padded(BK)
    PAIRS = SUMMED_P * MADE_P

    def pack_backward(weight, packed):
        """Thread (filter k, channel c) of group blockIdx.y moves R * S weights."""
        i, g = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x, cuda.blockIdx.y
        k, c = i // MADE_P, i % MADE_P
        if i < PAIRS:
            for tap in range(RS):
                value = float32(0)
                if k < SUMMED and c < MADE:
                    value = ld(weight, ((g * SUMMED + k) * MADE + c) * RS + tap)
                st(packed, (g * RS + tap) * PAIRS + i, value)

    return pack_backward, Launch((ceil(PAIRS / THREADS), maps.groups, 1), THREADS)
