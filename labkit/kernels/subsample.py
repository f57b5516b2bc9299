"""Trainable subsampling (LeCun et al. 1998, layers S2 and S4) in three mappings, FP, BP and KU:

    Out[n, c, p, q] = weight[c] * (sum of the R x S window at row p * stride_h, column q * stride_w) + bias[c]

One weight and one bias for a whole channel, and no padding. Arguments, in this order, all arrays float32:

    FP  x [N, C, H, W]  weight [C]  bias [C]  y [N, C, P, Q]            y is written
    BP  dy [N, C, P, Q]  weight [C]  dx [N, C, H, W]                    dx is written
    KU  x [N, C, H, W]  dy [N, C, P, Q]  dweight [C]  dbias [C]         the last two are written

each followed by R, S, stride_h, stride_w. KU of data and hybrid adds atomically to gradients that were zeroed before
the launch. For the launch see `elementwise.maps_work`, with y's sizes in FP and KU and dx's in BP.
"""

from labkit.kernels.launch import MOST_THREADS
from labkit.kernels.source import cuda, device_function, float32
from labkit.kernels.windows import windows_over


@device_function
def window_sum(x, n, c, h, w, R, S):
    """The sum of the window that begins at row h, column w."""
    total = float32(0)
    for i in range(h, h + R):
        for j in range(w, w + S):
            total += x[n, c, i, j]
    return total


@device_function
def sent_back(dy, n, c, h, w, R, S, stride_h, stride_w):
    """The gradients of all windows over pixel (h, w)."""
    p_first, p_end = windows_over(h, R, stride_h, dy.shape[2])
    q_first, q_end = windows_over(w, S, stride_w, dy.shape[3])
    total = float32(0)
    for p in range(p_first, p_end):
        for q in range(q_first, q_end):
            total += dy[n, c, p, q]
    return total


def forward_data(x, weight, bias, y, R, S, stride_h, stride_w):
    """Block n computes sample n. Writes: y once. Reads R S values per output. No barrier."""
    n, P, Q = cuda.blockIdx.x, y.shape[2], y.shape[3]
    for i in range(cuda.threadIdx.x, y.shape[1] * P * Q, cuda.blockDim.x):
        c, p, q = i // (P * Q), i // Q % P, i % Q
        y[n, c, p, q] = weight[c] * window_sum(x, n, c, p * stride_h, q * stride_w, R, S) + bias[c]


def forward_model(x, weight, bias, y, R, S, stride_h, stride_w):
    """Block c computes channel c of every sample. Writes: y once. Reads R S values per output. No barrier."""
    c, P, Q = cuda.blockIdx.x, y.shape[2], y.shape[3]
    for i in range(cuda.threadIdx.x, y.shape[0] * P * Q, cuda.blockDim.x):
        n, p, q = i // (P * Q), i // Q % P, i % Q
        y[n, c, p, q] = weight[c] * window_sum(x, n, c, p * stride_h, q * stride_w, R, S) + bias[c]


def forward_hybrid(x, weight, bias, y, R, S, stride_h, stride_w):
    """Block (n, c) computes one map. Writes: y once. Reads R S values per output. No barrier."""
    n, c, P, Q = cuda.blockIdx.x, cuda.blockIdx.y, y.shape[2], y.shape[3]
    for i in range(cuda.threadIdx.x, P * Q, cuda.blockDim.x):
        p, q = i // Q, i % Q
        y[n, c, p, q] = weight[c] * window_sum(x, n, c, p * stride_h, q * stride_w, R, S) + bias[c]


def backward_data_data(dy, weight, dx, R, S, stride_h, stride_w):
    """Block n computes sample n. Writes: dx once. Reads dy of each window over a pixel. No barrier."""
    n, H, W = cuda.blockIdx.x, dx.shape[2], dx.shape[3]
    for i in range(cuda.threadIdx.x, dx.shape[1] * H * W, cuda.blockDim.x):
        c, h, w = i // (H * W), i // W % H, i % W
        dx[n, c, h, w] = weight[c] * sent_back(dy, n, c, h, w, R, S, stride_h, stride_w)


def backward_data_model(dy, weight, dx, R, S, stride_h, stride_w):
    """Block c computes channel c of every sample. Writes: dx once. Reads dy of each window over a pixel. No barrier."""
    c, H, W = cuda.blockIdx.x, dx.shape[2], dx.shape[3]
    for i in range(cuda.threadIdx.x, dx.shape[0] * H * W, cuda.blockDim.x):
        n, h, w = i // (H * W), i // W % H, i % W
        dx[n, c, h, w] = weight[c] * sent_back(dy, n, c, h, w, R, S, stride_h, stride_w)


