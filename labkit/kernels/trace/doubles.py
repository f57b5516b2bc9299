"""Where a kernel slips into double precision: arithmetic between a float32 and a bare literal or a whole number.

Numba gives `x[i] * 0.5` and `x[i] * 2` the type float64, for which a GPU has between a half and a sixty-fourth of the
units that it has for float32. NumPy keeps such products in float32, so neither the simulator nor a trace shows it: it
is found by working out the type of every expression, as Numba does.
"""

import ast
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from labkit.kernels import intrinsics
from labkit.kernels.executors.names import MISSING, Scope, dtype_name, read

WHOLE, BOOL, SINGLE = "int", "bool", "float32"
_MOST_PASSES = 20


@dataclass(frozen=True)
class Double:
    """The type float64, with what brought it into the kernel, and in which line (0: an argument)."""

    culprit: str
    advice: str
    line: int = 0


@dataclass(frozen=True)
class Values:
    """An array, or a tuple, with elements of type `of`."""

    of: Any


@dataclass(frozen=True)
class Slip:
    """One expression that is computed in double precision although a float32 takes part, or is what is stored."""

    function: str
    line: int
    text: str
    double: Double


def double_values(kernel: Callable, arguments: tuple[Any, ...]) -> tuple[Slip, ...]:
    """The slips of a plain kernel that is launched with these arguments: one for each literal (variable, quotient)
    that brings float64 in, where it first meets a float32.
    """
    slips: dict[Double, Slip] = {}
    names = inspect.signature(kernel).parameters
    types = [_argument(name, value) for name, value in zip(names, arguments, strict=True)]
    _Types(kernel, types, slips, ()).result()
    return tuple(slips.values())


