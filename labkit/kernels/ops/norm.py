"""BatchNorm as `LayerOps` of the three teaching mappings."""

from math import prod

import numpy as np

from labkit.kernels.elementwise import maps_work
from labkit.kernels.launch import choose
from labkit.kernels.norm import NORMALISE, STATISTICS, SUMS, follow, sums_work, total
from labkit.kernels.norm_backward import GRADIENT, GRADIENT_SUMS
from labkit.kernels.ops.place import Place
from labkit.kernels.vectors import vector_launch


class NormOps:
    """See `labkit.engine.ops.LayerOps`. Keeps the mean and variance that FP used."""

    def __init__(self, place: Place):
        self.place = place
        self.C, self.M = place.output_shape[0], prod(place.output_shape[1:])
        self.epsilon = np.float32(place.layer.epsilon)
        choose(place.mapping, maps_work(place.name, place.batch, self.C, self.M))

    @property
    def workspace_bytes(self) -> int:
        """See `LayerOps`."""
        return self.place.bytes_held

    def _maps(self, array):
        """`array` as [n, C, M]."""
        return array.reshape((array.shape[0], self.C, self.M))

    def _work(self, of, n: int):
        return of(self.place.name, n, self.C, self.M)

    def forward(self, xs, weights, state, training, draw):
        """FP; see `LayerOps`."""
        place, self.training = self.place, training
        self.x = self._maps(xs[0])
        n = self.x.shape[0]
        if training:
            self.mean, self.variance = self._statistics(n)
            self._follow(state, n)
        else:
            self.mean, self.variance = state["mean"], state["variance"]
        y = place.array("y", n, place.output_shape)
        arrays = (self.x, self.mean, self.variance, weights["weight"], weights["bias"], self._maps(y))
        place.run(NORMALISE, self._work(maps_work, n), *arrays, self.epsilon)
        return y

    def _vector(self, name: str):
        return self.place.constant(name, np.zeros(self.C, np.float32))

    def _statistics(self, n: int):
        """Mean and variance [C] of the batch: by one kernel where a block has a whole channel, else by two of each."""
        place, mean, variance = self.place, self._vector("mean"), self._vector("variance")
        if place.mapping in STATISTICS:
            place.run(STATISTICS, self._work(sums_work, n), self.x, mean, variance)
            return mean, variance
        partial = place.array("partial", n, (self.C,))
        for squares, target in enumerate((mean, variance)):
            place.run(SUMS, self._work(sums_work, n), self.x, mean, squares, partial)
            self._total(partial, target, 1 / (n * self.M))
        return mean, variance

    def _total(self, partial, target, scale: float) -> None:
        self.place.executor.launch(total, vector_launch(self.C), partial, target, np.float32(scale))

    def _follow(self, state, n: int) -> None:
        count = n * self.M
        momentum, unbiased = np.float32(self.place.layer.momentum), np.float32(count / (count - 1) if count > 1 else 0)
        arrays = (self.mean, self.variance, state["mean"], state["variance"])
        self.place.executor.launch(follow, vector_launch(self.C), *arrays, momentum, unbiased)

    def backward_weights(self, dy, weights, gradients):
        """KU; see `LayerOps`."""
        place, n = self.place, dy.shape[0]
        dbias, dweight = gradients["bias"], gradients["weight"]
        given = (self.x, self._maps(dy), self.mean, self.variance, self.epsilon)
        work = self._work(sums_work, n)
        if place.mapping in STATISTICS:
            place.run(GRADIENT_SUMS, work, *given, dbias, dweight)
        else:
            parts = [place.array(name, n, (self.C,)) for name in ("partial", "partial_product")]
            place.run(GRADIENT_SUMS, work, *given, *parts)
            for part, target in zip(parts, (dbias, dweight), strict=True):
                self._total(part, target, 1.0)
        self.sums = dweight, dbias

    def backward_data(self, dy, weights):
        """BP; see `LayerOps`. Its formula holds the sums that KU has just written."""
        place, n = self.place, dy.shape[0]
        dx = place.array("dx", n, place.input_shapes[0])
        share = np.float32(1 / (n * self.M) if self.training else 0)
        arrays = (self.x, self._maps(dy), self.mean, self.variance, weights["weight"], *self.sums, self._maps(dx))
        place.run(GRADIENT, self._work(maps_work, n), *arrays, self.epsilon, share)
        return (dx,)
