"""BP and KU of batch normalisation in three mappings, over arrays [N, C, M]; see `norm.py` for the forward side.

With x_hat = (x - mean) * s, s = 1 / sqrt(variance + epsilon), and sums over all N M values of a channel:

    KU   dbias = sum of dy          dweight = sum of dy * x_hat
    BP   dx = weight * s * (dy - (dbias + x_hat * dweight) / (N M))     if mean and variance were those of the batch
         dx = weight * s * dy                                           if they were the running ones

(Ioffe and Szegedy 2015, section 3, the derivatives after algorithm 1, put together.) BP needs the sums of KU first.

    gradient_sums   x [N, C, M], dy [N, C, M], mean [C], variance [C], epsilon (float32), then dbias [C], dweight [C] in
                    the model mapping, and in the others what each sample adds to them: dy_part [N, C], dyx_part [N, C]
    gradient        x, dy, mean, variance, weight [C], dweight, dbias, dx [N, C, M], epsilon, share (float32)
"""

from labkit.kernels.launch import MOST_THREADS
from labkit.kernels.norm import inverse_deviation
from labkit.kernels.source import cuda, float32


def gradient_sums_data(x, dy, mean, variance, epsilon, dy_part, dyx_part):
    """Block n sums sample n, a thread for each channel; dy_part, dyx_part [N, C]. Reads x and dy once. No barrier."""
    n = cuda.blockIdx.x
    for c in range(cuda.threadIdx.x, x.shape[1], cuda.blockDim.x):
        total, product = float32(0), float32(0)
        for m in range(x.shape[2]):
            total += dy[n, c, m]
            product += dy[n, c, m] * (x[n, c, m] - mean[c])
        dy_part[n, c] = total
        dyx_part[n, c] = product * inverse_deviation(variance[c], epsilon)


def gradient_sums_model(x, dy, mean, variance, epsilon, dbias, dweight):
    """Block c sums channel c over all samples: dbias, dweight [C]. Reads x and dy once. Barriers: when all threads have
    their sums, and after each halving.
    """
    c, tid, M = cuda.blockIdx.x, cuda.threadIdx.x, x.shape[2]
    total = cuda.shared.array(MOST_THREADS, float32)
    product = cuda.shared.array(MOST_THREADS, float32)
    total[tid] = float32(0)
    product[tid] = float32(0)
    for i in range(tid, x.shape[0] * M, cuda.blockDim.x):
        n, m = i // M, i % M
        total[tid] += dy[n, c, m]
        product[tid] += dy[n, c, m] * (x[n, c, m] - mean[c])
    cuda.syncthreads()
    half = cuda.blockDim.x // 2
    while half > 0:
        if tid < half:
            total[tid] += total[tid + half]
            product[tid] += product[tid + half]
        cuda.syncthreads()
        half //= 2
    if tid == 0:
        dbias[c] = total[0]
        dweight[c] = product[0] * inverse_deviation(variance[c], epsilon)


def gradient_sums_hybrid(x, dy, mean, variance, epsilon, dy_part, dyx_part):
    """Block (n, c) sums one map; dy_part, dyx_part [N, C]. Reads x and dy once. Barriers: when all threads have their
    sums, and after each halving.
    """
    n, c, tid = cuda.blockIdx.x, cuda.blockIdx.y, cuda.threadIdx.x
    total = cuda.shared.array(MOST_THREADS, float32)
    product = cuda.shared.array(MOST_THREADS, float32)
    total[tid] = float32(0)
    product[tid] = float32(0)
    for m in range(tid, x.shape[2], cuda.blockDim.x):
        total[tid] += dy[n, c, m]
        product[tid] += dy[n, c, m] * (x[n, c, m] - mean[c])
    cuda.syncthreads()
    half = cuda.blockDim.x // 2
    while half > 0:
        if tid < half:
            total[tid] += total[tid + half]
            product[tid] += product[tid + half]
        cuda.syncthreads()
        half //= 2
    if tid == 0:
        dy_part[n, c] = total[0]
        dyx_part[n, c] = product[0] * inverse_deviation(variance[c], epsilon)


def gradient_data(x, dy, mean, variance, weight, dweight, dbias, dx, epsilon, share):
    """Block n computes sample n. Reads x and dy once. No barrier. share: 1 / (N M), or 0 for running statistics."""
    n, M = cuda.blockIdx.x, x.shape[2]
    for i in range(cuda.threadIdx.x, x.shape[1] * M, cuda.blockDim.x):
        c, m = i // M, i % M
        s = inverse_deviation(variance[c], epsilon)
        x_hat = (x[n, c, m] - mean[c]) * s
        dx[n, c, m] = weight[c] * s * (dy[n, c, m] - share * (dbias[c] + x_hat * dweight[c]))


def gradient_model(x, dy, mean, variance, weight, dweight, dbias, dx, epsilon, share):
    """Block c computes channel c of every sample. Reads x and dy once. No barrier. share: as in `gradient_data`."""
    c, M = cuda.blockIdx.x, x.shape[2]
    s = inverse_deviation(variance[c], epsilon)
    for i in range(cuda.threadIdx.x, x.shape[0] * M, cuda.blockDim.x):
        n, m = i // M, i % M
        x_hat = (x[n, c, m] - mean[c]) * s
        dx[n, c, m] = weight[c] * s * (dy[n, c, m] - share * (dbias[c] + x_hat * dweight[c]))


def gradient_hybrid(x, dy, mean, variance, weight, dweight, dbias, dx, epsilon, share):
    """Block (n, c) computes one map. Reads x and dy once. No barrier. share: as in `gradient_data`."""
    n, c = cuda.blockIdx.x, cuda.blockIdx.y
    s = inverse_deviation(variance[c], epsilon)
    for m in range(cuda.threadIdx.x, x.shape[2], cuda.blockDim.x):
        x_hat = (x[n, c, m] - mean[c]) * s
        dx[n, c, m] = weight[c] * s * (dy[n, c, m] - share * (dbias[c] + x_hat * dweight[c]))


GRADIENT_SUMS = {"data": gradient_sums_data, "model": gradient_sums_model, "hybrid": gradient_sums_hybrid}
GRADIENT = {"data": gradient_data, "model": gradient_model, "hybrid": gradient_hybrid}
