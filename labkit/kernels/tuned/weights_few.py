"""KU of a convolution with few channels per group: `weights` with one column for each weight of a filter.

dweight[k, (c, r, s)] = sum over pixels i of dy[k, i] * x[c, place of tap (r, s) for pixel i]. A block of `weights`
keeps to one tap and takes many channels; of three channels it would be mostly empty. Here a block takes weights as
they are stored, and a thread remembers for each of its columns which tap it is, and how far from the first it reads.
"""

from collections.abc import Callable
from functools import cache
from math import ceil

from labkit.kernels.intrinsics import copy4z, cp_async4z, cp_async_commit, cp_async_wait0, st, st4
from labkit.kernels.launch import WARP, Launch
from labkit.kernels.sizes import ConvSizes
from labkit.kernels.source import cuda, device_function, float32, int32
from labkit.kernels.tuned.few_channels import NEVER, ROW, ROW_BITS
from labkit.kernels.tuned.tiles import STEPS, Tile, multiply
from labkit.kernels.tuned.weights import SKEW, turn


@device_function
def turn_inputs(dst, i, x, at, offset, tap, h0, w0, mine, H, W, copies, rows, asynchronous):
    """Copy what `copies` columns, `rows` apart, read of one pixel's window; zeros where that is padding."""
    for n in range(copies):
        h, w = int32(h0 + (tap[n] >> ROW_BITS)), int32(w0 + (tap[n] & ROW - 1))
        ok = mine and h >= 0 and h < H and w >= 0 and w < W
        if asynchronous:
            cp_async4z(dst, i + n * rows, x, int32(at + offset[n] if ok else 0), ok)
        else:
            copy4z(dst, i + n * rows, x, int32(at + offset[n] if ok else 0), ok)


@cache
def make(sizes: ConvSizes, tile: Tile, split: int = 1, asynchronous: bool = True) -> tuple[Callable, Launch]:
    """Kernel (x, dy, out), all flat float32, and its launch. out: [split][K, C / groups, R, S]; S < 1024.

    Block (x, y, z): tile of BN weights x of BM filters y, of part z % split of the pixels and group z // split.
    asynchronous=False: for GPUs before compute capability 8.0.
    """
    G, C, K = sizes.groups, sizes.C // sizes.groups, sizes.K // sizes.groups
    H, W, R, S, Q, PQ = sizes.H, sizes.W, sizes.R, sizes.S, sizes.Q, sizes.P * sizes.Q
    STRIDE_H, STRIDE_W, PAD_H, PAD_W = sizes.stride_h, sizes.stride_w, sizes.pad_h, sizes.pad_w
    BM, BN, BK, TM, TN, THREADS = tile.BM, tile.BN, tile.BK, tile.TM, tile.TN, tile.threads
    LX, LY, WARPS_X, A_GAP, B_GAP = tile.LX, tile.LY, tile.MX // tile.LX, BM * 4 // TM, BN * 4 // TN
    A_ROW, B_ROW = BM + SKEW, BN + SKEW
    A_SIZE, B_SIZE, A_BOTH, B_BOTH, SUMS = BK * A_ROW, BK * B_ROW, 2 * BK * A_ROW, 2 * BK * B_ROW, TM * TN
    ROWS, PIXELS, CRS, PLANE = THREADS // BK, sizes.N * PQ, C * R * S, H * W
    A_COPIES, B_COPIES = BM // ROWS, BN // ROWS
    CHUNKS, SPLIT, ASYNCHRONOUS = ceil(PIXELS / (BK * split)), split, asynchronous
    VECTORS = split > 1 and CRS % 4 == 0  # a layer's gradient may begin anywhere in the vector of all

    def weight_gradient_few(x, dy, out):
        a = cuda.shared.array(A_BOTH, float32, alignment=16)
        b = cuda.shared.array(B_BOTH, float32, alignment=16)
        sums = cuda.local.array(SUMS, float32)
        left = cuda.local.array(TM, float32)
        right = cuda.local.array(TN, float32)
        offset = cuda.local.array(B_COPIES, int32)
        tap = cuda.local.array(B_COPIES, int32)
        tid, k0, j0, z = cuda.threadIdx.x, cuda.blockIdx.y * BM, cuda.blockIdx.x * BN, cuda.blockIdx.z
        part, group = z % SPLIT, z // SPLIT
        lane, row = tid % BK, tid // BK  # which pixel of a chunk, and which row of the tiles to begin with
        for i in range(B_COPIES):
            j = j0 + row + i * ROWS
            offset[i] = int32(j // (R * S) * PLANE + j // S % R * W + j % S)
            tap[i] = int32(j // S % R * ROW + j % S if j < CRS else NEVER)
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
                n, i, mine = pixel // PQ, pixel % PQ, pixel < PIXELS
                at_a = int32(((n * G + group) * K + k0 + row) * PQ + i if mine else 0)
                to_a, to_b = lane * A_ROW + row + half * A_SIZE, lane * B_ROW + row + half * B_SIZE
                turn(a, to_a, dy, at_a, mine, K - k0 - row, A_COPIES, ROWS, PQ, ASYNCHRONOUS)
                h0, w0 = int32(i // Q * STRIDE_H - PAD_H), int32(i % Q * STRIDE_W - PAD_W)
                at_b = int32((n * G + group) * C * PLANE + h0 * W + w0)
                turn_inputs(b, to_b, x, at_b, offset, tap, h0, w0, mine, H, W, B_COPIES, ROWS, ASYNCHRONOUS)
                pixel = int32(pixel + BK)
                if ASYNCHRONOUS:
                    cp_async_commit()
            if coming > 0:
                i, j = ty * 4 + (1 - half) * A_SIZE, tx * 4 + (1 - half) * B_SIZE
                for k in range(0, BK, STEPS):
                    multiply(a, b, sums, left, right, i + k * A_ROW, j + k * B_ROW, A_ROW, B_ROW, TM, TN, A_GAP, B_GAP)
        for v in range(0, TN, 4):
            j = j0 + v // 4 * B_GAP + tx * 4
            for i in range(TM):
                k = k0 + i // 4 * A_GAP + ty * 4 + i % 4
                at = ((part * G + group) * K + k) * CRS + j
                if VECTORS and k < K and j < CRS:
                    st4(out, at, sums[i * TN + v], sums[i * TN + v + 1], sums[i * TN + v + 2], sums[i * TN + v + 3])
                elif k < K:
                    for u in range(4):
                        if j + u < CRS:
                            st(out, at + u, sums[i * TN + v + u])

    weight_gradient_few.options = {"launch_bounds": (THREADS, tile.blocks_per_sm)}
    return weight_gradient_few, Launch((ceil(CRS / BN), ceil(K / BM), split * G), THREADS)
