"""One function of a kernel, its names resolved and everything of `cuda` replaced by what a CPU has."""

import ast
from collections.abc import Callable
from dataclasses import dataclass

from labkit.errors import LabError
from labkit.kernels import intrinsics
from labkit.kernels.executors.names import MISSING, Scope, dtype_name, literal, refuse
from labkit.kernels.executors.uniform import BARRIER, DEVICE, THREAD, THREADS

_AXES = ("x", "y", "z")
BLOCK = [f"_block_{axis}" for axis in _AXES]
GRID = [f"_grid_{axis}" for axis in _AXES]
_FENCES = ("threadfence", "threadfence_block")
_ATOMICS = ("add", "max", "min")


INDICES = {
    **{f"threadIdx.{axis}": THREAD if axis == "x" else "0" for axis in _AXES},
    **{f"blockDim.{axis}": THREADS if axis == "x" else "1" for axis in _AXES},
    **{f"blockIdx.{axis}": name for axis, name in zip(_AXES, BLOCK, strict=True)},
    **{f"gridDim.{axis}": name for axis, name in zip(_AXES, GRID, strict=True)},
    "grid(1)": f"{BLOCK[0]} * {THREADS} + {THREAD}",
    "gridsize(1)": f"{GRID[0]} * {THREADS}",
    "warpsize": "32",
}


