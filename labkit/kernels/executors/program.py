"""The text of a module that runs a kernel on a CPU.

Three ways, of which the first that is right is taken:

    one thread     a kernel that is proved to do the same with any number of threads runs with one thread per block
    thread by thread   a kernel without barriers: all threads of a block, one after the other
    cut            a kernel with barriers: all threads, from one barrier to the next (`regions`)
"""

import ast
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np

from labkit.errors import LabError
from labkit.kernels.executors.names import Scope, plain, read
from labkit.kernels.executors.proof import needs_all_threads
from labkit.kernels.executors.regions import cut, slot
from labkit.kernels.executors.rewrite import BLOCK, GRID, Memory, Rewriter
from labkit.kernels.executors.uniform import THREAD, THREADS, has_barrier, is_barrier, stored, with_plain_names


def program(kernel: Any, whole_blocks: bool = False) -> str:
    """The text of a module whose function `run` does blocks first..end of `kernel`.

    run(first, end, part, <the kernel's arguments>, grid x, y, z, bytes of dynamic shared memory, threads of a block).
    whole_blocks: run all threads of a block even where one is enough. Raises LabError for whatever the kernel uses that
    cannot be rewritten.
    """
    scope, body, memory, devices = _rewritten(kernel)
    if not whole_blocks and _why(body, memory, devices) is None:
        make = _one_thread
    else:
        make = _cut if any(map(has_barrier, body)) else _thread_by_thread
    texts = [_function("inlined", name, parameters, device) for name, (parameters, device) in devices.items()]
    return "\n\n".join([*texts, *make(scope, body, memory)]) + "\n"


def why_all_threads(kernel: Any) -> str | None:
    """Why all threads of a block of `kernel` are run: what could not be proved; None where one is enough."""
    _, body, memory, devices = _rewritten(kernel)
    return _why(body, memory, devices)


def _why(body: list[ast.stmt], memory: list[Memory], devices: dict) -> str | None:
    if not all(m.shared for m in memory):
        return "each thread has an array of its own"
    writers: set[str] = set()
    while more := {name for name, (_, device) in devices.items() if _writes(device, writers)} - writers:
        writers |= more
    return needs_all_threads(body, {m.name for m in memory}, writers)


def _writes(body: list[ast.stmt], writers: set[str]) -> bool:
    """Whether a device function changes an array, itself or through one of `writers`."""
    for node in (node for statement in body for node in ast.walk(statement)):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            return True
        if isinstance(node, ast.Name) and (node.id.startswith("atomic_") or node.id in writers):
            return True
    return False


def _rewritten(kernel: Any) -> tuple[Scope, list[ast.stmt], list[Memory], dict[str, tuple[list[str], list[ast.stmt]]]]:
    """Names and body of a kernel, its arrays, and the device functions under it: name -> parameters and body."""
    function = plain(kernel)
    tree = read(function)
    scope = Scope(function, tree)
    functions: dict[Callable, str] = {}
    rewriter = Rewriter(scope, functions, device=False)
    body = with_plain_names([rewriter.visit(statement) for statement in tree.body])
    devices: dict[str, tuple[list[str], list[ast.stmt]]] = {}
    while len(devices) < len(functions):  # rewriting one device function may bring in more of them
        for called, name in list(functions.items()):
            if name not in devices:
                tree = read(called)
                within = Scope(called, tree)
                parts = [Rewriter(within, functions, device=True).visit(statement) for statement in tree.body]
                devices[name] = (within.parameters, parts)
    return scope, body, rewriter.memory, devices


class _Alone(ast.NodeTransformer):
    """Thread 0 of one thread."""

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Constant({THREAD: 0, THREADS: 1}[node.id]) if node.id in (THREAD, THREADS) else node


def _one_thread(scope: Scope, body: list[ast.stmt], memory: list[Memory]) -> list[str]:
    body = [_Alone().visit(statement) for statement in _without(body, is_barrier)]
    kernel = _function("inlined", "_kernel", [*scope.parameters, *BLOCK, *GRID, *(m.name for m in memory)], body)
    return [kernel, _run(scope, _empty(memory), _forgotten(memory), [f"_kernel({_arguments(scope, memory)})"])]


def _thread_by_thread(scope: Scope, body: list[ast.stmt], memory: list[Memory]) -> list[str]:
    parameters = [*scope.parameters, *BLOCK, *GRID, *(m.name for m in memory), THREAD, THREADS]
    shared, own = [m for m in memory if m.shared], [m for m in memory if not m.shared]
    call = [f"for {THREAD} in range({THREADS}):", *(f"    {line}" for line in _forgotten(own))]
    call += [f"    _kernel({_arguments(scope, memory)}, {THREAD}, {THREADS})"]
    return [_function("inlined", "_kernel", parameters, body), _run(scope, _empty(memory), _forgotten(shared), call)]


