"""Vectors of the processor as values in compiled code: what Numba has no words for, in LLVM's.

A vector holds `lanes(a)` neighbouring values of an array's type, as many as one register of this processor takes. The
arrays are 1-D and C-contiguous; places in them are counted in values, and nothing is checked.
"""

import operator
from collections.abc import Callable

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

_FEATURES = llvm.get_host_cpu_features()
_NAME = llvm.get_host_cpu_name()
# Processors that split 512-bit instructions, or slow down for them, are better off with 256 bits.
_WIDE = _FEATURES.get("avx512f", False) and _NAME in ("znver4", "znver5", "znver6")
VECTOR_BYTES = 64 if _WIDE else 32 if _FEATURES.get("avx", False) else 16
# x86 has 16 vector registers, 32 since AVX-512; 64-bit ARM has 32.
REGISTERS = 16 if _FEATURES.get("avx", False) and not _FEATURES.get("avx512vl", False) else 32


def lanes_of(dtype: np.dtype) -> int:
    """Values of `dtype` in one vector."""
    return VECTOR_BYTES // np.dtype(dtype).itemsize


class Vector(types.Type):
    """Numba's type of a vector of `dtype` (float32 or float64)."""

    def __init__(self, dtype: types.Type):
        self.dtype = dtype
        self.lanes = VECTOR_BYTES // (dtype.bitwidth // 8)
        super().__init__(name=f"Vector({dtype}, {self.lanes})")


@register_model(Vector)
class VectorModel(models.PrimitiveModel):
    """A vector is one value of LLVM."""

    def __init__(self, manager, vector):
        super().__init__(manager, vector, ir_vector(vector))


def ir_vector(vector: Vector) -> ir.VectorType:
    """LLVM's type of `vector`."""
    return ir.VectorType(ir.FloatType() if vector.dtype == types.float32 else ir.DoubleType(), vector.lanes)


def pointer(context, builder, array_type, array, place):
    """Address of value `place` of a 1-D array (all LLVM values)."""
    data = cgutils.create_struct_proxy(array_type)(context, builder, array).data
    return builder.gep(data, [place])


def load_vector(builder, address, vector: Vector):
    """The vector at an address that need not be a multiple of its size."""
    kind = ir_vector(vector)
    return builder.load(builder.bitcast(address, kind.as_pointer()), align=vector.dtype.bitwidth // 8)


def store_vector(builder, value, address, vector: Vector):
    builder.store(value, builder.bitcast(address, ir_vector(vector).as_pointer()), align=vector.dtype.bitwidth // 8)


def spread_scalar(builder, scalar, kind: ir.VectorType):
    """A vector with `scalar` in every lane."""
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), kind.count), [0] * kind.count)
    return builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), mask)


@intrinsic
def lanes(typing, a):
    """Values in one vector of array `a`'s type, known when the code is compiled."""
    count = Vector(a.dtype).lanes

    def emit(context, builder, signature, arguments):
        return ir.Constant(ir.IntType(64), count)

    return types.int64(a), emit


@intrinsic
def load(typing, a, place):
    """The vector a[place : place + lanes]."""
    vector = Vector(a.dtype)

    def emit(context, builder, signature, arguments):
        return load_vector(builder, pointer(context, builder, a, arguments[0], arguments[1]), vector)

    return vector(a, types.int64), emit


@intrinsic
def store(typing, a, place, v):
    """a[place : place + lanes] = v."""

    def emit(context, builder, signature, arguments):
        store_vector(builder, arguments[2], pointer(context, builder, a, arguments[0], arguments[1]), v)
        return context.get_dummy_value()

    return types.void(a, types.int64, v), emit


