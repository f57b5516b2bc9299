"""FP and BP of a convolution as a matrix product whose right-hand matrix is never stored (implicit GEMM).

out[m, j] = sum over taps and channels of packed[tap, c, m] * image[c, place of tap for pixel j], with m a channel that
is written and j a pixel of the batch. Chunks of BK channels of one tap pass through shared memory in two halves: while
the block multiplies one, the copies into the other are on their way.
"""

from collections.abc import Callable
from functools import cache
from math import ceil

from labkit.kernels.activate import activate
from labkit.kernels.intrinsics import (
    copy4z,
    copy16z,
    cp_async4z,
    cp_async16z,
    cp_async_commit,
    cp_async_wait0,
    ld,
    st,
    st4,
)
from labkit.kernels.launch import WARP, Launch
from labkit.kernels.source import cuda, device_function, float32, int32
from labkit.kernels.tuned.maps import Maps
from labkit.kernels.tuned.tiles import STEPS, Tile, multiply


@device_function
def seen(t, u, h0, w0, mine, origin, H, W, towards):
    """Whether tap (t, u) of a pixel falls on the image, and the index of the value there (0 if it does not)."""
    h, w = h0 + towards * t, w0 + towards * u
    inside = mine and h >= 0 and h < H and w >= 0 and w < W
    return inside, int32(origin + towards * (t * W + u) if inside else 0)


@device_function
def fetch_weights(packed, a, i, at, ok, copies, apart, asynchronous):
    """Start this thread's copies of a chunk of weights, 16 bytes each, apart[0] values from one to the next in shared
    memory and apart[1] in global memory.
    """
    for n in range(copies):
        if asynchronous:
            cp_async16z(a, i + n * apart[0], packed, at + n * apart[1], ok)
        else:
            copy16z(a, i + n * apart[0], packed, at + n * apart[1], ok)


@device_function
def fetch_inputs(image, b, i, at, ok, left, copies, apart, asynchronous):
    """The same for the inputs of one pixel, a value each, apart[2] channels from one to the next; zeros for those
    beyond the `left` channels that there still are.
    """
    for n in range(copies):
        if asynchronous:
            cp_async4z(b, i + n * apart[0], image, at + n * apart[1], ok and n * apart[2] < left)
        else:
            copy4z(b, i + n * apart[0], image, at + n * apart[1], ok and n * apart[2] < left)


@device_function
def put(out, at, sums, first, extra, function, four):
    """Write f(sum + extra) of one pixel, or of four neighbours."""
    if four:
        x, y = activate(function, sums[first] + extra), activate(function, sums[first + 1] + extra)
        z, w = activate(function, sums[first + 2] + extra), activate(function, sums[first + 3] + extra)
        st4(out, at, x, y, z, w)
    else:
        st(out, at, activate(function, sums[first] + extra))


