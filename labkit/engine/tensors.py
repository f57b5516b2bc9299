"""All weights of a network in one flat vector, with a named view for each array.

An optimiser updates the flat vector in a few long operations instead of hundreds of short ones, and what data
parallelism exchanges later is a slice of it.
"""

from math import prod

import numpy as np

from labkit.errors import LabError, suggest
from labkit.network import Shape


class Tensors:
    """Named arrays over one contiguous vector `flat`, in the order of `shapes` ('layer.array' -> shape).

    `tensors["conv1.weight"]` is a view: writing to it writes to `flat`. `of("conv1")` gives the arrays of one layer by
    their short names, as the layer's operations take them.
    """

    def __init__(self, shapes: dict[str, Shape], dtype: np.dtype | type = np.float32):
        self.shapes = dict(shapes)
        self.flat = np.zeros(sum(map(prod, shapes.values())), dtype)
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
