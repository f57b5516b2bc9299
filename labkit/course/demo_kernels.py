"""Kernels that notebook 03 shows: worked examples to read, and three with a planted mistake, to be found.

Arrays as in `conv_cases`: x [N, C, H, W], weight [K, C, R, S], bias [K], y [N, K, P, Q], float32.
"""

from labkit.kernels.launch import MOST_THREADS
from labkit.kernels.source import cuda, float32


def doubled(x, y):
    """y[i] = 2 x[i]. Thread number i of all threads computes value i."""
    i = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    if i < x.shape[0]:
        y[i] = float32(2) * x[i]


def flat(x, weight, bias, y):
    """Thread i computes output i of all N K P Q, counted row by row. No mapping at all yet."""
    K, C, R, S = weight.shape
    P, Q = y.shape[2], y.shape[3]
    i = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    n, k, p, q = i // (K * P * Q), i // (P * Q) % K, i // Q % P, i % Q
    if n < x.shape[0]:
        total = bias[k]
        for c in range(C):
            for r in range(R):
                for s in range(S):
                    total += x[n, c, p + r, q + s] * weight[k, c, r, s]
        y[n, k, p, q] = total


def hasty_sum(dy, dbias):
    """Planted. Block k adds up channel k of dy [N, K, P, Q]: each thread a part,
    then half of them add the other half's parts to their own, again and again.
    """
    k, thread = cuda.blockIdx.x, cuda.threadIdx.x
    N, P, Q = dy.shape[0], dy.shape[2], dy.shape[3]
    partial = cuda.shared.array(MOST_THREADS, float32)
    partial[thread] = float32(0)
    for i in range(thread, N * P * Q, cuda.blockDim.x):
        partial[thread] += dy[i // (P * Q), k, i // Q % P, i % Q]
    cuda.syncthreads()
    half = cuda.blockDim.x // 2
    while half > 0:
        if thread < half:
            partial[thread] += partial[thread + half]
        half //= 2
    if thread == 0:
        dbias[k] = partial[0]


def ragged_pool(x, y):
    """Planted. Block (n, c): the largest of each 2 x 2 pixels of x [N, C, H, W]. Where H
    or W is odd the last window is smaller; y has P = (H + 1) // 2 rows, Q = (W + 1) // 2 columns.
    """
    n, c = cuda.blockIdx.x, cuda.blockIdx.y
    P, Q = y.shape[2], y.shape[3]
    for i in range(cuda.threadIdx.x, P * Q, cuda.blockDim.x):
        h, w = i // Q * 2, i % Q * 2
        largest = x[n, c, h, w]
        for r in range(2):
            for s in range(2):
                largest = max(largest, x[n, c, h + r, w + s])
        y[n, c, h // 2, w // 2] = largest


def lost_additions(x, dy, dweight):
    """Planted. KU in the data mapping: block n adds what sample n contributes to every weight."""
    n = cuda.blockIdx.x
    K, C, R, S = dweight.shape
    for i in range(cuda.threadIdx.x, K * C * R * S, cuda.blockDim.x):
        k, c, r, s = i // (C * R * S), i // (R * S) % C, i // S % R, i % S
        total = float32(0)
        for p in range(dy.shape[2]):
            for q in range(dy.shape[3]):
                total += dy[n, k, p, q] * x[n, c, p + r, q + s]
        dweight[k, c, r, s] += total


def kept_additions(x, dy, dweight):
    """The same with an atomic addition: whoever comes second adds to what the first has left."""
    n = cuda.blockIdx.x
    K, C, R, S = dweight.shape
    for i in range(cuda.threadIdx.x, K * C * R * S, cuda.blockDim.x):
        k, c, r, s = i // (C * R * S), i // (R * S) % C, i // S % R, i % S
        total = float32(0)
        for p in range(dy.shape[2]):
            for q in range(dy.shape[3]):
                total += dy[n, k, p, q] * x[n, c, p + r, q + s]
        cuda.atomic.add(dweight, (k, c, r, s), total)
