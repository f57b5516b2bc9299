"""A kernel's source as a plain function that does the work of one block with a single thread.

The thread is number 0 of a block of one: every loop that strides by `blockDim.x` then runs over all of its range, and a
barrier has nobody to wait for. That is correct for kernels which keep no value of a thread across a barrier.
"""

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from labkit.errors import LabError
from labkit.kernels.executors.names import MISSING, Scope, dtype_name, literal, plain, read, refuse

_AXES = ("x", "y", "z")
BLOCK = [f"_block_{axis}" for axis in _AXES]
GRID = [f"_grid_{axis}" for axis in _AXES]
_VALUES = {
    **{f"threadIdx.{axis}": "0" for axis in _AXES},
    **{f"blockDim.{axis}": "1" for axis in _AXES},
    **{f"blockIdx.{axis}": name for axis, name in zip(_AXES, BLOCK, strict=True)},
    **{f"gridDim.{axis}": name for axis, name in zip(_AXES, GRID, strict=True)},
    "warpsize": "32",
}
_CALLS = {"grid(1)": BLOCK[0], "gridsize(1)": GRID[0]}
_BARRIERS = ("syncthreads", "threadfence", "threadfence_block")
_ATOMICS = ("add", "max", "min")


@dataclass(frozen=True)
class Memory:
    """One array that every block has for itself; `shape` is source text, "" for the one that the launch sizes."""

    name: str
    shape: str
    dtype: str
    shared: bool

    @property
    def dynamic(self) -> bool:
        """Whether the launch says how large it is."""
        return not self.shape


class Rewriter(ast.NodeTransformer):
    """Rewrites one function; collects the device functions that it calls and the arrays that its blocks have."""

    def __init__(self, scope: Scope, kernel: str, device: bool, functions: dict[Any, str]):
        self.scope, self.kernel, self.device, self.functions = scope, kernel, device, functions
        self.memory: list[Memory] = []

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return node if isinstance(node.ctx, ast.Store) else self._free(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        return self._free(node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        node.value, node.slice = self.visit(node.value), self.visit(node.slice)
        if not isinstance(node.value, ast.Attribute):  # x.shape[i]: a tuple, whose elements Numba picks by constants
            axes = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            axes = [axis if isinstance(axis, ast.Slice | ast.Constant) else _call("at", axis) for axis in axes]
            node.slice = ast.Tuple(axes, ast.Load()) if isinstance(node.slice, ast.Tuple) else axes[0]
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        path = self._call_path(node.value)
        if path in ("shared.array", "local.array"):
            if len(node.targets) != 1 or not isinstance(node.targets[0], ast.Name):
                raise refuse(self.kernel, f"cuda.{path} in {ast.unparse(node)}", "write: name = cuda." + path + "(...)")
            node.value = self._array(path, node.value, node.targets[0].id)
            return node
        return self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        return ast.Pass() if self._call_path(node.value) in _BARRIERS else self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        path = self._call_path(node)
        if path is None:
            return self.generic_visit(node)
        if path.startswith("atomic.") and path[7:] in _ATOMICS and len(node.args) == 3 and not node.keywords:
            array, index, value = (self.visit(argument) for argument in node.args)
            index = index if isinstance(index, ast.Tuple) else ast.Tuple([index], ast.Load())
            return ast.Call(ast.Name(f"atomic_{path[7:]}", ast.Load()), [array, index, value], [])
        spelled = f"{path}({', '.join(map(ast.unparse, node.args))})"
        if spelled in _CALLS:
            return ast.Name(_CALLS[spelled], ast.Load())
        raise refuse(self.kernel, f"cuda.{spelled}")

    def _call_path(self, node: ast.AST) -> str | None:
        return self.scope.cuda_path(node.func) if isinstance(node, ast.Call) else None

    def _free(self, node: ast.Name | ast.Attribute) -> ast.AST:
        """A name that is not the function's own, as a constant or as something that the compiled text knows."""
        path = self.scope.cuda_path(node)
        if path is not None:
            if path not in _VALUES or (self.device and path.split(".")[0] in ("blockIdx", "gridDim")):
                raise refuse(self.kernel, f"cuda.{path}" if path else "cuda itself")
            return _expression(_VALUES[path])
        value = self.scope.value(node)
        if value is MISSING:
            return self.generic_visit(node)
        if getattr(value, "py_func", None) is not None:
            return ast.Name(self.functions.setdefault(plain(value), self._fresh(plain(value))), ast.Load())
        text = literal(value)
        if text is None:
            advice = "mark it with @device_function" if callable(value) else "give it to the kernel as an argument"
            raise refuse(self.kernel, f"{ast.unparse(node)} ({type(value).__name__})", advice)
        return _expression(text)

    def _fresh(self, function: Callable) -> str:
        """A name that no other device function of this kernel has."""
        return f"_device_{len(self.functions)}_{function.__name__}"

    def _array(self, path: str, call: ast.Call, name: str) -> ast.AST:
        """Where the array that `call` asks for is to be found."""
        given = dict(zip(("shape", "dtype"), call.args, strict=False)) | {k.arg: k.value for k in call.keywords}
        dtype = dtype_name(self.scope.value(given["dtype"])) if "dtype" in given else None
        if dtype is None or "shape" not in given or set(given) - {"shape", "dtype", "alignment"}:
            raise refuse(self.kernel, ast.unparse(call), f"write: {name} = cuda.{path}(size, float32)")
        shape = self._shape(self.visit(given["shape"]), ast.unparse(call))
        shared = path == "shared.array"
        if self.device:
            if shared:
                raise refuse(
                    self.kernel, f"{ast.unparse(call)} in a device function", "make it in the kernel, pass it on"
                )
            return _expression(f"np.empty({shape}, np.{dtype})")
        dynamic = shared and shape == "0"
        if dynamic and any(memory.dynamic for memory in self.memory):
            what = f"kernel {self.kernel} asks for dynamic shared memory twice"
            raise LabError(what, "ask once, and slice it: first, second = all[:n], all[n:]")
        self.memory.append(Memory(f"_memory_{len(self.memory)}", "" if dynamic else shape, dtype, shared))
        return ast.Name(self.memory[-1].name, ast.Load())

    def _shape(self, node: ast.AST, spelled: str) -> str:
        """The shape of an array: whole numbers that are known before the kernel runs."""
        try:
            shape = ast.literal_eval(node)
        except ValueError as error:
            raise refuse(
                self.kernel,
                f"the size in {spelled}",
                "name a constant of the module, as for a GPU",
            ) from error
        return repr(shape)


def _expression(text: str) -> ast.AST:
    return ast.parse(text, mode="eval").body


def _call(name: str, argument: ast.AST) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), [argument], [])


