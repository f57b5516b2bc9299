"""The text of a module that runs a kernel on a CPU.

Three ways, of which the first that is right is taken:

    one thread        a kernel that is proved to do the same with any number of threads: one per block (`proof`)
    thread by thread  a kernel without barriers: all threads of a block, one after the other
    cut               a kernel with barriers: all threads, from one barrier to the next (`regions`)
"""

import ast
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from labkit.errors import LabError
from labkit.kernels.executors.kinds import kinds_of
from labkit.kernels.executors.names import Scope, plain, read
from labkit.kernels.executors.proof import needs_all_threads
from labkit.kernels.executors.regions import cut
from labkit.kernels.executors.rewrite import BLOCK, GRID, Memory, Rewriter
from labkit.kernels.executors.text import Writer, function, has_return, without
from labkit.kernels.executors.uniform import (
    THREAD,
    THREADS,
    has_barrier,
    is_barrier,
    one_by_one,
    stored,
    with_plain_names,
)


def program(kernel: Any, whole_blocks: bool = False, checked: bool = False) -> str:
    """The text of a module whose function `run` does blocks first..end of `kernel`.

    See `Writer` for its arguments. whole_blocks: run all threads of a block even where one is enough. checked: raise
    IndexError(place, axis, index, size) for an index outside of an array; `PLACES` of the module has the places. Raises
    LabError for whatever the kernel uses that cannot be rewritten.
    """
    places = [] if checked else None
    scope, body, memory, devices = _rewritten(kernel, places)
    writer = Writer(scope.parameters, memory)
    if not whole_blocks and why_all_threads(kernel) is None:
        made = writer.once([_Alone().visit(statement) for statement in without(body, is_barrier)])
    elif not any(map(has_barrier, body)) and has_return(body):
        made = writer.for_each_thread(body)
    else:
        made = _cut(scope, body, memory, _writers(devices))
    texts = [function(name, parameters, device) for name, (parameters, device) in devices.items()]
    return "\n\n".join([f"PLACES = {places}", *texts, *made]) + "\n"


def why_all_threads(kernel: Any) -> str | None:
    """Why all threads of a block of `kernel` are run: what could not be proved; None where one is enough."""
    _, body, memory, devices = _rewritten(kernel, None)
    return _why(body, memory, devices)


def _why(body: list[ast.stmt], memory: list[Memory], devices: dict) -> str | None:
    if not all(m.shared for m in memory):
        return "each thread has an array of its own"
    return needs_all_threads(body, {m.name for m in memory}, _writers(devices))


def _writers(devices: dict) -> set[str]:
    """The device functions that change an array, themselves or through others."""
    writers: set[str] = set()
    while more := {name for name, (_, device) in devices.items() if _writes(device, writers)} - writers:
        writers |= more
    return writers


def _writes(body: list[ast.stmt], writers: set[str]) -> bool:
    """Whether a device function changes an array, itself or through one of `writers`."""
    for node in (node for statement in body for node in ast.walk(statement)):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            return True
        if isinstance(node, ast.Name) and (node.id.startswith("atomic_") or node.id in writers):
            return True
    return False


def _rewritten(
    kernel: Any, places: list[str] | None
) -> tuple[Scope, list[ast.stmt], list[Memory], dict[str, tuple[list[str], list[ast.stmt]]]]:
    """Names and body of a kernel, its arrays, and the device functions under it: name -> parameters and body."""
    function = plain(kernel)
    tree = read(function)
    scope = Scope(function, tree)
    functions: dict[Callable, str] = {}
    rewriter = Rewriter(scope, functions, False, places)
    body = one_by_one(with_plain_names([rewriter.visit(statement) for statement in tree.body]))
    devices: dict[str, tuple[list[str], list[ast.stmt]]] = {}
    while len(devices) < len(functions):  # rewriting one device function may bring in more of them
        for called, name in list(functions.items()):
            if name not in devices:
                tree = read(called)
                within = Scope(called, tree)
                parts = [Rewriter(within, functions, True, places).visit(statement) for statement in tree.body]
                devices[name] = (within.parameters, parts)
    return scope, body, rewriter.memory, devices


class _Alone(ast.NodeTransformer):
    """Thread 0 of one thread."""

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Constant({THREAD: 0, THREADS: 1}[node.id]) if node.id in (THREAD, THREADS) else node


def _cut(scope: Scope, body: list[ast.stmt], memory: list[Memory], writers: set[str]) -> list[str]:
    """The whole block, cut at its barriers. Only the types of some variables may have to be found out by Numba."""
    private = {m.variable: m.name for m in memory if not m.shared}
    for name in private:
        if stored(*body).count(name) > 1:
            raise LabError(f"kernel {scope.kernel} gives {name!r}, its local array, to something else", "rename that")
    body = without(body, lambda node: isinstance(node, ast.Assign) and ast.unparse(node.value) in private.values())
    known = {*scope.parameters, *BLOCK, *GRID, *(m.name for m in memory), THREADS}
    before = deepcopy(body)
    made = cut(scope.kernel, body, known, private, writers)
    kinds = kinds_of(before)
    return Writer(scope.parameters, memory).cut(made, before, private, kinds)
