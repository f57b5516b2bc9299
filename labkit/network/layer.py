"""What every layer record has in common, and the small checks with which records refuse bad numbers."""

from dataclasses import dataclass
from math import inf, prod
from typing import ClassVar

from labkit.errors import LabError

# No size of a layer is larger: NumPy could not hold such an array, and ratios of sizes must stay floats.
MOST = 2**31 - 1

# Shape of one sample's activations: (C, H, W) for feature maps, (features,) after a Flatten. Never with a batch axis.
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """One layer of a network as an immutable record; every size follows from it and the shapes of its inputs.

    Records hold no weights and do no arithmetic on data: engine/ does. All methods take the shapes of the layer's
    inputs for one sample, and raise `LabError` if those do not fit, saying what would.
    """

    # True if the output can overwrite the input because BP needs only the output (or a mask): it costs no new memory.
    in_place: ClassVar[bool] = False

    @property
    def kind(self) -> str:
        """Name of the record in lower case, as in tables and JSON: 'conv', 'maxpool', ..."""
        return type(self).__name__.lower()

    def output_shape(self, *inputs: Shape) -> Shape:
        """Shape of one sample's output; the default is that of an element-wise layer."""
        return one(self, inputs)

    def weights(self, *inputs: Shape) -> dict[str, Shape]:
        """Trainable arrays by name with their shapes; their elements are the layer's parameters."""
        return {}

    def state(self, *inputs: Shape) -> dict[str, Shape]:
        """Arrays that training updates without a gradient (running mean and variance of BatchNorm)."""
        return {}

    def macs(self, *inputs: Shape) -> int:
        """Multiply-accumulates of one sample's forward pass; layers without weights count as 0, as the field does."""
        return 0

    def bias_additions(self, *inputs: Shape) -> int:
        """Additions of a bias in one sample's forward pass; MACs plus these are LeCun's *connections*."""
        return prod(self.output_shape(*inputs)) if "bias" in self.weights(*inputs) and self.macs(*inputs) else 0


def one(layer: Layer, inputs: tuple[Shape, ...]) -> Shape:
    """The single input shape of `layer`, or an error that says how many came."""
    if len(inputs) != 1:
        instead = "join them first with Add or Concat" if inputs else "name the layer that it reads, or 'input'"
        raise LabError(f"{layer.kind} takes one input, {len(inputs)} came", instead)
    return inputs[0]


def maps(layer: Layer, inputs: tuple[Shape, ...]) -> Shape:
    """The single input shape of `layer` if it is (C, H, W), or an error."""
    shape = one(layer, inputs)
    if len(shape) != 3:
        raise LabError(
            f"{layer.kind} works on feature maps (C, H, W), but its input has shape {shape}", "place it before Flatten"
        )
    return shape


def pair(name: str, value: object, least: int = 1) -> tuple[int, int]:
    """`value` as (vertical, horizontal): an int stands for both. Raises LabError unless both are counts >= `least`."""
    both = (value, value) if isinstance(value, int) else value
    if not isinstance(both, (tuple, list)) or len(both) != 2 or not all(is_count(v, least) for v in both):
        raise LabError(f"{name}={value!r}", f"give {_integer(least)}, or a pair (vertical, horizontal) of them")
    return tuple(both)


def count(name: str, value: object, least: int = 1) -> int:
    """`value` if it is an integer from `least` to MOST, else LabError."""
    if not is_count(value, least):
        raise LabError(f"{name}={value!r}", f"give {_integer(least)}")
    return value


def is_count(value: object, least: int = 1) -> bool:
    """Whether `value` is an integer (True and False are none) from `least` to MOST."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= MOST


def _integer(least: int) -> str:
    return f"an integer >= {least} (and below 2^31)"


def flag(name: str, value: object) -> None:
    """Refuse `value` unless it is True or False."""
    if not isinstance(value, bool):
        raise LabError(f"{name}={value!r}", "give True or False (in JSON: true or false)")


def between(name: str, value: object, low: float, high: float) -> None:
    """Refuse `value` unless it is a number with low <= value < high."""
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not low <= value < high:
        upper = "up" if high == inf else f"up to, but without, {high}"
        raise LabError(f"{name}={value!r}", f"give a finite number from {low} {upper}")


def window_output(layer: Layer, shape: Shape) -> tuple[int, int]:
    """(P, Q): how often an R x S window fits into the padded H x W input at the layer's stride.

    P = floor((H + 2 pad - R) / stride) + 1, and likewise Q with W and S.
    """
    (_, H, W), (pad_h, pad_w), (step_h, step_w) = shape, layer.padding, layer.stride
    if H + 2 * pad_h < layer.R or W + 2 * pad_w < layer.S:
        need_h, need_w = layer.R - 2 * pad_h, layer.S - 2 * pad_w
        raise LabError(
            f"a {layer.R}x{layer.S} window does not fit into a {H}x{W} input with padding {layer.padding}",
            f"the input must be at least {max(need_h, 1)}x{max(need_w, 1)}; enlarge it, pad more, or shrink the window",
        )
    return (H + 2 * pad_h - layer.R) // step_h + 1, (W + 2 * pad_w - layer.S) // step_w + 1


def set_window(layer: Layer, no_empty_window: bool = False) -> None:
    """Normalise R, S, stride and padding of a new record with a window (called from `__post_init__`).

    `no_empty_window`: refuse a padding with which a window would lie in the padding only, and have no largest value.
    """
    count("R", layer.R)
    object.__setattr__(layer, "S", layer.R if layer.S is None else count("S", layer.S))
    stride = (layer.R, layer.S) if layer.stride is None else layer.stride
    object.__setattr__(layer, "stride", pair("stride", stride))
    object.__setattr__(layer, "padding", pair("padding", layer.padding, least=0))
    if no_empty_window and (layer.padding[0] >= layer.R or layer.padding[1] >= layer.S):
        raise LabError(
            f"padding={layer.padding} with a {layer.R}x{layer.S} window leaves windows without any input",
            "pad by less than the window's size",
        )