def backward_data_hybrid(dy, weight, dx, R, S, stride_h, stride_w):
    """Block (n, c) computes one map. Writes: dx once. Reads dy of each window over a pixel. No barrier."""
    n, c, H, W = cuda.blockIdx.x, cuda.blockIdx.y, dx.shape[2], dx.shape[3]
    for i in range(cuda.threadIdx.x, H * W, cuda.blockDim.x):
        h, w = i // W, i % W
        dx[n, c, h, w] = weight[c] * sent_back(dy, n, c, h, w, R, S, stride_h, stride_w)


def backward_weights_data(x, dy, dweight, dbias, R, S, stride_h, stride_w):
    """Block n adds what sample n contributes, with a thread for each row of an output map: two atomic additions each.
    Reads R S values of x and one of dy per output. No barrier.
    """
    n, P, Q = cuda.blockIdx.x, dy.shape[2], dy.shape[3]
    for i in range(cuda.threadIdx.x, dy.shape[1] * P, cuda.blockDim.x):
        c, p = i // P, i % P
        total, product = float32(0), float32(0)
        for q in range(Q):
            total += dy[n, c, p, q]
            product += dy[n, c, p, q] * window_sum(x, n, c, p * stride_h, q * stride_w, R, S)
        cuda.atomic.add(dweight, c, product)
        cuda.atomic.add(dbias, c, total)


def backward_weights_model(x, dy, dweight, dbias, R, S, stride_h, stride_w):
    """Block c computes both gradients of channel c, and nobody else writes them: no atomics, nothing to zero. Reads as
    in the data mapping. Barriers: when all threads have their sums, and after each halving.
    """
    c, tid, P, Q = cuda.blockIdx.x, cuda.threadIdx.x, dy.shape[2], dy.shape[3]
    totals = cuda.shared.array(MOST_THREADS, float32)
    products = cuda.shared.array(MOST_THREADS, float32)
    totals[tid] = float32(0)
    products[tid] = float32(0)
    for i in range(tid, dy.shape[0] * P * Q, cuda.blockDim.x):
        n, p, q = i // (P * Q), i // Q % P, i % Q
        totals[tid] += dy[n, c, p, q]
        products[tid] += dy[n, c, p, q] * window_sum(x, n, c, p * stride_h, q * stride_w, R, S)
    cuda.syncthreads()
    half = cuda.blockDim.x // 2
    while half > 0:
        if tid < half:
            totals[tid] += totals[tid + half]
            products[tid] += products[tid + half]
        cuda.syncthreads()
        half //= 2
    if tid == 0:
        dweight[c] = products[0]
        dbias[c] = totals[0]


def backward_weights_hybrid(x, dy, dweight, dbias, R, S, stride_h, stride_w):
    """Block (n, c) sums what one map contributes, and adds both sums atomically. Reads as in the data mapping.
    Barriers: when all threads have their sums, and after each halving.
    """
    n, c, tid, P, Q = cuda.blockIdx.x, cuda.blockIdx.y, cuda.threadIdx.x, dy.shape[2], dy.shape[3]
    totals = cuda.shared.array(MOST_THREADS, float32)
    products = cuda.shared.array(MOST_THREADS, float32)
    totals[tid] = float32(0)
    products[tid] = float32(0)
    for i in range(tid, P * Q, cuda.blockDim.x):
        p, q = i // Q, i % Q
        totals[tid] += dy[n, c, p, q]
        products[tid] += dy[n, c, p, q] * window_sum(x, n, c, p * stride_h, q * stride_w, R, S)
    cuda.syncthreads()
    half = cuda.blockDim.x // 2
    while half > 0:
        if tid < half:
            totals[tid] += totals[tid + half]
            products[tid] += products[tid + half]
        cuda.syncthreads()
        half //= 2
    if tid == 0:
        cuda.atomic.add(dweight, c, products[0])
        cuda.atomic.add(dbias, c, totals[0])


FORWARD = {"data": forward_data, "model": forward_model, "hybrid": forward_hybrid}
BACKWARD_DATA = {"data": backward_data_data, "model": backward_data_model, "hybrid": backward_data_hybrid}
BACKWARD_WEIGHTS = {"data": backward_weights_data, "model": backward_weights_model, "hybrid": backward_weights_hybrid}