@dataclass(frozen=True)
class Memory:
    """An array that every block or, if not `shared`, every thread has for itself. The kernel calls it `variable`.

    shape: () for the one that the launch sizes.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    shared: bool
    variable: str

    @property
    def dynamic(self) -> bool:
        """Whether the launch says how large it is."""
        return not self.shape


class Rewriter(ast.NodeTransformer):
    """Rewrites one function; collects the device functions that it calls and the arrays that its blocks have.

    functions: the plain device functions that were met so far -> their names in the text. device: whether this is one
    itself; it then has to be given the numbers of thread and block as arguments. places: where arrays are accessed, as
    the source has it, if every index is to be checked: the number of a place in this list is what a failed check tells.
    """

    def __init__(self, scope: Scope, functions: dict[Callable, str], device: bool, places: list[str] | None = None):
        self.scope, self.kernel, self.functions, self.device = scope, scope.kernel, functions, device
        self.places = places
        self.memory: list[Memory] = []

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return node if isinstance(node.ctx, ast.Store) else self._free(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        return self._free(node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        written = ast.unparse(node)
        node.value, node.slice = self.visit(node.value), self.visit(node.slice)
        if not isinstance(node.value, ast.Attribute):  # x.shape[i]: a tuple, whose elements Numba picks by constants
            node.slice = self._indices(node.value, node.slice, written)
        return node

    def _indices(self, array: ast.expr, index: ast.expr, written: str) -> ast.expr:
        """An index, or a tuple of them, as ones that are not negative and, if that is wanted, checked."""
        axes = index.elts if isinstance(index, ast.Tuple) else [index]
        checked = self.places is not None and isinstance(array, ast.Name)
        if checked:
            self.places.append(written)
        made = []
        for axis, one in enumerate(axes):
            if checked and not isinstance(one, ast.Slice):
                numbers = [ast.Constant(axis), one, ast.Constant(len(self.places) - 1)]
                made.append(ast.Call(ast.Name("inside", ast.Load()), [array, *numbers], []))
            else:
                made.append(one if isinstance(one, ast.Slice | ast.Constant) else _call("at", one))
        return ast.Tuple(made, ast.Load()) if isinstance(index, ast.Tuple) else made[0]

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        path = self._call_path(node.value)
        if path in ("shared.array", "local.array"):
            if len(node.targets) != 1 or not isinstance(node.targets[0], ast.Name):
                raise refuse(self.kernel, f"cuda.{path} in {ast.unparse(node)}", "write: name = cuda." + path + "(...)")
            node.value = self._array(path, node.value, node.targets[0].id)
            return node
        return self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        path = self._call_path(node.value)
        if path == "syncthreads" and not self.device:
            return ast.Expr(ast.Name(BARRIER, ast.Load()))
        if path in _FENCES or self._device_function(node.value) is intrinsics.PLAIN["cp_async_commit"]:
            return ast.Pass()  # one thread after the other: memory is in order, and copies have ended
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        path = self._call_path(node)
        if path is None:
            return self.generic_visit(node)
        if path.startswith("atomic.") and path[7:] in _ATOMICS and len(node.args) == 3 and not node.keywords:
            written = f"{ast.unparse(node.args[0])}[{ast.unparse(node.args[1])}]"
            array, index, value = (self.visit(argument) for argument in node.args)
            index = index if isinstance(index, ast.Tuple) else ast.Tuple([index], ast.Load())
            index = self._indices(array, index, written)
            return ast.Call(ast.Name(f"atomic_{path[7:]}", ast.Load()), [array, index, value], [])
        return self._index(f"{path}({', '.join(map(ast.unparse, node.args))})")

    def _call_path(self, node: ast.AST) -> str | None:
        return self.scope.cuda_path(node.func) if isinstance(node, ast.Call) else None

    def _index(self, path: str) -> ast.AST:
        if self.device and path == "syncthreads()":
            raise refuse(self.kernel, f"cuda.{path} in a device function", "put the barrier into the kernel")
        if path not in INDICES:
            raise refuse(self.kernel, f"cuda.{path}" if path else "cuda itself")
        if self.device:
            raise refuse(self.kernel, f"cuda.{path} in a device function", "pass it as an argument")
        return _expression(INDICES[path])

    def _device_function(self, node: ast.AST) -> Callable | None:
        """The plain function that is meant by a device function's name, or by a call of it."""
        value = self.scope.value(node.func if isinstance(node, ast.Call) else node)
        if value is MISSING:
            return None
        twin = next((name for name in intrinsics.PLAIN if getattr(intrinsics, name) is value), None)
        return intrinsics.PLAIN[twin] if twin else getattr(value, "py_func", None)

    def _free(self, node: ast.Name | ast.Attribute) -> ast.AST:
        """A name that is not the function's own, as a constant or as something that the compiled text knows."""
        path = self.scope.cuda_path(node)
        if path is not None:
            return self._index(path)
        value = self.scope.value(node)
        if value is MISSING:
            return self.generic_visit(node)
        function = self._device_function(node)
        if function is not None:
            fresh = f"{DEVICE}{len(self.functions)}_{function.__name__}"
            return ast.Name(self.functions.setdefault(function, fresh), ast.Load())
        text = literal(value)
        if text is None:
            advice = "mark it with @device_function" if callable(value) else "give it to the kernel as an argument"
            raise refuse(self.kernel, f"{ast.unparse(node)} ({type(value).__name__})", advice)
        return _expression(text)

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
        dynamic = shared and shape == (0,)
        if dynamic and any(memory.dynamic for memory in self.memory):
            what = f"kernel {self.kernel} asks for dynamic shared memory twice"
            raise LabError(what, "ask once, and slice it: first, second = all[:n], all[n:]")
        self.memory.append(Memory(f"_memory_{len(self.memory)}", () if dynamic else shape, dtype, shared, name))
        return ast.Name(self.memory[-1].name, ast.Load())

    def _shape(self, node: ast.AST, spelled: str) -> tuple[int, ...]:
        """The shape of an array: whole numbers that are known before the kernel runs."""
        try:
            shape = ast.literal_eval(node)
        except ValueError as error:
            raise refuse(
                self.kernel,
                f"the size in {spelled}",
                "name a constant of the module, as for a GPU",
            ) from error
        return shape if isinstance(shape, tuple) else (shape,)


def _expression(text: str) -> ast.AST:
    return ast.parse(text, mode="eval").body


def _call(name: str, argument: ast.AST) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), [argument], [])
