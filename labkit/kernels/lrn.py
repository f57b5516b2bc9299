"""Local response normalisation (Krizhevsky et al. 2012, section 3.3) in three mappings, over arrays [N, C, M].

Each value is divided by a power of its denominator, which holds the squares of its neighbours: the channels at most
`half` = size // 2 away, at the same pixel. FP keeps the denominators d for BP. Arguments, in this order:

    FP  x [N, C, M]  y [N, C, M]  d [N, C, M]   half, alpha (float32), beta (float32), k (float32)
        d[c] = k + alpha * sum of x[j]^2 over the neighbours j of c,  y[c] = x[c] * d[c]^-beta      y and d are written
    BP  x [N, C, M]  dy [N, C, M]  d [N, C, M]  dx [N, C, M]   half, alpha, beta                    dx is written
        dx[c] = dy[c] * d[c]^-beta - 2 * alpha * beta * x[c] * sum of dy[j] * x[j] * d[j]^(-beta - 1)

Neighbouring channels are read by whoever needs them: a block that owns one channel writes only that one, but depends on
others, which would be a message where each channel lies on a machine of its own. For the launch see
`elementwise.maps_work`. All arrays are float32. There are no barriers.
"""

from labkit.kernels.source import cuda, device_function, float32


@device_function
def denominator(x, n, c, m, half, alpha, k):
    """d of channel c at one pixel."""
    total = float32(0)
    for j in range(max(0, c - half), min(x.shape[1], c + half + 1)):
        total += x[n, j, m] * x[n, j, m]
    return k + alpha * total


@device_function
def gradient(x, dy, d, n, c, m, half, alpha, beta):
    """dx of channel c at one pixel: through its own numerator, and through the denominators of all its neighbours."""
    total = float32(0)
    for j in range(max(0, c - half), min(x.shape[1], c + half + 1)):
        total += dy[n, j, m] * x[n, j, m] * d[n, j, m] ** (-beta - float32(1))
    return dy[n, c, m] * d[n, c, m] ** -beta - float32(2) * alpha * beta * x[n, c, m] * total


def forward_data(x, y, d, half, alpha, beta, k):
    """Block n computes sample n. Reads: size values per output."""
    n, M = cuda.blockIdx.x, x.shape[2]
    for i in range(cuda.threadIdx.x, x.shape[1] * M, cuda.blockDim.x):
        c, m = i // M, i % M
        divisor = denominator(x, n, c, m, half, alpha, k)
        d[n, c, m], y[n, c, m] = divisor, x[n, c, m] * divisor**-beta


def forward_model(x, y, d, half, alpha, beta, k):
    """Block c computes channel c of every sample. Reads: size values per output, all but one of other channels."""
    c, M = cuda.blockIdx.x, x.shape[2]
    for i in range(cuda.threadIdx.x, x.shape[0] * M, cuda.blockDim.x):
        n, m = i // M, i % M
        divisor = denominator(x, n, c, m, half, alpha, k)
        d[n, c, m], y[n, c, m] = divisor, x[n, c, m] * divisor**-beta


def forward_hybrid(x, y, d, half, alpha, beta, k):
    """Block (n, c) computes one map. Reads: size values per output, all but one of other channels."""
    n, c = cuda.blockIdx.x, cuda.blockIdx.y
    for m in range(cuda.threadIdx.x, x.shape[2], cuda.blockDim.x):
        divisor = denominator(x, n, c, m, half, alpha, k)
        d[n, c, m], y[n, c, m] = divisor, x[n, c, m] * divisor**-beta


def backward_data_data(x, dy, d, dx, half, alpha, beta):
    """Block n computes sample n. Reads: size values of each of x, dy and d per gradient."""
    n, M = cuda.blockIdx.x, x.shape[2]
    for i in range(cuda.threadIdx.x, x.shape[1] * M, cuda.blockDim.x):
        c, m = i // M, i % M
        dx[n, c, m] = gradient(x, dy, d, n, c, m, half, alpha, beta)


def backward_data_model(x, dy, d, dx, half, alpha, beta):
    """Block c computes channel c of every sample. Reads as in the data mapping."""
    c, M = cuda.blockIdx.x, x.shape[2]
    for i in range(cuda.threadIdx.x, x.shape[0] * M, cuda.blockDim.x):
        n, m = i // M, i % M
        dx[n, c, m] = gradient(x, dy, d, n, c, m, half, alpha, beta)


def backward_data_hybrid(x, dy, d, dx, half, alpha, beta):
    """Block (n, c) computes one map. Reads as in the data mapping."""
    n, c = cuda.blockIdx.x, cuda.blockIdx.y
    for m in range(cuda.threadIdx.x, x.shape[2], cuda.blockDim.x):
        dx[n, c, m] = gradient(x, dy, d, n, c, m, half, alpha, beta)


FORWARD = {"data": forward_data, "model": forward_model, "hybrid": forward_hybrid}
BACKWARD_DATA = {"data": backward_data_data, "model": backward_data_model, "hybrid": backward_data_hybrid}
