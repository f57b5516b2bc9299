"""KU of a convolution as a matrix product over pixels, its reduction divided among many blocks (split-K).

dweight[k, tap, c] = sum over pixels i of dy[k, i] * x[c, place of tap for pixel i]. The result is small (K x R S x C)
and the reduction long (N P Q), so the pixels are divided into parts until there are blocks enough; each part writes a
whole [K, R * S, C], and `parts` adds them in a fixed order. Atomic additions would need no second kernel, but their
order, and with it the last digits, would change from run to run.

A block keeps to one tap, so that for each pixel one test says whether it falls on the padding, for all channels. Pixels
lie side by side in both arrays, but a thread's products need eight channels of one pixel side by side. So the copies
turn the tile round: thread (pixel, row) writes one value, and rows of shared memory are four values longer than a tile,
so that the values which a warp writes at once fall into different banks.
"""

from collections.abc import Callable
from functools import cache
from math import ceil

from labkit.kernels.intrinsics import copy4z, cp_async4z, cp_async_commit, cp_async_wait0, st, st4
from labkit.kernels.launch import WARP, Launch
from labkit.kernels.sizes import ConvSizes
from labkit.kernels.source import cuda, device_function, float32, int32
from labkit.kernels.tuned.tiles import STEPS, Tile, multiply

SKEW = 4  # values by which a row of shared memory is longer than the tile


@device_function
def turn(dst, i, src, j, ok, left, copies, rows, step, asynchronous):
    """Copy one value of `copies` rows each, `rows` rows and `step` values of src apart; zeros from row `left` on."""
    for n in range(copies):
        if asynchronous:
            cp_async4z(dst, i + n * rows, src, j + n * rows * step, ok and n * rows < left)
        else:
            copy4z(dst, i + n * rows, src, j + n * rows * step, ok and n * rows < left)


@cache
def make(sizes: ConvSizes, tile: Tile, split: int = 1, asynchronous: bool = True) -> tuple[Callable, Launch]:
    """Kernel (x, dy, out), all flat float32, and its launch. out: [split][K][R * S][C / groups].

    Block (x, y, z): BN channels of one tap (x) of BM filters y, of part z % split of the pixels and group z // split.
    asynchronous=False: for GPUs before compute capability 8.0.
    """
    G, C, K = sizes.groups, sizes.C // sizes.groups, sizes.K // sizes.groups
    H, W, R, S, Q, PQ = sizes.H, sizes.W, sizes.R, sizes.S, sizes.Q, sizes.P * sizes.Q
    STRIDE_H, STRIDE_W, PAD_H, PAD_W = sizes.stride_h, sizes.stride_w, sizes.pad_h, sizes.pad_w
    BM, BN, BK, TM, TN, THREADS = tile.BM, tile.BN, tile.BK, tile.TM, tile.TN, tile.threads
    LX, LY, WARPS_X, A_GAP, B_GAP = tile.LX, tile.LY, tile.MX // tile.LX, BM * 4 // TM, BN * 4 // TN
    A_ROW, B_ROW = BM + SKEW, BN + SKEW
    A_SIZE, B_SIZE, A_BOTH, B_BOTH, SUMS = BK * A_ROW, BK * B_ROW, 2 * BK * A_ROW, 2 * BK * B_ROW, TM * TN
    ROWS, PIXELS, RS, PLANE = THREADS // BK, sizes.N * PQ, R * S, H * W
    A_COPIES, B_COPIES, C_TILES = BM // ROWS, BN // ROWS, ceil(C / BN)
    CHUNKS, SPLIT, ASYNCHRONOUS, VECTORS = ceil(PIXELS / (BK * split)), split, asynchronous, C % 4 == 0
    A_WHOLE, B_WHOLE = K % BM == 0, C % BN == 0

    def weight_gradient(x, dy, out):
        a = cuda.shared.array(A_BOTH, float32, alignment=16)
        b = cuda.shared.array(B_BOTH, float32, alignment=16)
        sums = cuda.local.array(SUMS, float32)
        left = cuda.local.array(TM, float32)
        right = cuda.local.array(TN, float32)
        tid, tap, z = cuda.threadIdx.x, cuda.blockIdx.x // C_TILES, cuda.blockIdx.z
        k0, c0 = cuda.blockIdx.y * BM, cuda.blockIdx.x % C_TILES * BN
        part, group, r, s = z % SPLIT, z // SPLIT, tap // S - PAD_H, tap % S - PAD_W
        lane, row = tid % BK, tid // BK  # which pixel of a chunk, and which row of the tiles to begin with
        more_a, more_b = BM if A_WHOLE else K - k0 - row, BN if B_WHOLE else C - c0 - row
        from_a, from_b = int32((group * K + k0 + row) * PQ), int32((group * C + c0 + row) * PLANE)
        for i in range(SUMS):
            sums[i] = float32(0)
        tx, ty = tid % LX + tid // WARP % WARPS_X * LX, tid // LX % LY + tid // WARP // WARPS_X * LY
        pixel = int32(part * CHUNKS * BK + lane)
        for coming in range(CHUNKS + 1):
            half = coming & 1
            if ASYNCHRONOUS:
                cp_async_wait0()
            cuda.syncthreads()
            if coming < CHUNKS:
                n, i = pixel // PQ, pixel % PQ
                h, w = int32(i // Q * STRIDE_H + r), int32(i % Q * STRIDE_W + s)
                inside = pixel < PIXELS and h >= 0 and h < H and w >= 0 and w < W
                at_a = int32(n * G * K * PQ + from_a + i if pixel < PIXELS else 0)
                at_b = int32(n * G * C * PLANE + from_b + h * W + w if inside else 0)
                to_a, to_b = lane * A_ROW + row + half * A_SIZE, lane * B_ROW + row + half * B_SIZE
                turn(a, to_a, dy, at_a, pixel < PIXELS, more_a, A_COPIES, ROWS, PQ, ASYNCHRONOUS)
                turn(b, to_b, x, at_b, inside, more_b, B_COPIES, ROWS, PLANE, ASYNCHRONOUS)
                pixel = int32(pixel + BK)
                if ASYNCHRONOUS:
                    cp_async_commit()
            if coming > 0:
                i, j = ty * 4 + (1 - half) * A_SIZE, tx * 4 + (1 - half) * B_SIZE
                for k in range(0, BK, STEPS):
                    multiply(a, b, sums, left, right, i + k * A_ROW, j + k * B_ROW, A_ROW, B_ROW, TM, TN, A_GAP, B_GAP)
        for v in range(0, TN, 4):
            c = c0 + v // 4 * B_GAP + tx * 4
            for i in range(TM):
                k = k0 + i // 4 * A_GAP + ty * 4 + i % 4
                at = (((part * G + group) * K + k) * RS + tap) * C + c
                if VECTORS and k < K and c < C:
                    st4(out, at, sums[i * TN + v], sums[i * TN + v + 1], sums[i * TN + v + 2], sums[i * TN + v + 3])
                elif k < K:
                    for u in range(4):
                        if c + u < C:
                            st(out, at + u, sums[i * TN + v + u])

    weight_gradient.options = {"launch_bounds": (THREADS, tile.blocks_per_sm)}
    return weight_gradient, Launch((RS * C_TILES, ceil(K / BM), split * G), THREADS)
