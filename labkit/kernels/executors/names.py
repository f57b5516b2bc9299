"""What the names in a kernel's source stand for: numbers, types, functions, and what belongs to `cuda`."""

import ast
import builtins
import inspect
import math
import types
from collections.abc import Callable
from numbers import Number
from typing import Any

import numpy as np

from labkit.errors import LabError
from labkit.kernels.source import cuda

MISSING = object()
SPECIALS = (
    "array_at",
    "at",
    "atomic_add",
    "atomic_max",
    "atomic_min",
    "forget",
    "inside",
    "never",
    "slots",
    "zero_like",
)
RESERVED = {*SPECIALS, "compiled", "inlined", "math", "np", "range", "run", "scratch"}
_CUDA_NAMES = (
    *("threadIdx", "blockIdx", "blockDim", "gridDim", "grid", "gridsize", "syncthreads", "shared", "local", "atomic"),
    *("threadfence", "threadfence_block", "warpsize", "laneid"),
)
_FORBIDDEN = {
    ast.FunctionDef: "a function defined inside it",
    ast.AsyncFunctionDef: "a function defined inside it",
    ast.Lambda: "a lambda",
    ast.ClassDef: "a class",
    ast.ListComp: "a list comprehension",
    ast.SetComp: "a set comprehension",
    ast.DictComp: "a dict comprehension",
    ast.GeneratorExp: "a generator",
    ast.Try: "try",
    ast.With: "with",
    ast.Yield: "yield",
    ast.YieldFrom: "yield",
    ast.Await: "await",
    ast.Global: "global",
    ast.Nonlocal: "nonlocal",
    ast.Import: "import",
    ast.ImportFrom: "import",
    ast.Raise: "raise",
    ast.Delete: "del",
    ast.JoinedStr: "an f-string",
    ast.NamedExpr: "an assignment inside an expression",
    ast.Match: "match",
    ast.Starred: "a starred expression",
}


def plain(function: Any) -> Callable:
    """The plain Python function of a kernel or device function, jitted or not."""
    return getattr(function, "py_func", function)


def refuse(kernel: str, construct: str, instead: str = "") -> LabError:
    """The error for something in a kernel that cannot run on a CPU."""
    advice = instead or "leave it out, or run this kernel on a GPU or in the simulator"
    return LabError(f"kernel {kernel} uses {construct}, which the CPU execution does not know", advice)


def read(function: Callable) -> ast.FunctionDef:
    """The syntax tree of a plain function, without docstring, decorators and annotations.

    Works for functions of files, of notebook cells (IPython keeps their text), and of factories. Raises LabError where
    there is no text, for parameters that kernels cannot have, and for statements that have no place in a kernel.
    """
    name = getattr(function, "__name__", repr(function))
    if not inspect.isfunction(function):
        raise LabError(f"{name} is not a plain function", "give the function itself: def kernel(x, y): ...")
    try:
        text = inspect.getsource(function)
    except (OSError, TypeError) as error:
        raise LabError(
            f"the source of kernel {name} cannot be read", "define it in a file or a notebook cell"
        ) from error
    if text[0].isspace():  # a function of a factory; not dedented, because lines of its strings may begin anywhere
        text = "if True:\n" + text
    found = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef) and node.name == name]
    if not found:
        raise LabError(f"the source of kernel {name} holds no `def {name}`", "define it with def, not with lambda")
    tree = found[0]
    parameters = tree.args
    if parameters.vararg or parameters.kwarg or parameters.kwonlyargs or parameters.defaults:
        raise refuse(name, "parameters with *, ** or default values", "name every parameter, without a default")
    for node in (node for statement in tree.body for node in ast.walk(statement)):
        if type(node) in _FORBIDDEN:
            raise refuse(name, f"{_FORBIDDEN[type(node)]} (line {node.lineno} of its source)")
        if isinstance(node, ast.For | ast.While) and node.orelse:
            raise refuse(name, f"a loop with else (line {node.lineno} of its source)")
    if ast.get_docstring(tree) is not None:
        tree.body = tree.body[1:] or [ast.Pass()]
    tree = _Simplified().visit(tree)
    tree.decorator_list, tree.returns = [], None
    parameters.args, parameters.posonlyargs = [*parameters.posonlyargs, *parameters.args], []
    _rename_reserved(tree)
    return tree


