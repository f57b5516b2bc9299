"""The activation functions f of krishna-gupta-nayak equation (1), inside kernels: chosen by number at run time."""

import math

from labkit.errors import LabError, suggest
from labkit.kernels.source import device_function, float32

FUNCTIONS = ("identity", "logistic", "relu", "tanh")


def function_number(name: str) -> int:
    """The number by which kernels know the activation called `name`; LabError for a name that is not in FUNCTIONS."""
    if name not in FUNCTIONS:
        raise LabError(f"unknown activation {name!r}", suggest(name, FUNCTIONS))
    return FUNCTIONS.index(name)


@device_function
def activate(function, value):
    """f(value) in float32. The literals are wrapped: a bare 1.0 would turn all of it into double precision."""
    if function == 1:
        return float32(1) / (float32(1) + math.exp(-value))
    if function == 2:
        return float32(0) if value < float32(0) else value  # not max(0, value), which turns NaN into 0 and hides it
    if function == 3:
        return math.tanh(value)
    return value


@device_function
def slope_at(function, output):
    """f'(z) where f(z) = output: what BP multiplies the gradient by (krishna-gupta-nayak equation (3))."""
    if function == 1:
        return output * (float32(1) - output)
    if function == 2:
        return float32(1) if output > float32(0) else float32(0)
    if function == 3:
        return float32(1) - output * output
    return float32(1)
