"""A scalar network in the place of a schedule's own, so that its SGD is known to the last digit.

Its gradients depend on every weight, on the order of the layers and on what FP left behind, so that any step that is
not SGD's ends in other weights.
"""

import numpy as np

from labkit.schedule import Schedule
from labkit.schedule.pieces import layer_ranges

RATE, MOMENTUM = 0.1, 0.5


class Scalars:
    """h -> tanh((1 + k.w) h + c) in every layer, loss (h - y)^2 / 2; k and c are fixed."""

    def __init__(self, schedule: Schedule):
        random = np.random.default_rng(5)
        self.ranges = layer_ranges(schedule.network)
        self.k = random.uniform(0.3, 1, schedule.network.parameters)
        self.c = random.uniform(-1, 1, len(self.ranges))
        self.start = random.normal(size=schedule.network.parameters)

    def sample(self, step: int, rank: int, micro: int) -> tuple[float, float]:
        return tuple(np.random.default_rng([step, rank, micro]).normal(size=2))

    def forward(self, layer: int, h: np.ndarray, w: np.ndarray) -> None:
        part = slice(*self.ranges[layer])
        h[layer + 1] = np.tanh((1 + self.k[part] @ w[part]) * h[layer] + self.c[layer])

    def backward(self, layer: int, h: np.ndarray, d: np.ndarray, w: np.ndarray) -> np.ndarray:
        """Gradients of the layer's weights; d[layer] becomes that of its input."""
        part = slice(*self.ranges[layer])
        inner = d[layer + 1] * (1 - h[layer + 1] ** 2)
        d[layer] = inner * (1 + self.k[part] @ w[part])
        return inner * h[layer] * self.k[part]

    def gradients(self, w: np.ndarray, step: int, rank: int, micro: int) -> np.ndarray:
        """All of them, for one micro-batch of which every sample is the same."""
        n = len(self.ranges)
        h, d = np.zeros(n + 1), np.zeros(n + 1)
        h[0], y = self.sample(step, rank, micro)
        for layer in range(n):
            self.forward(layer, h, w)
        d[n] = h[n] - y
        return np.concatenate([self.backward(layer, h, d, w) for layer in reversed(range(n))][::-1])


def update(w: np.ndarray, g: np.ndarray, speed: np.ndarray, part: slice) -> None:
    speed[part] = MOMENTUM * speed[part] + g[part]
    w[part] -= RATE * speed[part]


def reference(schedule: Schedule, steps: int) -> np.ndarray:
    """The weights after some steps of SGD on the global batch in one process."""
    scalars = Scalars(schedule)
    w, speed, everything = scalars.start.copy(), np.zeros_like(scalars.start), slice(None)
    for step in range(steps):
        g = np.zeros_like(w)
        for rank, share in enumerate(schedule.shares):
            for micro, samples in enumerate(share):
                g += samples / schedule.batch * scalars.gradients(w, step, rank, micro)
        update(w, g, speed, everything)
    return w
