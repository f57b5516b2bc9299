"""The text of `run`: the memory of a block, the loop over blocks, and a block's body in it."""

import ast
from collections.abc import Callable

import numpy as np

from labkit.kernels.executors.regions import Cut, slot
from labkit.kernels.executors.rewrite import BLOCK, GRID, Memory
from labkit.kernels.executors.sums import with_inner_sums
from labkit.kernels.executors.uniform import THREAD, THREADS, computing, loaded, nested

_NEVER = ast.parse("never()").body[0].value
LINE_BYTES = 64  # arrays begin on a line of the cache


class Writer:
    """Writes a module with two functions, for a kernel with `parameters` whose blocks have `memory`.

    run(first, end, part, *arguments, grid x, y, z, bytes of dynamic shared memory, threads of a block, address, stride)
    does the blocks first..end. Part `part` has `stride` bytes of memory for itself, from address + part * stride on.
    scratch(bytes, threads) -> how many bytes that has to be.
    """

    def __init__(self, parameters: list[str], memory: list[Memory]):
        self.parameters, self.memory = parameters, memory

    def once(self, body: list[ast.stmt]) -> list[str]:
        """`body` does the work of a whole block."""
        functions, call = self._call(body, [])
        return [*functions, *self._module(self._arrays([]), [], [*self._forget(self.memory), *call])]

    def for_each_thread(self, body: list[ast.stmt]) -> list[str]:
        """`body` does the work of one thread, and may return."""
        shared, own = ([m for m in self.memory if m.shared is kind] for kind in (True, False))
        functions, call = self._call(body, [THREAD, THREADS])
        loop = [f"for {THREAD} in range({THREADS}):", *(f"    {line}" for line in [*self._forget(own), *call])]
        return [*functions, *self._module(self._arrays([]), [], [*self._forget(shared), *loop])]

    def cut(self, made: Cut, before: list[ast.stmt], private: dict[str, str], kinds: dict[str, str]) -> list[str]:
        """`made` does the work of a block. before: what it was made of. kinds: those of its slots that are plain."""
        arrays, typed = self._arrays([THREADS]), []
        arrays += [(slot(name), [THREADS], kinds[name]) for name in made.slots if kinds[name]]
        functions, call = self._call(made.body, [*map(slot, made.slots), THREADS])
        unknown = [name for name in made.slots if not kinds[name]]
        if unknown:
            functions.append(self._types(unknown, kinds, before, private))
            values = ", ".join([*self.parameters, *BLOCK, *GRID, *self._names(), "0", THREADS])
            typed = [*(f"{name} = 0" for name in BLOCK), "if never():", f"    _types = _types_of({values})"]
        for i, name in enumerate(unknown):
            typed += [f"{slot(name)} = slots(_at, {THREADS}, _types[{i}])", f"_at += {_rounded(8, [THREADS])}"]
        extra = [_rounded(8, [THREADS])] * len(unknown)
        return [*functions, *self._module(arrays, typed, [*self._forget(self.memory), *call], extra)]

    def _call(self, body: list[ast.stmt], more: list[str]) -> tuple[list[str], list[str]]:
        """The functions and lines that run `body` once; a function is needed where it returns from its middle."""
        if not has_return(body):
            return [], ast.unparse(ast.fix_missing_locations(ast.Module(with_inner_sums(body), []))).splitlines()
        names = [*self.parameters, *BLOCK, *GRID, *self._names(), *more]
        return [function("_kernel", names, body)], [f"_kernel({', '.join(names)})"]

    def _types(self, variables: list[str], kinds: dict[str, str], body: list[ast.stmt], private: dict[str, str]) -> str:
        """A function that is compiled and never called: from its result Numba learns the types of the variables.

        Every assignment may be left out, and all be repeated, so that a type has room for whatever is assigned.
        """
        plain = {name for name, kind in kinds.items() if kind}
        perhaps = [ast.If(_NEVER, [statement], []) for statement in computing(set(variables), plain, body)]
        rows = [f"{name} = {array}[{THREAD}]" for name, array in private.items()]
        values = [f"{name} = np.{kinds[name]}(0)" for name in sorted(plain & loaded(*perhaps))]
        result = ast.parse("\n".join([*rows, *values, f"({', '.join(variables)},)"])).body
        lines = [*result[:-1], ast.While(_NEVER, perhaps, []), ast.Return(result[-1].value)]
        return function("_types_of", [*self.parameters, *BLOCK, *GRID, *self._names(), THREAD, THREADS], lines)

    def _names(self) -> list[str]:
        return [m.name for m in self.memory]

    def _arrays(self, rows: list[str]) -> list[tuple[str, list[str], str]]:
        """(name, axes, type) of each array of a block. rows: the first axis of those that a thread has for itself."""
        found = []
        for m in self.memory:
            axes = [f"_bytes // {np.dtype(m.dtype).itemsize}"] if m.dynamic else [str(axis) for axis in m.shape]
            found.append((m.name, axes if m.shared else rows + axes, m.dtype))
        return found

    def _forget(self, memory: list[Memory]) -> list[str]:
        """Each block begins with NaN in its arrays, so that a kernel that reads what it has not written shows it."""
        return [f"forget({m.name})" for m in memory if m.dtype.startswith("float")]

    def _module(self, arrays: list, typed: list[str], block: list[str], extra: list[str] | None = None) -> list[str]:
        setup, sizes = ["_at = _address + _part * _stride"], list(extra or [])
        for name, axes, dtype in arrays:
            sizes.append(_rounded(np.dtype(getattr(np, dtype)).itemsize, axes))
            setup += [f"{name} = array_at(_at, ({', '.join(axes)},), np.{dtype})", f"_at += {sizes[-1]}"]
        x, y, _ = GRID
        index = [f"{BLOCK[0]} = _b % {x}", f"{BLOCK[1]} = _b // {x} % {y}", f"{BLOCK[2]} = _b // ({x} * {y})"]
        names = ["_first", "_end", "_part", *self.parameters, *GRID, "_bytes", THREADS, "_address", "_stride"]
        lines = ["@compiled", f"def run({', '.join(names)}):", *(f"    {line}" for line in [*setup, *typed])]
        lines += ["    for _b in range(_first, _end):", *(f"        {line}" for line in [*index, *block])]
        scratch = f"def scratch(_bytes, {THREADS}):\n    return {' + '.join(sizes) or '0'}"
        return [scratch, "\n".join(lines)]


