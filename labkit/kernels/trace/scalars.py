"""Numbers and functions as a traced kernel sees them: float32 stays float32, whole numbers wrap like the GPU's."""

import builtins
import math
from numbers import Number
from types import BuiltinFunctionType, FunctionType, SimpleNamespace
from typing import Any

import numpy as np

from labkit.errors import LabError
from labkit.kernels.executors.names import dtype_name

MOST_BITS = 64
_BUILTINS = ("abs", "bool", "divmod", "float", "int", "len", "range", "round", "slice", "zip", "enumerate")


def wrapped(bits: int, signed: bool):
    """A function that makes a whole number of so many bits of any number, as a conversion on the GPU does."""
    full, low = 1 << bits, 1 << (bits - 1) if signed else 0
    return lambda value=0: (int(value) + low) % full - low


CASTS: dict[str, Any] = {
    **{f"int{bits}": wrapped(bits, True) for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": wrapped(bits, False) for bits in (8, 16, 32, 64)},
    "float32": np.float32,
    "float64": float,
    "bool": bool,
}


def whole(value: Any) -> Any:
    """`value`, unless it is a whole number that no register holds. Keeps an endless loop's numbers from growing."""
    if type(value) is int and value.bit_length() >= MOST_BITS:
        raise OverflowError("a whole number has grown beyond 64 bits")
    return value


def power(base: Any, exponent: Any) -> Any:
    """base ** exponent, without ever computing a number of thousands of digits."""
    if type(base) is int and type(exponent) is int and exponent > MOST_BITS and abs(base) > 1:
        raise OverflowError("a whole number has grown beyond 64 bits")
    return base**exponent


def shifted(value: Any, by: Any) -> Any:
    """value << by, without ever computing a number of thousands of digits."""
    if by > MOST_BITS:
        raise OverflowError(f"a shift by {by} bits, where a whole number has 64")
    return value << by


def _of_several(function: Any):
    """min or max of numbers that are written out; of a `range` it could take for ever, and a GPU has no such thing."""

    def choose(first: Any, second: Any, *more: Any) -> Any:
        return function(first, second, *more)

    return choose


LIMITED = {builtins.pow: power, builtins.min: _of_several(min), builtins.max: _of_several(max)}


def _single(name: str):
    """`math.name`, whose result for a float32 is a float32, as on the GPU."""
    function = getattr(math, name)

    def call(*values):
        try:
            result = function(*values)
        except (OverflowError, ValueError):  # a GPU's exp(1000) is inf, its log(-1) is NaN
            with np.errstate(all="ignore"):
                result = float(getattr(np, name, lambda *_: np.nan)(*map(float, values)))
        return np.float32(result) if any(type(value) is np.float32 for value in values) else result

    return call if callable(function) else function


MATH = SimpleNamespace(**{name: _single(name) for name in dir(math) if not name.startswith("_")})


def constant(value: Any) -> bool:
    """Whether `value` is a number or a tuple of such."""
    if isinstance(value, tuple):
        return all(map(constant, value))
    return isinstance(value, Number) and not isinstance(value, complex)


def usable(kernel: str, spelled: str, value: Any) -> Any:
    """What stands for `value`, a name of the module, in a traced kernel. Raises LabError for what cannot be."""
    cast = dtype_name(value)
    if cast in CASTS:
        return CASTS[cast]
    if isinstance(value, np.integer):
        return int(value)
    if constant(value):
        return value
    if value is math:
        return MATH
    if getattr(value, "__module__", None) == "math" and hasattr(MATH, value.__name__):
        return getattr(MATH, value.__name__)
    if any(value is getattr(builtins, name) for name in _BUILTINS):
        return value
    if isinstance(value, BuiltinFunctionType) and value in LIMITED:
        return LIMITED[value]
    if isinstance(value, np.ufunc):
        return value
    what = f"kernel {kernel} uses {spelled} ({type(value).__name__}), which a traced kernel cannot call or read"
    plain = isinstance(value, FunctionType)
    advice = "mark it with @device_function" if plain else "give what it stands for as an argument"
    raise LabError(what, advice)
