"""Softmax by itself, and with the loss that mostly follows it; one block per sample.

Sums and maxima of a block's threads are made in shared memory, halving the number of threads that are still at it.
"""

import math
from collections.abc import Callable
from functools import cache

from labkit.kernels.intrinsics import ld, st
from labkit.kernels.launch import Launch
from labkit.kernels.source import cuda, float32, int32
from labkit.kernels.tuned.channel_sums import halvings


@cache
def make_loss(N: int, K: int) -> tuple[Callable, Launch]:
    """Kernel (logits [N, K], labels [N], dlogits [N, K], losses [N], correct [N]) and its launch.

    For each sample: losses = -log p[label], correct = 1 if the first largest logit is the label's, else 0, and
    dlogits = (p - one_hot) / N, the gradient of the mean loss, where p is the softmax of the logits. All float32, but
    labels are int32. dlogits may be logits. See `labkit.engine.losses.softmax_cross_entropy`.
    """
    HALVINGS = halvings(K)
    THREADS, CLASSES, SAMPLES = 1 << HALVINGS, K, N

    def softmax_cross_entropy(logits, labels, dlogits, losses, correct):
        """Barriers: after each thread has its largest, after each halving, and the same again for the sum."""
        best = cuda.shared.array(THREADS, float32)
        where = cuda.shared.array(THREADS, int32)
        total = cuda.shared.array(THREADS, float32)
        tid, n = cuda.threadIdx.x, cuda.blockIdx.x
        label = ld(labels, n)
        label_logit = ld(logits, n * CLASSES + label)
        largest, first = float32(-math.inf), int32(CLASSES)
        for k in range(tid, CLASSES, THREADS):
            value = ld(logits, n * CLASSES + k)
            if value > largest or first == CLASSES:
                largest, first = value, int32(k)
        best[tid], where[tid] = largest, first
        cuda.syncthreads()
        for step in range(HALVINGS):
            half = THREADS >> (step + 1)
            if tid < half:
                other = best[tid + half]
                if other > best[tid] or (other == best[tid] and where[tid + half] < where[tid]):
                    best[tid], where[tid] = other, where[tid + half]
            cuda.syncthreads()
        part = float32(0)
        for k in range(tid, CLASSES, THREADS):
            part += math.exp(ld(logits, n * CLASSES + k) - best[0])
        total[tid] = part
        cuda.syncthreads()
        for step in range(HALVINGS):
            half = THREADS >> (step + 1)
            if tid < half:
                total[tid] += total[tid + half]
            cuda.syncthreads()
        for k in range(tid, CLASSES, THREADS):
            p = math.exp(ld(logits, n * CLASSES + k) - best[0]) / total[0]
            st(dlogits, n * CLASSES + k, (p - (float32(1) if k == label else float32(0))) / float32(SAMPLES))
        if tid == 0:
            st(losses, n, math.log(total[0]) - (label_logit - best[0]))
            st(correct, n, float32(1) if where[0] == label else float32(0))

    return softmax_cross_entropy, Launch((N, 1, 1), THREADS)


@cache
def make(N: int, K: int) -> tuple[Callable, Launch]:
    """Kernel (x [N, K], y [N, K]), both flat float32, y = softmax of each row; y may be x. And its launch."""
    HALVINGS = halvings(K)
    THREADS, CLASSES = 1 << HALVINGS, K

    def softmax(x, y):
        best = cuda.shared.array(THREADS, float32)
        total = cuda.shared.array(THREADS, float32)
        tid, first = cuda.threadIdx.x, cuda.blockIdx.x * CLASSES
        largest = float32(-math.inf)
        for k in range(tid, CLASSES, THREADS):
            largest = max(largest, ld(x, first + k))
        best[tid] = largest
        cuda.syncthreads()
        for step in range(HALVINGS):
            half = THREADS >> (step + 1)
            if tid < half:
                best[tid] = max(best[tid], best[tid + half])
            cuda.syncthreads()
        part = float32(0)
        for k in range(tid, CLASSES, THREADS):
            part += math.exp(ld(x, first + k) - best[0])
        total[tid] = part
        cuda.syncthreads()
        for step in range(HALVINGS):
            half = THREADS >> (step + 1)
            if tid < half:
                total[tid] += total[tid + half]
            cuda.syncthreads()
        for k in range(tid, CLASSES, THREADS):
            st(y, first + k, math.exp(ld(x, first + k) - best[0]) / total[0])

    return softmax, Launch((N, 1, 1), THREADS)


@cache
def make_backward(N: int, K: int) -> tuple[Callable, Launch]:
    """Kernel (y [N, K], dy [N, K], dx [N, K]), flat float32: dx = y * (dy - sum of dy * y); dx may be dy."""
    HALVINGS = halvings(K)
    THREADS, CLASSES = 1 << HALVINGS, K

    def softmax_backward(y, dy, dx):
        total = cuda.shared.array(THREADS, float32)
        tid, first = cuda.threadIdx.x, cuda.blockIdx.x * CLASSES
        part = float32(0)
        for k in range(tid, CLASSES, THREADS):
            part += ld(y, first + k) * ld(dy, first + k)
        total[tid] = part
        cuda.syncthreads()
        for step in range(HALVINGS):
            half = THREADS >> (step + 1)
            if tid < half:
                total[tid] += total[tid + half]
            cuda.syncthreads()
        for k in range(tid, CLASSES, THREADS):
            st(dx, first + k, ld(y, first + k) * (ld(dy, first + k) - total[0]))

    return softmax_backward, Launch((N, 1, 1), THREADS)
