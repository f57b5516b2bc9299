"""Which variables of a rewritten kernel are the same for all threads of a block, and which a thread has for itself."""

import ast
import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass

THREAD, THREADS, BARRIER = "_thread", "_threads", "_barrier"
DEVICE = "_device_"  # what the names of rewritten device functions begin with
PLACES = {  # a thread's number in the grid, as blockIdx.x * blockDim.x + threadIdx.x may be written
    *(f"{start} + {THREAD}" for start in (f"_block_x * {THREADS}", f"{THREADS} * _block_x")),
    *(f"{THREAD} + {start}" for start in (f"_block_x * {THREADS}", f"{THREADS} * _block_x")),
}
_WRITTEN = ("blockDim.x", "threadIdx.x", "blockIdx.", "gridDim.")
_PLAIN = {THREAD, THREADS, *PLACES}
_LOOPS = (ast.For, ast.While)


@dataclass(frozen=True)
class Assignment:
    """`names` get `value`; whether that happens is up to `controls`, conditions and ranges."""

    names: frozenset[str]
    value: ast.expr
    controls: tuple[ast.expr, ...]


class Renamed(ast.NodeTransformer):
    """Gives variables other names: `names` maps old to new."""

    def __init__(self, names: dict[str, str]):
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = self.names.get(node.id, node.id)
        return node


def is_barrier(node: ast.AST) -> bool:
    """Whether a statement of a rewritten kernel is a barrier."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Name) and node.value.id == BARRIER


def has_barrier(node: ast.AST) -> bool:
    """Whether there is a barrier in a statement."""
    return any(is_barrier(part) for part in ast.walk(node))


def nested(statements: list[ast.stmt]) -> list[ast.stmt]:
    """All statements, those inside of compound statements included."""
    return [node for statement in statements for node in ast.walk(statement) if isinstance(node, ast.stmt)]


def pairs(statement: ast.stmt) -> Iterator[tuple[ast.expr, ast.expr]]:
    """(target, value) of each assignment that a simple statement makes; a, b = x, y is two."""
    if isinstance(statement, ast.AugAssign):
        yield statement.target, statement.value
    for target in statement.targets if isinstance(statement, ast.Assign) else []:
        if isinstance(target, ast.Tuple):
            matched = isinstance(statement.value, ast.Tuple) and len(statement.value.elts) == len(target.elts)
            values = statement.value.elts if matched else [statement.value] * len(target.elts)
            yield from zip(target.elts, values, strict=True)
        else:
            yield target, statement.value


def with_plain_names(body: list[ast.stmt]) -> list[ast.stmt]:
    """`body` with the numbers themselves in place of variables that only stand for the number of the thread (also in
    the grid) or of threads.
    """
    counts, known = stored(*body), {}
    for target, value in (pair for statement in nested(body) for pair in pairs(statement)):
        if isinstance(target, ast.Name) and counts.count(target.id) == 1 and ast.unparse(value) in _PLAIN:
            known[target.id] = value
    return [_Plain(known).visit(statement) for statement in body]


def one_by_one(body: list[ast.stmt]) -> list[ast.stmt]:
    """`body` with a = x and b = y in place of a, b = x, y, wherever that is the same."""
    return [made for statement in body for made in _OneByOne().of(statement)]


class _OneByOne(ast.NodeTransformer):
    def of(self, node: ast.stmt) -> list[ast.stmt]:
        made = self.visit(node)
        return made if isinstance(made, list) else [made]

    def visit_Assign(self, node: ast.Assign) -> ast.Assign | list[ast.Assign]:
        parts = list(pairs(node))
        names = {target.id for target, _ in parts if isinstance(target, ast.Name)}
        apart = len(node.targets) == 1 and isinstance(node.value, ast.Tuple) and len(node.value.elts) == len(parts)
        if not apart or len(names) < len(parts) or names & loaded(node.value):
            return node
        return [ast.copy_location(ast.Assign([target], value), node) for target, value in parts]


class _Plain(ast.NodeTransformer):
    def __init__(self, known: dict[str, ast.expr]):
        self.known = known

    def visit_Name(self, node: ast.Name) -> ast.expr:
        found = self.known.get(node.id) if isinstance(node.ctx, ast.Load) else None
        return node if found is None else deepcopy(found)

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        kept = [(t, v) for t, v in pairs(node) if not isinstance(t, ast.Name) or t.id not in self.known]
        if len(kept) == len(list(pairs(node))):
            return self.generic_visit(node)
        if not kept:
            return ast.Pass()
        targets, values = (list(part) for part in zip(*kept, strict=True))
        made = ast.Assign([ast.Tuple(targets, ast.Store())], ast.Tuple(values, ast.Load()))
        return self.generic_visit(ast.fix_missing_locations(ast.copy_location(made, node)))


def spelled(node: ast.AST) -> str:
    """The first line of a statement, or an expression, as the kernel's author wrote it."""
    text = ast.unparse(_AsWritten().visit(deepcopy(node))).splitlines()[0]
    for name, written in zip((THREADS, THREAD, "_block_", "_grid_"), _WRITTEN, strict=True):
        text = text.replace(name, f"cuda.{written}")
    return text.replace("np.", "")


