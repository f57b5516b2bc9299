"""The expressions of a kernel as Python: accesses become calls that write them down, names become their values."""

import ast
from collections.abc import Callable
from typing import Any

from labkit.errors import LabError
from labkit.kernels import intrinsics
from labkit.kernels.executors.names import MISSING, Scope, dtype_name
from labkit.kernels.trace.record import Site
from labkit.kernels.trace.scalars import usable

_AXES = ("x", "y", "z")
_WHO = ("threadIdx.x", *(f"blockIdx.{axis}" for axis in _AXES), "blockDim.x", *(f"gridDim.{axis}" for axis in _AXES))
_NUMBERS = {
    **{path: f"_who[{i}]" for i, path in enumerate(_WHO)},
    **{"threadIdx.y": "0", "threadIdx.z": "0", "blockDim.y": "1", "blockDim.z": "1", "warpsize": "32"},
    **{"laneid": "_who[0] % 32", "grid(1)": "_who[1] * _who[4] + _who[0]", "gridsize(1)": "_who[4] * _who[5]"},
}
_ATOMICS = ("add", "sub", "max", "min", "exch")
_GROWING = (ast.Mult, ast.Pow, ast.LShift)
_WIDE = ("ld4", "st4", "copy16z", "cp_async16z")


class Expressions(ast.NodeTransformer):
    """Rewrites expressions of one function.

    program: a `Program`, which knows the other functions. shift: from lines of the tree to lines of the file. space:
    the values of the names that are not the function's own, under the names that they have in the rewritten text.
    """

    def __init__(self, program: Any, scope: Scope, shift: int):
        self.program, self.scope, self.shift = program, scope, shift
        self.space: dict[str, Any] = {}

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        value, index = self.visit(node.value), self.index(node.slice)
        if isinstance(node.value, ast.Attribute):  # x.shape[i]
            return ast.Subscript(value, index, ast.Load())
        return self.operation("_load", [value, index], self.site("read", node))

    def store(self, target: ast.Subscript, value: ast.expr) -> ast.Call:
        """The call that does `target = value`."""
        array, index = self.visit(target.value), self.index(target.slice)
        return self.operation("_store", [value, array, index], self.site("write", target))

    def index(self, node: ast.expr) -> ast.expr:
        """An index; slices become calls, because they are handed to a function."""
        if isinstance(node, ast.Tuple):
            return ast.Tuple([self.index(part) for part in node.elts], ast.Load())
        if isinstance(node, ast.Slice):
            parts = [self.visit(part) if part else ast.Constant(None) for part in (node.lower, node.upper, node.step)]
            return ast.Call(load_name("_slice"), parts, [])
        return self.visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        left = self.visit(node.left)
        return self.combined(left, node.op, self.visit(node.right))

    def combined(self, left: ast.expr, op: ast.operator, right: ast.expr) -> ast.expr:
        """left op right, where that cannot take for ever."""
        guard = {ast.Pow: "_power", ast.LShift: "_shifted"}.get(type(op))
        return ast.Call(load_name(guard), [left, right], []) if guard else ast.BinOp(left, op, right)

    def limited(self, node: ast.expr) -> ast.expr:
        """A value that is about to be kept in a variable; whole numbers that grow are watched."""
        if isinstance(node, ast.Tuple):
            return ast.Tuple([self.limited(part) for part in node.elts], ast.Load())
        grows = isinstance(node, ast.BinOp) and any(isinstance(inner, _GROWING) for inner in ast.walk(node))
        value = self.visit(node)
        return ast.Call(load_name("_whole"), [value], []) if grows else value

    def visit_Call(self, node: ast.Call) -> ast.AST:
        path = self.call_path(node)
        if path is not None:
            return self._cuda_call(path, node)
        if node.keywords:
            raise self.refuse(node, f"arguments by name in {ast.unparse(node)}")
        name = self.intrinsic(node)
        arguments = [self.visit(argument) for argument in node.args]
        if name is not None:
            return self.operation(f"_{name}", arguments, self._intrinsic_site(name, node))
        value = self.scope.value(node.func)
        function = None if value is MISSING else getattr(value, "py_func", None)
        if function is None:
            return ast.Call(self.visit(node.func), arguments, [])
        return self._device_call(function, arguments, node)

    def _device_call(self, function: Callable, arguments: list[ast.expr], node: ast.Call) -> ast.expr:
        """Within a call there is another moment; one in which threads may wait hands their waiting on."""
        called = self.program.name_of(function)
        site = self.site("call", node, name=function.__name__)
        moment = ast.Call(load_name("_moment"), [load_name("_at"), ast.Constant(site), ast.Constant(0)], [])
        call = ast.Call(load_name(called), [load_name("_who"), moment, *arguments], [])
        if function not in self.program.waiting:
            return call
        self.program.waiting.add(self.scope.function)
        return ast.YieldFrom(call)

    def _intrinsic_site(self, name: str, node: ast.Call) -> int:
        """The site of an unchecked access; a copy has a second one behind it, that of its write."""
        values = 4 if name in _WIDE else 1
        site = self.site("write" if name.startswith("st") else "read", node, values)
        if name.endswith("z"):
            self.site("write", node, values)
        return site

    def _cuda_call(self, path: str, node: ast.Call) -> ast.AST:
        if path.startswith("atomic.") and path[7:] in _ATOMICS and len(node.args) == 3 and not node.keywords:
            array, index, value = self.visit(node.args[0]), self.index(node.args[1]), self.visit(node.args[2])
            return self.operation("_atomic", [ast.Constant(path[7:]), array, index, value], self.site("atomic", node))
        spelled = f"{path}({', '.join(map(ast.unparse, node.args))})"
        if spelled not in _NUMBERS:
            raise self.refuse(node, f"cuda.{spelled}")
        return expression(_NUMBERS[spelled])

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return self._free(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        return self._free(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, int | float | None):
            return node
        raise self.refuse(node, repr(node.value))

    def visit_List(self, node: ast.List) -> ast.AST:
        raise self.refuse(node, f"the list {ast.unparse(node)}", "write a tuple, or make an array")

    def _free(self, node: ast.Name | ast.Attribute) -> ast.AST:
        """A name that is not the function's own, as the value that it has."""
        path = self.scope.cuda_path(node)
        if path is not None:
            if path not in _NUMBERS:
                raise self.refuse(node, f"cuda.{path}" if path else "cuda itself")
            return expression(_NUMBERS[path])
        value = self.scope.value(node)
        if value is MISSING:
            return self.generic_visit(node)
        return self._kept(usable(self.scope.kernel, ast.unparse(node), value))

    def _kept(self, value: Any) -> ast.Name:
        name = f"_free_{len(self.space)}"
        self.space[name] = value
        return load_name(name)

    def array(self, path: str, node: ast.Assign) -> ast.expr:
        """The array that `name = cuda.shared.array(shape, dtype)` makes."""
        call, spelled = node.value, ast.unparse(node.value)
        given = dict(zip(("shape", "dtype"), call.args, strict=False)) | {k.arg: k.value for k in call.keywords}
        named = len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)
        if not named or not {"shape", "dtype"} <= set(given) or set(given) - {"shape", "dtype", "alignment"}:
            raise self.refuse(node, spelled, f"write: name = cuda.{path}(size, float32)")
        sizes = given["shape"].elts if isinstance(given["shape"], ast.Tuple) else [given["shape"]]
        if not all(isinstance(size, ast.Constant) or self._is_constant(size) for size in sizes):
            raise self.refuse(node, f"a size that is no constant, in {spelled}", "name a constant of the module")
        dtype = dtype_name(self.scope.value(given["dtype"]))
        if dtype is None:
            raise self.refuse(node, f"{ast.unparse(given['dtype'])} as the type of an array", "write float32 or int32")
        arguments = [self.visit(given["shape"]), ast.Constant(dtype)]
        return self.operation(f"_{path[:-6]}", arguments, self.site("array", node, name=node.targets[0].id))

    def _is_constant(self, node: ast.expr) -> bool:
        return self.scope.cuda_path(node) is None and self.scope.value(node) is not MISSING

    def operation(self, name: str, arguments: list[ast.expr], site: int) -> ast.Call:
        """A call of an operation that is told where and when it happens."""
        return ast.Call(load_name(name), [*arguments, ast.Constant(site), load_name("_at")], [])

    def site(self, kind: str, node: ast.AST, values: int = 1, name: str = "") -> int:
        """The number of a new site."""
        text = ast.unparse(node).splitlines()[0]
        self.program.sites.append(Site(self.scope.kernel, kind, node.lineno + self.shift, text, values, name))
        return len(self.program.sites) - 1

    def call_path(self, node: ast.AST) -> str | None:
        """'shared.array' for a call of `cuda.shared.array`, and so on."""
        return self.scope.cuda_path(node.func) if isinstance(node, ast.Call) else None

    def intrinsic(self, node: ast.AST) -> str | None:
        """The name of the unchecked access or copy that `node` calls."""
        value = self.scope.value(node.func) if isinstance(node, ast.Call) else MISSING
        return next((name for name in intrinsics.PLAIN if getattr(intrinsics, name) is value), None)

    def refuse(self, node: ast.AST, construct: str, instead: str = "") -> LabError:
        """The error for something that cannot be traced."""
        what = f"kernel {self.scope.kernel}, line {node.lineno + self.shift}, uses {construct}"
        return LabError(f"{what}, which a trace does not know", instead or "leave it out, or run it on a GPU")


def expression(text: str) -> ast.expr:
    """The syntax of an expression."""
    return ast.parse(text, mode="eval").body


def load_name(name: str) -> ast.Name:
    """A variable that is read."""
    return ast.Name(name, ast.Load())
