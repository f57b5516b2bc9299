"""Which variables are plainly whole numbers, or plainly true or false: the types of the rest only Numba can tell."""

import ast

from labkit.kernels.executors.rewrite import BLOCK, GRID
from labkit.kernels.executors.uniform import THREAD, THREADS, Assignment, assignments

WHOLE, TRUTH, UNKNOWN = "int64", "bool_", ""
_ARITHMETIC = (
    ast.Add,
    ast.Sub,
    ast.Mult,
    ast.FloorDiv,
    ast.Mod,
    ast.BitAnd,
    ast.BitOr,
    ast.BitXor,
    ast.LShift,
    ast.RShift,
)


def kinds_of(body: list[ast.stmt], variables: tuple[str, ...]) -> dict[str, str]:
    """'int64', 'bool_' or '' (not plain) for each of the `variables` of a rewritten kernel."""
    found: dict[str, str] = dict.fromkeys((*BLOCK, *GRID, THREAD, THREADS), WHOLE)
    everything = list(assignments(body))
    assigned = {name for assignment in everything for name in assignment.names}
    while True:
        before = dict(found)
        for assignment in everything:
            for name in assignment.names:
                kind = _new(assignment, found, assigned)
                if kind is not None:
                    found[name] = kind if found.get(name, kind) == kind else UNKNOWN
        if found == before:
            return {name: found.get(name, UNKNOWN) for name in variables}


def _new(assignment: Assignment, found: dict[str, str], assigned: set[str]) -> str | None:
    """The kind that an assignment gives; None while those that it depends on are not known yet."""
    value = assignment.value
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "range":
        return _same(value.args, found, assigned)  # the counter of a loop
    return _kind(value, found, assigned) if len(assignment.names) == 1 else UNKNOWN


def _kind(node: ast.expr, found: dict[str, str], assigned: set[str]) -> str | None:
    if isinstance(node, ast.Constant):
        return {int: WHOLE, bool: TRUTH}.get(type(node.value), UNKNOWN)
    if isinstance(node, ast.Name):
        return found.get(node.id) if node.id in assigned or node.id in found else UNKNOWN
    if isinstance(node, ast.Compare) or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)):
        return TRUTH
    if isinstance(node, ast.BoolOp):
        return _same(node.values, found, assigned)
    if isinstance(node, ast.IfExp):
        return _same([node.body, node.orelse], found, assigned)
    if isinstance(node, ast.BinOp) and isinstance(node.op, _ARITHMETIC):
        return _whole(_same([node.left, node.right], found, assigned))
    if isinstance(node, ast.UnaryOp):
        return _whole(_kind(node.operand, found, assigned))
    if isinstance(node, ast.Call) and ast.unparse(node.func) in ("min", "max", "abs"):
        return _whole(_same(node.args, found, assigned))
    size = node.value if isinstance(node, ast.Subscript) else node
    return WHOLE if isinstance(size, ast.Attribute) and size.attr in ("shape", "size") else UNKNOWN


def _same(nodes: list[ast.expr], found: dict[str, str], assigned: set[str]) -> str | None:
    """The kind of all `nodes`, as far as they are known; UNKNOWN where they differ."""
    kinds = {_kind(node, found, assigned) for node in nodes} - {None}
    return kinds.pop() if len(kinds) == 1 else UNKNOWN if kinds else None


def _whole(kind: str | None) -> str | None:
    return kind if kind in (WHOLE, None) else UNKNOWN
