"""The piece of a matrix product that fits into registers, as LLVM code: the heart of convolutions and dense layers.

A matrix [rows, columns] in *panels* is cut into blocks of `lanes` columns, and each block holds its rows one after the
other: value (i, j) stands at (j // lanes) * step + i * lanes + j % lanes, where `step` (rows * lanes or more) is the
distance from block to block. Columns are padded with zeros to whole blocks. Read along a row it feeds one number at a
time to every lane; read a row at a time it fills whole vectors: so any matrix can be either factor of a product.

A tile keeps some rows by one or two vectors of the result in registers while it walks along the depth of the product,
so that every number loaded is used many times (Goto and van de Geijn 2008). Its loops over whole matrices are those
of `product`.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from labkit.engine.cpu.vectors import (
    Vector,
    ir_vector,
    load_vector,
    pointer,
    spread_scalar,
    store_vector,
)


def make_tile(rows: int, vectors: int, transposed: bool):
    """An intrinsic tile(a, at, a_step, b, bt, b_step, c, ct, c_row, c_step, depth, add) for a piece of c = a . b.

    c[i, v * lanes + l] (= or +=, if `add`) the sum over k < depth of a[i, k] * b[k, v * lanes + l], for i < rows (at
    most `lanes` if transposed) and v < vectors. at, bt, ct: where in the arrays the pieces start. a and b are in panels
    a_step and b_step apart. c has rows `c_row` apart, its vectors c_step apart. Transposed, a's columns and rows change
    places: a[k, i] is read.
    """

    @intrinsic
    def tile(typing, a, at, a_step, b, bt, b_step, c, ct, c_row, c_step, depth, add):
        vector = Vector(a.dtype)

        def emit(context, builder, signature, arguments):
            a_, at_, a_step_, b_, bt_, b_step_, c_, ct_, c_row_, c_step_, depth_, add_ = arguments
            from_a = pointer(context, builder, a, a_, at_)
            from_b = pointer(context, builder, b, b_, bt_)
            to_c = pointer(context, builder, c, c_, ct_)
            high = min(rows, vector.lanes) if transposed else rows
            sums = _zeros(builder, vector, high * vectors)
            walk = _walk_down if transposed else _walk_along
            walk(builder, vector, sums, (from_a, a_step_), (from_b, b_step_), depth_, high, vectors)
            _write(builder, vector, sums, to_c, (c_row_, c_step_), add_, high, vectors)
            return context.get_dummy_value()

        i64 = types.int64
        return types.void(a, i64, i64, b, i64, i64, c, i64, i64, i64, i64, types.boolean), emit

    return tile


def make_shifted_tile(rows: int, vectors: int):
    """An intrinsic tile(a, at, b, bt, shifts, st, c, ct, c_row, c_step, depth, add): `make_tile`, transposed, but with
    b's rows taken from anywhere: row k are the values from b[bt + shifts[st + k]] on, not in panels.

    So one image, shifted, stands for all the rows of a convolution's matrix of columns.
    """

    @intrinsic
    def tile(typing, a, at, b, bt, shifts, st, c, ct, c_row, c_step, depth, add):
        vector = Vector(a.dtype)

        def emit(context, builder, signature, arguments):
            a_, at_, b_, bt_, shifts_, st_, c_, ct_, c_row_, c_step_, depth_, add_ = arguments
            from_a = pointer(context, builder, a, a_, at_)
            from_b = pointer(context, builder, b, b_, bt_)
            table = pointer(context, builder, shifts, shifts_, st_)
            to_c = pointer(context, builder, c, c_, ct_)
            high, step = min(rows, vector.lanes), ir.IntType(64)(vector.lanes)
            sums = _zeros(builder, vector, high * vectors)
            with cgutils.for_range(builder, depth_) as k:
                place_a = builder.gep(from_a, [builder.mul(k.index, step)])
                place_b = builder.gep(from_b, [builder.load(builder.gep(table, [k.index]))])
                places = [builder.gep(place_a, [ir.IntType(64)(i)]) for i in range(high)]
                _multiply(builder, vector, sums, places, (place_b, step), vectors)
            _write(builder, vector, sums, to_c, (c_row_, c_step_), add_, high, vectors)
            return context.get_dummy_value()

        i64 = types.int64
        return types.void(a, i64, b, i64, shifts, i64, c, i64, i64, i64, i64, types.boolean), emit

    return tile


def make_picked_tile(rows: int, vectors: int):
    """An intrinsic tile(a, at, shifts, st, b, bt, b_step, c, ct, c_row, c_step, depth, add): `make_tile`, but with a's
    rows taken from anywhere: row i are the values from a[at + shifts[st + i]] on, not in panels.
    """

    @intrinsic
    def tile(typing, a, at, shifts, st, b, bt, b_step, c, ct, c_row, c_step, depth, add):
        vector = Vector(a.dtype)

        def emit(context, builder, signature, arguments):
            a_, at_, shifts_, st_, b_, bt_, b_step_, c_, ct_, c_row_, c_step_, depth_, add_ = arguments
            from_a = pointer(context, builder, a, a_, at_)
            from_b = pointer(context, builder, b, b_, bt_)
            table = pointer(context, builder, shifts, shifts_, st_)
            to_c = pointer(context, builder, c, c_, ct_)
            i64 = ir.IntType(64)
            starts = [builder.gep(from_a, [builder.load(builder.gep(table, [i64(i)]))]) for i in range(rows)]
            sums = _zeros(builder, vector, rows * vectors)
            with cgutils.for_range(builder, depth_) as k:
                place_b = builder.gep(from_b, [builder.mul(k.index, i64(vector.lanes))])
                places = [builder.gep(start, [k.index]) for start in starts]
                _multiply(builder, vector, sums, places, (place_b, b_step_), vectors)
            _write(builder, vector, sums, to_c, (c_row_, c_step_), add_, rows, vectors)
            return context.get_dummy_value()

        i64 = types.int64
        return types.void(a, i64, shifts, i64, b, i64, i64, c, i64, i64, i64, i64, types.boolean), emit

    return tile


def _zeros(builder, vector: Vector, count: int) -> list:
    """That many variables, set to zero vectors; LLVM keeps them in registers."""
    kind = ir_vector(vector)
    sums = [cgutils.alloca_once(builder, kind) for _ in range(count)]
    for place in sums:
        builder.store(ir.Constant(kind, [0.0] * kind.count), place)
    return sums


def _walk_along(builder, vector: Vector, sums: list, a: tuple, b: tuple, depth, rows: int, vectors: int) -> None:
    """Along a's rows: block after block of `lanes` columns, within which the next column is the next number."""
    count = vector.lanes
    i64 = ir.IntType(64)
    whole = builder.udiv(builder.add(depth, i64(count - 1)), i64(count))
    with cgutils.for_range(builder, whole) as block:
        block_a = builder.gep(a[0], [builder.mul(block.index, a[1])])
        first = builder.mul(block.index, i64(count))
        rest = builder.sub(depth, first)
        inner = builder.select(builder.icmp_signed("<", rest, i64(count)), rest, i64(count))
        with cgutils.for_range(builder, inner) as k:
            place_a = builder.gep(block_a, [k.index])
            place_b = builder.gep(b[0], [builder.mul(builder.add(first, k.index), i64(count))])
            places = [builder.gep(place_a, [i64(i * count)]) for i in range(rows)]
            _multiply(builder, vector, sums, places, (place_b, b[1]), vectors)


