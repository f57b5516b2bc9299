"""KU of a convolution in three mappings: dW[k, c, r, s] = sum of dOut[n, k, p, q] * In[n, c, h, w] over all samples n
and all windows (p, q), where (h, w) is the pixel that tap (r, s) falls on.

Read the three as a diff. The bias is one more weight of its filter, number C R S, whose input is 1 in every window.
Arguments, in this order:

    x [N, C, H, W]  dy [N, K, P, Q]  dweight [K, C / groups, R, S]  dbias [K]   float32; the last two are written
    stride_h, stride_w, pad_h, pad_w, groups

All samples contribute to the same weights. Where a block has one sample, blocks meet there and have to add atomically,
to gradients that were zeroed before the launch (krishna-gupta-nayak figure 5); where it has one filter and all samples,
nobody else writes its weights (figure 7). Atomic sums depend on the order in which blocks arrive, in the last bits.
"""

from labkit.kernels.source import cuda, device_function, float32
from labkit.kernels.windows import windows_inside


@device_function
def through_weight(x, dy, n, k, c, h, w, stride_h, stride_w):
    """Sum of dy * x over the windows of sample n and filter k, for the tap that lies at (h, w) of window (0, 0)."""
    p_first, p_end = windows_inside(h, x.shape[2], stride_h, dy.shape[2])
    q_first, q_end = windows_inside(w, x.shape[3], stride_w, dy.shape[3])
    total = float32(0)
    for p in range(p_first, p_end):
        for q in range(q_first, q_end):
            total += dy[n, k, p, q] * x[n, c, p * stride_h + h, q * stride_w + w]
    return total


@device_function
def through_bias(dy, n, k):
    """Sum of dy over the windows of sample n and filter k."""
    total = float32(0)
    for p in range(dy.shape[2]):
        for q in range(dy.shape[3]):
            total += dy[n, k, p, q]
    return total


def backward_weights_data(x, dy, dweight, dbias, stride_h, stride_w, pad_h, pad_w, groups):
    """Block n adds what sample n contributes to every weight. Writes: one atomic addition per weight and block.
    Reads from global memory: 2 P Q per weight and sample. No barrier.
    """
    n = cuda.blockIdx.x
    K, C, R, S = dweight.shape
    weights = C * R * S + 1
    for i in range(cuda.threadIdx.x, K * weights, cuda.blockDim.x):
        k, j = i // weights, i % weights
        if j == C * R * S:
            cuda.atomic.add(dbias, k, through_bias(dy, n, k))
        else:
            c, r, s = j // (R * S), j // S % R, j % S
            channel = k // (K // groups) * C + c
            total = through_weight(x, dy, n, k, channel, r - pad_h, s - pad_w, stride_h, stride_w)
            cuda.atomic.add(dweight, (k, c, r, s), total)


def backward_weights_model(x, dy, dweight, dbias, stride_h, stride_w, pad_h, pad_w, groups):
    """Block k computes the gradient of filter k, sample after sample. Writes: each weight once, and nobody else does:
    no atomics, nothing to zero. Reads from global memory: 2 P Q per weight and sample. No barrier.
    """
    k = cuda.blockIdx.x
    K, C, R, S = dweight.shape
    first = k // (K // groups) * C
    for j in range(cuda.threadIdx.x, C * R * S + 1, cuda.blockDim.x):
        total = float32(0)
        if j == C * R * S:
            for n in range(x.shape[0]):
                total += through_bias(dy, n, k)
            dbias[k] = total
        else:
            c, r, s = j // (R * S), j // S % R, j % S
            for n in range(x.shape[0]):
                total += through_weight(x, dy, n, k, first + c, r - pad_h, s - pad_w, stride_h, stride_w)
            dweight[k, c, r, s] = total


def backward_weights_hybrid(x, dy, dweight, dbias, stride_h, stride_w, pad_h, pad_w, groups):
    """Block (n, k) adds what sample n contributes to filter k. Writes: one atomic addition per weight and block.
    Reads from global memory: 2 P Q per weight and sample. No barrier.
    """
    n, k = cuda.blockIdx.x, cuda.blockIdx.y
    K, C, R, S = dweight.shape
    first = k // (K // groups) * C
    for j in range(cuda.threadIdx.x, C * R * S + 1, cuda.blockDim.x):
        if j == C * R * S:
            cuda.atomic.add(dbias, k, through_bias(dy, n, k))
        else:
            c, r, s = j // (R * S), j // S % R, j % S
            total = through_weight(x, dy, n, k, first + c, r - pad_h, s - pad_w, stride_h, stride_w)
            cuda.atomic.add(dweight, (k, c, r, s), total)


BACKWARD_WEIGHTS = {"data": backward_weights_data, "model": backward_weights_model, "hybrid": backward_weights_hybrid}
