"""Layers that only move values: joining channels, and the residual shortcut without weights. One kernel each, whatever
the mapping: each block has a chunk of the values that are written (`vectors.chunk`), and nothing is computed.

    put_channels    x [N, C, M], y [N, K, M], first       y[n, first + c, m] = x[n, c, m]
    take_channels   y [N, K, M], x [N, C, M], first       x[n, c, m] = y[n, first + c, m]
    thin            x [N, C, H, W], y [N, K, P, Q], stride_h, stride_w
                    y[n, k, p, q] = x[n, k, p * stride_h, q * stride_w], 0 for k >= C
    widen           dy [N, K, P, Q], dx [N, C, H, W], stride_h, stride_w       the gradient of `thin`
"""

from labkit.kernels.source import cuda, float32
from labkit.kernels.vectors import chunk


def put_channels(x, y, first):
    """Reads and writes each value of x once."""
    C, M = x.shape[1], x.shape[2]
    begin, end = chunk(cuda.blockIdx.x, x.size)
    for i in range(begin + cuda.threadIdx.x, end, cuda.blockDim.x):
        y[i // (C * M), first + i // M % C, i % M] = x[i // (C * M), i // M % C, i % M]


def take_channels(y, x, first):
    """Reads and writes each value of x once."""
    C, M = x.shape[1], x.shape[2]
    begin, end = chunk(cuda.blockIdx.x, x.size)
    for i in range(begin + cuda.threadIdx.x, end, cuda.blockDim.x):
        x[i // (C * M), i // M % C, i % M] = y[i // (C * M), first + i // M % C, i % M]


def thin(x, y, stride_h, stride_w):
    """Writes each value of y once."""
    K, P, Q = y.shape[1], y.shape[2], y.shape[3]
    begin, end = chunk(cuda.blockIdx.x, y.size)
    for i in range(begin + cuda.threadIdx.x, end, cuda.blockDim.x):
        n, k, p, q = i // (K * P * Q), i // (P * Q) % K, i // Q % P, i % Q
        value = float32(0)
        if k < x.shape[1]:
            value = x[n, k, p * stride_h, q * stride_w]
        y[n, k, p, q] = value


def widen(dy, dx, stride_h, stride_w):
    """Writes each value of dx once; what `thin` left out gets 0."""
    C, H, W = dx.shape[1], dx.shape[2], dx.shape[3]
    begin, end = chunk(cuda.blockIdx.x, dx.size)
    for i in range(begin + cuda.threadIdx.x, end, cuda.blockDim.x):
        n, c, h, w = i // (C * H * W), i // (H * W) % C, i // W % H, i % W
        value = float32(0)
        if h % stride_h == 0 and w % stride_w == 0:
            value = dy[n, c, h // stride_h, w // stride_w]
        dx[n, c, h, w] = value
