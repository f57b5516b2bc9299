"""Max and average pooling, FP and BP, in three mappings: Out[n, c, p, q] from the R x S window that begins at row
p * stride_h - pad_h and column q * stride_w - pad_w of channel c.

Nothing is shared between the outputs of a channel, so no mapping has anything to keep in shared memory: they differ in
how many blocks there are, and how much each has to do. Arguments, in this order:

    max FP  x [N, C, H, W]  y [N, C, P, Q]  places [N, C, P, Q] int32      y and places are written
    max BP  dy [N, C, P, Q]  places [N, C, P, Q] int32  dx [N, C, H, W]    dx is written
    avg FP  x [N, C, H, W]  y [N, C, P, Q]                                 y is written
    avg BP  dy [N, C, P, Q]  dx [N, C, H, W]                               dx is written

each followed by R, S, stride_h, stride_w, pad_h, pad_w. places: where the largest value stood, as row * W + column. All
other arrays are float32. BP gathers: each gradient is written by the one thread that sums it, without atomics. For the
launch see `elementwise.maps_work`, with the N, C and number of values of the array that is written.
"""

from labkit.kernels.source import cuda, device_function, float32
from labkit.kernels.windows import windows_over


@device_function
def largest(x, n, c, h, w, R, S):
    """The largest value of the window that begins at row h, column w, and its place; padding never wins.

    Of several that are equal the first one, row by row. NaN is larger than any number, so that it is noticed.
    """
    H, W = x.shape[2], x.shape[3]
    value, place = x[n, c, max(0, h), max(0, w)], max(0, h) * W + max(0, w)
    for i in range(max(0, h), min(h + R, H)):
        for j in range(max(0, w), min(w + S, W)):
            candidate = x[n, c, i, j]
            if candidate > value or candidate != candidate:
                value, place = candidate, i * W + j
    return value, place


@device_function
def mean(x, n, c, h, w, R, S):
    """The sum of the window that begins at row h, column w, over R * S: padding counts as zeros."""
    total = float32(0)
    for i in range(max(0, h), min(h + R, x.shape[2])):
        for j in range(max(0, w), min(w + S, x.shape[3])):
            total += x[n, c, i, j]
    return total / float32(R * S)


@device_function
def won(dy, places, n, c, h, w, W, R, S, stride_h, stride_w, pad_h, pad_w):
    """The gradients of those windows in which pixel (h, w) was the largest."""
    p_first, p_end = windows_over(h + pad_h, R, stride_h, dy.shape[2])
    q_first, q_end = windows_over(w + pad_w, S, stride_w, dy.shape[3])
    total = float32(0)
    for p in range(p_first, p_end):
        for q in range(q_first, q_end):
            if places[n, c, p, q] == h * W + w:
                total += dy[n, c, p, q]
    return total


@device_function
def shared_out(dy, n, c, h, w, R, S, stride_h, stride_w, pad_h, pad_w):
    """What pixel (h, w) gets of the gradients of all windows over it: 1 / (R * S) of each."""
    p_first, p_end = windows_over(h + pad_h, R, stride_h, dy.shape[2])
    q_first, q_end = windows_over(w + pad_w, S, stride_w, dy.shape[3])
    total = float32(0)
    for p in range(p_first, p_end):
        for q in range(q_first, q_end):
            total += dy[n, c, p, q]
    return total / float32(R * S)


def max_forward_data(x, y, places, R, S, stride_h, stride_w, pad_h, pad_w):
    """Block n computes sample n. Writes: y and places once. Reads R S values per output. No barrier."""
    n, P, Q = cuda.blockIdx.x, y.shape[2], y.shape[3]
    for i in range(cuda.threadIdx.x, y.shape[1] * P * Q, cuda.blockDim.x):
        c, p, q = i // (P * Q), i // Q % P, i % Q
        value, place = largest(x, n, c, p * stride_h - pad_h, q * stride_w - pad_w, R, S)
        y[n, c, p, q], places[n, c, p, q] = value, place


def max_forward_model(x, y, places, R, S, stride_h, stride_w, pad_h, pad_w):
    """Block c computes channel c of every sample. Writes and reads as in the data mapping. No barrier."""
    c, P, Q = cuda.blockIdx.x, y.shape[2], y.shape[3]
    for i in range(cuda.threadIdx.x, y.shape[0] * P * Q, cuda.blockDim.x):
        n, p, q = i // (P * Q), i // Q % P, i % Q
        value, place = largest(x, n, c, p * stride_h - pad_h, q * stride_w - pad_w, R, S)
        y[n, c, p, q], places[n, c, p, q] = value, place


def max_forward_hybrid(x, y, places, R, S, stride_h, stride_w, pad_h, pad_w):
    """Block (n, c) computes one map. Writes: y and places once. Reads R S values per output. No barrier."""
    n, c, P, Q = cuda.blockIdx.x, cuda.blockIdx.y, y.shape[2], y.shape[3]
    for i in range(cuda.threadIdx.x, P * Q, cuda.blockDim.x):
        p, q = i // Q, i % Q
        value, place = largest(x, n, c, p * stride_h - pad_h, q * stride_w - pad_w, R, S)
        y[n, c, p, q], places[n, c, p, q] = value, place


