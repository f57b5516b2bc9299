"""What is done to whole vectors. They belong to no layer, so there is one way to divide them: each block has a chunk of
neighbouring values, through which its threads stride side by side.
"""

from labkit.kernels.launch import MOST_THREADS, Launch
from labkit.kernels.source import cuda, device_function, float32

CHUNK = 4096  # values of a block: 16 for each thread
SUMS = 256  # partial sums of `squares`: few enough for the host to add up


@device_function
def chunk(block, n):
    """The first of n values that belong to `block`, and the one after its last."""
    return block * CHUNK, min(n, (block + 1) * CHUNK)


def fill(target, value):
    """target[i] = value. Writes each value once."""
    begin, end = chunk(cuda.blockIdx.x, target.size)
    for i in range(begin + cuda.threadIdx.x, end, cuda.blockDim.x):
        target[i] = value


def copy(source, target):
    """target[i] = source[i]. Reads and writes each value once."""
    begin, end = chunk(cuda.blockIdx.x, target.size)
    for i in range(begin + cuda.threadIdx.x, end, cuda.blockDim.x):
        target[i] = source[i]


def add(a, b, target):
    """target[i] = a[i] + b[i]; `target` may be one of them. Reads and writes each value once."""
    begin, end = chunk(cuda.blockIdx.x, target.size)
    for i in range(begin + cuda.threadIdx.x, end, cuda.blockDim.x):
        target[i] = a[i] + b[i]


def multiply(a, b, target):
    """target[i] = a[i] * b[i]; `target` may be one of them. Reads and writes each value once."""
    begin, end = chunk(cuda.blockIdx.x, target.size)
    for i in range(begin + cuda.threadIdx.x, end, cuda.blockDim.x):
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


def vector_launch(n: int) -> Launch:
    """The launch of any of these over n values, but `squares`: a block for each chunk."""
    return Launch((max(1, -(-n // CHUNK)), 1, 1), MOST_THREADS)


def squares_launch(n: int) -> Launch:
    """The launch of `squares` over n values: no more blocks than sums are wanted, nor than there is work for."""
    return Launch((max(1, min(SUMS, -(-n // MOST_THREADS))), 1, 1), MOST_THREADS)
