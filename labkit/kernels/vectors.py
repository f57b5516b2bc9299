"""What is done to whole vectors. They belong to no layer, so there is one way to divide them: every thread of the grid
strides through, and neighbours touch neighbouring values.
"""

from labkit.kernels.launch import MOST_THREADS, Launch
from labkit.kernels.source import cuda, float32

BLOCKS = 1024
SUMS = 256  # partial sums of `squares`: few enough for the host to add up


def fill(target, value):
    """target[i] = value. Writes each value once."""
    for i in range(cuda.grid(1), target.size, cuda.gridsize(1)):
        target[i] = value


def copy(source, target):
    """target[i] = source[i]. Reads and writes each value once."""
    for i in range(cuda.grid(1), target.size, cuda.gridsize(1)):
        target[i] = source[i]


def add(a, b, target):
    """target[i] = a[i] + b[i]; `target` may be one of them. Reads and writes each value once."""
    for i in range(cuda.grid(1), target.size, cuda.gridsize(1)):
        target[i] = a[i] + b[i]


def multiply(a, b, target):
    """target[i] = a[i] * b[i]; `target` may be one of them. Reads and writes each value once."""
    for i in range(cuda.grid(1), target.size, cuda.gridsize(1)):
        target[i] = a[i] * b[i]


def squares(vector, partial):
    """partial[b] = the sum of squares of the values of vector [n] that block b strides over; partial [blocks].

    Every value is read once. Barriers: when all threads have their sums, and after each halving.
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


def vector_launch(n: int, most: int = BLOCKS) -> Launch:
    """The launch of any of these over n values: enough blocks for every GPU, no more than there is work for."""
    return Launch((max(1, min(most, -(-n // MOST_THREADS))), 1, 1), MOST_THREADS)
