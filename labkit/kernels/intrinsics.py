"""What tuned kernels do with memory beyond `a[i]`: unchecked and 128-bit accesses, copies that run on their own.

One name each, for flat float32 or int32 arrays in C order:

    ld(a, i), st(a, i, value)        one value; the caller promises 0 <= i < size. Numba's own a[i] allows negative i,
                                     and pays for it with a comparison and a selection at every access
    ld4(a, i), st4(a, i, x, y, z, w) four values that begin at a 16-byte boundary, in one instruction (float32)
    copy4z, copy16z(dst, i, src, j, ok)
                                     one value, or four, from global to shared memory; zeros where not ok. The thread
                                     waits for the data; src[j] is not read where not ok
    cp_async4z, cp_async16z          the same, but the copy runs while the thread goes on (compute capability >= 8.0)
    cp_async_commit()                what this thread has started since the last commit becomes one group
    cp_async_wait0(), cp_async_wait1()
                                     wait until none, or at most the latest, of this thread's groups is still running;
                                     a barrier must follow before other threads read what was copied

`PLAIN[name]` is the same as a plain Python function, for everything that runs kernels without a GPU: compiled with
`numba.njit` or not. In Numba's simulator the names are those functions, with checks that a GPU does not make.

The instructions are in NVIDIA's PTX ISA manual, "Data Movement and Conversion Instructions" (ld, st, cp.async).
"""

from labkit.kernels.source import SIMULATED, float32


def _ld(a, i):
    return a[i]


def _st(a, i, value):
    a[i] = value


def _ld4(a, i):
    return a[i], a[i + 1], a[i + 2], a[i + 3]


def _st4(a, i, x, y, z, w):
    a[i] = x
    a[i + 1] = y
    a[i + 2] = z
    a[i + 3] = w


def _copy4z(dst, i, src, j, ok):
    if ok:
        dst[i] = src[j]
    else:
        dst[i] = 0


def _copy16z(dst, i, src, j, ok):
    for lane in range(4):
        if ok:
            dst[i + lane] = src[j + lane]
        else:
            dst[i + lane] = 0


def _nothing():
    """A copy of the plain functions has ended when they return: there is nothing to commit or to wait for."""


PLAIN = {
    "ld": _ld,
    "st": _st,
    "ld4": _ld4,
    "st4": _st4,
    "copy4z": _copy4z,
    "copy16z": _copy16z,
    "cp_async4z": _copy4z,
    "cp_async16z": _copy16z,
    "cp_async_commit": _nothing,
    "cp_async_wait0": _nothing,
    "cp_async_wait1": _nothing,
}

if SIMULATED:
    from labkit.kernels import simulator

    simulator.patch()
    ld = simulator.checked(_ld, ((0, 1, 1),))
    st = simulator.checked(_st, ((0, 1, 1),))
    ld4 = simulator.checked(_ld4, ((0, 1, 4),))
    st4 = simulator.checked(_st4, ((0, 1, 4),))
    copy4z = simulator.checked(_copy4z, ((0, 1, 1), (2, 3, 1)), condition=4)
    copy16z = simulator.checked(_copy16z, ((0, 1, 4), (2, 3, 4)), condition=4)
    cp_async4z, cp_async16z = copy4z, copy16z
    cp_async_commit = cp_async_wait0 = cp_async_wait1 = _nothing
