"""Whether a kernel does the same with any number of threads in a block, so that one is enough.

What counts as proof: a thread's number and the number of threads occur in these places only.

    for i in range(cuda.threadIdx.x, stop, cuda.blockDim.x)     each item to one thread; the range may begin later, and
                                                                may go over the whole grid
    if cuda.threadIdx.x == 0:                                   one thread for all
    partial[cuda.threadIdx.x]                                   a partial sum (maximum, minimum), begun with what adds
                                                                nothing, fed inside such loops, and halved as below
    half = cuda.blockDim.x // 2
    while half > 0:
        if cuda.threadIdx.x < half:
            partial[cuda.threadIdx.x] += partial[cuda.threadIdx.x + half]
        cuda.syncthreads()
        half //= 2

and no value passes from one turn of such a loop to the next, or out of it, except into a partial sum or an atomic one.
All else is left to all threads of a block: that is never wrong, only slower.
"""

import ast
import re

from labkit.kernels.executors.uniform import DEVICE, THREAD, THREADS, head, loaded, nested, pairs, stored

ALL, ITEM, LEADER = "all threads", "one thread per item", "one thread"
_COMPOUND = (ast.For, ast.While, ast.If)
_NOTHING = {"0": "+", "0.0": "+", "-np.inf": "max", "np.inf": "min"}  # what adds nothing, and to which operation
_EVERYWHERE = {f"{start} + {THREAD}" for start in (f"_block_x * {THREADS}", f"{THREADS} * _block_x")}
_EVERYWHERE |= {f"{THREAD} + {start}" for start in (f"_block_x * {THREADS}", f"{THREADS} * _block_x")}
_WHOLE_GRID = (f"_grid_x * {THREADS}", f"{THREADS} * _grid_x")
_FROM = re.compile(rf"{THREAD}(?: \+ (?!.*{THREAD}).*)?|(?!.*{THREAD}.*{THREAD})[^,]* \+ {THREAD}")
_HALF = re.compile(rf"(\w+) = {THREADS} // 2")
_OWN = f"at({THREAD})"
_HALVING = r"""while {half}(?: > 0| >= 1)?:
    if _thread < {half}:
((?:        .*\n)+)    _barrier
    {half} (?://= 2|>>= 1|= {half} // 2)"""
_UPDATES = (
    (re.compile(r"(\w+)\[at\(_thread\)\] \+= \1\[at\(_thread \+ (\w+)\)\]"), "+"),
    (re.compile(r"(\w+)\[at\(_thread\)\] = (?:max)\(\1\[at\(_thread\)\], \1\[at\(_thread \+ (\w+)\)\]\)"), "max"),
    (re.compile(r"(\w+)\[at\(_thread\)\] = (?:min)\(\1\[at\(_thread\)\], \1\[at\(_thread \+ (\w+)\)\]\)"), "min"),
)


class _Unproved(Exception):
    """Its text says what stands in the way of the proof."""


def needs_all_threads(body: list[ast.stmt], shared: set[str], writers: set[str]) -> str | None:
    """None for a kernel that does the same with one thread per block; otherwise why that is not proved.

    body: rewritten for all threads. shared: the names of the shared arrays in it. writers: device functions that write
    to arrays.
    """
    try:
        _Proof(body, shared, writers).check()
    except _Unproved as found:
        return str(found)
    return None


