"""What the rewritten text of a kernel calls: how it is compiled, array indices, and atomic updates."""

from numba import njit, types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic, overload
from numba.np.arrayobj import basic_indexing, normalize_indices, populate_array

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


@intrinsic
def zero_like(typing, value):
    """Zero, of the type of `value`."""
    number = types.unliteral(value)
    return number(value), lambda context, builder, signature, arguments: context.get_constant(number, 0)


def inside(array, axis, index, place):
    """`index` as `at` gives it, once it is known to lie inside of `array`; IndexError(place, axis, index, size) if not.

    For compiled code; an index of something else, such as a tuple, passes unchanged.
    """


@overload(inside)
def _inside(array, axis, index, place):
    if not isinstance(array, types.Array) or not isinstance(index, types.Integer):
        return lambda array, axis, index, place: index

    def check(array, axis, index, place):
        if index < 0 or index >= array.shape[axis]:
            raise IndexError(place, axis, index, array.shape[axis])
        return at(index)

    return check


def _array_at(kind, axes: int):
    """How code for an array is generated whose content lies at an address; nobody counts its references."""

    def generate(context, builder, signature, arguments):
        made = context.make_array(kind)(context, builder)
        shape = cgutils.unpack_tuple(builder, arguments[1], axes) if axes else [arguments[1]]
        item_bytes = context.get_abi_sizeof(context.get_data_type(kind.dtype))
        strides = [context.get_constant(types.intp, item_bytes)]
        for axis in reversed(shape[1:]):
            strides.insert(0, builder.mul(strides[0], axis))
        data = builder.inttoptr(arguments[0], context.get_data_type(kind.dtype).as_pointer())
        populate_array(made, data, shape, strides, item_bytes, None)
        return made._getvalue()

    return generate


@intrinsic
def array_at(typing, address, shape, dtype):
    """The array of `shape`, a tuple, and `dtype` whose content begins at `address`."""
    kind = types.Array(dtype.dtype, len(shape), "C")
    return kind(address, types.UniTuple(types.intp, len(shape)), dtype), _array_at(kind, len(shape))


@intrinsic
def slots(typing, address, count, example):
    """The array of `count` values of the type of `example` whose content begins at `address`; 8 bytes each at most."""
    value = types.unliteral(example)
    if not isinstance(value, types.Integer | types.Float | types.Boolean):
        raise TypingError(f"a value of type {value} is kept across a barrier; numbers can be")
    kind = types.Array(value, 1, "C")
    return kind(address, types.intp, example), _array_at(kind, 0)


@intrinsic
def forget(typing, array):
    """Fill an array of float32 or float64 with NaN: all bits set."""

    def generate(context, builder, signature, arguments):
        made = context.make_array(array)(context, builder, arguments[0])
        size = builder.mul(made.itemsize, made.nitems)
        cgutils.memset(builder, builder.bitcast(made.data, cgutils.voidptr_t), size, 0xFF)
        return context.get_dummy_value()

    return types.void(array), generate


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
