"""New samples from old ones: shift, flip, rotate and noise, drawn anew for every batch of every epoch.

Each record takes a batch x float32 [n, C, H, W] and returns one of the same shape. What is drawn depends on the seed,
the epoch, the step and the sample's place in the global batch only, so a run that was interrupted draws the same, and
so does a rank that holds a part of the batch.
"""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from labkit.errors import LabError, suggest

_STREAM = 31  # keeps these numbers apart from those of shuffling, which start from the same seed


@dataclass(frozen=True)
class Shift:
    """Move each image by up to `pixels` (whole ones) up or down and left or right; the edge is repeated outwards."""

    pixels: int = 2

    def __post_init__(self) -> None:
        _range("shift", "pixels", self.pixels, int)

    def apply(self, x: np.ndarray, draw: np.random.Generator, first: int) -> np.ndarray:
        corners = draw.integers(0, 2 * self.pixels + 1, (first + len(x), 2))[first:]
        wider = np.pad(x, ((0, 0), (0, 0), (self.pixels, self.pixels), (self.pixels, self.pixels)), mode="edge")
        crops = sliding_window_view(wider, x.shape[2:], axis=(2, 3))
        return np.ascontiguousarray(crops[np.arange(len(x)), :, corners[:, 0], corners[:, 1]])


@dataclass(frozen=True)
class Flip:
    """Mirror each image left to right with this `probability`. Not for digits and letters."""

    probability: float = 0.5

    def __post_init__(self) -> None:
        _range("flip", "probability", self.probability, (int, float), most=1)

    def apply(self, x: np.ndarray, draw: np.random.Generator, first: int) -> np.ndarray:
        chosen = draw.random(first + len(x))[first:] < self.probability
        return np.where(chosen[:, None, None, None], x[..., ::-1], x)


@dataclass(frozen=True)
class Rotate:
    """Turn each image about its centre by up to `degrees` either way; bilinear, the edge repeated outwards."""

    degrees: float = 10.0

    def __post_init__(self) -> None:
        _range("rotate", "degrees", self.degrees, (int, float), most=180)

    def apply(self, x: np.ndarray, draw: np.random.Generator, first: int) -> np.ndarray:
        angles = np.deg2rad(draw.uniform(-self.degrees, self.degrees, first + len(x))[first:])
        return turn(x, angles)


@dataclass(frozen=True)
class Noise:
    """Add normal noise of standard deviation `std` to every value (samples are standardised: 1 is as large as they)."""

    std: float = 0.1

    def __post_init__(self) -> None:
        _range("noise", "std", self.std, (int, float))

    def apply(self, x: np.ndarray, draw: np.random.Generator, first: int) -> np.ndarray:
        values = draw.standard_normal((first + len(x), *x.shape[1:]), np.float32)[first:]
        return x + np.float32(self.std) * values


Augmentation = Shift | Flip | Rotate | Noise
AUGMENTATIONS = {record.__name__.lower(): record for record in (Shift, Flip, Rotate, Noise)}


def augment(
    x: np.ndarray, how: tuple[Augmentation, ...], seed: int = 0, epoch: int = 0, step: int = 0, first: int = 0
) -> np.ndarray:
    """`x` [n, C, H, W] after each augmentation of `how` in turn, as a new array (x itself if `how` is empty).

    seed, epoch, step: fix what is drawn. first: index within the global batch of the first sample of x.
    """
    for number, augmentation in enumerate(how):
        x = augmentation.apply(x, np.random.default_rng((_STREAM, seed, epoch, step, number)), first)
    return x


def turn(x: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Images x [n, C, H, W] turned counter-clockwise about their centres by `angles` [n] (radians), bilinearly.

    Each output pixel reads from where the turn back takes it, between four input pixels; outside, the nearest edge.
    """
    n, C, H, W = x.shape
    down, right = np.arange(H)[:, None] - (H - 1) / 2, np.arange(W) - (W - 1) / 2
    cos, sin = np.cos(angles)[:, None, None], np.sin(angles)[:, None, None]
    row = np.clip(cos * down + sin * right + (H - 1) / 2, 0, H - 1)
    column = np.clip(cos * right - sin * down + (W - 1) / 2, 0, W - 1)
    top, left = np.floor(row).astype(np.int64), np.floor(column).astype(np.int64)
    below, beside = np.minimum(top + 1, H - 1), np.minimum(left + 1, W - 1)
    part_down, part_right = ((a - b).astype(x.dtype).reshape(n, 1, H * W) for a, b in ((row, top), (column, left)))
    flat = x.reshape(n, C, H * W)

    def pick(r: np.ndarray, c: np.ndarray) -> np.ndarray:
        return np.take_along_axis(flat, (r * W + c).reshape(n, 1, H * W), axis=2)

    upper = pick(top, left) * (1 - part_right) + pick(top, beside) * part_right
    lower = pick(below, left) * (1 - part_right) + pick(below, beside) * part_right
    return (upper * (1 - part_down) + lower * part_down).reshape(x.shape)


def describe(augmentation: Augmentation) -> dict:
    """The record as a JSON object: {"name": "shift", "pixels": 2}."""
    return {"name": type(augmentation).__name__.lower()} | asdict(augmentation)


def get(name: str, **settings: float) -> Augmentation:
    """The augmentation called `name`; raises LabError for a name that does not exist or a setting out of range."""
    if name not in AUGMENTATIONS:
        raise LabError(f"unknown augmentation {name!r}", suggest(name, AUGMENTATIONS))
    return AUGMENTATIONS[name](**settings)


def _range(name: str, setting: str, value: object, kind: type | tuple[type, ...], most: float = float("inf")) -> None:
    if not isinstance(value, kind) or isinstance(value, bool) or not 0 <= value <= most or value == float("inf"):
        limits = "at least 0" if most == float("inf") else f"from 0 to {most}"
        what = "whole number" if kind is int else "number"
        raise LabError(f"{name} with {setting}={value!r}", f"give a {what} {limits}")
