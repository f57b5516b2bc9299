"""BP of a convolution in three mappings: dIn[n, c, h, w] = sum of dOut[n, k, p, q] * W[k, c, r, s], taken over the
filters k that read channel c and the windows (p, q) that contain pixel (h, w).

Read the three as a diff. The channels that blocks share out are those of the input, because that is what is written.
Arguments, in this order:

    dy [N, K, P, Q]  weight [K, C / groups, R, S]  dx [N, C, H, W]   float32; dx is written
    stride_h, stride_w, pad_h, pad_w, groups

Each gradient is gathered by the one thread that writes it, so no two threads ever add to the same value. Row h lies in
consecutive windows p, in each of them under tap r = h + pad_h - p * stride_h.
"""

from labkit.kernels.source import cuda, float32
from labkit.kernels.windows import windows_over


def backward_data_data(dy, weight, dx, stride_h, stride_w, pad_h, pad_w, groups):
    """Block n computes sample n. Writes: each gradient once. Reads from global memory, per gradient: one value of dy
    and one weight for each filter of the group and each window over the pixel. No barrier.
    """
    n = cuda.blockIdx.x
    P, Q = dy.shape[2], dy.shape[3]
    K, C, R, S = weight.shape
    H, W = dx.shape[2], dx.shape[3]
    filters = K // groups
    for i in range(cuda.threadIdx.x, C * groups * H * W, cuda.blockDim.x):
        channel, h, w = i // (H * W), i // W % H + pad_h, i % W + pad_w
        first, c = channel // C * filters, channel % C
        p_first, p_end = windows_over(h, R, stride_h, P)
        q_first, q_end = windows_over(w, S, stride_w, Q)
        total = float32(0)
        for k in range(filters):
            for p in range(p_first, p_end):
                for q in range(q_first, q_end):
                    total += dy[n, first + k, p, q] * weight[first + k, c, h - p * stride_h, w - q * stride_w]
        dx[n, channel, h - pad_h, w - pad_w] = total


def backward_data_model(dy, weight, dx, stride_h, stride_w, pad_h, pad_w, groups):
    """Block c computes input channel c of every sample. What the K / groups filters have for this channel is read from
    global memory once, and then from shared memory; dy as in the data mapping. One barrier, after it has arrived.
    """
    channel = cuda.blockIdx.x
    N, P, Q = dy.shape[0], dy.shape[2], dy.shape[3]
    K, C, R, S = weight.shape
    H, W = dx.shape[2], dx.shape[3]
    filters = K // groups
    first, c = channel // C * filters, channel % C
    filt = cuda.shared.array(0, float32)
    for i in range(cuda.threadIdx.x, filters * R * S, cuda.blockDim.x):
        filt[i] = weight[first + i // (R * S), c, i // S % R, i % S]
    cuda.syncthreads()
    for i in range(cuda.threadIdx.x, N * H * W, cuda.blockDim.x):
        n, h, w = i // (H * W), i // W % H + pad_h, i % W + pad_w
        p_first, p_end = windows_over(h, R, stride_h, P)
        q_first, q_end = windows_over(w, S, stride_w, Q)
        total = float32(0)
        for k in range(filters):
            for p in range(p_first, p_end):
                for q in range(q_first, q_end):
                    total += dy[n, first + k, p, q] * filt[(k * R + h - p * stride_h) * S + w - q * stride_w]
        dx[n, channel, h - pad_h, w - pad_w] = total


def backward_data_hybrid(dy, weight, dx, stride_h, stride_w, pad_h, pad_w, groups):
    """Block (n, c) computes input channel c of sample n. Every block reads what the filters have for its channel once,
    so all of it is read N times; dy as in the data mapping. One barrier, after it has arrived.
    """
    n, channel = cuda.blockIdx.x, cuda.blockIdx.y
    P, Q = dy.shape[2], dy.shape[3]
    K, C, R, S = weight.shape
    H, W = dx.shape[2], dx.shape[3]
    filters = K // groups
    first, c = channel // C * filters, channel % C
    filt = cuda.shared.array(0, float32)
    for i in range(cuda.threadIdx.x, filters * R * S, cuda.blockDim.x):
        filt[i] = weight[first + i // (R * S), c, i // S % R, i % S]
    cuda.syncthreads()
    for i in range(cuda.threadIdx.x, H * W, cuda.blockDim.x):
        h, w = i // W + pad_h, i % W + pad_w
        p_first, p_end = windows_over(h, R, stride_h, P)
        q_first, q_end = windows_over(w, S, stride_w, Q)
        total = float32(0)
        for k in range(filters):
            for p in range(p_first, p_end):
                for q in range(q_first, q_end):
                    total += dy[n, first + k, p, q] * filt[(k * R + h - p * stride_h) * S + w - q * stride_w]
        dx[n, channel, h - pad_h, w - pad_w] = total


BACKWARD_DATA = {"data": backward_data_data, "model": backward_data_model, "hybrid": backward_data_hybrid}