@cache
def make(
    maps: Maps, tile: Tile, split: int = 1, function: int = 0, add_bias: bool = False, asynchronous: bool = True
) -> tuple[Callable, Launch]:
    """Kernel (image, packed, bias, out), all flat float32, and its launch.

    image: [N, groups * summed, H, W]. packed: from `pack`. bias: [groups * made], read only if `add_bias`. out:
    [split][N, groups * made, out_h, out_w]; with split > 1 part z sums its share of the chunks, and `parts` must add
    them up (bias and f then belong there). function: index of f in `activate.FUNCTIONS`. asynchronous=False: for GPUs
    before compute capability 8.0. Block (x, y, z): tile of BN pixels x, of BM channels y, of part, group and kind z.
    """
    G, SUMMED, MADE, H, W, R, S = maps.groups, maps.summed, maps.made, maps.H, maps.W, maps.R, maps.S
    IN_H, IN_W, OUT_STEP_H, OUT_STEP_W = maps.in_step_h, maps.in_step_w, maps.out_step_h, maps.out_step_w
    OUT_H, OUT_W, PAD_H, PAD_W = maps.out_h, maps.out_w, maps.pad_h, maps.pad_w
    FORWARD, TOWARDS, KINDS = maps.forward, 1 if maps.forward else -1, maps.kinds
    COLUMNS, PER_SAMPLE, PIXELS = maps.columns, maps.rows * maps.columns, maps.pixels
    BM, BN, BK, TM, TN, THREADS = tile.BM, tile.BN, tile.BK, tile.TM, tile.TN, tile.threads
    LX, LY, WARPS_X, A_GAP, B_GAP = tile.LX, tile.LY, tile.MX // tile.LX, BM * 4 // TM, BN * 4 // TN
    A_SIZE, B_SIZE, A_BOTH, B_BOTH, SUMS = BK * BM, BK * BN, 2 * BK * BM, 2 * BK * BN, TM * TN
    MADE_P, CHUNKS = maps.made_padded, maps.summed_padded(BK) // BK
    PLANE, OUT_PLANE, TAP, NEXT_A, NEXT_B = H * W, OUT_H * OUT_W, CHUNKS * BK * MADE_P, BK * MADE_P, BK * H * W
    ROWS, RAGGED = THREADS // BN, SUMMED % BK != 0
    COPIES, ALL_COPY = (ceil(BK * BM / (4 * THREADS)), BK // ROWS), tile.all_copy
    A_STEPS, B_STEPS = (4 * THREADS, 4 * THREADS // BM * MADE_P), (THREADS, ROWS * PLANE, ROWS)
    OUT_VALUES, VECTORS, LANES = maps.out_values, maps.vectors, 4 if maps.vectors else 1
    SPLIT, FUNCTION, BIAS, ASYNCHRONOUS = split, function, add_bias, asynchronous

    def implicit(image, packed, bias, out):
        a = cuda.shared.array(A_BOTH, float32, alignment=16)
        b = cuda.shared.array(B_BOTH, float32, alignment=16)
        sums = cuda.local.array(SUMS, float32)
        left = cuda.local.array(TM, float32)
        right = cuda.local.array(TN, float32)
        tid, m0, j0, z = cuda.threadIdx.x, cuda.blockIdx.y * BM, cuda.blockIdx.x * BN, cuda.blockIdx.z
        part, group, kind = z % SPLIT, z // SPLIT % G, z // (SPLIT * G)
        kind_h, kind_w = kind // OUT_STEP_W, kind % OUT_STEP_W
        r0, s0 = (kind_h + PAD_H) % OUT_STEP_H, (kind_w + PAD_W) % OUT_STEP_W
        taps_h, taps_w = (R - r0 + OUT_STEP_H - 1) // OUT_STEP_H, (S - s0 + OUT_STEP_W - 1) // OUT_STEP_W
        # The pixel whose inputs this thread copies, the channel to begin with, and the four weights it copies.
        j, c0 = j0 + tid % BN, tid // BN
        n, i = j // PER_SAMPLE, j % PER_SAMPLE
        h0 = int32(i // COLUMNS * IN_H - PAD_H if FORWARD else i // COLUMNS + (kind_h + PAD_H) // OUT_STEP_H)
        w0 = int32(i % COLUMNS * IN_W - PAD_W if FORWARD else i % COLUMNS + (kind_w + PAD_W) // OUT_STEP_W)
        origin = int32(((n * G + group) * SUMMED + c0) * PLANE + h0 * W + w0)
        m = m0 + tid * 4 % BM
        mine, ok_a = j < PIXELS, m < MADE_P
        weights = int32((group * R + r0) * S * TAP + s0 * TAP + tid * 4 // BM * MADE_P + m)
        for i in range(SUMS):
            sums[i] = float32(0)
        chunks = taps_h * taps_w * CHUNKS
        share = (chunks + SPLIT - 1) // SPLIT
        first, last = part * share, min(chunks, (part + 1) * share)
        c, t, u = int32(first % CHUNKS), int32(0), int32(0)
        if SPLIT > 1:
            t, u = int32(first // CHUNKS // max(taps_w, 1)), int32(first // CHUNKS % max(taps_w, 1))
        ok_b, at_b = seen(t, u, h0, w0, mine, origin, H, W, TOWARDS)
        at_b = int32(at_b + c * NEXT_B)
        at_a = int32(weights + (t * OUT_STEP_H * S + u * OUT_STEP_W) * TAP + c * NEXT_A)
        tx, ty = tid % LX + tid // WARP % WARPS_X * LX, tid // LX % LY + tid // WARP // WARPS_X * LY
        for coming in range(first, last + 1):
            half = (coming - first) & 1
            if ASYNCHRONOUS:
                cp_async_wait0()
            cuda.syncthreads()
            if coming < last:
                if ALL_COPY or tid * 4 < A_SIZE:
                    fetch_weights(packed, a, tid * 4 + half * A_SIZE, at_a, ok_a, COPIES[0], A_STEPS, ASYNCHRONOUS)
                more = SUMMED - c * BK - c0 if RAGGED else BK
                fetch_inputs(image, b, tid + half * B_SIZE, at_b, ok_b, more, COPIES[1], B_STEPS, ASYNCHRONOUS)
                if ASYNCHRONOUS:
                    cp_async_commit()
                c, at_a, at_b = int32(c + 1), int32(at_a + NEXT_A), int32(at_b + NEXT_B)
                if c == CHUNKS:
                    c, u = int32(0), int32(u + 1)
                    if u == taps_w:
                        t, u = int32(t + 1), int32(0)
                    ok_b, at_b = seen(t, u, h0, w0, mine, origin, H, W, TOWARDS)
                    if KINDS > 1:
                        at_a = int32(weights + (t * OUT_STEP_H * S + u * OUT_STEP_W) * TAP)
            if coming > first:
                i, j = ty * 4 + (1 - half) * A_SIZE, tx * 4 + (1 - half) * B_SIZE
                for k in range(0, BK, STEPS):
                    multiply(a, b, sums, left, right, i + k * BM, j + k * BN, BM, BN, TM, TN, A_GAP, B_GAP)
        for v in range(0, TN, LANES):
            j = j0 + v // 4 * B_GAP + tx * 4 + v % 4
            n, i = j // PER_SAMPLE, j % PER_SAMPLE
            row, column = i // COLUMNS * OUT_STEP_H + kind_h, i % COLUMNS * OUT_STEP_W + kind_w
            at = part * OUT_VALUES + (n * G + group) * MADE * OUT_PLANE + row * OUT_W + column
            if j < PIXELS and row < OUT_H and column < OUT_W:
                for i in range(TM):
                    m = m0 + i // 4 * A_GAP + ty * 4 + i % 4
                    if m < MADE:
                        extra = ld(bias, group * MADE + m) if BIAS else float32(0)
                        put(out, at + m * OUT_PLANE, sums, i * TN + v, extra, FUNCTION, VECTORS)

    implicit.options = {"launch_bounds": (THREADS, tile.blocks_per_sm)}
    grid = (ceil(PIXELS / BN), ceil(MADE / BM), SPLIT * G * KINDS)
    return implicit, Launch(grid, THREADS)