def _walk_down(builder, vector: Vector, sums: list, a: tuple, b: tuple, depth, rows: int, vectors: int) -> None:
    """Down a's columns, of which `rows` stand side by side in one block."""
    i64 = ir.IntType(64)
    with cgutils.for_range(builder, depth) as k:
        start = builder.mul(k.index, i64(vector.lanes))
        place_a, place_b = builder.gep(a[0], [start]), builder.gep(b[0], [start])
        places = [builder.gep(place_a, [i64(i)]) for i in range(rows)]
        _multiply(builder, vector, sums, places, (place_b, b[1]), vectors)


def _multiply(builder, vector: Vector, sums: list, places: list, b: tuple, vectors: int) -> None:
    """sums[i, v] += (number at places[i]) * (vector v of b)."""
    kind = ir_vector(vector)
    factors = []
    for v in range(vectors):
        address = builder.gep(b[0], [builder.mul(b[1], ir.IntType(64)(v))])
        factors.append(load_vector(builder, address, vector))
    for i, place in enumerate(places):
        number = spread_scalar(builder, builder.load(place), kind)
        for v, factor in enumerate(factors):
            sum_ = sums[i * vectors + v]
            # `contract`: one instruction does both, where the processor has it.
            term = builder.fmul(number, factor, flags=("contract",))
            builder.store(builder.fadd(builder.load(sum_), term, flags=("contract",)), sum_)


def _write(builder, vector: Vector, sums: list, c, steps: tuple, add, rows: int, vectors: int) -> None:
    def places():
        for i in range(rows):
            row = builder.gep(c, [builder.mul(steps[0], ir.IntType(64)(i))])
            for v in range(vectors):
                yield sums[i * vectors + v], builder.gep(row, [builder.mul(steps[1], ir.IntType(64)(v))])

    with builder.if_else(builder.trunc(add, ir.IntType(1))) as (adding, overwriting):
        with adding:
            for sum_, place in places():
                total = builder.fadd(builder.load(sum_), load_vector(builder, place, vector))
                store_vector(builder, total, place, vector)
        with overwriting:
            for sum_, place in places():
                store_vector(builder, builder.load(sum_), place, vector)
