"""What the rewritten text of a kernel calls: how it is compiled, array indices, and atomic updates."""

import numpy as np
from numba import njit, types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic, overload
from numba.np.arrayobj import basic_indexing, normalize_indices
from numba.np.numpy_support import as_dtype

from labkit.engine.jit import jit

# Sums may be reordered and multiplications fused into additions; NaN and infinity keep their meaning, because a loss
# that is not a number has to show. nogil: parts of a grid run side by side in threads.
_OPTIONS = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "reassoc", "nsz", "arcp"}}
compiled = jit(**_OPTIONS)
inlined = njit(forceinline=True, **_OPTIONS)
checked_and_compiled = jit(boundscheck=True, **_OPTIONS)
checked = njit(boundscheck=True, **_OPTIONS)


@intrinsic
def at(typing, index):
    """A whole number as an index that cannot be negative: Numba then leaves out what makes a[-1] the last element.

    A negative one becomes a very large one, which a checked kernel reports.
    """
    if not isinstance(index, types.Integer):
        return index(index), lambda context, builder, signature, arguments: arguments[0]

    def generate(context, builder, signature, arguments):
        return context.cast(builder, arguments[0], index, types.intp if index.signed else types.uintp)

    return types.uintp(index), generate


@intrinsic
def never(typing):
    """False, but only LLVM knows: Numba finds the types of what stands under it, and no code is made of it."""

    def generate(context, builder, signature, arguments):
        return context.get_constant(types.boolean, False)

    return types.boolean(), generate


def slots(count, example):
    """An array of `count` values of the type of `example`, with arbitrary content. For compiled code."""


@overload(slots, inline="always")
def _slots(count, example):
    kind = types.unliteral(example)
    if not isinstance(kind, types.Number | types.Boolean):
        raise TypingError(f"a value of type {kind} is kept across a barrier; numbers can be")
    dtype = as_dtype(kind)

    def make(count, example):
        return np.empty(count, dtype)

    return make


def _atomic(operations: dict[str, str]):
    """An intrinsic (array, index, value) -> what was there before, done in one step as seen from all threads.

    operations: the instruction for 'float', 'signed' and 'unsigned' numbers.
    """

    def typed(typing, array, index, value):
        number = array.dtype
        kind = "float" if isinstance(number, types.Float) else "signed" if number.signed else "unsigned"

        def generate(context, builder, signature, arguments):
            made = context.make_array(array)(context, builder, arguments[0])
            axes = cgutils.unpack_tuple(builder, arguments[1], len(index))
            index_types, axes = normalize_indices(context, builder, list(index), axes)
            checked = bool(context.enable_boundscheck)
            view = basic_indexing(context, builder, array, made, index_types, axes, boundscheck=checked)[0]
            change = context.cast(builder, arguments[2], value, number)
            return builder.atomic_rmw(operations[kind], view, change, "monotonic")

        return number(array, index, value), generate

    return intrinsic(typed)


atomic_add = _atomic({"float": "fadd", "signed": "add", "unsigned": "add"})
atomic_max = _atomic({"float": "fmax", "signed": "max", "unsigned": "umax"})
atomic_min = _atomic({"float": "fmin", "signed": "min", "unsigned": "umin"})