class _Simplified(ast.NodeTransformer):
    """Leaves out what has no effect on a GPU: annotations, and assertions."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        return ast.Pass() if node.value is None else ast.copy_location(ast.Assign([node.target], node.value), node)

    def visit_Assert(self, node: ast.Assert) -> ast.stmt:
        return ast.Pass()


def _rename_reserved(tree: ast.FunctionDef) -> None:
    """Give variables other names that are those of the rewritten text's own."""
    stored = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    mine = {*stored, *(argument.arg for argument in tree.args.args)}
    names = {name: f"own_{name}" for name in mine if name in RESERVED or (name.startswith("_") and name != "_")}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = names.get(node.id, node.id)
    tree.args.args = [ast.arg(names.get(argument.arg, argument.arg)) for argument in tree.args.args]


class Scope:
    """The names of one function: its own variables, and what the others stand for when it is first run."""

    def __init__(self, function: Callable, tree: ast.FunctionDef):
        self.function, self.kernel = function, function.__name__
        self.parameters = [argument.arg for argument in tree.args.args]
        stored = [n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
        self.local = {*self.parameters, *stored}
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        self._closed = {name: cell for name, cell in cells if _filled(cell)}

    def value(self, node: ast.AST) -> Any:
        """What a name, or a name with attributes, stands for; MISSING for variables of the function and for the rest.

        Raises LabError for a name that nobody has defined.
        """
        if isinstance(node, ast.Attribute):
            owner = self.value(node.value)
            return MISSING if owner is MISSING else getattr(owner, node.attr, MISSING)
        if not isinstance(node, ast.Name) or node.id in self.local:
            return MISSING
        if node.id in self._closed:
            return self._closed[node.id].cell_contents
        for names in (self.function.__globals__, vars(builtins)):
            if node.id in names:
                return names[node.id]
        raise refuse(self.kernel, f"the name {node.id!r}, which is not defined", "define it before the kernel is run")

    def cuda_path(self, node: ast.AST) -> str | None:
        """'threadIdx.x' for whatever spelling of `cuda.threadIdx.x`, and so on; None for all else."""
        if isinstance(node, ast.Attribute):
            above = self.cuda_path(node.value)
            return None if above is None else f"{above}.{node.attr}".lstrip(".")
        if not isinstance(node, ast.Name) or node.id in self.local:
            return None
        value = self.value(node)
        if value is cuda:
            return ""
        return next((name for name in _CUDA_NAMES if getattr(cuda, name, None) is value), None)


def _filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not MISSING
    except ValueError:  # of a name that the factory has not assigned yet
        return False


def literal(value: Any) -> str | None:
    """Source text for a constant, a type of numbers, `math`, `np`, one of their functions, or a builtin; else None."""
    if value is math or value is np:
        return "math" if value is math else "np"
    if isinstance(value, np.generic):
        return f"np.{value.dtype.name}({number(value.item())})"
    if isinstance(value, Number) and not isinstance(value, complex):
        return number(value)
    if isinstance(value, tuple) and all(literal(part) for part in value):
        return "(" + "".join(f"{literal(part)}, " for part in value) + ")"
    dtype = dtype_name(value)
    if dtype is not None:
        return f"np.{dtype}"
    if isinstance(value, types.BuiltinFunctionType | type) and getattr(builtins, value.__name__, None) is value:
        return value.__name__
    if getattr(value, "__module__", None) == "math" and getattr(math, value.__name__, None) is value:
        return f"math.{value.__name__}"
    if isinstance(value, np.ufunc):
        return f"np.{value.__name__}"
    return None


def number(value: bool | int | float) -> str:
    """A number as source text; a negative one in brackets."""
    if isinstance(value, float) and not math.isfinite(value):
        return "np.nan" if math.isnan(value) else "np.inf" if value > 0 else "(-np.inf)"
    return repr(value) if value >= 0 else f"({value!r})"


def dtype_name(value: Any) -> str | None:
    """'float32' for NumPy's and Numba's types of that name, and so on; None for what is no type of numbers."""
    if isinstance(value, type) and issubclass(value, np.generic):
        return np.dtype(value).name
    name = getattr(value, "name", None)
    if type(value).__module__.startswith("numba") and isinstance(name, str) and hasattr(np, name):
        return np.dtype(getattr(np, name)).name
    return None