def _cut(scope: Scope, body: list[ast.stmt], memory: list[Memory]) -> list[str]:
    private = {m.variable: m.name for m in memory if not m.shared}
    for name in private:
        if stored(*body).count(name) > 1:
            raise LabError(f"kernel {scope.kernel} gives {name!r}, its local array, to something else", "rename that")
    body = _without(body, lambda node: isinstance(node, ast.Assign) and ast.unparse(node.value) in private.values())
    names = [*scope.parameters, *BLOCK, *GRID, *(m.name for m in memory)]
    before = deepcopy(body)
    made = cut(scope.kernel, body, {*names, THREADS}, private)
    slots = [slot(name) for name in made.slots]
    kernel = _function("inlined", "_kernel", [*names, *slots, THREADS], made.body)
    call = [f"_kernel({', '.join([_arguments(scope, memory), *slots, THREADS])})"]
    setup = _empty([m for m in memory if m.shared]) + _empty([m for m in memory if not m.shared], f"{THREADS}, ")
    if not slots:
        return [kernel, _run(scope, setup, _forgotten(memory), call)]
    setup += ["if never():", f"    _types = _types_of({_arguments(scope, memory, '0')}, 0, {THREADS})"]
    setup += [f"{name} = slots({THREADS}, _types[{i}])" for i, name in enumerate(slots)]
    return [_types_of(names, before, private, made.slots), kernel, _run(scope, setup, _forgotten(memory), call)]


def _types_of(names: list[str], body: list[ast.stmt], private: dict[str, str], variables: tuple[str, ...]) -> str:
    """A function that is compiled and never called: from its result Numba learns the types of the variables."""
    rows = [ast.parse(f"{name} = {array}[{THREAD}]").body[0] for name, array in private.items()]
    body = _without(body, lambda node: is_barrier(node) or isinstance(node, ast.Return))
    result = ast.parse(f"return ({', '.join(variables)},)").body
    return _function("inlined", "_types_of", [*names, THREAD, THREADS], [*rows, *body, *result])


class _Without(ast.NodeTransformer):
    def __init__(self, unwanted: Callable[[ast.AST], bool]):
        self.unwanted = unwanted

    def visit(self, node: ast.AST) -> ast.AST:
        return ast.Pass() if self.unwanted(node) else self.generic_visit(node)


def _without(body: list[ast.stmt], unwanted: Callable[[ast.AST], bool]) -> list[ast.stmt]:
    return [_Without(unwanted).visit(statement) for statement in body]


def _function(decorator: str, name: str, parameters: list[str], body: list[ast.stmt]) -> str:
    arguments = ast.arguments([], [ast.arg(parameter) for parameter in parameters], None, [], [], None, [])
    made = ast.FunctionDef(name, arguments, body or [ast.Pass()], [ast.Name(decorator, ast.Load())])
    return ast.unparse(ast.fix_missing_locations(made))


def _arguments(scope: Scope, memory: list[Memory], block: str = "_b") -> str:
    x, y, _ = GRID
    index = [f"{block} % {x}", f"{block} // {x} % {y}", f"{block} // ({x} * {y})"]
    return ", ".join([*scope.parameters, *index, *GRID, *(m.name for m in memory)])


def _empty(memory: list[Memory], rows: str = "") -> list[str]:
    """Lines that make the arrays; with one more axis in front, if `rows` is '<how many>, '."""
    lines = []
    for m in memory:
        size = f"_bytes // {np.dtype(m.dtype).itemsize}" if m.dynamic else ", ".join(map(str, m.shape))
        lines.append(f"{m.name} = np.empty(({rows}{size},), np.{m.dtype})")
    return lines


def _forgotten(memory: list[Memory]) -> list[str]:
    """Memory is overwritten with NaN, so that a kernel that reads what it has not written shows it."""
    return [f"{m.name}[...] = np.nan" for m in memory if m.dtype.startswith("float")]


def _run(scope: Scope, setup: list[str], fresh: list[str], call: list[str]) -> str:
    """The loop over blocks, which use the same memory one after the other."""
    parameters = ", ".join(["_first", "_end", "_part", *scope.parameters, *GRID, "_bytes", THREADS])
    lines = ["@compiled", f"def run({parameters}):", *(f"    {line}" for line in setup)]
    return "\n".join([*lines, "    for _b in range(_first, _end):", *(f"        {line}" for line in [*fresh, *call])])
