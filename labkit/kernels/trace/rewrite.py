"""A kernel's source as a Python generator: one per thread, which stops at every barrier.

    y[i] = x[i + 1] * total          _store(_load(x, (i + 1), 4, _at) * total, y, i, 5, _at)
    cuda.syncthreads()               yield (6, _at)
    for c in range(C):               _outer_7, _round_7 = _at, -1
        ...                          for c in range(C):
                                         _round_7 += 1
                                         _at = _moment(_outer_7, 7, _round_7)
                                         ...
                                     _at = _outer_7

Numbers are those of `Site`s, given in the order in which the source is evaluated. `_at` is the moment: which round of
which loops, and within which calls, this is. Lanes of a warp that are at the same site in the same moment make one
request, as on a GPU, where threads meet again behind every loop. `_who` holds the thread's numbers.
"""

import ast
from typing import Any

from labkit.kernels.executors.names import Scope
from labkit.kernels.trace.expressions import Expressions, load_name

_FENCES = ("threadfence", "threadfence_block", "threadfence_system")
_NO_ACCESS = ("cp_async_commit", "cp_async_wait0", "cp_async_wait1")


class Rewriter(Expressions):
    """Rewrites one function; the module's docstring shows what becomes of it."""

    def rewritten(self, tree: ast.FunctionDef, is_kernel: bool) -> ast.FunctionDef:
        """The whole function; a kernel is a generator even where it never waits."""
        body = self._block(tree.body)
        if is_kernel:
            body.insert(0, *_statements("if 0: yield"))
        parameters = [ast.arg(name) for name in ("_who", "_at", *self.scope.parameters)]
        arguments = ast.arguments([], parameters, None, [], [], None, [])
        made = ast.FunctionDef(self.program.names[self.scope.function], arguments, body, [])
        return _on_line(made, tree.lineno + self.shift)

    def _block(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        for statement in statements:
            line = statement.lineno + self.shift
            made = self.visit(statement)
            out += [_on_line(one, line) for one in (made if isinstance(made, list) else [made])]
        return out

    def visit_Assign(self, node: ast.Assign) -> list[ast.stmt]:
        path = self.call_path(node.value)
        if path in ("shared.array", "local.array"):
            return [ast.Assign(node.targets, self.array(path, node))]
        value = self.limited(node.value)
        if len(node.targets) == 1 and isinstance(node.targets[0], ast.Subscript):
            return [ast.Expr(self.store(node.targets[0], value))]
        if all(_only_names(target) for target in node.targets):
            return [ast.Assign(node.targets, value)]
        out: list[ast.stmt] = [ast.Assign([_store_name("_value")], value)]
        for target in node.targets:
            out += self._unpack(target, "_value")
        return out

    def _unpack(self, target: ast.expr, name: str) -> list[ast.stmt]:
        """Statements that give the value called `name` to `target`."""
        if isinstance(target, ast.Name):
            return [ast.Assign([target], load_name(name))]
        if isinstance(target, ast.Subscript):
            return [ast.Expr(self.store(target, load_name(name)))]
        if not isinstance(target, ast.Tuple):
            raise self.refuse(target, ast.unparse(target))
        parts = [f"{name}_{i}" for i in range(len(target.elts))]
        out = [ast.Assign([ast.Tuple([_store_name(part) for part in parts], ast.Store())], load_name(name))]
        return [*out, *(one for t, part in zip(target.elts, parts, strict=True) for one in self._unpack(t, part))]

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        if node.value is None:
            return ast.Pass()
        return self.visit_Assign(ast.copy_location(ast.Assign([node.target], node.value), node))

    def visit_AugAssign(self, node: ast.AugAssign) -> list[ast.stmt]:
        target = node.target
        if isinstance(target, ast.Attribute):
            raise self.refuse(node, ast.unparse(node))
        if isinstance(target, ast.Name):
            changed = ast.copy_location(ast.BinOp(load_name(target.id), node.op, node.value), node)
            return [ast.Assign([target], self.limited(changed))]
        array, index = self.visit(target.value), self.index(target.slice)
        where = [load_name("_array"), load_name("_index")]
        place = [ast.Assign([_store_name("_array")], array), ast.Assign([_store_name("_index")], index)]
        old = ast.Assign([_store_name("_old")], self.operation("_load", where, self.site("read", target)))
        changed = self.combined(load_name("_old"), node.op, self.visit(node.value))
        return [*place, old, ast.Expr(self.operation("_store", [changed, *where], self.site("write", target)))]

    def visit_For(self, node: ast.For) -> list[ast.stmt]:
        if node.orelse or not _only_names(node.target):
            raise self.refuse(node, "a `for` with `else`, or over something else than names")
        items = self.visit(node.iter)
        before, inside, after = self._loop(node)
        return [*before, ast.For(node.target, items, inside + self._block(node.body), []), *after]

    def visit_While(self, node: ast.While) -> list[ast.stmt]:
        if node.orelse:
            raise self.refuse(node, "a `while` with `else`")
        before, inside, after = self._loop(node)
        leave = ast.If(ast.UnaryOp(ast.Not(), self.visit(node.test)), [ast.Break()], [])
        return [*before, ast.While(ast.Constant(True), [*inside, leave, *self._block(node.body)], []), *after]

    def _loop(self, node: ast.For | ast.While) -> tuple[list[ast.stmt], list[ast.stmt], list[ast.stmt]]:
        """What stands before a loop, at the head of its body, and behind it, to know the moment."""
        n = self.site("loop", node)
        inside = f"_round_{n} += 1; _at = _moment(_outer_{n}, {n}, _round_{n})"
        return _statements(f"_outer_{n} = _at; _round_{n} = -1"), _statements(inside), _statements(f"_at = _outer_{n}")

    def visit_If(self, node: ast.If) -> ast.If:
        test, body = self.visit(node.test), self._block(node.body)
        return ast.If(test, body, self._block(node.orelse))

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        path = self.call_path(node.value)
        if path == "syncthreads":
            return _statements(f"yield ({self.site('barrier', node)}, _at)")[0]
        if path in _FENCES or self.intrinsic(node.value) in _NO_ACCESS:
            return ast.Pass()
        return ast.Expr(self.visit(node.value))


def is_barrier(node: ast.AST, scope: Scope) -> bool:
    """Whether a node is a call of `cuda.syncthreads`."""
    return isinstance(node, ast.Call) and scope.cuda_path(node.func) == "syncthreads"


def _on_line(made: ast.stmt, line: int) -> ast.stmt:
    """`made`, with everything in it that has not been given a line before on this one."""
    for node in ast.walk(made):
        if "lineno" in node._attributes and not getattr(node, "has_line", False):
            node.lineno = node.end_lineno = line
            node.col_offset = node.end_col_offset = 0
            node.has_line = True
    return made


def _only_names(target: ast.expr) -> bool:
    parts = target.elts if isinstance(target, ast.Tuple) else [target]
    return all(isinstance(part, ast.Name) for part in parts)


def _statements(text: str) -> list[ast.stmt]:
    """The syntax of some statements; the lines are those of where they are put."""
    return ast.parse(text).body


def _store_name(name: str) -> ast.Name:
    return ast.Name(name, ast.Store())
