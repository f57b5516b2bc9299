"""Samples that lie in memory or in memory-mapped files as small integers."""

from dataclasses import dataclass

import numpy as np

from labkit.data.fit import fit


@dataclass(frozen=True, eq=False)
class ArraySource:
    """Images of one size in one or more arrays, read where they lie.

    parts  uint8 arrays [n_i, C, H, W], one after another; they may be memory-mapped and need not be contiguous
    peak   the integer that stands for 1.0
    """

    parts: tuple[np.ndarray, ...]
    peak: int = 255

    def fetch(self, indices: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
        """Samples `indices` (int64 [n]) as float32 [n, *shape] with values in [0, 1]; see `fit` for the rules."""
        images = self.gather(indices).astype(np.float32)
        images *= np.float32(1 / self.peak)
        return fit(images, shape)

    def gather(self, indices: np.ndarray) -> np.ndarray:
        """Samples `indices` as they are stored: uint8 [n, C, H, W]."""
        if len(self.parts) == 1:
            return self.parts[0][indices]
        out = np.empty((len(indices), *self.parts[0].shape[1:]), self.parts[0].dtype)
        start = 0
        for part in self.parts:
            here = (indices >= start) & (indices < start + len(part))
            out[here] = part[indices[here] - start]
            start += len(part)
        return out