def _rounded(item_bytes: int, axes: list[str]) -> str:
    """The bytes of an array with these axes, up to the next line of the cache."""
    size = " * ".join([str(item_bytes), *(f"({axis})" for axis in axes)])
    return f"({size} + {LINE_BYTES - 1}) // {LINE_BYTES} * {LINE_BYTES}"


def has_return(body: list[ast.stmt]) -> bool:
    """Whether a function's statements may return."""
    return any(isinstance(statement, ast.Return) for statement in nested(body))


class _Without(ast.NodeTransformer):
    def __init__(self, unwanted: Callable[[ast.AST], bool]):
        self.unwanted = unwanted

    def visit(self, node: ast.AST) -> ast.AST:
        return ast.Pass() if self.unwanted(node) else self.generic_visit(node)


def without(body: list[ast.stmt], unwanted: Callable[[ast.AST], bool]) -> list[ast.stmt]:
    """`body` with `pass` in place of all unwanted statements."""
    return [_Without(unwanted).visit(statement) for statement in body]


def function(name: str, parameters: list[str], body: list[ast.stmt]) -> str:
    """The text of a function that is compiled into its callers."""
    arguments = ast.arguments([], [ast.arg(parameter) for parameter in parameters], None, [], [], None, [])
    body = with_inner_sums(body) or [ast.Pass()]
    made = ast.FunctionDef(name, arguments, body, [ast.Name("inlined", ast.Load())])
    return ast.unparse(ast.fix_missing_locations(made))
