"""Layers that treat every value by itself, in three mappings, over arrays [N, C, M] of M values a map.

    activation           x [N, C, M], y [N, C, M], function     y = f(x), `activate.FUNCTIONS` by number; y may be x
    activation_backward  y, dy [N, C, M], dx [N, C, M], function    dx = dy * f'(z) where y = f(z); dx may be dy
    leaky                x, y, slope (float32)                  y = x where x > 0, slope * x elsewhere; y may be x
    leaky_backward       y, dy, dx, slope                       dx may be dy
    add                  a [N, C, M], b [N, C, M], y            the residual addition; y may be a or b

All arrays are float32, read and written once. No barriers. Nothing is reused here, whichever block touches a value: the
three differ only in how many blocks there are, and in how many threads of a block find something to do.
"""

from labkit.kernels.activate import activate, slope_at
from labkit.kernels.launch import Work
from labkit.kernels.source import cuda, device_function, float32


@device_function
def leaky_of(value, slope):
    """`value` where it is positive, slope * value elsewhere."""
    return value if value > float32(0) else slope * value


@device_function
def leaky_gradient_of(output, dy, slope):
    """dy times the slope at an output; the sign of the output tells which side it was on."""
    return dy if output > float32(0) else slope * dy


def activation_data(x, y, function):
    """Block n: sample n."""
    n, M = cuda.blockIdx.x, x.shape[2]
    for i in range(cuda.threadIdx.x, x.shape[1] * M, cuda.blockDim.x):
        y[n, i // M, i % M] = activate(function, x[n, i // M, i % M])


def activation_model(x, y, function):
    """Block c: channel c of every sample."""
    c, M = cuda.blockIdx.x, x.shape[2]
    for i in range(cuda.threadIdx.x, x.shape[0] * M, cuda.blockDim.x):
        y[i // M, c, i % M] = activate(function, x[i // M, c, i % M])


def activation_hybrid(x, y, function):
    """Block (n, c): channel c of sample n."""
    n, c = cuda.blockIdx.x, cuda.blockIdx.y
    for m in range(cuda.threadIdx.x, x.shape[2], cuda.blockDim.x):
        y[n, c, m] = activate(function, x[n, c, m])


def activation_backward_data(y, dy, dx, function):
    """Block n: sample n."""
    n, M = cuda.blockIdx.x, y.shape[2]
    for i in range(cuda.threadIdx.x, y.shape[1] * M, cuda.blockDim.x):
        c, m = i // M, i % M
        dx[n, c, m] = dy[n, c, m] * slope_at(function, y[n, c, m])


def activation_backward_model(y, dy, dx, function):
    """Block c: channel c of every sample."""
    c, M = cuda.blockIdx.x, y.shape[2]
    for i in range(cuda.threadIdx.x, y.shape[0] * M, cuda.blockDim.x):
        n, m = i // M, i % M
        dx[n, c, m] = dy[n, c, m] * slope_at(function, y[n, c, m])


def activation_backward_hybrid(y, dy, dx, function):
    """Block (n, c): channel c of sample n."""
    n, c = cuda.blockIdx.x, cuda.blockIdx.y
    for m in range(cuda.threadIdx.x, y.shape[2], cuda.blockDim.x):
        dx[n, c, m] = dy[n, c, m] * slope_at(function, y[n, c, m])


def leaky_data(x, y, slope):
    """Block n: sample n."""
    n, M = cuda.blockIdx.x, x.shape[2]
    for i in range(cuda.threadIdx.x, x.shape[1] * M, cuda.blockDim.x):
        y[n, i // M, i % M] = leaky_of(x[n, i // M, i % M], slope)


def leaky_model(x, y, slope):
    """Block c: channel c of every sample."""
    c, M = cuda.blockIdx.x, x.shape[2]
    for i in range(cuda.threadIdx.x, x.shape[0] * M, cuda.blockDim.x):
        y[i // M, c, i % M] = leaky_of(x[i // M, c, i % M], slope)


def leaky_hybrid(x, y, slope):
    """Block (n, c): channel c of sample n."""
    n, c = cuda.blockIdx.x, cuda.blockIdx.y
    for m in range(cuda.threadIdx.x, x.shape[2], cuda.blockDim.x):
        y[n, c, m] = leaky_of(x[n, c, m], slope)


def leaky_backward_data(y, dy, dx, slope):
    """Block n: sample n."""
    n, M = cuda.blockIdx.x, y.shape[2]
    for i in range(cuda.threadIdx.x, y.shape[1] * M, cuda.blockDim.x):
        c, m = i // M, i % M
        dx[n, c, m] = leaky_gradient_of(y[n, c, m], dy[n, c, m], slope)


def leaky_backward_model(y, dy, dx, slope):
    """Block c: channel c of every sample."""
    c, M = cuda.blockIdx.x, y.shape[2]
    for i in range(cuda.threadIdx.x, y.shape[0] * M, cuda.blockDim.x):
        n, m = i // M, i % M
        dx[n, c, m] = leaky_gradient_of(y[n, c, m], dy[n, c, m], slope)


def leaky_backward_hybrid(y, dy, dx, slope):
    """Block (n, c): channel c of sample n."""
    n, c = cuda.blockIdx.x, cuda.blockIdx.y
    for m in range(cuda.threadIdx.x, y.shape[2], cuda.blockDim.x):
        dx[n, c, m] = leaky_gradient_of(y[n, c, m], dy[n, c, m], slope)


def add_data(a, b, y):
    """Block n: sample n."""
    n, M = cuda.blockIdx.x, a.shape[2]
    for i in range(cuda.threadIdx.x, a.shape[1] * M, cuda.blockDim.x):
        y[n, i // M, i % M] = a[n, i // M, i % M] + b[n, i // M, i % M]


def add_model(a, b, y):
    """Block c: channel c of every sample."""
    c, M = cuda.blockIdx.x, a.shape[2]
    for i in range(cuda.threadIdx.x, a.shape[0] * M, cuda.blockDim.x):
        y[i // M, c, i % M] = a[i // M, c, i % M] + b[i // M, c, i % M]


def add_hybrid(a, b, y):
    """Block (n, c): channel c of sample n."""
    n, c = cuda.blockIdx.x, cuda.blockIdx.y
    for m in range(cuda.threadIdx.x, a.shape[2], cuda.blockDim.x):
        y[n, c, m] = a[n, c, m] + b[n, c, m]


ACTIVATION = {"data": activation_data, "model": activation_model, "hybrid": activation_hybrid}
ACTIVATION_BACKWARD = {
    "data": activation_backward_data,
    "model": activation_backward_model,
    "hybrid": activation_backward_hybrid,
}
LEAKY = {"data": leaky_data, "model": leaky_model, "hybrid": leaky_hybrid}
LEAKY_BACKWARD = {"data": leaky_backward_data, "model": leaky_backward_model, "hybrid": leaky_backward_hybrid}
ADD = {"data": add_data, "model": add_model, "hybrid": add_hybrid}


def maps_work(name: str, N: int, C: int, M: int) -> Work:
    """What kernels over [N, C, M] have to do with a thread for each value."""
    return Work(name, N, C, {"data": C * M, "model": N * M, "hybrid": M}, {})