def max_backward_data(dy, places, dx, R, S, stride_h, stride_w, pad_h, pad_w):
    """Block n computes sample n. Writes: dx once. Reads places, and some of dy, of each window over a pixel. No
    barrier.
    """
    n, H, W = cuda.blockIdx.x, dx.shape[2], dx.shape[3]
    for i in range(cuda.threadIdx.x, dx.shape[1] * H * W, cuda.blockDim.x):
        c, h, w = i // (H * W), i // W % H, i % W
        dx[n, c, h, w] = won(dy, places, n, c, h, w, W, R, S, stride_h, stride_w, pad_h, pad_w)


def max_backward_model(dy, places, dx, R, S, stride_h, stride_w, pad_h, pad_w):
    """Block c computes channel c of every sample. Writes and reads as in the data mapping. No barrier."""
    c, H, W = cuda.blockIdx.x, dx.shape[2], dx.shape[3]
    for i in range(cuda.threadIdx.x, dx.shape[0] * H * W, cuda.blockDim.x):
        n, h, w = i // (H * W), i // W % H, i % W
        dx[n, c, h, w] = won(dy, places, n, c, h, w, W, R, S, stride_h, stride_w, pad_h, pad_w)


def max_backward_hybrid(dy, places, dx, R, S, stride_h, stride_w, pad_h, pad_w):
    """Block (n, c) computes one map. Writes and reads as in the data mapping. No barrier."""
    n, c, H, W = cuda.blockIdx.x, cuda.blockIdx.y, dx.shape[2], dx.shape[3]
    for i in range(cuda.threadIdx.x, H * W, cuda.blockDim.x):
        h, w = i // W, i % W
        dx[n, c, h, w] = won(dy, places, n, c, h, w, W, R, S, stride_h, stride_w, pad_h, pad_w)


def avg_forward_data(x, y, R, S, stride_h, stride_w, pad_h, pad_w):
    """Block n computes sample n. Writes: y once. Reads R S values per output. No barrier."""
    n, P, Q = cuda.blockIdx.x, y.shape[2], y.shape[3]
    for i in range(cuda.threadIdx.x, y.shape[1] * P * Q, cuda.blockDim.x):
        c, p, q = i // (P * Q), i // Q % P, i % Q
        y[n, c, p, q] = mean(x, n, c, p * stride_h - pad_h, q * stride_w - pad_w, R, S)


def avg_forward_model(x, y, R, S, stride_h, stride_w, pad_h, pad_w):
    """Block c computes channel c of every sample. Writes: y once. Reads R S values per output. No barrier."""
    c, P, Q = cuda.blockIdx.x, y.shape[2], y.shape[3]
    for i in range(cuda.threadIdx.x, y.shape[0] * P * Q, cuda.blockDim.x):
        n, p, q = i // (P * Q), i // Q % P, i % Q
        y[n, c, p, q] = mean(x, n, c, p * stride_h - pad_h, q * stride_w - pad_w, R, S)


def avg_forward_hybrid(x, y, R, S, stride_h, stride_w, pad_h, pad_w):
    """Block (n, c) computes one map. Writes: y once. Reads R S values per output. No barrier."""
    n, c, P, Q = cuda.blockIdx.x, cuda.blockIdx.y, y.shape[2], y.shape[3]
    for i in range(cuda.threadIdx.x, P * Q, cuda.blockDim.x):
        p, q = i // Q, i % Q
        y[n, c, p, q] = mean(x, n, c, p * stride_h - pad_h, q * stride_w - pad_w, R, S)


def avg_backward_data(dy, dx, R, S, stride_h, stride_w, pad_h, pad_w):
    """Block n computes sample n. Writes: dx once. Reads dy of each window over a pixel. No barrier."""
    n, H, W = cuda.blockIdx.x, dx.shape[2], dx.shape[3]
    for i in range(cuda.threadIdx.x, dx.shape[1] * H * W, cuda.blockDim.x):
        c, h, w = i // (H * W), i // W % H, i % W
        dx[n, c, h, w] = shared_out(dy, n, c, h, w, R, S, stride_h, stride_w, pad_h, pad_w)


def avg_backward_model(dy, dx, R, S, stride_h, stride_w, pad_h, pad_w):
    """Block c computes channel c of every sample. Writes: dx once. Reads dy of each window over a pixel. No barrier."""
    c, H, W = cuda.blockIdx.x, dx.shape[2], dx.shape[3]
    for i in range(cuda.threadIdx.x, dx.shape[0] * H * W, cuda.blockDim.x):
        n, h, w = i // (H * W), i // W % H, i % W
        dx[n, c, h, w] = shared_out(dy, n, c, h, w, R, S, stride_h, stride_w, pad_h, pad_w)


def avg_backward_hybrid(dy, dx, R, S, stride_h, stride_w, pad_h, pad_w):
    """Block (n, c) computes one map. Writes: dx once. Reads dy of each window over a pixel. No barrier."""
    n, c, H, W = cuda.blockIdx.x, cuda.blockIdx.y, dx.shape[2], dx.shape[3]
    for i in range(cuda.threadIdx.x, H * W, cuda.blockDim.x):
        h, w = i // W, i % W
        dx[n, c, h, w] = shared_out(dy, n, c, h, w, R, S, stride_h, stride_w, pad_h, pad_w)


MAX_FORWARD = {"data": max_forward_data, "model": max_forward_model, "hybrid": max_forward_hybrid}
MAX_BACKWARD = {"data": max_backward_data, "model": max_backward_model, "hybrid": max_backward_hybrid}
AVG_FORWARD = {"data": avg_forward_data, "model": avg_forward_model, "hybrid": avg_forward_hybrid}
AVG_BACKWARD = {"data": avg_backward_data, "model": avg_backward_model, "hybrid": avg_backward_hybrid}