class _Proof:
    def __init__(self, body: list[ast.stmt], shared: set[str], writers: set[str]):
        self.body, self.writers = body, writers
        bound = [pair for statement in nested(body) for pair in pairs(statement)]
        self.arrays = {ast.unparse(target) for target, value in bound if ast.unparse(value) in shared}
        self.understood: set[int] = set()  # nodes with thread numbers in a place where they may be
        self.special = {THREAD, THREADS}
        self.restricted: set[int] = set()  # statements that not all threads run
        self.changes: dict[str, list[tuple[str, str]]] = {}  # variable -> how each assignment changes it
        self.events: dict[str, str] = {}  # partial sum -> w: written, r: reduced, l: used, as they stand in the text
        self.operations: dict[str, set[str]] = {}  # partial sum -> what was done with it
        self.drains: dict[str, list[str]] = {}  # variable -> the partial sums that it goes into; "" for an atomic one

    def check(self) -> None:
        """Raise _Unproved for the first thing that is not understood."""
        self._block(self.body, ALL, sure=True)
        for statement in nested(self.body):
            for node in ast.walk(head(statement) or statement):
                special = isinstance(node, ast.Name) and node.id in self.special and isinstance(node.ctx, ast.Load)
                if special and id(node) not in self.understood:
                    raise _Unproved(f"{_line(statement)} depends on the number of the thread, or of threads")
        carried: set[str] = set()
        self._flow(self.body, set(), carried)
        for name in sorted(carried & set(stored(*self.body)) | set(self.drains)):
            self._check_sum(name)
        for name in sorted(self.events):
            self._check_partial(name)

    def _block(self, statements: list[ast.stmt], place: str, sure: bool) -> None:
        """sure: whether these statements run for certain, once the ones around them do."""
        before = None
        for statement in statements:
            if not (place == ALL and sure and before is not None and self._is_halving(before, statement)):
                if isinstance(statement, _COMPOUND):
                    self._compound(statement, place, sure)
                else:
                    self._simple(statement, place)
            before = statement

    def _is_halving(self, before: ast.stmt, loop: ast.stmt) -> bool:
        begin = _HALF.fullmatch(ast.unparse(before))
        found = begin and re.fullmatch(_HALVING.format(half=begin[1]), ast.unparse(loop))
        if not found:
            return False
        for line in found[1].splitlines():
            update = next(((m, operation) for how, operation in _UPDATES if (m := how.fullmatch(line.strip()))), None)
            if update is None or update[0][2] != begin[1]:
                return False
            self._happens(update[0][1], "r", update[1])
        self.special.add(begin[1])
        self._understand(before, loop)
        return True

    def _compound(self, statement: ast.stmt, place: str, sure: bool) -> None:
        inside, sure = place, sure and not isinstance(statement, ast.If)
        if place == ALL and self._is_restricted(statement):
            inside = LEADER if isinstance(statement, ast.If) else ITEM
            self.restricted.add(id(statement))
            if any(isinstance(s, ast.Return) for s in nested([statement])) or _breaks(statement):
                raise _Unproved(f"a thread leaves {_line(statement)} early")
        self._uses(head(statement), place)
        for name in stored(statement.target) if isinstance(statement, ast.For) else []:
            self.changes.setdefault(name, []).append(("other", ""))
        self._block(statement.body, inside, sure)
        self._block(statement.orelse, inside, sure)

    def _is_restricted(self, statement: ast.stmt) -> bool:
        """Whether this is a loop that gives each item to one thread, or a condition that is true for thread 0 alone."""
        if isinstance(statement, ast.If):
            found = ast.unparse(statement.test) in (f"{THREAD} == 0", f"0 == {THREAD}") and not statement.orelse
            self._understand(*([statement.test] if found else []))
            return found
        call = head(statement)
        if not isinstance(call, ast.Call) or ast.unparse(call.func) != "range" or len(call.args) != 3:
            return False
        start, step = ast.unparse(call.args[0]), ast.unparse(call.args[2])
        found = (step == THREADS and _FROM.fullmatch(start)) or (step in _WHOLE_GRID and start in _EVERYWHERE)
        self._understand(*([call.args[0], call.args[2]] if found else []))
        return bool(found)

    def _understand(self, *nodes: ast.AST) -> None:
        self.understood |= {id(part) for node in nodes for part in ast.walk(node)}

    def _happens(self, array: str, what: str, *operations: str) -> None:
        self.events[array] = self.events.get(array, "") + what
        self.operations.setdefault(array, set()).update(operations)

    def _simple(self, statement: ast.stmt, place: str) -> None:
        for target, value in pairs(statement):
            if isinstance(target, ast.Name):
                self.changes.setdefault(target.id, []).append(_change(statement, target, value, place))
            elif self._is_own(target):
                self._own(statement, target, value, place)
            elif place == ALL:
                raise _Unproved(f"all threads run {_line(statement)}")
        self._uses(statement, place)

    def _is_own(self, node: ast.AST) -> bool:
        """partial[thread], of a shared array."""
        if not isinstance(node, ast.Subscript) or ast.unparse(node.slice) != _OWN:
            return False
        return isinstance(node.value, ast.Name) and node.value.id in self.arrays

    def _own(self, statement: ast.stmt, target: ast.Subscript, value: ast.expr, place: str) -> None:
        """A thread changes its own element of a partial sum."""
        array, own = target.value.id, ast.unparse(target)
        how, operation = _change(statement, target, value, place)
        if how == "fed":
            self._understand(*(node for node in ast.walk(statement) if ast.unparse(node) == own))
            self._happens(array, "w", operation)
        elif how == "begun":
            self._understand(target)
            self._happens(array, "w", operation)
        elif place == ALL and isinstance(statement, ast.Assign) and isinstance(value, ast.Name):
            self._understand(target)
            self._happens(array, "w")
            self.drains.setdefault(value.id, []).append(array)
        else:
            raise _Unproved(f"{_line(statement)} is no sum, maximum or minimum of items")

    def _uses(self, node: ast.AST, place: str) -> None:
        """What a statement, or the head of one, reads from shared arrays and calls."""
        picked = set()
        for part in ast.walk(node):
            if isinstance(part, ast.Subscript) and ast.unparse(part.value) in self.arrays:
                picked.add(id(part.value))
                if id(part) not in self.understood:
                    self._happens(part.value.id, "l" if ast.unparse(part.slice) == "0" else "x")
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and part.id in self.arrays and id(part) not in picked:
                self._happens(part.id, "" if isinstance(part.ctx, ast.Store) else "x")
            if place == ALL and isinstance(part, ast.Call) and isinstance(part.func, ast.Name):
                self._check_call(node, part)

    def _check_call(self, statement: ast.AST, call: ast.Call) -> None:
        """A call that all threads make has no effect, or adds each thread's part of a sum."""
        if call.func.id in self.writers:
            raise _Unproved(f"all threads call {call.func.id[len(DEVICE) :]}, which writes to arrays")
        if call.func.id.startswith("atomic_"):
            if (
                call.func.id != "atomic_add"
                or not isinstance(call.args[2], ast.Name)
                or not isinstance(statement, ast.Expr)
            ):
                raise _Unproved(f"all threads run {_line(statement)}")
            self.drains.setdefault(call.args[2].id, []).append("")

    def _flow(self, statements: list[ast.stmt], certain: set[str], carried: set[str]) -> set[str]:
        """The names that are certain to be assigned after `statements`, as all threads know them.

        Adds to `carried` the names whose value comes from another turn of a restricted statement, or out of one.
        """
        certain = set(certain)
        for statement in statements:
            if not isinstance(statement, _COMPOUND):
                changed = stored(statement.target) if isinstance(statement, ast.AugAssign) else []
                carried |= (loaded(statement) | set(changed)) - certain
                certain |= set(stored(statement))
                continue
            carried |= loaded(head(statement)) - certain
            lost = {n for s in nested([statement]) if id(s) in self.restricted for n in stored(s)}
            inside = certain - lost | (set(stored(statement.target)) if isinstance(statement, ast.For) else set())
            ends = [self._flow(part, inside, carried) for part in (statement.body, statement.orelse)]
            certain = (ends[0] & ends[1] if isinstance(statement, ast.If) else certain) - lost
        return certain

    def _check_sum(self, name: str) -> None:
        """A variable that each thread carries along must be a sum, maximum or minimum, and used for nothing else."""
        changes = self.changes.get(name, [])
        operations = {operation for _, operation in changes}
        if any(how == "other" for how, _ in changes) or len(operations) != 1:
            raise _Unproved(f"a thread carries {name!r} from one item to another, or out of them")
        known = len(self.drains.get(name, [])) + sum(how == "fed" and operation != "+" for how, operation in changes)
        everywhere = [n for s in self.body for n in ast.walk(s) if isinstance(n, ast.Name) and n.id == name]
        if sum(isinstance(node.ctx, ast.Load) for node in everywhere) != known:
            raise _Unproved(
                f"{name!r}, a thread's own sum, maximum or minimum, is used before the threads' are combined"
            )
        for array in self.drains.get(name, []):
            self.operations.setdefault(array, set()).update(operations)
            if not array and operations != {"+"}:
                raise _Unproved(f"{name!r} is added up atomically, but is no sum")

    def _check_partial(self, array: str) -> None:
        """A shared array in which threads own elements is written, halved and then read, every time."""
        events = self.events[array]
        if not set(events) & {"w", "r"}:
            return
        if not re.fullmatch("(w+rl*)*", events) or len(self.operations[array]) != 1:
            raise _Unproved(f"the elements of {array!r} that threads own are not simply combined by halving")


