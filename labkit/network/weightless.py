"""Layer records without weights: activations, and the layers that only move values around."""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from labkit.errors import LabError
from labkit.network.layer import Layer, Shape, between, count, maps, one, pair


@dataclass(frozen=True)
class Logistic(Layer):
    """1 / (1 + exp(-x)), the activation of krishna-gupta-nayak's LeNet-5."""

    in_place: ClassVar[bool] = True


@dataclass(frozen=True)
class Tanh(Layer):
    """Hyperbolic tangent."""

    in_place: ClassVar[bool] = True


@dataclass(frozen=True)
class ReLU(Layer):
    """max(x, 0)."""

    in_place: ClassVar[bool] = True


@dataclass(frozen=True)
class LeakyReLU(Layer):
    """x where it is positive, slope * x elsewhere; 0 < slope < 1, so that the output's sign tells which case it was."""

    in_place: ClassVar[bool] = True
    slope: float = 0.01

    def __post_init__(self) -> None:
        between("slope", self.slope, 1e-6, 1.0)


@dataclass(frozen=True)
class Dropout(Layer):
    """In training, set each value to 0 with probability `rate` and divide the others by 1 - rate; else the identity."""

    in_place: ClassVar[bool] = True
    rate: float = 0.5

    def __post_init__(self) -> None:
        between("rate", self.rate, 0.0, 1.0)


@dataclass(frozen=True)
class Softmax(Layer):
    """exp(x[k]) / sum of exp(x[j]) over the K values of a vector: probabilities of the classes."""

    in_place: ClassVar[bool] = True

    def output_shape(self, *inputs: Shape) -> Shape:
        shape = one(self, inputs)
        if len(shape) != 1:
            raise LabError(f"softmax takes a vector, but its input has shape {shape}", "put a Flatten before it")
        return shape


@dataclass(frozen=True)
class Flatten(Layer):
    """(C, H, W) as a vector of C*H*W features; no value moves."""

    in_place: ClassVar[bool] = True

    def output_shape(self, *inputs: Shape) -> Shape:
        return (prod(one(self, inputs)),)


@dataclass(frozen=True)
class Add(Layer):
    """Sum of two or more inputs of one shape: the residual connection (He et al. 2016)."""

    def output_shape(self, *inputs: Shape) -> Shape:
        if len(inputs) < 2:
            raise LabError(f"add takes two or more inputs, {len(inputs)} came", "name them in `inputs`")
        if len(set(inputs)) != 1:
            shapes = " and ".join(map(str, inputs))
            raise LabError(
                f"add needs inputs of one shape, but they are {shapes}",
                "bring them to one shape with a strided 1x1 Conv or a PadShortcut",
            )
        return inputs[0]


@dataclass(frozen=True)
class Concat(Layer):
    """Channels of two or more inputs one after the other: the inception module (Szegedy et al. 2015)."""

    def output_shape(self, *inputs: Shape) -> Shape:
        if len(inputs) < 2:
            raise LabError(f"concat takes two or more inputs, {len(inputs)} came", "name them in `inputs`")
        if len({shape[1:] for shape in inputs}) != 1:
            shapes = " and ".join(map(str, inputs))
            raise LabError(
                f"concat needs maps of one height and width, but its inputs are {shapes}", "pad or pool them"
            )
        return (sum(shape[0] for shape in inputs), *inputs[0][1:])


@dataclass(frozen=True)
class PadShortcut(Layer):
    """The residual shortcut without weights (He et al. 2016, option A): strided pixels, zero channels up to K."""

    K: int
    stride: int | tuple[int, int] = 2

    def __post_init__(self) -> None:
        count("K", self.K)
        object.__setattr__(self, "stride", pair("stride", self.stride))

    def output_shape(self, *inputs: Shape) -> Shape:
        C, H, W = maps(self, inputs)
        if self.K < C:
            raise LabError(f"padshortcut to K={self.K} channels has C={C} already", f"give K >= {C}")
        return (self.K, -(-H // self.stride[0]), -(-W // self.stride[1]))
