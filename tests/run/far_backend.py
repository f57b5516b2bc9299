"""A backend whose arrays are elsewhere, as those of a GPU are: NumPy cannot look into them.

It computes with the reference, behind the back of everybody who does not ask `ARRAYS`. Copies that a mirror starts are
over only after it has been asked a few times, and what it copies is taken when they are over: whoever does not wait
reads old values.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from labkit.engine.arrays import HOST, HostStopwatch, Pending
from labkit.engine.ops import Backend, HostBackend, LayerOps, Mapping
from labkit.engine.ops import prepare as prepare_on_host
from labkit.network import Layer, Network, Shape

NAME = "far"
LOOKS = 3  # before a copy is over


class FarArray:
    """What the engine may ask of any array, and an error for everything that would read it directly."""

    __array_ufunc__ = None

    def __init__(self, inside: np.ndarray):
        self._inside = inside

    shape = property(lambda self: self._inside.shape)
    dtype = property(lambda self: self._inside.dtype)
    nbytes = property(lambda self: self._inside.nbytes)

    def __getitem__(self, part: slice) -> "FarArray":
        assert isinstance(part, slice)
        return FarArray(self._inside[part])

    def reshape(self, *shape: Any) -> "FarArray":
        return FarArray(self._inside.reshape(*shape))

    def __array__(self, *_: Any, **__: Any):
        raise TypeError("this array is elsewhere: ask the backend's arrays")

    def __len__(self) -> int:
        raise TypeError("this array is elsewhere: ask for its shape")


def far(array: np.ndarray) -> FarArray:
    return FarArray(array)


def near(array: FarArray) -> np.ndarray:
    assert isinstance(array, FarArray), f"an array of the host where one of the backend is needed: {type(array)}"
    return array._inside


class FarMirror:
    """Copies end at the third look."""

    def __init__(self, vector: FarArray):
        self.values = np.full(vector.shape, np.nan, vector.dtype)
        self._vector, self._looks, self._copy = vector, 0, lambda: None

    def fetch(self) -> None:
        self._begin(lambda: np.copyto(self.values, near(self._vector)))

    def store(self) -> None:
        self._begin(lambda: np.copyto(near(self._vector), self.values))

    def done(self) -> bool:
        self._looks -= 1
        if self._looks == 0:
            self._copy()
        return self._looks <= 0

    def _begin(self, copy) -> None:
        assert self._looks <= 0, "a copy was started while another one was under way"
        self._looks, self._copy = LOOKS, copy


class FarArrays:
    """See `labkit.engine.arrays.Arrays`."""

    def empty(self, shape, dtype):
        return far(HOST.empty(shape, dtype))

    def put(self, host, target=None):
        assert isinstance(host, np.ndarray)
        if target is None:
            return far(host.copy())
        near(target)[...] = host
        return target

    def stage(self, name, host):
        return far(host.copy())

    def get(self, array):
        return near(array).copy()

    def mirror(self, vector):
        return FarMirror(vector)

    def copy(self, source, target):
        HOST.copy(near(source), near(target))

    def add(self, a, b, target):
        HOST.add(near(a), near(b), near(target))

    def apply(self, rule, vectors, constants):
        HOST.apply(rule, tuple(map(near, vectors)), constants)

    def norms(self, vector, parts):
        return HOST.norms(near(vector), parts)

    def loss(self, name, fused, output, labels):
        value, dy = HOST.loss(name, fused, near(output), near(labels))
        return Pending(value, far(dy))

    def replay(self, key, work):
        return work()

    def stopwatch(self):
        return HostStopwatch()

    def synchronize(self):
        pass


ARRAYS = FarArrays()


@dataclass
class FarOps:
    """A layer of the reference, with its arrays wrapped."""

    inside: LayerOps

    @property
    def workspace_bytes(self) -> int:
        return self.inside.workspace_bytes

    def forward(self, xs, weights, state, training, draw):
        return far(self.inside.forward(tuple(map(near, xs)), _all(weights), _all(state), training, draw))

    def backward_data(self, dy, weights):
        return tuple(map(far, self.inside.backward_data(near(dy), _all(weights))))

    def backward_weights(self, dy, weights, gradients):
        self.inside.backward_weights(near(dy), _all(weights), _all(gradients))


def _all(arrays: dict[str, FarArray]) -> dict[str, np.ndarray]:
    return {name: near(array) for name, array in arrays.items()}


def prepare(layer: Layer, input_shapes: tuple[Shape, ...], batch: int, dtype: np.dtype) -> LayerOps:
    return FarOps(prepare_on_host("reference", layer, input_shapes, batch, dtype))


def start(network: Network, mapping: Mapping = None) -> Backend:
    return HostBackend(ARRAYS, prepare)
