"""BP and KU of batch normalisation, with those of the ReLU and the residual addition after it; see `norm`.

With g the gradient that passes the ReLU (dy where y > 0), x_hat = (x - mean) * inverse and means over M values,

    dweight = sum of g * x_hat     dbias = sum of g     dother = g
    dx = weight * inverse * (g - mean of g - x_hat * mean of g * x_hat)

where the two means are left out if mean and variance did not depend on x. Without an addition the sign of y follows
from x again, which saves reading y.

Arrays as in `norm`; dy, dx, dother [N, C, plane]; dweight, dbias [C].
"""

from collections.abc import Callable
from functools import cache
from math import ceil

from labkit.kernels.intrinsics import ld, ld4, st, st4
from labkit.kernels.launch import Launch
from labkit.kernels.source import cuda, device_function, float32
from labkit.kernels.tuned.channel_sums import halvings
from labkit.kernels.tuned.norm import THREADS, NormSizes, scaled


@device_function
def passed(dy, x, y, mean, scale, bias, relu, add):
    """What the ReLU lets through of dy; y is looked at only where something was added."""
    if not relu:
        return dy
    output = y if add else scaled(x, mean, scale, bias, float32(0), False)
    return dy if output > float32(0) else float32(0)


@cache
def make_sums(sizes: NormSizes) -> tuple[Callable, Launch]:
    """Kernel (x, y, dy, kept, weight, bias, parts) and its launch: sums of g and of g * x_hat by channel and share.

    y is read only if `sizes.add` and `sizes.relu`. Block (c, z): channel c of share z.
    """
    N, C, LANES, SPLIT, RELU, ADD = sizes.N, sizes.C, sizes.lanes, sizes.split, sizes.relu, sizes.add
    RUN, SHARE, NEEDS_Y = sizes.plane // sizes.lanes, ceil(sizes.N / sizes.split), sizes.relu and sizes.add
    HALVINGS = halvings(SHARE * RUN)
    BLOCK = 1 << HALVINGS

    def norm_gradient_sums(x, y, dy, kept, weight, bias, parts):
        """Barriers: when all threads have their sums, and after each halving."""
        first = cuda.shared.array(BLOCK, float32)
        second = cuda.shared.array(BLOCK, float32)
        tid, c, part = cuda.threadIdx.x, cuda.blockIdx.x, cuda.blockIdx.y
        mean, inverse, shift = ld(kept, c), ld(kept, C + c), ld(bias, c)
        scale, total, products = ld(weight, c) * inverse, float32(0), float32(0)
        for i in range(tid, (min(N, (part + 1) * SHARE) - part * SHARE) * RUN, BLOCK):
            at = (((part * SHARE + i // RUN) * C + c) * RUN + i % RUN) * LANES
            if LANES == 4:
                a0, a1, a2, a3 = ld4(x, at)
                g0, g1, g2, g3 = ld4(dy, at)
                y0, y1, y2, y3 = ld4(y, at) if NEEDS_Y else (a0, a1, a2, a3)
                g0 = passed(g0, a0, y0, mean, scale, shift, RELU, ADD)
                g1 = passed(g1, a1, y1, mean, scale, shift, RELU, ADD)
                g2 = passed(g2, a2, y2, mean, scale, shift, RELU, ADD)
                g3 = passed(g3, a3, y3, mean, scale, shift, RELU, ADD)
                total += (g0 + g1) + (g2 + g3)
                products += (g0 * (a0 - mean) + g1 * (a1 - mean)) + (g2 * (a2 - mean) + g3 * (a3 - mean))
            else:
                a = ld(x, at)
                g = passed(ld(dy, at), a, ld(y, at) if NEEDS_Y else a, mean, scale, shift, RELU, ADD)
                total += g
                products += g * (a - mean)
        first[tid], second[tid] = total, products * inverse
        cuda.syncthreads()
        for step in range(HALVINGS):
            half = BLOCK >> (step + 1)
            if tid < half:
                first[tid] += first[tid + half]
                second[tid] += second[tid + half]
            cuda.syncthreads()
        if tid == 0:
            st(parts, part * C + c, first[0])
            st(parts, (SPLIT + part) * C + c, second[0])

    return norm_gradient_sums, Launch((C, sizes.split, 1), BLOCK)


@cache
def make_gradients(sizes: NormSizes) -> tuple[Callable, Launch]:
    """Kernel (parts, dweight, dbias) and its launch: thread c adds the shares of channel c."""
    C, SPLIT = sizes.C, sizes.split

    def norm_gradients(parts, dweight, dbias):
        c = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
        if c < C:
            total, products = float32(0), float32(0)
            for part in range(SPLIT):
                total += ld(parts, part * C + c)
                products += ld(parts, (SPLIT + part) * C + c)
            st(dbias, c, total)
            st(dweight, c, products)

    return norm_gradients, Launch((ceil(C / 32), 1, 1), 32)


@device_function
def to_input(g, x, mean, inverse, scale, g_mean, product_mean):
    """One value of dx."""
    return scale * (g - g_mean - (x - mean) * inverse * product_mean)


@cache
def make_apply(sizes: NormSizes, threads: int = THREADS) -> tuple[Callable, Launch]:
    """Kernel (x, y, dy, kept, weight, bias, dweight, dbias, dx, dother) and its launch.

    dweight, dbias: from `make_gradients`. y is read only if `sizes.add` and `sizes.relu`, dother written only if
    `sizes.add`. dx and dother may be dy, but not both.
    """
    C, PLANE, LANES, VALUES, RELU, ADD = sizes.C, sizes.plane, sizes.lanes, sizes.values, sizes.relu, sizes.add
    BLOCK, NEEDS_Y, TRAINING, M = threads * LANES, RELU and ADD, sizes.training, sizes.N * sizes.plane

    def norm_gradient(x, y, dy, kept, weight, bias, dweight, dbias, dx, dother):
        i = cuda.blockIdx.x * BLOCK + cuda.threadIdx.x * LANES
        if i < VALUES:
            c = i // PLANE % C
            mean, inverse, shift = ld(kept, c), ld(kept, C + c), ld(bias, c)
            scale, g_mean, product_mean = ld(weight, c) * inverse, float32(0), float32(0)
            if TRAINING:
                g_mean, product_mean = ld(dbias, c) / float32(M), ld(dweight, c) / float32(M)
            if LANES == 4:
                a0, a1, a2, a3 = ld4(x, i)
                g0, g1, g2, g3 = ld4(dy, i)
                y0, y1, y2, y3 = ld4(y, i) if NEEDS_Y else (a0, a1, a2, a3)
                g0 = passed(g0, a0, y0, mean, scale, shift, RELU, ADD)
                g1 = passed(g1, a1, y1, mean, scale, shift, RELU, ADD)
                g2 = passed(g2, a2, y2, mean, scale, shift, RELU, ADD)
                g3 = passed(g3, a3, y3, mean, scale, shift, RELU, ADD)
                if ADD:
                    st4(dother, i, g0, g1, g2, g3)
                a0 = to_input(g0, a0, mean, inverse, scale, g_mean, product_mean)
                a1 = to_input(g1, a1, mean, inverse, scale, g_mean, product_mean)
                a2 = to_input(g2, a2, mean, inverse, scale, g_mean, product_mean)
                a3 = to_input(g3, a3, mean, inverse, scale, g_mean, product_mean)
                st4(dx, i, a0, a1, a2, a3)
            else:
                a = ld(x, i)
                g = passed(ld(dy, i), a, ld(y, i) if NEEDS_Y else a, mean, scale, shift, RELU, ADD)
                if ADD:
                    st(dother, i, g)
                st(dx, i, to_input(g, a, mean, inverse, scale, g_mean, product_mean))

    return norm_gradient, Launch((ceil(sizes.values / (threads * sizes.lanes)), 1, 1), threads)
