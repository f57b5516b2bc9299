"""The fully connected layer in three mappings: FP, BP and KU of Out[n, k] = f(bias[k] + sum of In[n, i] * W[k, i]).

Read the three of each phase as a diff. Every weight serves once per sample, so that a block gains from weights in its
shared memory only where it has many samples (model). A block of the hybrid mapping has one value to compute, and its
threads share the sum. Arguments, in this order:

    FP  x [N, F]  weight [K, F]  bias [K]  y [N, K]    y is written; then function, an index into `activate.FUNCTIONS`
    BP  dy [N, K]  weight [K, F]  dx [N, F]            dx is written; the channels that blocks share out are features
    KU  x [N, F]  dy [N, K]  dweight [K, F]  dbias [K]    the last two are written; the bias is weight number F, input 1

All arrays are float32. KU of data and hybrid adds atomically to gradients that were zeroed before the launch.
"""

from labkit.kernels.activate import activate
from labkit.kernels.launch import MOST_THREADS, Work
from labkit.kernels.sizes import DenseSizes
from labkit.kernels.source import cuda, float32


def forward_data(x, weight, bias, y, function):
    """Block n computes sample n. Writes: each output once. Reads from global memory: 2 F per output. No barrier."""
    n = cuda.blockIdx.x
    K, F = weight.shape
    for k in range(cuda.threadIdx.x, K, cuda.blockDim.x):
        total = bias[k]
        for i in range(F):
            total += x[n, i] * weight[k, i]
        y[n, k] = activate(function, total)


def forward_model(x, weight, bias, y, function):
    """Block k computes output k of every sample. Its weights are read from global memory once, F values, and then from
    shared memory; inputs are read F times per output. One barrier, after the weights have arrived.
    """
    k = cuda.blockIdx.x
    N, F = x.shape
    filt = cuda.shared.array(0, float32)
    for i in range(cuda.threadIdx.x, F, cuda.blockDim.x):
        filt[i] = weight[k, i]
    cuda.syncthreads()
    for n in range(cuda.threadIdx.x, N, cuda.blockDim.x):
        total = bias[k]
        for i in range(F):
            total += x[n, i] * filt[i]
        y[n, k] = activate(function, total)


def forward_hybrid(x, weight, bias, y, function):
    """Block (n, k) computes one output, from sums of its threads. Reads from global memory: 2 F per output, neighbours
    by neighbouring threads. Barriers: when all threads have their sum, and after each halving.
    """
    n, k, tid = cuda.blockIdx.x, cuda.blockIdx.y, cuda.threadIdx.x
    partial = cuda.shared.array(MOST_THREADS, float32)
    total = float32(0)
    for i in range(tid, weight.shape[1], cuda.blockDim.x):
        total += x[n, i] * weight[k, i]
    partial[tid] = total
    cuda.syncthreads()
    half = cuda.blockDim.x // 2
    while half > 0:
        if tid < half:
            partial[tid] += partial[tid + half]
        cuda.syncthreads()
        half //= 2
    if tid == 0:
        y[n, k] = activate(function, bias[k] + partial[0])


def backward_data_data(dy, weight, dx):
    """Block n computes sample n. Writes: each gradient once. Reads from global memory: 2 K per gradient. No barrier."""
    n = cuda.blockIdx.x
    K, F = weight.shape
    for i in range(cuda.threadIdx.x, F, cuda.blockDim.x):
        total = float32(0)
        for k in range(K):
            total += dy[n, k] * weight[k, i]
        dx[n, i] = total


def backward_data_model(dy, weight, dx):
    """Block i computes feature i of every sample. Its K weights are read from global memory once, and then from shared
    memory; dy is read K times per gradient. One barrier, after the weights have arrived.
    """
    i = cuda.blockIdx.x
    N, K = dy.shape
    filt = cuda.shared.array(0, float32)
    for k in range(cuda.threadIdx.x, K, cuda.blockDim.x):
        filt[k] = weight[k, i]
    cuda.syncthreads()
    for n in range(cuda.threadIdx.x, N, cuda.blockDim.x):
        total = float32(0)
        for k in range(K):
            total += dy[n, k] * filt[k]
        dx[n, i] = total