def _change(statement: ast.stmt, target: ast.expr, value: ast.expr, place: str) -> tuple[str, str]:
    """('begun', '+') for total = 0, ('fed', '+') for total += x in the turn of an item; also 'max' and 'min'."""
    own = ast.unparse(target)
    while isinstance(value, ast.Call) and ast.unparse(value.func) in ("np.float32", "np.int32", "np.float64"):
        value = value.args[0]
    if place == ALL and isinstance(statement, ast.Assign) and ast.unparse(value) in _NOTHING:
        return "begun", _NOTHING[ast.unparse(value)]
    if place == ITEM and isinstance(statement, ast.AugAssign) and isinstance(statement.op, ast.Add):
        parts, operation = [own, ast.unparse(value)], "+"
    elif place == ITEM and isinstance(value, ast.Call) and ast.unparse(value.func) in ("max", "min"):
        parts, operation = [ast.unparse(argument) for argument in value.args], ast.unparse(value.func)
    else:
        return "other", ""
    others = [part for part in parts if part != own]
    alone = len(others) == len(parts) - 1 and not any(
        re.search(rf"(?<![\w.]){re.escape(own)}(?!\w)", p) for p in others
    )
    return ("fed", operation) if alone else ("other", "")


def _breaks(statement: ast.stmt) -> bool:
    """Whether `break`, or in a condition `continue`, ends the loop that `statement` is, or is in."""
    kinds = (ast.Break,) if isinstance(statement, ast.For) else (ast.Break, ast.Continue)
    waiting = list(statement.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, kinds):
            return True
        waiting += [*node.body, *node.orelse] if isinstance(node, ast.If) else []
    return False


def _line(node: ast.AST) -> str:
    return f"`{ast.unparse(node).splitlines()[0]}`"
