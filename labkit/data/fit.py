"""Fitting images to a network's input: channels, zero padding, bilinear resizing.

Everything here works on a whole batch [n, C, H, W] at once. A resize is two matrix products, one along each side, so
that its cost is that of BLAS and not of a Python loop.
"""

from functools import lru_cache

import numpy as np

from labkit.errors import LabError

# Weights of red, green and blue in the brightness of a pixel (luma, ITU-R BT.601).
LUMA = (0.299, 0.587, 0.114)

# An input larger by at most this many pixels per side is padded with zeros, not resized: 28x28 digits stand in the
# middle of 32x32, as in LeCun et al. 1998, "Gradient-based learning applied to document recognition", section II-B.
PAD_AT_MOST = 4


def check_shape(shape: object, channels: int = 0) -> tuple[int, int, int]:
    """`shape` as (C, H, W), three positive integers, which images of `channels` channels (0: any) can be fitted to.

    Raises LabError when it is something else, or asks for a change of channels other than 1 to 3 or 3 to 1.
    """
    try:
        C, H, W = (int(size) for size in shape)
    except (TypeError, ValueError):
        raise LabError(
            f"shape {shape!r} is not (channels, height, width)", "give three whole numbers, as in shape=(1, 32, 32)"
        ) from None
    if min(C, H, W) < 1:
        raise LabError(f"shape {(C, H, W)} has a size below 1", "give sizes of at least 1, as in shape=(1, 32, 32)")
    if channels and channels != C and {C, channels} != {1, 3}:
        raise LabError(
            f"images of {channels} channels cannot be given {C} channels",
            f"ask for shape=({channels}, {H}, {W}); only 1 channel and 3 channels turn into each other",
        )
    return C, H, W


def is_padded(old: tuple[int, int], new: tuple[int, int]) -> bool:
    """Whether images of height and width `old` are padded, rather than resized, to height and width `new`."""
    return all(0 <= after - before <= PAD_AT_MOST for before, after in zip(old, new, strict=True))


def fit(images: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Fit float32 images [n, C, H, W] with values in [0, 1] to `shape`; returns float32 [n, *shape], contiguous.

    Three channels become one by luma, one becomes three by replication. Same size: as is. Larger by at most
    `PAD_AT_MOST` pixels per side: zeros around it. Otherwise: bilinear resize. Raises LabError for other channels.
    """
    C, H, W = check_shape(shape, images.shape[1])
    if images.shape[1] > C:
        images = np.tensordot(images, np.asarray(LUMA, np.float32), axes=(1, 0))[:, None]
    old = images.shape[2:]
    if old != (H, W):
        images = pad(images, H, W) if is_padded(old, (H, W)) else resize(images, H, W)
    if images.shape[1] < C:
        images = np.repeat(images, C, axis=1)
    return np.ascontiguousarray(images, dtype=np.float32)


def pad(images: np.ndarray, H: int, W: int) -> np.ndarray:
    """Zeros around [n, C, h, w] up to [n, C, H, W]; where the border is odd, the extra row or column comes last."""
    n, C, h, w = images.shape
    top, left = (H - h) // 2, (W - w) // 2
    out = np.zeros((n, C, H, W), images.dtype)
    out[:, :, top : top + h, left : left + w] = images
    return out


def resize(images: np.ndarray, H: int, W: int) -> np.ndarray:
    """Bilinear resize of float32 [n, C, h, w] to [n, C, H, W]: along the width, then along the height."""
    n, C, h, w = images.shape
    wide = images.reshape(-1, w) @ interpolation(w, W).T
    return np.matmul(interpolation(h, H), wide.reshape(n, C, h, W))


@lru_cache(maxsize=64)
def interpolation(old: int, new: int) -> np.ndarray:
    """The float32 matrix [new, old] that resizes a line of `old` pixels to `new`; read-only, each row sums to 1.

    Pixel centres lie at half-integers. Enlarging weighs the two nearest pixels by their distance; shrinking widens the
    triangle by the factor old / new, so that every pixel counts (no aliasing). This is the convention of Pillow's
    BILINEAR filter, which the tests compare with.
    """
    scale = old / new
    width = max(scale, 1.0)
    centres = (np.arange(new) + 0.5) * scale
    distance = np.abs(np.arange(old) + 0.5 - centres[:, None]) / width
    weights = np.maximum(1.0 - distance, 0.0)
    matrix = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    matrix.flags.writeable = False
    return matrix