def backward_data_hybrid(dy, weight, dx):
    """Block (n, i) computes one gradient, from sums of its threads. Reads from global memory: 2 K per gradient; the
    weights of feature i lie F values apart. Barriers: when all threads have their sum, and after each halving.
    """
    n, i, tid = cuda.blockIdx.x, cuda.blockIdx.y, cuda.threadIdx.x
    partial = cuda.shared.array(MOST_THREADS, float32)
    total = float32(0)
    for k in range(tid, weight.shape[0], cuda.blockDim.x):
        total += dy[n, k] * weight[k, i]
    partial[tid] = total
    cuda.syncthreads()
    half = cuda.blockDim.x // 2
    while half > 0:
        if tid < half:
            partial[tid] += partial[tid + half]
        cuda.syncthreads()
        half //= 2
    if tid == 0:
        dx[n, i] = partial[0]


def backward_weights_data(x, dy, dweight, dbias):
    """Block n adds what sample n contributes to every weight: one atomic addition each. Reads from global memory: 2 per
    weight and sample. No barrier.
    """
    n = cuda.blockIdx.x
    K, F = dweight.shape
    for j in range(cuda.threadIdx.x, K * (F + 1), cuda.blockDim.x):
        k, i = j // (F + 1), j % (F + 1)
        if i == F:
            cuda.atomic.add(dbias, k, dy[n, k])
        else:
            cuda.atomic.add(dweight, (k, i), dy[n, k] * x[n, i])


def backward_weights_model(x, dy, dweight, dbias):
    """Block k computes the gradient of the weights of output k, sample after sample, and nobody else writes them: no
    atomics, nothing to zero. Reads from global memory: 2 per weight and sample. No barrier.
    """
    k = cuda.blockIdx.x
    N, F = x.shape
    for i in range(cuda.threadIdx.x, F + 1, cuda.blockDim.x):
        total = float32(0)
        if i == F:
            for n in range(N):
                total += dy[n, k]
            dbias[k] = total
        else:
            for n in range(N):
                total += dy[n, k] * x[n, i]
            dweight[k, i] = total


def backward_weights_hybrid(x, dy, dweight, dbias):
    """Block (n, k) adds what sample n contributes to the weights of output k: one atomic addition each. Reads from
    global memory: 2 per weight and sample. No barrier.
    """
    n, k = cuda.blockIdx.x, cuda.blockIdx.y
    F = x.shape[1]
    for i in range(cuda.threadIdx.x, F + 1, cuda.blockDim.x):
        if i == F:
            cuda.atomic.add(dbias, k, dy[n, k])
        else:
            cuda.atomic.add(dweight, (k, i), dy[n, k] * x[n, i])


FORWARD = {"data": forward_data, "model": forward_model, "hybrid": forward_hybrid}
BACKWARD_DATA = {"data": backward_data_data, "model": backward_data_model, "hybrid": backward_data_hybrid}
BACKWARD_WEIGHTS = {"data": backward_weights_data, "model": backward_weights_model, "hybrid": backward_weights_hybrid}


def forward_work(name: str, sizes: DenseSizes) -> Work:
    """FP: threads compute outputs (hybrid: products of one); a block of model holds F weights."""
    return Work(name, sizes.N, sizes.K, {"data": sizes.K, "model": sizes.N, "hybrid": sizes.F}, {"model": sizes.F})


def backward_data_work(name: str, sizes: DenseSizes) -> Work:
    """BP: threads compute gradients of inputs (hybrid: products of one); a block of model holds K weights."""
    return Work(name, sizes.N, sizes.F, {"data": sizes.F, "model": sizes.N, "hybrid": sizes.K}, {"model": sizes.K})


def backward_weights_work(name: str, sizes: DenseSizes) -> Work:
    """KU: threads compute gradients of weights, of which each output has F and its bias."""
    weights = sizes.F + 1
    return Work(name, sizes.N, sizes.K, {"data": sizes.K * weights, "model": weights, "hybrid": weights}, {})
