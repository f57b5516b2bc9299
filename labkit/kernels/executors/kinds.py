"""Which variables are plainly of one type, whatever the kernel is given: those of the rest only Numba can tell."""

import ast

from labkit.kernels.executors.rewrite import BLOCK, GRID
from labkit.kernels.executors.uniform import THREAD, THREADS, Assignment, assignments

WHOLE, TRUTH, UNKNOWN = "int64", "bool_", ""
_SUMS = (ast.Add, ast.Sub, ast.Mult)
_WHOLES = (*_SUMS, ast.FloorDiv, ast.Mod)
_BITS = (ast.BitAnd, ast.BitOr, ast.BitXor, ast.LShift, ast.RShift)
_TYPES = ("int32", "int64", "float32", "float64")


def kinds_of(body: list[ast.stmt]) -> dict[str, str]:
    """'int64', 'int32', 'float32', 'bool_' and so on, or '' (not plain), for each variable of a kernel."""
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
            return {name: found.get(name, UNKNOWN) for name in assigned}


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
    if isinstance(node, ast.BinOp):
        return _result(node.op, _kind(node.left, found, assigned), _kind(node.right, found, assigned))
    if isinstance(node, ast.UnaryOp):
        return _whole(_kind(node.operand, found, assigned))
    if isinstance(node, ast.Call):
        called = ast.unparse(node.func)
        if called in ("min", "max", "abs"):
            return _whole(_same(node.args, found, assigned))
        return called[3:] if called.startswith("np.") and called[3:] in _TYPES else UNKNOWN
    size = isinstance(node, ast.Attribute) and node.attr == "size"
    length = isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute) and node.value.attr == "shape"
    return WHOLE if size or length else UNKNOWN


def _same(nodes: list[ast.expr], found: dict[str, str], assigned: set[str]) -> str | None:
    """The kind of all `nodes`, as far as they are known; UNKNOWN where they differ."""
    kinds = {_kind(node, found, assigned) for node in nodes} - {None}
    return kinds.pop() if len(kinds) == 1 else UNKNOWN if kinds else None


def _result(operation: ast.operator, left: str | None, right: str | None) -> str | None:
    """The kind of left operation right, by Numba's rules: whole numbers of 32 bits become such of 64."""
    kinds = {left, right}
    if None in kinds:
        return None if kinds <= {None, WHOLE} else UNKNOWN
    if isinstance(operation, _WHOLES) and kinds <= {WHOLE, "int32"}:
        return WHOLE
    if isinstance(operation, _BITS) and kinds == {WHOLE}:
        return WHOLE
    return "float32" if isinstance(operation, _SUMS) and kinds == {"float32"} else UNKNOWN


def _whole(kind: str | None) -> str | None:
    return kind if kind in (WHOLE, None) else UNKNOWN
