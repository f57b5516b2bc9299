"""Softmax, and softmax with cross-entropy, over outputs [N, K]: what couples all channels of a sample.

    softmax              x [N, K], y [N, K]                  y = exp(x - max) / sum of exp(x - max)
    softmax_backward     y, dy [N, K], dx [N, K]             dx = y * (dy - sum of dy * y)
    cross_entropy        logits [N, K], labels [N] int32, losses [N], right [N] int32, dx, share (float32)
                         losses[n] = log(sum of exp(z)) - z[label]; right[n] = 1 if the largest output is the label's;
                         dx = (p - one_hot(label)) * share, the gradient of the mean loss if share is 1 / N

Arrays are float32 unless it says int32. See `labkit.engine.losses.softmax_cross_entropy` for the formulas. The
maximum and the sum are over all channels, so a block that owned one channel would have to wait for all others: model
parallelism has to bring a sample together here, and the mapping `model` is one block that does all samples. In `data`
and `hybrid` a block has one sample, which its first thread does: K is 10 in all networks here.
"""

import math

from labkit.kernels.launch import Work
from labkit.kernels.source import cuda, device_function, float32


@device_function
def largest(x, n):
    """The largest of the outputs of sample n, or NaN if one of them is NaN."""
    top = x[n, 0]
    for k in range(x.shape[1]):
        if x[n, k] > top or x[n, k] != x[n, k]:
            top = x[n, k]
    return top


@device_function
def softmax_of(x, y, n):
    """One thread: y[n] = softmax(x[n])."""
    top = largest(x, n)
    total = float32(0)
    for k in range(x.shape[1]):
        y[n, k] = math.exp(x[n, k] - top)
        total += y[n, k]
    for k in range(x.shape[1]):
        y[n, k] = y[n, k] / total


@device_function
def softmax_gradient_of(y, dy, dx, n):
    """One thread: dx[n] from the output y[n] and its gradient."""
    total = float32(0)
    for k in range(y.shape[1]):
        total += y[n, k] * dy[n, k]
    for k in range(y.shape[1]):
        dx[n, k] = y[n, k] * (dy[n, k] - total)


@device_function
def cross_entropy_of(logits, labels, losses, right, dx, share, n):
    """One thread: loss, correctness and gradient of sample n. The first of equal outputs counts as the largest."""
    top, best = largest(logits, n), 0
    for k in range(logits.shape[1]):
        if logits[n, k] > logits[n, best]:
            best = k
    total = float32(0)
    for k in range(logits.shape[1]):
        dx[n, k] = math.exp(logits[n, k] - top)
        total += dx[n, k]
    for k in range(logits.shape[1]):
        dx[n, k] = dx[n, k] / total * share
    label = labels[n]
    dx[n, label] -= share
    losses[n] = math.log(total) - (logits[n, label] - top)
    right[n] = 1 if best == label else 0


def softmax_each(x, y):
    """Block n: sample n, by its first thread. Every value is read three times. No barrier."""
    if cuda.threadIdx.x == 0:
        softmax_of(x, y, cuda.blockIdx.x)


def softmax_all(x, y):
    """One block: a thread for each sample. Every value is read three times. No barrier."""
    for n in range(cuda.threadIdx.x, x.shape[0], cuda.blockDim.x):
        softmax_of(x, y, n)


def softmax_backward_each(y, dy, dx):
    """Block n: sample n, by its first thread. Every value is read twice. No barrier."""
    if cuda.threadIdx.x == 0:
        softmax_gradient_of(y, dy, dx, cuda.blockIdx.x)


def softmax_backward_all(y, dy, dx):
    """One block: a thread for each sample. Every value is read twice. No barrier."""
    for n in range(cuda.threadIdx.x, y.shape[0], cuda.blockDim.x):
        softmax_gradient_of(y, dy, dx, n)


def cross_entropy_each(logits, labels, losses, right, dx, share):
    """Block n: sample n, by its first thread. No barrier."""
    if cuda.threadIdx.x == 0:
        cross_entropy_of(logits, labels, losses, right, dx, share, cuda.blockIdx.x)


def cross_entropy_all(logits, labels, losses, right, dx, share):
    """One block: a thread for each sample. No barrier."""
    for n in range(cuda.threadIdx.x, logits.shape[0], cuda.blockDim.x):
        cross_entropy_of(logits, labels, losses, right, dx, share, n)


SOFTMAX = {"data": softmax_each, "model": softmax_all, "hybrid": softmax_each}
SOFTMAX_BACKWARD = {"data": softmax_backward_each, "model": softmax_backward_all, "hybrid": softmax_backward_each}
CROSS_ENTROPY = {"data": cross_entropy_each, "model": cross_entropy_all, "hybrid": cross_entropy_each}


def samples_work(name: str, N: int) -> Work:
    """What these kernels have to do: whole samples; there is one channel, because no block can own less."""
    return Work(name, N, 1, {"data": 1, "model": N, "hybrid": 1}, {})
