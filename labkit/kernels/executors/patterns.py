"""The places in a rewritten kernel where a thread's number, and the number of threads, may stand; see `proof`."""

import ast
import re

from labkit.kernels.executors.uniform import PLACES, THREAD, THREADS, head

ALL, ITEM, LEADER = "all threads", "one thread per item", "one thread"
OWN = f"at({THREAD})"
_NOTHING = {"0": "+", "0.0": "+", "-np.inf": "max", "np.inf": "min"}  # what adds nothing, and to which operation
_WHOLE_GRID = (f"_grid_x * {THREADS}", f"{THREADS} * _grid_x")
_HALF = re.compile(rf"(\w+) = {THREADS} // 2")
_HALVING = r"""while {half}(?: > 0| >= 1)?:
    if _thread < {half}:
((?:        .*\n)+)    _barrier
    {half} (?://= 2|>>= 1|= {half} // 2)"""
_UPDATE = re.compile(
    r"(\w+)\[at\(_thread\)\] (?:\+= \1\[at\(_thread \+ (\w+)\)\]"
    r"|= (max|min)\(\1\[at\(_thread\)\], \1\[at\(_thread \+ (\w+)\)\]\))"
)


def shares_items(loop: ast.stmt) -> bool:
    """for i in range(thread, stop, threads), also from a later start, also over the whole grid."""
    call = head(loop)
    if not isinstance(loop, ast.For) or not isinstance(call, ast.Call) or len(call.args) != 3:
        return False
    start, _, step = call.args
    if ast.unparse(call.func) != "range":
        return False
    if ast.unparse(step) in _WHOLE_GRID:
        return ast.unparse(start) in PLACES
    terms = _terms(start)
    others = [node.id for term in terms for node in ast.walk(term) if isinstance(node, ast.Name)]
    return ast.unparse(step) == THREADS and THREAD in map(ast.unparse, terms) and _count(others, THREAD, THREADS) == 1


def _terms(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _terms(node.left) + _terms(node.right)
    return [node]


def _count(names: list[str], *wanted: str) -> int:
    return sum(name in wanted for name in names)


def is_for_thread_0(statement: ast.stmt) -> bool:
    """if thread == 0, without else."""
    if not isinstance(statement, ast.If) or statement.orelse:
        return False
    return ast.unparse(statement.test) in (f"{THREAD} == 0", f"0 == {THREAD}")


def halving(before: ast.stmt, loop: ast.stmt) -> tuple[str, list[tuple[str, str]]] | None:
    """The variable that is halved and (array, operation) for each array that `loop` combines; None for other loops."""
    begin = _HALF.fullmatch(ast.unparse(before))
    found = begin and re.fullmatch(_HALVING.format(half=begin[1]), ast.unparse(loop))
    updates = [_UPDATE.fullmatch(line.strip()) for line in found[1].splitlines()] if found else [None]
    if not all(update and (update[2] or update[4]) == begin[1] for update in updates):
        return None
    return begin[1], [(update[1], update[3] or "+") for update in updates]


def change(statement: ast.stmt, target: ast.expr, value: ast.expr, place: str) -> tuple[str, str]:
    """('begun', '+') for total = 0, ('fed', '+') for total += x in the turn of an item; also 'max' and 'min'."""
    own = ast.unparse(target)
    while isinstance(value, ast.Call) and ast.unparse(value.func) in ("np.float32", "np.int32", "np.float64"):
        value = value.args[0] if value.args else value.func
    if place == ALL and isinstance(statement, ast.Assign) and ast.unparse(value) in _NOTHING:
        return "begun", _NOTHING[ast.unparse(value)]
    if place == ITEM and isinstance(statement, ast.AugAssign) and isinstance(statement.op, ast.Add):
        parts, operation = [own, ast.unparse(value)], "+"
    elif place == ITEM and isinstance(value, ast.Call) and ast.unparse(value.func) in ("max", "min"):
        parts, operation = [ast.unparse(argument) for argument in value.args], ast.unparse(value.func)
    else:
        return "other", ""
    others = [part for part in parts if part != own]
    again = any(re.search(rf"(?<![\w.]){re.escape(own)}(?!\w)", part) for part in others)
    return ("other", "") if again or len(others) != len(parts) - 1 else ("fed", operation)


def leaves(statement: ast.stmt) -> bool:
    """Whether `break`, or in a condition `continue`, ends the loop that `statement` is, or is in."""
    kinds = (ast.Break,) if isinstance(statement, ast.For) else (ast.Break, ast.Continue)
    waiting = list(statement.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, kinds):
            return True
        waiting += [*node.body, *node.orelse] if isinstance(node, ast.If) else []
    return False