@intrinsic
def load_some(typing, a, place, count):
    """The vector whose first `count` lanes are a[place : place + count], and whose others are zero and not read."""
    vector = Vector(a.dtype)

    def emit(context, builder, signature, arguments):
        kind = ir_vector(vector)
        address = builder.bitcast(pointer(context, builder, a, arguments[0], arguments[1]), kind.as_pointer())
        mask = _first_lanes(builder, arguments[2], kind.count)
        align = ir.IntType(32)(vector.dtype.bitwidth // 8)
        types_ = (kind.as_pointer(), ir.IntType(32), mask.type, kind)
        function = _masked(builder, "load", kind, ir.FunctionType(kind, types_))
        return builder.call(function, (address, align, mask, ir.Constant(kind, [0.0] * kind.count)))

    return vector(a, types.int64, types.int64), emit


@intrinsic
def store_some(typing, a, place, v, count):
    """a[place : place + count] = the first `count` lanes of v."""

    def emit(context, builder, signature, arguments):
        kind = ir_vector(v)
        address = builder.bitcast(pointer(context, builder, a, arguments[0], arguments[1]), kind.as_pointer())
        mask = _first_lanes(builder, arguments[3], kind.count)
        align = ir.IntType(32)(v.dtype.bitwidth // 8)
        types_ = (kind, kind.as_pointer(), ir.IntType(32), mask.type)
        function = _masked(builder, "store", kind, ir.FunctionType(ir.VoidType(), types_))
        builder.call(function, (arguments[2], address, align, mask))
        return context.get_dummy_value()

    return types.void(a, types.int64, v, types.int64), emit


def _shuffle(lane: Callable[[int, int], int]):
    """An intrinsic (u, v) -> the vector whose lane j is lane(j, lanes) of u's lanes followed by v's."""

    @intrinsic
    def shuffle(typing, u, v):
        def emit(context, builder, signature, arguments):
            kind = ir.VectorType(ir.IntType(32), u.lanes)
            mask = ir.Constant(kind, [lane(j, u.lanes) for j in range(u.lanes)])
            return builder.shuffle_vector(*arguments, mask)

        return u(u, v), emit

    return shuffle


# Every second lane of u and v; and back: the first (last) half of u's lanes in the even places of v.
every_second = _shuffle(lambda j, count: 2 * j)
weave_first = _shuffle(lambda j, count: count + j if j % 2 else j // 2)
weave_last = _shuffle(lambda j, count: count + j if j % 2 else count // 2 + j // 2)


@intrinsic
def filled(typing, a, number):
    """A vector of array `a`'s type with `number` in every lane."""
    vector = Vector(a.dtype)

    def emit(context, builder, signature, arguments):
        return spread_scalar(builder, context.cast(builder, arguments[1], number, vector.dtype), ir_vector(vector))

    return vector(a, number), emit


def _first_lanes(builder, count, lanes_: int):
    """LLVM's mask of the lanes below `count`."""
    kind = ir.VectorType(ir.IntType(64), lanes_)
    numbers = ir.Constant(kind, list(range(lanes_)))
    return builder.icmp_signed("<", numbers, spread_scalar(builder, count, kind))


def _masked(builder, what: str, kind: ir.VectorType, function_type: ir.FunctionType):
    """LLVM's function for a masked load or store of vectors of `kind`."""
    letter = "f32" if isinstance(kind.element, ir.FloatType) else "f64"
    return cgutils.get_or_insert_function(builder.module, function_type, f"llvm.masked.{what}.v{kind.count}{letter}.p0")


def _binary(instruction: str):
    @intrinsic
    def combine(typing, u, v):
        def emit(context, builder, signature, arguments):
            return getattr(builder, instruction)(*arguments, flags=("contract", "reassoc", "nsz"))

        return u(u, v), emit

    return combine


@intrinsic
def _scale(typing, s, v):
    """The vector v times the number s, rounded to the vector's type first."""

    def emit(context, builder, signature, arguments):
        scalar = context.cast(builder, arguments[0], s, v.dtype)
        factor = spread_scalar(builder, scalar, ir_vector(v))
        return builder.fmul(factor, arguments[1], flags=("contract", "reassoc", "nsz"))

    return v(s, v), emit


_add, _subtract = _binary("fadd"), _binary("fsub")


@overload(operator.add)
def _add_vectors(u, v):
    if isinstance(u, Vector) and isinstance(v, Vector):
        return lambda u, v: _add(u, v)
    return None


@overload(operator.sub)
def _subtract_vectors(u, v):
    if isinstance(u, Vector) and isinstance(v, Vector):
        return lambda u, v: _subtract(u, v)
    return None


@overload(operator.mul)
def _scale_vector(s, v):
    if isinstance(s, types.Number) and isinstance(v, Vector):
        return lambda s, v: _scale(s, v)
    return None


@intrinsic
def transpose(typing, source, place, step, target, place2, step2):
    """Write the square of lanes x lanes values at source[place], whose rows are `step` apart, transposed to target.

    In stage s (1, 2, 4, ...) rows i and i + s exchange the lanes in which their numbers differ in bit s.
    """
    vector = Vector(source.dtype)
    count = vector.lanes

    def emit(context, builder, signature, arguments):
        from_, first, stride, to, first2, stride2 = arguments
        base = pointer(context, builder, source, from_, first)
        rows = []
        for _ in range(count):
            rows.append(load_vector(builder, base, vector))
            base = builder.gep(base, [stride])
        bit = 1
        while bit < count:
            rows = _exchange(builder, rows, bit)
            bit *= 2
        base = pointer(context, builder, target, to, first2)
        for row in rows:
            store_vector(builder, row, base, vector)
            base = builder.gep(base, [stride2])
        return context.get_dummy_value()

    places = (types.int64, types.int64)
    return types.void(source, *places, target, *places), emit


def _exchange(builder, rows: list, bit: int) -> list:
    """One stage of `transpose` over LLVM vectors."""
    count = len(rows)
    kind = ir.VectorType(ir.IntType(32), count)
    low = ir.Constant(kind, [j if not j & bit else count + j - bit for j in range(count)])
    high = ir.Constant(kind, [j + bit if not j & bit else count + j for j in range(count)])
    after = list(rows)
    for i in range(count):
        if not i & bit:
            after[i] = builder.shuffle_vector(rows[i], rows[i + bit], low)
            after[i + bit] = builder.shuffle_vector(rows[i], rows[i + bit], high)
    return after