def rewrite(kernel: Any) -> str:
    """The text of a module whose function `run` does blocks first..end of `kernel`, one thread each.

    run(first, end, part, <the kernel's arguments>, grid x, y, z, bytes of dynamic shared memory). Raises LabError for
    whatever the kernel uses that cannot be rewritten.
    """
    functions: dict[Any, str] = {}
    body, scope, memory = _rewritten(plain(kernel), "_kernel", False, functions)
    texts: dict[Any, str] = {}
    while len(texts) < len(functions):  # rewriting one device function may bring in more of them
        for called, name in list(functions.items()):
            if called not in texts:
                texts[called] = _rewritten(called, name, True, functions)[0]
    pieces = [*reversed(texts.values()), body, _run(scope.parameters, memory)]
    return "\n\n".join(pieces) + "\n"


def _rewritten(function: Callable, name: str, device: bool, functions: dict) -> tuple[str, Scope, list[Memory]]:
    tree = read(function)
    scope = Scope(function, tree)
    rewriter = Rewriter(scope, function.__name__, device, functions)
    tree.body = [rewriter.visit(statement) for statement in tree.body]
    tree.name = name
    if not device:
        tree.args.args += [ast.arg(extra) for extra in (*BLOCK, *GRID, *(memory.name for memory in rewriter.memory))]
    return "@inlined\n" + ast.unparse(ast.fix_missing_locations(tree)), scope, rewriter.memory


def _run(parameters: list[str], memory: list[Memory]) -> str:
    """The loop over blocks. Shared memory is made once and overwritten with NaN for each block, so that a kernel that
    reads what it has not written shows it."""
    lines = ["@compiled", f"def run(_first, _end, _part, {', '.join([*parameters, *GRID, '_bytes'])}):"]
    for m in memory:
        shape = f"_bytes // {np.dtype(m.dtype).itemsize}" if m.dynamic else m.shape
        lines.append(f"    {m.name} = np.empty({shape}, np.{m.dtype})")
    lines.append("    for _b in range(_first, _end):")
    lines += [f"        {m.name}[...] = np.nan" for m in memory if m.shared and m.dtype.startswith("float")]
    x, y, _ = GRID
    index = [f"_b % {x}", f"_b // {x} % {y}", f"_b // ({x} * {y})"]
    lines.append(f"        _kernel({', '.join([*parameters, *index, *GRID, *(m.name for m in memory)])})")
    return "\n".join(lines)
