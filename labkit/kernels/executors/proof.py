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

and no value passes from one turn of such a loop to the next, or out of it, except into a partial sum or an atomic one,
and no barrier is inside of one. All else is left to all threads of a block: that is never wrong, only slower.
"""

import ast

from labkit.kernels.executors.patterns import (
    ALL,
    ITEM,
    LEADER,
    OWN,
    change,
    halving,
    is_for_thread_0,
    leaves,
    shares_items,
)
from labkit.kernels.executors.uniform import (
    DEVICE,
    THREAD,
    THREADS,
    has_barrier,
    head,
    loaded,
    nested,
    pairs,
    spelled,
    stored,
)

_COMPOUND = (ast.For, ast.While, ast.If)


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
        self.drains: dict[str, list[str]] = {}  # variable -> the partial sums that it goes into; "" for an atomic one
        self.begun: dict[str, int] = {}  # partial sum that is not combined yet -> where it was begun
        self.combined: set[str] = set()
        self.otherwise: set[str] = set()  # shared arrays that are used in other ways too
        self.operations: dict[str, set[str]] = {}  # partial sum -> what was done with it

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
        for array in sorted(self.operations):
            mixed = array in self.otherwise or len(self.operations[array]) != 1
            if mixed or array in self.begun:
                raise _Unproved(f"the elements of {array!r} that threads own are not simply combined by halving")

    def _block(self, statements: list[ast.stmt], place: str, sure: bool) -> None:
        """sure: whether these statements run for certain, once the ones around them do."""
        before = ast.Pass()
        for statement in statements:
            found = halving(before, statement) if place == ALL and sure else None
            if found:
                self.special.add(found[0])
                self._understand(before, statement)
                for array, operation in found[1]:
                    self._combine(array, operation, statements)
            elif isinstance(statement, _COMPOUND):
                self._compound(statement, place, sure)
            elif isinstance(statement, ast.Return | ast.Break | ast.Continue) and self.begun:
                raise _Unproved(f"the elements of {min(self.begun)!r} that threads own may not be combined")
            else:
                self._simple(statement, place, statements if sure else None)
            before = statement

    def _combine(self, array: str, operation: str, statements: list[ast.stmt]) -> None:
        if self.begun.pop(array, None) != id(statements):
            raise _Unproved(f"the elements of {array!r} that threads own are combined without having been begun anew")
        self.operations[array].add(operation)
        self.combined.add(array)

    def _compound(self, statement: ast.stmt, place: str, sure: bool) -> None:
        inside, sure = place, sure and not isinstance(statement, ast.If)
        if place == ALL and (shares_items(statement) or is_for_thread_0(statement)):
            inside = LEADER if isinstance(statement, ast.If) else ITEM
            self.restricted.add(id(statement))
            kept = [statement.test] if inside == LEADER else [statement.iter.args[0], statement.iter.args[2]]
            self._understand(*kept)
            if any(isinstance(s, ast.Return) for s in nested([statement])) or leaves(statement):
                raise _Unproved(f"a thread leaves {_line(statement)} early")
            if has_barrier(statement):
                raise _Unproved(f"there is a barrier inside {_line(statement)}")
        self._uses(head(statement), place)
        for name in stored(statement.target) if isinstance(statement, ast.For) else []:
            self.changes.setdefault(name, []).append(("other", ""))
        self._block(statement.body, inside, sure)
        self._block(statement.orelse, inside, sure)

    def _understand(self, *nodes: ast.AST) -> None:
        self.understood |= {id(part) for node in nodes for part in ast.walk(node)}

    def _simple(self, statement: ast.stmt, place: str, sure: list[ast.stmt] | None) -> None:
        """sure: the statements among which this one runs for certain; None where it may be left out."""
        for target, value in pairs(statement):
            if isinstance(target, ast.Name):
                self.changes.setdefault(target.id, []).append(change(statement, target, value, place))
            elif self._is_own(target):
                self._own(statement, target, value, place, sure)
            elif place == ALL:
                raise _Unproved(f"all threads run {_line(statement)}")
        self._uses(statement, place)

    def _is_own(self, node: ast.AST) -> bool:
        """partial[thread], of a shared array."""
        return (
            isinstance(node, ast.Subscript)
            and ast.unparse(node.slice) == OWN
            and ast.unparse(node.value) in self.arrays
        )

    def _own(self, statement: ast.stmt, target: ast.Subscript, value: ast.expr, place: str, sure: list | None) -> None:
        """A thread changes its own element of a partial sum."""
        array, own = target.value.id, ast.unparse(target)
        how, operation = change(statement, target, value, place)
        drained = how == "other" and place == ALL and isinstance(statement, ast.Assign) and isinstance(value, ast.Name)
        if not (drained or (how == "begun" and sure is not None) or (how == "fed" and array in self.begun)):
            raise _Unproved(f"{_line(statement)} is no sum, maximum or minimum of items, begun anew")
        self._understand(*(node for node in ast.walk(statement) if ast.unparse(node) == own))
        self.operations.setdefault(array, set()).update([operation] if operation else [])
        if how != "fed":
            if sure is None:
                raise _Unproved(f"{_line(statement)} may be left out")
            self.begun[array] = id(sure)
        if drained:
            self.drains.setdefault(value.id, []).append(array)

    def _uses(self, node: ast.AST, place: str) -> None:
        """What a statement, or the head of one, reads from shared arrays and calls."""
        picked = set()
        for part in ast.walk(node):
            if isinstance(part, ast.Subscript) and ast.unparse(part.value) in self.arrays:
                picked.add(id(part.value))
                if id(part) not in self.understood:
                    ready = part.value.id in self.combined and part.value.id not in self.begun
                    self.otherwise |= set() if ready and ast.unparse(part.slice) == "0" else {part.value.id}
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load) and id(part) not in picked:
                self.otherwise |= {part.id} & self.arrays
            if place == ALL and isinstance(part, ast.Call) and isinstance(part.func, ast.Name):
                self._check_call(node, part)

    def _check_call(self, statement: ast.AST, call: ast.Call) -> None:
        """A call that all threads make has no effect, or adds each thread's part of a sum."""
        if call.func.id == "print":
            raise _Unproved("all threads print")
        if call.func.id in self.writers:
            raise _Unproved(f"all threads call {call.func.id[len(DEVICE) :]}, which writes to arrays")
        if call.func.id.startswith("atomic_"):
            added = call.args[2] if call.func.id == "atomic_add" and isinstance(statement, ast.Expr) else None
            if not isinstance(added, ast.Name):
                raise _Unproved(f"all threads run {_line(statement)}")
            self.drains.setdefault(added.id, []).append("")

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


def _line(node: ast.AST) -> str:
    return f"`{spelled(node)}`"
