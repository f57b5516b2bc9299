"""A kernel and the functions that it calls, rewritten and ready to be run thread by thread."""

import ast
import inspect
from collections.abc import Callable
from types import CodeType
from typing import Any

from labkit.kernels.executors.names import Scope, plain, read
from labkit.kernels.trace.record import Site, Source
from labkit.kernels.trace.rewrite import Rewriter, is_barrier


class Program:
    """A kernel and the device functions that it calls, rewritten; `sites` and `sources` of all of them.

    function, tree: the plain kernel and its syntax. names: plain function -> what the rewritten text calls it. waiting:
    the device functions in which threads may wait at a barrier.
    """

    def __init__(self, kernel: Any):
        self.function = plain(kernel)
        self.tree = read(self.function)
        self.sites: list[Site] = []
        self.sources: list[Source] = []
        self.names: dict[Callable, str] = {}
        self.waiting: set[Callable] = set()
        self._made: dict[Callable, tuple[CodeType, dict[str, Any]]] = {}
        self.name_of(self.function)

    @property
    def parameters(self) -> list[str]:
        """Names of the kernel's parameters."""
        return list(self.function.__code__.co_varnames[: self.function.__code__.co_argcount])

    def name_of(self, function: Callable) -> str:
        """The name by which rewritten functions call `function`, which is rewritten now if it has not been before."""
        if function not in self.names:
            self.names[function] = f"_function_{len(self.names)}"
            tree = self.tree if function is self.function else read(function)
            scope = Scope(function, tree)
            if any(is_barrier(node, scope) for node in ast.walk(tree)):
                self.waiting.add(function)
            lines, first = inspect.getsourcelines(function)
            self.sources.append(Source(function.__name__, first, tuple(line.rstrip("\n") for line in lines)))
            # `read` puts a line before a function that is indented
            rewriter = Rewriter(self, scope, first - 1 - lines[0][0].isspace())
            module = ast.Module([rewriter.rewritten(tree, is_kernel=function is self.function)], [])
            code = compile(ast.fix_missing_locations(module), _filename(function), "exec")
            self._made[function] = (code, rewriter.space)
        return self.names[function]

    def bind(self, operations: dict[str, Callable]) -> Callable:
        """The kernel as a generator function (_who, _at, *arguments) in which `operations` do the work."""
        spaces = {}
        for function, (code, free) in self._made.items():
            spaces[function] = {"__builtins__": {}, **operations, **free}
            exec(code, spaces[function])
        made = {name: spaces[function][name] for function, name in self.names.items()}
        for space in spaces.values():
            space.update(made)
        return made[self.names[self.function]]

    def line_of(self, error: BaseException) -> int:
        """The line of the source in which `error` was raised; 0 if it was not in the kernel."""
        files, line, place = {_filename(function) for function in self.names}, 0, error.__traceback__
        while place is not None:
            if place.tb_frame.f_code.co_filename in files:
                line = place.tb_lineno
            place = place.tb_next
        return line


def _filename(function: Callable) -> str:
    return f"<trace of {function.__name__}, {id(function)}>"
