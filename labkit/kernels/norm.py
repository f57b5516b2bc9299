"""Batch normalisation (Ioffe and Szegedy 2015, algorithm 1) in three mappings, over arrays [N, C, M] of M values a map.

A channel's mean and variance are over all its N * M values. Where blocks have one sample (data, hybrid), no block sees
them all: each leaves the sum of its part in a workspace `partial` [N, C], and a second kernel adds up the samples.
Where a block has one channel (model), it is done alone. The variance is taken in a second pass, from differences to the
mean, because the difference of two large sums would lose its digits in float32.

    sums            x [N, C, M], mean [C], squares, partial     partial[n, c] = sum of x, or of (x - mean)^2 if squares
    total           partial, values [C], scale (float32)    values[c] = scale * sum of partial[n, c] over n
    statistics      x, mean, variance [C]                   both at once (model)
    normalise       x, mean, variance, weight [C], bias [C], y [N, C, M], epsilon (float32)   y = weight * x_hat + bias
    follow          mean, variance, running_mean [C], running_variance [C], momentum (float32), unbiased (float32)

x_hat = (x - mean) / sqrt(variance + epsilon). All arrays are float32.
"""

import math

from labkit.kernels.launch import MOST_THREADS, Work
from labkit.kernels.source import cuda, device_function, float32


@device_function
def inverse_deviation(variance, epsilon):
    """1 / sqrt(variance + epsilon) in float32."""
    return float32(1) / math.sqrt(variance + epsilon)


def sums_data(x, mean, squares, partial):
    """Block n sums sample n, a thread for each channel. Reads each value of x once. No barrier."""
    n = cuda.blockIdx.x
    for c in range(cuda.threadIdx.x, x.shape[1], cuda.blockDim.x):
        total = float32(0)
        for m in range(x.shape[2]):
            value = x[n, c, m]
            if squares:
                value = (value - mean[c]) * (value - mean[c])
            total += value
        partial[n, c] = total


def sums_hybrid(x, mean, squares, partial):
    """Block (n, c) sums one map. Reads each value of x once. Barriers: when all threads have their sums, and after each
    halving.
    """
    n, c, tid = cuda.blockIdx.x, cuda.blockIdx.y, cuda.threadIdx.x
    part = cuda.shared.array(MOST_THREADS, float32)
    part[tid] = float32(0)
    for m in range(tid, x.shape[2], cuda.blockDim.x):
        value = x[n, c, m]
        if squares:
            value = (value - mean[c]) * (value - mean[c])
        part[tid] += value
    cuda.syncthreads()
    half = cuda.blockDim.x // 2
    while half > 0:
        if tid < half:
            part[tid] += part[tid + half]
        cuda.syncthreads()
        half //= 2
    if tid == 0:
        partial[n, c] = part[0]


def total(partial, values, scale):
    """Thread c of the grid adds up channel c over the samples. Reads each partial sum once. No barrier."""
    first = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    for c in range(first, partial.shape[1], cuda.gridDim.x * cuda.blockDim.x):
        value = float32(0)
        for n in range(partial.shape[0]):
            value += partial[n, c]
        values[c] = value * scale


def statistics_model(x, mean, variance):
    """Block c: mean and variance of channel c. Reads each value of x twice. Barriers: when all threads have their sums,
    after each halving, and before the shared array is used again.
    """
    c, tid = cuda.blockIdx.x, cuda.threadIdx.x
    N, M = x.shape[0], x.shape[2]
    part = cuda.shared.array(MOST_THREADS, float32)
    for squares in range(2):
        part[tid] = float32(0)
        for i in range(tid, N * M, cuda.blockDim.x):
            value = x[i // M, c, i % M]
            if squares:
                value = (value - mean[c]) * (value - mean[c])
            part[tid] += value
        cuda.syncthreads()
        half = cuda.blockDim.x // 2
        while half > 0:
            if tid < half:
                part[tid] += part[tid + half]
            cuda.syncthreads()
            half //= 2
        if tid == 0:
            if squares:
                variance[c] = part[0] / float32(N * M)
            else:
                mean[c] = part[0] / float32(N * M)
        cuda.syncthreads()


def normalise_data(x, mean, variance, weight, bias, y, epsilon):
    """Block n computes sample n. Reads each value of x once. No barrier."""
    n, M = cuda.blockIdx.x, x.shape[2]
    for i in range(cuda.threadIdx.x, x.shape[1] * M, cuda.blockDim.x):
        c, m = i // M, i % M
        x_hat = (x[n, c, m] - mean[c]) * inverse_deviation(variance[c], epsilon)
        y[n, c, m] = weight[c] * x_hat + bias[c]


def normalise_model(x, mean, variance, weight, bias, y, epsilon):
    """Block c computes channel c of every sample. Reads each value of x once. No barrier."""
    c, M = cuda.blockIdx.x, x.shape[2]
    scale = weight[c] * inverse_deviation(variance[c], epsilon)
    for i in range(cuda.threadIdx.x, x.shape[0] * M, cuda.blockDim.x):
        n, m = i // M, i % M
        y[n, c, m] = scale * (x[n, c, m] - mean[c]) + bias[c]


def normalise_hybrid(x, mean, variance, weight, bias, y, epsilon):
    """Block (n, c) computes one map. Reads each value of x once. No barrier."""
    n, c = cuda.blockIdx.x, cuda.blockIdx.y
    scale = weight[c] * inverse_deviation(variance[c], epsilon)
    for m in range(cuda.threadIdx.x, x.shape[2], cuda.blockDim.x):
        y[n, c, m] = scale * (x[n, c, m] - mean[c]) + bias[c]


def follow(mean, variance, running_mean, running_variance, momentum, unbiased):
    """Thread c of the grid moves the running mean and variance of channel c towards the batch's: momentum of the new,
    the rest of the old. unbiased: N M / (N M - 1), or 0 where one value tells nothing of a variance, which then stays.
    """
    first = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    for c in range(first, mean.shape[0], cuda.gridDim.x * cuda.blockDim.x):
        running_mean[c] = (float32(1) - momentum) * running_mean[c] + momentum * mean[c]
        if unbiased > float32(0):
            new = momentum * (unbiased * variance[c])
            running_variance[c] = (float32(1) - momentum) * running_variance[c] + new


SUMS = {"data": sums_data, "hybrid": sums_hybrid}
STATISTICS = {"model": statistics_model}
NORMALISE = {"data": normalise_data, "model": normalise_model, "hybrid": normalise_hybrid}


def sums_work(name: str, N: int, C: int, M: int) -> Work:
    """What `sums` and `gradient_sums` have to do: a thread for each channel in data, else for each value."""
    return Work(name, N, C, {"data": C, "model": N * M, "hybrid": M}, {})
