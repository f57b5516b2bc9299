"""The arrays that a traced kernel sees: memory with an address for every value, and views of it."""

import operator

import numpy as np


class Outside(Exception):
    """An index that the array does not have; carries (index, axis, size, flat place where a GPU would look)."""

    def __init__(self, index: tuple[int, ...], axis: int, size: int, place: int):
        super().__init__(index)
        self.index, self.axis, self.size, self.place = index, axis, size, place


class KernelArray:
    """Memory `flat` seen as an array: `shape` and `strides` in values, from `offset` on.

    first: address of flat[0]; flat[i] has the address first + i, and first + flat.size stands for all that is outside.
    """

    __slots__ = ("dtype", "first", "flat", "get", "ndim", "offset", "shape", "size", "strides")

    def __init__(self, flat: np.ndarray, first: int, shape: tuple[int, ...], offset: int = 0, strides=None):
        self.flat, self.first, self.shape, self.offset = flat, first, shape, offset
        self.strides = strides or tuple(int(np.prod(shape[axis + 1 :], dtype=np.int64)) for axis in range(len(shape)))
        self.ndim, self.size, self.dtype = len(shape), int(np.prod(shape, dtype=np.int64)), flat.dtype
        self.get = flat.__getitem__ if flat.dtype.kind == "f" else flat.item  # whole numbers as Python's

    def __len__(self) -> int:
        return self.shape[0]

    def place(self, index) -> int:
        """Where in `flat` the value with this index is. Raises Outside, and TypeError for what is no single value."""
        if type(index) is int:
            if 0 <= index < self.size and self.ndim == 1:
                return self.offset + index * self.strides[0]
            return self._far((index,))
        if type(index) is not tuple:
            return self._far((operator.index(index),))
        if len(index) != self.ndim:
            return self._far(index)
        place = self.offset
        for i, size, stride in zip(index, self.shape, self.strides, strict=True):
            if not 0 <= i < size:
                return self._far(index)
            place += i * stride
        return place

    def _far(self, index: tuple) -> int:
        """What `place` does for an index that is not plainly inside: Numba takes one negative index from the end."""
        index = tuple(map(operator.index, index))
        if len(index) != self.ndim:
            raise TypeError(f"{len(index)} indices for an array with {self.ndim} axes")
        axis = next((a for a, i in enumerate(index) if not 0 <= i < self.shape[a]), None)
        near = [i + n if -n <= i < 0 else i for i, n in zip(index, self.shape, strict=True)]
        place = self.offset + sum(i * stride for i, stride in zip(near, self.strides, strict=True))
        if axis is None:
            return place
        raise Outside(index, axis, self.shape[axis], place)

    def view(self, index) -> "KernelArray":
        """A part of the array, for an index with slices or too few indices; IndexError for one that does not exist."""
        parts = index if type(index) is tuple else (index,)
        if len(parts) > self.ndim:
            raise TypeError(f"{len(parts)} indices for an array with {self.ndim} axes")
        offset, shape, strides = self.offset, [], []
        for axis, part in enumerate((*parts, *[slice(None)] * (self.ndim - len(parts)))):
            size, stride = self.shape[axis], self.strides[axis]
            if isinstance(part, slice):
                start, stop, step = part.indices(size)
                offset += start * stride if size else 0
                shape.append(len(range(start, stop, step)))
                strides.append(stride * step)
                continue
            at = operator.index(part)
            if not 0 <= at < size:
                raise IndexError(f"index {at} of axis {axis}, which has {size} cells")
            offset += at * stride
        return KernelArray(self.flat, self.first, tuple(shape), offset, tuple(strides))


def is_view(index) -> bool:
    """Whether an index has slices in it."""
    return type(index) is slice or (type(index) is tuple and any(type(part) is slice for part in index))


def fresh(shape: tuple[int, ...], dtype: np.dtype, first: int) -> KernelArray:
    """Memory as a GPU hands it out, with whatever was there before: NaN, or the largest whole number."""
    value = np.nan if dtype.kind == "f" else np.iinfo(dtype).max if dtype.kind in "iu" else True
    return KernelArray(np.full(int(np.prod(shape, dtype=np.int64)), value, dtype), first, shape)
