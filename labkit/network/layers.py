"""The layer records: what a network can be made of.

Sizes are named as in the field: C input channels, H x W input, K output channels (filters), R x S window, P x Q output.
A window is given as `R` alone if it is square; `stride` and `padding` as one number if they are the same both ways.
"""

from dataclasses import dataclass
from math import inf, prod
from typing import ClassVar

from labkit.errors import LabError
from labkit.network.layer import (
    Layer,
    Shape,
    between,
    count,
    flag,
    is_count,
    maps,
    one,
    pair,
    set_window,
    window_output,
)


@dataclass(frozen=True)
class Conv(Layer):
    """Convolution: In[C, H, W] * W[K, C/groups, R, S] -> Out[K, P, Q] (krishna-gupta-nayak equation (1), without f).

    `groups` divides channels and filters into that many independent convolutions (AlexNet's two columns).
    `connections` gives for each of the K filters the input channels that it reads (LeCun et al. 1998, table I); the
    weights are then W[links, R, S], filter after filter, so that only what is trained is stored.
    """

    K: int
    R: int
    S: int | None = None
    stride: int | tuple[int, int] = 1
    padding: int | tuple[int, int] = 0
    groups: int = 1
    bias: bool = True
    connections: tuple[tuple[int, ...], ...] | None = None

    def __post_init__(self) -> None:
        count("K", self.K)
        count("groups", self.groups)
        flag("bias", self.bias)
        set_window(self)
        if self.K % self.groups:
            raise LabError(f"K={self.K} filters cannot be divided into groups={self.groups}", _divisors(self.K))
        if self.connections is not None:
            self._check_connections()
            object.__setattr__(self, "connections", tuple(map(tuple, self.connections)))

    def _check_connections(self) -> None:
        if not isinstance(self.connections, (tuple, list)):
            raise LabError(f"connections={self.connections!r}", "give one row of input channels for each filter")
        if len(self.connections) != self.K or self.groups != 1:
            raise LabError(
                f"connections has {len(self.connections)} rows for K={self.K} filters in {self.groups} group(s)",
                "give one row of input channels for each filter, with groups=1",
            )
        for k, row in enumerate(self.connections):
            numbers = isinstance(row, (tuple, list)) and all(is_count(c, least=0) for c in row)
            if not row or not numbers or len(set(row)) != len(row):
                instead = "name each input channel that it reads once, as an integer from 0 up"
                raise LabError(f"connections of filter {k} are {row!r}", instead)

    def output_shape(self, *inputs: Shape) -> Shape:
        shape = maps(self, inputs)
        if shape[0] % self.groups:
            raise LabError(f"C={shape[0]} channels cannot be divided into groups={self.groups}", _divisors(shape[0]))
        if self.connections and max(max(row) for row in self.connections) >= shape[0]:
            raise LabError(f"connections name a channel beyond the input's C={shape[0]}", f"use 0 to {shape[0] - 1}")
        return (self.K, *window_output(self, shape))

    def weights(self, *inputs: Shape) -> dict[str, Shape]:
        C = maps(self, inputs)[0]
        links = (self.K, C // self.groups) if self.connections is None else (sum(map(len, self.connections)),)
        weights = {"weight": (*links, self.R, self.S)}
        return weights | {"bias": (self.K,)} if self.bias else weights

    def macs(self, *inputs: Shape) -> int:
        _, P, Q = self.output_shape(*inputs)
        return prod(self.weights(*inputs)["weight"]) * P * Q


@dataclass(frozen=True)
class MaxPool(Layer):
    """Largest value of each R x S window; padding never wins. The stride is the window's size unless given."""

    R: int
    S: int | None = None
    stride: int | tuple[int, int] | None = None
    padding: int | tuple[int, int] = 0

    def __post_init__(self) -> None:
        set_window(self, no_empty_window=True)

    def output_shape(self, *inputs: Shape) -> Shape:
        shape = maps(self, inputs)
        return (shape[0], *window_output(self, shape))


@dataclass(frozen=True)
class AvgPool(Layer):
    """Mean of each R x S window: its sum over R*S, zeros of the padding counted in."""

    R: int
    S: int | None = None
    stride: int | tuple[int, int] | None = None
    padding: int | tuple[int, int] = 0

    def __post_init__(self) -> None:
        set_window(self, no_empty_window=True)

    def output_shape(self, *inputs: Shape) -> Shape:
        shape = maps(self, inputs)
        return (shape[0], *window_output(self, shape))


@dataclass(frozen=True)
class Subsample(Layer):
    """Trainable subsampling of LeCun et al. 1998: out[c] = weight[c] * (sum of the window) + bias[c]."""

    R: int = 2
    S: int | None = None
    stride: int | tuple[int, int] | None = None
    padding: ClassVar[tuple[int, int]] = (0, 0)

    def __post_init__(self) -> None:
        count("R", self.R)
        object.__setattr__(self, "S", self.R if self.S is None else count("S", self.S))
        object.__setattr__(self, "stride", pair("stride", (self.R, self.S) if self.stride is None else self.stride))

    def output_shape(self, *inputs: Shape) -> Shape:
        shape = maps(self, inputs)
        return (shape[0], *window_output(self, shape))

    def weights(self, *inputs: Shape) -> dict[str, Shape]:
        C = maps(self, inputs)[0]
        return {"weight": (C,), "bias": (C,)}

    def macs(self, *inputs: Shape) -> int:
        """One per input value that is read: with the bias that makes LeCun's 5 connections of a 2x2 window."""
        return prod(self.output_shape(*inputs)) * self.R * self.S


@dataclass(frozen=True)
class Dense(Layer):
    """Fully connected layer: In[features] . W[K, features] -> Out[K]."""

    K: int
    bias: bool = True

    def __post_init__(self) -> None:
        count("K", self.K)
        flag("bias", self.bias)

    def output_shape(self, *inputs: Shape) -> Shape:
        shape = one(self, inputs)
        if len(shape) != 1:
            raise LabError(f"dense takes a vector, but its input has shape {shape}", "put a Flatten before it")
        return (self.K,)

    def weights(self, *inputs: Shape) -> dict[str, Shape]:
        weights = {"weight": (self.K, one(self, inputs)[0])}
        return weights | {"bias": (self.K,)} if self.bias else weights

    def macs(self, *inputs: Shape) -> int:
        return self.output_shape(*inputs)[0] * inputs[0][0]


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Normalise each channel over the batch (and H, W), then scale by weight (gamma) and shift by bias (beta).

    Training uses the batch's mean and variance and moves the running ones towards them by `momentum`; evaluation uses
    the running ones (Ioffe and Szegedy 2015). `epsilon` is added to the variance.
    """

    epsilon: float = 1e-5
    momentum: float = 0.1

    def __post_init__(self) -> None:
        between("epsilon", self.epsilon, 0.0, 1.0)
        between("momentum", self.momentum, 0.0, 1.0)

    def weights(self, *inputs: Shape) -> dict[str, Shape]:
        C = one(self, inputs)[0]
        return {"weight": (C,), "bias": (C,)}

    def state(self, *inputs: Shape) -> dict[str, Shape]:
        C = one(self, inputs)[0]
        return {"mean": (C,), "variance": (C,)}


@dataclass(frozen=True)
class LRN(Layer):
    """Local response normalisation across neighbouring channels (Krizhevsky et al. 2012, section 3.3).

    out[c] = in[c] / (k + alpha * sum of in[j]^2 over the channels j within size//2 of c) ^ beta. As in the paper, an
    even `size` reads size + 1 channels, and alpha multiplies the sum itself (PyTorch divides it by `size` first).
    """

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 2.0

    def __post_init__(self) -> None:
        count("size", self.size)
        between("alpha", self.alpha, 0.0, inf)
        between("beta", self.beta, 0.0, inf)
        between("k", self.k, 1e-6, inf)  # above 0, or channels that are all 0 would be 0/0

    def output_shape(self, *inputs: Shape) -> Shape:
        return maps(self, inputs)


def _divisors(n: int) -> str:
    return "take a divisor: " + ", ".join(str(d) for d in range(1, n + 1) if n % d == 0)