def _argument(name: str, value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.ndim:
        return Values(_of_dtype(value.dtype, f"{name}, an array of float64"))
    if isinstance(value, float | np.floating) and not isinstance(value, np.float32):
        return Double(f"the argument {name}", f"pass np.float32({name})")
    if isinstance(value, tuple):
        return Values(WHOLE)
    return SINGLE if isinstance(value, np.float32) else BOOL if isinstance(value, bool | np.bool_) else WHOLE


def _of_dtype(dtype: np.dtype, what: str) -> Any:
    if dtype.kind == "f":
        return SINGLE if dtype.itemsize <= 4 else Double(what, "store it as float32")
    return BOOL if dtype.kind == "b" else WHOLE


def joined(first: Any, second: Any, culprit: str, line: int) -> Any:
    """The type of something that may be either; a float32 that may be a whole number is a float64."""
    for one in (first, second):
        if isinstance(one, Double):
            return one
    if first is None or second is None or first == second:
        return first if second is None else second
    if {first, second} == {SINGLE, WHOLE}:
        return Double(culprit, f"write float32({culprit})", line)
    return SINGLE if SINGLE in (first, second) else WHOLE


class _Types:
    """Works out the types of one function's expressions. None stands for what is not known."""

    def __init__(self, function: Callable, arguments: list[Any], slips: dict[Double, Slip], above: tuple):
        self.tree = read(function)
        self.scope, self.slips, self.above = Scope(function, self.tree), slips, (*above, function)
        lines, first = inspect.getsourcelines(function)
        self.shift = first - 1 - lines[0][0].isspace()
        self.types: dict[str, Any] = dict(zip(self.scope.parameters, arguments, strict=False))
        self.returned: Any = None
        self.noting = False

    def result(self) -> Any:
        """The type of what the function returns; its slips are noted on the way."""
        for _ in range(_MOST_PASSES):
            before = dict(self.types)
            self._statements(self.tree.body)
            if before == self.types:
                break
        self.noting = True
        self._statements(self.tree.body)
        return self.returned

    def _note(self, node: ast.expr, double: Double) -> None:
        if self.noting:
            slip = Slip(self.scope.kernel, self._line(node), ast.unparse(node), double)
            self.slips.setdefault(double, slip)

    def _line(self, node: ast.expr) -> int:
        return node.lineno + self.shift

    def _statements(self, statements: list[ast.stmt]) -> None:
        for node in statements:
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    self._assign(target, node.value, self.of(node.value))
            elif isinstance(node, ast.AnnAssign) and node.value is not None:
                self._assign(node.target, node.value, self.of(node.value))
            elif isinstance(node, ast.AugAssign):
                target = ast.parse(ast.unparse(node.target), mode="eval").body
                combined = ast.copy_location(ast.BinOp(target, node.op, node.value), node)
                self._assign(node.target, combined, self.of(combined))
            elif isinstance(node, ast.For):
                kind = self.of(node.iter)
                self._assign(node.target, node.iter, kind.of if isinstance(kind, Values) else WHOLE)
                self._statements([*node.body, *node.orelse])
            elif isinstance(node, ast.While | ast.If):
                self.of(node.test)
                self._statements([*node.body, *node.orelse])
            elif isinstance(node, ast.Expr):
                self.of(node.value)
            elif isinstance(node, ast.Return) and node.value is not None:
                kind = self.of(node.value)
                self.returned = joined(self.returned, kind, ast.unparse(node.value), self._line(node))

    def _assign(self, target: ast.expr, value: ast.expr, kind: Any) -> None:
        if isinstance(target, ast.Tuple):
            parts = value.elts if isinstance(value, ast.Tuple) else [value] * len(target.elts)
            for one, part in zip(target.elts, parts, strict=False):
                of_part = self.of(part) if isinstance(value, ast.Tuple) else kind
                self._assign(one, part, of_part.of if isinstance(of_part, Values) and part is value else of_part)
        elif isinstance(target, ast.Name):
            before = self.types.get(target.id)
            self.types[target.id] = joined(before, kind, ast.unparse(value), self._line(value))
        elif isinstance(target, ast.Subscript) and isinstance(kind, Double) and not isinstance(value, ast.Constant):
            array = self.of(target.value)
            if isinstance(array, Values) and array.of == SINGLE:
                self._note(value, kind)

    def of(self, node: ast.expr) -> Any:
        """The type of an expression."""
        if isinstance(node, ast.Constant):
            return self._constant(node.value, node)
        if isinstance(node, ast.BinOp):
            return self._arithmetic(node, self.of(node.left), self.of(node.right))
        if isinstance(node, ast.Subscript):
            return self._element(node)
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.Name | ast.Attribute):
            return self._name(node)
        if isinstance(node, ast.UnaryOp):
            kind = self.of(node.operand)
            return BOOL if isinstance(node.op, ast.Not) else kind
        if isinstance(node, ast.IfExp):
            self.of(node.test)
            other = node.body if self.of(node.body) == WHOLE else node.orelse
            return joined(self.of(node.body), self.of(node.orelse), ast.unparse(other), self._line(other))
        for part in ast.iter_child_nodes(node):
            if isinstance(part, ast.expr):
                self.of(part)
        return BOOL if isinstance(node, ast.Compare | ast.BoolOp) else None

    def _constant(self, value: Any, node: ast.expr) -> Any:
        if isinstance(value, bool):
            return BOOL
        text = ast.unparse(node)
        return WHOLE if isinstance(value, int) else Double(text, f"write float32({text})", self._line(node))

    def _arithmetic(self, node: ast.expr, left: Any, right: Any) -> Any:
        """The type of left op right; a slip if one of them is a float32 and the result is not."""
        kinds = (left, right)
        double = next((kind for kind in kinds if isinstance(kind, Double)), None)
        power = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow)
        if double is None and SINGLE in kinds and WHOLE in kinds and not power:
            culprit = ast.unparse(self._operands(node)[kinds.index(WHOLE)])
            double = Double(f"{culprit}, a whole number", f"write float32({culprit})", self._line(node))
        if double is not None:
            if SINGLE in kinds:
                self._note(node, double)
            return double
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and set(kinds) <= {WHOLE, BOOL}:
            text = ast.unparse(node)
            advice = "convert one of them with float32(...) first"
            return Double(f"{text}, a quotient of whole numbers", advice, self._line(node))
        return SINGLE if SINGLE in kinds else WHOLE if WHOLE in kinds else left

    def _operands(self, node: ast.expr) -> list[ast.expr]:
        return [node.left, node.right] if isinstance(node, ast.BinOp) else node.args

    def _element(self, node: ast.Subscript) -> Any:
        values = self.of(node.value)
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        for part in parts:
            self.of(part)
        if any(isinstance(part, ast.Slice) for part in parts) or not isinstance(values, Values):
            return values
        return values.of

    def _name(self, node: ast.Name | ast.Attribute) -> Any:
        if isinstance(node, ast.Name) and node.id in self.scope.local:
            return self.types.get(node.id)
        if self.scope.cuda_path(node) is not None:
            return WHOLE
        value = self.scope.value(node)
        if value is MISSING:
            return Values(WHOLE) if node.attr == "shape" else WHOLE
        if isinstance(value, np.float32):
            return SINGLE
        if isinstance(value, tuple):
            return Values(WHOLE)
        return self._constant(value, node) if isinstance(value, bool | int | float) else None

    def _call(self, node: ast.Call) -> Any:
        kinds = [self.of(argument) for argument in node.args]
        path, value = self.scope.cuda_path(node.func), self.scope.value(node.func)
        if path in ("shared.array", "local.array"):
            given = [*node.args[1:2], *(k.value for k in node.keywords if k.arg == "dtype")]
            return Values(_of_dtype(np.dtype(dtype_name(self.scope.value(given[0]))), ast.unparse(node)))
        if path is not None:
            return kinds[0].of if path.startswith("atomic.") and isinstance(kinds[0], Values) else WHOLE
        cast = dtype_name(value)
        if cast is not None:
            return _of_dtype(np.dtype(cast), ast.unparse(node))
        if value in (min, max) and len(kinds) == 2:
            return self._arithmetic(node, *kinds)
        if value in (int, len, round, range):
            return WHOLE
        if value is float:
            return Double(ast.unparse(node), "write float32(...)", self._line(node))
        if value is abs or value in (min, max):
            return kinds[0]
        for name in ("ld", "ld4"):
            if getattr(intrinsics, name) is value and isinstance(kinds[0], Values):
                return kinds[0].of if name == "ld" else kinds[0]
        plain = getattr(value, "py_func", None)
        if plain is not None and plain not in self.above:
            return _Types(plain, kinds, self.slips, self.above).result()
        if getattr(value, "__module__", None) == "math" or isinstance(value, np.ufunc):
            double = next((kind for kind in kinds if isinstance(kind, Double)), None)
            whole = Double(ast.unparse(node), f"write {ast.unparse(node.func)}(float32(...))", self._line(node))
            return double or (SINGLE if SINGLE in kinds else whole)
        return None