class _AsWritten(ast.NodeTransformer):
    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        kept = {"at": 0, "inside": 2}.get(ast.unparse(node.func))
        return node if kept is None else node.args[kept]

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(re.sub(rf"^{DEVICE}\d+_", "", node.id), node.ctx)


def stored(*nodes: ast.AST) -> list[str]:
    """The names that statements assign to, each as often as it is written there."""
    return [n.id for node in nodes for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]


def loaded(*nodes: ast.AST) -> set[str]:
    """The names that statements or expressions read."""
    return {n.id for node in nodes for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def head(statement: ast.stmt) -> ast.expr | None:
    """What decides whether, or how often, the body of a compound statement runs."""
    return statement.iter if isinstance(statement, ast.For) else getattr(statement, "test", None)


def leaving(loop: ast.stmt) -> list[ast.expr]:
    """The conditions under which `break` or `continue` leaves the body of `loop`."""

    def within(statements: list[ast.stmt], above: list[ast.expr]) -> Iterator[ast.expr]:
        for statement in statements:
            if isinstance(statement, ast.Break | ast.Continue):
                yield from above
            if isinstance(statement, ast.If):
                yield from within([*statement.body, *statement.orelse], [*above, statement.test])

    return list(within(loop.body, []))


def assignments(statements: list[ast.stmt], controls: tuple[ast.expr, ...] = ()) -> Iterator[Assignment]:
    """Every assignment to a variable in `statements`."""
    for statement in statements:
        for target, value in pairs(statement):
            if names := frozenset(stored(target)):
                yield Assignment(names, _after(statement, target, value), controls)
        if isinstance(statement, _LOOPS):
            inside = (*controls, head(statement), *leaving(statement))
            if isinstance(statement, ast.For):
                yield Assignment(frozenset(stored(statement.target)), statement.iter, inside)
            yield from assignments([*statement.body, *statement.orelse], inside)
        elif isinstance(statement, ast.If):
            yield from assignments([*statement.body, *statement.orelse], (*controls, statement.test))


def _after(statement: ast.stmt, target: ast.expr, value: ast.expr) -> ast.expr:
    """What a variable is after the statement: target + value for target += value."""
    if not isinstance(statement, ast.AugAssign):
        return value
    return ast.BinOp(ast.Name(target.id, ast.Load()), statement.op, value)


def computing(variables: set[str], known: set[str], body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements of `body` that the types of `variables` depend on: assignments to them, loops that count them, and
    the same for what these are computed from, unless it is `known`.
    """
    everything = list(assignments(body))
    wanted = set(variables)
    while more := {n for a in everything if a.names & wanted for n in loaded(a.value)} - wanted - known:
        wanted |= more
    kept: list[ast.stmt] = []
    for statement in nested(body):
        if isinstance(statement, ast.For) and wanted & set(stored(statement.target)):
            kept.append(ast.For(statement.target, statement.iter, [ast.Pass()], []))
        elif any(wanted & set(stored(target)) for target, _ in pairs(statement)):
            kept.append(statement)
    return kept


def varies(node: ast.expr, varying: set[str], loads: bool) -> bool:
    """Whether an expression may have another value in another thread.

    loads: count what is read from arrays, and what functions make of it, as different. It is the same for all threads
    that read the same element at the same time, but not at different times.
    """
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and (part.id in varying or part.id == THREAD):
            return True
        called = part.func.id if isinstance(part, ast.Call) and isinstance(part.func, ast.Name) else ""
        if called.startswith("atomic_") or (loads and called.startswith(DEVICE)):
            return True
        if loads and isinstance(part, ast.Subscript) and not _is_view(part):
            return True
    return False


def _is_view(node: ast.Subscript) -> bool:
    """x.shape[i] and x[first:] read nothing from memory."""
    axes = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    return isinstance(node.value, ast.Attribute) or any(isinstance(axis, ast.Slice) for axis in axes)


def varying_names(statements: list[ast.stmt], private: set[str], loads: bool) -> set[str]:
    """The names that may stand for something else in each thread; `private` ones do. See `varies` for `loads`."""
    found, everything = set(private), list(assignments(statements))
    while True:
        more = {
            name
            for a in everything
            for name in a.names - found
            if any(varies(node, found, loads) for node in (a.value, *a.controls))
        }
        if not more:
            return found
        found |= more
