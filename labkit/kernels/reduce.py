"""Sums over a whole vector. They belong to no layer, so there is one way to divide them: each block strides through."""

from labkit.kernels.launch import MOST_THREADS, Launch
from labkit.kernels.source import cuda, float32

BLOCKS = 256


def squares(vector, partial):
    """partial[b] = the sum of squares of the values of `vector` [n] that block b strides over; partial [blocks].

    Every value is read once. Barriers: after each thread has stored its sum, and after each halving.
    """
    tid = cuda.threadIdx.x
    sums = cuda.shared.array(MOST_THREADS, float32)
    sums[tid] = float32(0)
    for i in range(cuda.blockIdx.x * cuda.blockDim.x + tid, vector.size, cuda.gridDim.x * cuda.blockDim.x):
        sums[tid] += vector[i] * vector[i]
    cuda.syncthreads()
    half = cuda.blockDim.x // 2
    while half > 0:
        if tid < half:
            sums[tid] += sums[tid + half]
        cuda.syncthreads()
        half //= 2
    if tid == 0:
        partial[cuda.blockIdx.x] = sums[0]


def squares_launch(n: int) -> Launch:
    """The launch of `squares` over n values: as many blocks as there are partial sums, BLOCKS at most."""
    return Launch((max(1, min(BLOCKS, -(-n // MOST_THREADS))), 1, 1), MOST_THREADS)
