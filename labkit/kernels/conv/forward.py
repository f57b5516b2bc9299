"""FP of a convolution in three mappings: Out[n, k, p, q] = f(bias[k] + sum of In[n, c, h, w] * W[k, c, r, s]).

Read the three as a diff: only what a block is, and where its filter lies, changes. Arguments, in this order:

    x [N, C, H, W]  weight [K, C / groups, R, S]  bias [K]  y [N, K, P, Q]   float32; y is written
    stride_h, stride_w, pad_h, pad_w, groups, function (an index into `activate.FUNCTIONS`)

Window (p, q) begins at row p * stride_h - pad_h; taps that fall on the padding are left out of the loops.
"""

from labkit.kernels.activate import activate
from labkit.kernels.source import cuda, float32


def forward_data(x, weight, bias, y, stride_h, stride_w, pad_h, pad_w, groups, function):
    """Block n computes sample n. Writes: each output once. Reads from global memory: 2 C R S per output. No barrier."""
    n = cuda.blockIdx.x
    H, W = x.shape[2], x.shape[3]
    K, C, R, S = weight.shape
    P, Q = y.shape[2], y.shape[3]
    for i in range(cuda.threadIdx.x, K * P * Q, cuda.blockDim.x):
        k, p, q = i // (P * Q), i // Q % P, i % Q
        first, h, w = k // (K // groups) * C, p * stride_h - pad_h, q * stride_w - pad_w
        total = bias[k]
        for c in range(C):
            for r in range(max(0, -h), min(R, H - h)):
                for s in range(max(0, -w), min(S, W - w)):
                    total += x[n, first + c, h + r, w + s] * weight[k, c, r, s]
        y[n, k, p, q] = activate(function, total)


def forward_model(x, weight, bias, y, stride_h, stride_w, pad_h, pad_w, groups, function):
    """Block k computes channel k of every sample. Its filter is read from global memory once, C R S values, and then
    from shared memory; inputs are read C R S times per output. One barrier, after the filter has arrived.
    """
    k = cuda.blockIdx.x
    N, H, W = x.shape[0], x.shape[2], x.shape[3]
    K, C, R, S = weight.shape
    P, Q = y.shape[2], y.shape[3]
    filt = cuda.shared.array(0, float32)
    for i in range(cuda.threadIdx.x, C * R * S, cuda.blockDim.x):
        filt[i] = weight[k, i // (R * S), i // S % R, i % S]
    cuda.syncthreads()
    first = k // (K // groups) * C
    for i in range(cuda.threadIdx.x, N * P * Q, cuda.blockDim.x):
        n, p, q = i // (P * Q), i // Q % P, i % Q
        h, w = p * stride_h - pad_h, q * stride_w - pad_w
        total = bias[k]
        for c in range(C):
            for r in range(max(0, -h), min(R, H - h)):
                for s in range(max(0, -w), min(S, W - w)):
                    total += x[n, first + c, h + r, w + s] * filt[(c * R + r) * S + s]
        y[n, k, p, q] = activate(function, total)


def forward_hybrid(x, weight, bias, y, stride_h, stride_w, pad_h, pad_w, groups, function):
    """Block (n, k) computes channel k of sample n. Every block reads its filter once, C R S values, so a filter is read
    N times in all; inputs are read C R S times per output. One barrier, after the filter has arrived.
    """
    n, k = cuda.blockIdx.x, cuda.blockIdx.y
    H, W = x.shape[2], x.shape[3]
    K, C, R, S = weight.shape
    P, Q = y.shape[2], y.shape[3]
    filt = cuda.shared.array(0, float32)
    for i in range(cuda.threadIdx.x, C * R * S, cuda.blockDim.x):
        filt[i] = weight[k, i // (R * S), i // S % R, i % S]
    cuda.syncthreads()
    first = k // (K // groups) * C
    for i in range(cuda.threadIdx.x, P * Q, cuda.blockDim.x):
        p, q = i // Q, i % Q
        h, w = p * stride_h - pad_h, q * stride_w - pad_w
        total = bias[k]
        for c in range(C):
            for r in range(max(0, -h), min(R, H - h)):
                for s in range(max(0, -w), min(S, W - w)):
                    total += x[n, first + c, h + r, w + s] * filt[(c * R + r) * S + s]
        y[n, k, p, q] = activate(function, total)


FORWARD = {"data": forward_data, "model": forward_model, "hybrid": forward_hybrid}