else:
    from llvmlite import ir
    from numba.core.errors import TypingError
    from numba.cuda import types
    from numba.cuda.extending import intrinsic

    from labkit.kernels.source import device_function

    _I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
    _FLOAT4 = ir.VectorType(ir.FloatType(), 4)
    _SHARED_SPACE = 3

    def _flat(array):
        """Refuse, while types are inferred, what is not a flat array in C order."""
        if not isinstance(array, types.Array) or array.ndim != 1 or array.layout != "C":
            raise TypingError(f"an unchecked access needs a flat array in C order, not {array}")

    def _address(context, builder, array_type, array, index_type, index):
        """Pointer to array[index], without the test for a negative index that a[i] implies."""
        if index.type.width < 64:
            extend = builder.sext if index_type.signed else builder.zext
            index = extend(index, _I64)
        data = context.make_array(array_type)(context, builder, value=array).data
        return builder.gep(data, [index], inbounds=True)

    @intrinsic
    def ld(typing, a, i):
        _flat(a)

        def generate(context, builder, signature, values):
            return builder.load(_address(context, builder, a, values[0], i, values[1]))

        return a.dtype(a, i), generate

    @intrinsic
    def st(typing, a, i, value):
        _flat(a)

        def generate(context, builder, signature, values):
            builder.store(values[2], _address(context, builder, a, values[0], i, values[1]))
            return context.get_dummy_value()

        return types.void(a, i, a.dtype), generate

    @intrinsic
    def ld4(typing, a, i):
        _flat(a)

        def generate(context, builder, signature, values):
            address = _address(context, builder, a, values[0], i, values[1])
            four = builder.load(builder.bitcast(address, _FLOAT4.as_pointer()), align=16)
            parts = [builder.extract_element(four, ir.Constant(_I32, lane)) for lane in range(4)]
            return context.make_tuple(builder, signature.return_type, parts)

        return types.UniTuple(types.float32, 4)(a, i), generate

    @intrinsic
    def st4(typing, a, i, x, y, z, w):
        _flat(a)

        def generate(context, builder, signature, values):
            address = _address(context, builder, a, values[0], i, values[1])
            four = ir.Constant(_FLOAT4, ir.Undefined)
            for lane in range(4):
                four = builder.insert_element(four, values[2 + lane], ir.Constant(_I32, lane))
            builder.store(four, builder.bitcast(address, _FLOAT4.as_pointer()), align=16)
            return context.get_dummy_value()

        return types.void(a, i, *[types.float32] * 4), generate

    @device_function
    def copy4z(dst, i, src, j, ok):
        st(dst, i, ld(src, j) if ok else float32(0))

    @device_function
    def copy16z(dst, i, src, j, ok):
        x, y, z, w = float32(0), float32(0), float32(0), float32(0)
        if ok:
            x, y, z, w = ld4(src, j)
        st4(dst, i, x, y, z, w)

    def _cp_async(size_bytes: int, cached: str):
        """An intrinsic around cp.async: copies `size_bytes`, or writes as many zeros where not ok (source size 0)."""
        text = f"cp.async.{cached}.shared.global [$0], [$1], {size_bytes}, $2;"
        kind = ir.FunctionType(ir.VoidType(), [_I32, _I64, _I32])

        @intrinsic
        def copy(typing, dst, i, src, j, ok):
            _flat(dst)
            _flat(src)

            def generate(context, builder, signature, values):
                target = _address(context, builder, dst, values[0], i, values[1])
                shared = builder.addrspacecast(builder.bitcast(target, _I8.as_pointer()), _I8.as_pointer(_SHARED_SPACE))
                source = _address(context, builder, src, values[2], j, values[3])
                wanted = context.is_true(builder, ok, values[4])
                size = builder.select(wanted, ir.Constant(_I32, size_bytes), ir.Constant(_I32, 0))
                code = ir.InlineAsm(kind, text, "r,l,r,~{memory}", side_effect=True)
                builder.call(code, [builder.ptrtoint(shared, _I32), builder.ptrtoint(source, _I64), size])
                return context.get_dummy_value()

            return types.void(dst, i, src, j, ok), generate

        return copy

    def _instruction(text: str):
        """An intrinsic for an instruction without operands."""

        @intrinsic
        def issue(typing):
            def generate(context, builder, signature, values):
                kind = ir.FunctionType(ir.VoidType(), [])
                builder.call(ir.InlineAsm(kind, text, "~{memory}", side_effect=True), [])
                return context.get_dummy_value()

            return types.void(), generate

        return issue

    cp_async4z, cp_async16z = _cp_async(4, "ca"), _cp_async(16, "cg")
    cp_async_commit = _instruction("cp.async.commit_group;")
    cp_async_wait0 = _instruction("cp.async.wait_group 0;")
    cp_async_wait1 = _instruction("cp.async.wait_group 1;")
