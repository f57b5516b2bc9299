"""Synthetic images: one smooth pattern per class plus noise, made when they are asked for.

Any two classes differ, so a network that trains at all soon tells them apart, whatever the shape. No set is ever held:
a sample depends on (seed, its number, the shape) only, and is made again each time it is taken.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from labkit.data.fit import interpolation
from labkit.data.split import rng

# Patterns are drawn on a grid of at most this many points per side and enlarged bilinearly: they survive convolution,
# pooling and small shifts, and even a thousand classes of 224x224 images need less than a megabyte.
GRID = 6


@dataclass(frozen=True)
class SyntheticSource:
    """Samples 0, 1, 2, ...; sample i belongs to class i mod `classes`. `noise` is its standard deviation per pixel."""

    classes: int
    seed: int = 0
    noise: float = 0.5

    def fetch(self, indices: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
        """Samples `indices` (int64 [n]) as float32 [n, *shape], mean about 0; the same whatever is asked with them."""
        out = np.empty((len(indices), *shape), np.float32)
        for row, index in zip(out, indices, strict=True):
            row[...] = _normal(shape, "noise", self.seed, int(index))
        out *= np.float32(self.noise)
        out += patterns(self.classes, self.seed, shape, tuple((indices % self.classes).tolist()))
        return out


def patterns(classes: int, seed: int, shape: tuple[int, int, int], chosen: tuple[int, ...]) -> np.ndarray:
    """The patterns of the chosen classes, float32 [n, *shape]; values of a coarse grid are standard normal."""
    C, H, W = shape
    grid = _grids(classes, seed, C, min(GRID, H), min(GRID, W))[list(chosen)]
    return interpolation(min(GRID, H), H) @ grid @ interpolation(min(GRID, W), W).T


@lru_cache(maxsize=8)
def _grids(classes: int, seed: int, C: int, H: int, W: int) -> np.ndarray:
    return _normal((classes, C, H, W), "pattern", seed)


def _normal(shape: tuple[int, ...], purpose: str, *seeds: int) -> np.ndarray:
    return rng(purpose, *seeds).standard_normal(shape, dtype=np.float32)
