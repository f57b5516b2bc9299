"""All weights of a network in one flat vector, with a named view for each array.

An optimiser updates the flat vector in a few long operations instead of hundreds of short ones, and what data
parallelism exchanges later is a slice of it.
"""

from math import prod

import numpy as np

from labkit.engine.arrays import HOST, Arrays
from labkit.errors import LabError, suggest
from labkit.network import Shape


class Tensors:
    """Named arrays over one contiguous vector `flat`, in the order of `shapes` ('layer.array' -> shape).

    `tensors["conv1.weight"]` is a view: writing to it writes to `flat`. `of("conv1")` gives the arrays of one layer by
    their short names, as the layer's operations take them.

    They are NumPy's until `move` puts them where a backend keeps its arrays; `host()` then copies them back.
    """

    def __init__(self, shapes: dict[str, Shape], dtype: np.dtype | type = np.float32):
        self.shapes = dict(shapes)
        self._arrays: Arrays = HOST
        self._view(np.zeros(sum(map(prod, shapes.values())), dtype))

    def _view(self, flat) -> None:
        """Take `flat` as the vector, and make the named views anew."""
        self.flat = flat
        self.slices: dict[str, slice] = {}
        self._views: dict[str, np.ndarray] = {}
        self._layers: dict[str, dict[str, np.ndarray]] = {}
        start = 0
        for name, shape in self.shapes.items():
            part = slice(start, start + prod(shape))
            self.slices[name] = part
            self._views[name] = self.flat[part].reshape(shape)
            layer, _, short = name.rpartition(".")
            self._layers.setdefault(layer, {})[short] = self._views[name]
            start = part.stop

    def move(self, arrays: Arrays) -> None:
        """Put the vector where `arrays` keeps its arrays. Views taken before no longer belong to it."""
        self._view(arrays.put(self.host().flat))
        self._arrays = arrays

    def host(self) -> "Tensors":
        """The same names and values on the host: these tensors themselves if they are there, else a copy."""
        if self._arrays is HOST:
            return self
        copy = Tensors({}, self.flat.dtype)
        copy.shapes = self.shapes
        copy._view(self._arrays.get(self.flat))
        return copy

    def take(self, other: "Tensors") -> None:
        """Overwrite all values with those of `other`, host tensors with the same names and shapes."""
        if other is not self:
            self._arrays.put(other.flat, self.flat)

    def __getitem__(self, name: str) -> np.ndarray:
        try:
            return self._views[name]
        except KeyError:
            raise LabError(f"no array {name!r}", suggest(name, self._views)) from None

    def __iter__(self):
        return iter(self._views)

    def __len__(self) -> int:
        return len(self._views)

    def items(self):
        """Pairs (name, view)."""
        return self._views.items()

    def of(self, layer: str) -> dict[str, np.ndarray]:
        """Arrays of one layer by short name, e.g. {'weight': ..., 'bias': ...}; empty for a layer without any."""
        return self._layers.get(layer, {})

    @property
    def nbytes(self) -> int:
        return self.flat.nbytes
