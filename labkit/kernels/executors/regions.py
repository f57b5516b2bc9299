"""A kernel with barriers, cut at them: what lies between two barriers becomes a loop over the threads of a block.

The method is that of MCUDA (Stratton, Stone and Hwu, 2008) and of pocl's work-group functions (Jaaskelainen et al.,
2015). A loop or a condition with a barrier inside stays outside of the loops over threads, so it has to take the same
course in all threads. A variable that lives from one region to another becomes a *slot*, an array with one value per
thread; variables that are computed from the same numbers in all threads are computed once per block.
"""

import ast
from collections import Counter
from dataclasses import dataclass, field

from labkit.errors import LabError
from labkit.kernels.executors import uniform
from labkit.kernels.executors.uniform import (
    THREAD,
    THREADS,
    has_barrier,
    head,
    is_barrier,
    loaded,
    nested,
    spelled,
    stored,
    varies,
)

_COMPOUND = (ast.For, ast.While, ast.If)


@dataclass
class Region:
    """Statements without a barrier that every thread runs, inside of the block's loops over `counters`."""

    loop: ast.For
    counters: frozenset[str]
    last: bool
    early: set[str] = field(default_factory=set)  # read before this region has assigned them
    certain: set[str] = field(default_factory=set)  # assigned whatever happens


@dataclass(frozen=True)
class Cut:
    """A kernel's body as loops over threads. slots: the variables with a value per thread in an array."""

    body: list[ast.stmt]
    slots: tuple[str, ...]


def slot(name: str) -> str:
    """The name of the array with the values of variable `name`."""
    return f"_slot_{name}"


def cut(kernel: str, body: list[ast.stmt], known: set[str], private: dict[str, str], writers: set[str]) -> Cut:
    """Cut the rewritten `body` of `kernel` at its barriers.

    known: names that are the same in all threads and never assigned: parameters, block numbers, shared arrays.
    private: variable of a local array -> the array with one row per thread. writers: device functions that write to
    arrays, so that each thread has to call them. Raises LabError where threads might not meet at a barrier.
    """
    cutter = _Cutter(kernel, body, known, private, writers)
    made = cutter.emit(body, last=True, counters=frozenset())
    slots = cutter.finish()
    return Cut(made, slots)


class _Cutter:
    def __init__(self, kernel: str, body: list[ast.stmt], known: set[str], private: dict[str, str], writers: set[str]):
        self.kernel, self.private = kernel, private
        self.varying = uniform.varying_names(body, {*private, *writers}, loads=False)
        self.assigned = list(uniform.assignments(body))
        end = max((i + 1 for i, s in enumerate(body) if has_barrier(s)), default=0)
        self.tail = {id(statement) for statement in nested(body[end:])}  # after the last barrier a thread may return
        self.count = Counter(stored(*body))
        self.needed = self._needed(body)
        self.block_level = set(known) | self.needed
        self.regions: list[Region] = []

    def _needed(self, body: list[ast.stmt]) -> set[str]:
        """The variables that decide about barriers, and all that these are computed from."""
        needed: set[str] = set()
        while True:
            outer = self._outside(body, needed)
            sources = [node for a in self.assigned if a.names & needed for node in (a.value, *a.controls)]
            more = loaded(*map(head, outer), *sources) & set(self.count)
            if more <= needed:
                return needed
            needed |= more

    def _outside(self, statements: list[ast.stmt], needed: set[str]) -> list[ast.stmt]:
        """The compound statements that have to stay outside of the loops over threads."""
        found = [s for s in statements if isinstance(s, _COMPOUND) and self._is_outer(s, needed)]
        return found + [s for outer in found for s in self._outside([*outer.body, *outer.orelse], needed)]

    def _is_outer(self, statement: ast.stmt, needed: set[str]) -> bool:
        """Whether a compound statement has to stay outside of the loops over threads."""
        leaves = _escapes(statement, returns=id(statement) not in self.tail)
        return has_barrier(statement) or leaves or bool(needed & set(stored(statement)))

    def emit(self, statements: list[ast.stmt], last: bool, counters: frozenset[str]) -> list[ast.stmt]:
        """`statements` with loops over threads in them. last: nothing follows that a thread may wait for."""
        made: list[ast.stmt] = []
        waiting: list[ast.stmt] = []
        for i, statement in enumerate(statements):
            final = last and not any(has_barrier(later) for later in statements[i:])
            if isinstance(statement, _COMPOUND) and self._is_outer(statement, self.needed):
                made += [*self._region(waiting, False, counters), self._outer(statement, counters)]
            elif is_barrier(statement) or isinstance(statement, ast.Break | ast.Continue | ast.Return):
                made += self._region(waiting, final, counters)
                made += [] if is_barrier(statement) else [statement]
            elif self.needed & set(stored(statement)):
                made += [*self._region(waiting, False, counters), self._once(statement)]
            else:
                waiting.append(statement)
                continue
            waiting = []
        return made + self._region(waiting, last, counters)

    def _outer(self, statement: ast.stmt, counters: frozenset[str]) -> ast.stmt:
        """A compound statement around barriers, its parts cut in turn."""
        if varies(head(statement), self.varying, loads=False):
            kind = {ast.For: "for", ast.While: "while", ast.If: "if"}[type(statement)]
            raise self._refuse(f"`{kind} {spelled(head(statement))}`, which its threads may see differently")
        if isinstance(statement, ast.For):
            if not isinstance(statement.target, ast.Name) or statement.orelse:
                raise self._refuse(f"`for {ast.unparse(statement.target)}`: the loop needs one counter and no else")
            counters |= {statement.target.id}
            self.block_level.add(statement.target.id)
        statement.body = self.emit(statement.body, False, counters)
        statement.orelse = self.emit(statement.orelse, False, counters)
        statement.body = statement.body or [ast.Pass()]
        return statement

    def _once(self, statement: ast.stmt) -> ast.stmt:
        """A statement that computes what decides about barriers: once for all threads."""
        if self.varying & set(stored(statement)):
            raise self._refuse(f"`{spelled(statement)}`, which its threads may compute differently")
        return statement

    def _refuse(self, construct: str) -> LabError:
        what = f"in kernel {self.kernel} a barrier, or what leads to it, depends on {construct}"
        return LabError(what, "let all threads of a block take the same way to every cuda.syncthreads()")

    def _region(self, statements: list[ast.stmt], last: bool, counters: frozenset[str]) -> list[ast.stmt]:
        """What is the same in all threads, first, and a loop over the threads with the rest."""
        once, rest = [], []
        for statement in statements:
            (once if self._is_common(statement, rest) else rest).append(statement)
            if once and once[-1] is statement:
                self.block_level |= set(stored(statement))
        rest = [s for s in rest if not isinstance(s, ast.Pass)]
        if not rest:
            return once
        every = ast.Call(ast.Name("range", ast.Load()), [ast.Name(THREADS, ast.Load())], [])
        loop = ast.For(ast.Name(THREAD, ast.Store()), every, rest, [])
        self.regions.append(Region(loop, counters, last))
        return [*once, loop]

    def _is_common(self, statement: ast.stmt, before: list[ast.stmt]) -> bool:
        """Whether a statement of a region may be moved before it and run once, because all threads do the same."""
        if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
            return False
        names = stored(statement.targets[0])
        plain = all(isinstance(n, ast.Name | ast.Tuple) for n in _parts(statement.targets[0]))
        once = all(self.count[name] == 1 for name in names) and not loaded(*before) & set(names)
        computed = (loaded(statement.value) & set(self.count)) <= self.block_level
        return plain and once and computed and not varies(statement.value, self.varying, loads=True)

    def finish(self) -> tuple[str, ...]:
        """Give each region the variables that it takes over from another, and hand on what it has changed."""
        for region in self.regions:
            region.certain = assigned_first(region.loop.body, set(), region.early)
        self._keep_counters_apart()
        own = {name for region in self.regions for name in stored(*region.loop.body)}
        slots = tuple(sorted(own & {name for region in self.regions for name in region.early}))
        for region in self.regions:
            body = region.loop.body
            if any(isinstance(part, ast.Return) for part in nested(body)):
                body = self._returning(body) if region.last else self._returns_early()
            changed = set(stored(*body))
            taken = [n for n in slots if n in region.early or (n in changed and n not in region.certain)]
            rows = [_take(name, array) for name, array in self.private.items() if name in loaded(*body)]
            kept = [] if region.last else [_keep(n) for n in slots if n in changed]
            region.loop.body = [*rows, *(_take(n, slot(n)) for n in taken), *body, *kept]
        return slots

    def _keep_counters_apart(self) -> None:
        """A region may use the name of an outer loop's counter for a variable of its own: that one is renamed."""
        own = {name for region in self.regions for name in stored(*region.loop.body)}
        for region in self.regions:
            changed = own & self.block_level & set(stored(*region.loop.body))
            misread = region.early & own & self.block_level
            if misread - region.counters or misread & changed:
                what = (
                    f"kernel {self.kernel} uses {min(misread)!r} as the counter of a loop with a barrier and otherwise"
                )
                raise LabError(what, "give one of them another name")
            rename = uniform.Renamed({name: f"{name}_of_thread" for name in changed})
            region.loop.body = [rename.visit(statement) for statement in region.loop.body]

    def _returning(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        """`return` of one thread, where nothing is left to wait for, is to go on with the next thread."""
        made = []
        for statement in statements:
            if isinstance(statement, ast.For | ast.While) and any(
                isinstance(s, ast.Return) for s in nested([statement])
            ):
                raise LabError(f"kernel {self.kernel} returns from inside a loop", "leave the loop with break")
            if isinstance(statement, ast.If):
                statement.body, statement.orelse = map(self._returning, (statement.body, statement.orelse))
            made.append(ast.Continue() if isinstance(statement, ast.Return) else statement)
        return made

    def _returns_early(self) -> list[ast.stmt]:
        what = f"a thread of kernel {self.kernel} may return before a barrier that the others wait at"
        raise LabError(what, "put what follows into an if, and leave the barrier outside of it")


def assigned_first(statements: list[ast.stmt], certain: set[str], early: set[str]) -> set[str]:
    """The names that are assigned for certain after `statements`, if those in `certain` were before.

    Adds to `early` the names that may be read before they are assigned.
    """
    certain = set(certain)
    for statement in statements:
        if isinstance(statement, _COMPOUND):
            early |= loaded(head(statement)) - certain
            inside = certain | (set(stored(statement.target)) if isinstance(statement, ast.For) else set())
            first, second = (assigned_first(part, inside, early) for part in (statement.body, statement.orelse))
            certain = first & second if isinstance(statement, ast.If) else certain
        else:
            changed = stored(statement.target) if isinstance(statement, ast.AugAssign) else []
            early |= (loaded(statement) | set(changed)) - certain
            certain |= set(stored(statement))
    return certain


def _parts(target: ast.expr) -> list[ast.expr]:
    return [node for node in ast.walk(target) if isinstance(node, ast.expr)]


def _escapes(statement: ast.stmt, returns: bool, loop: bool = False) -> bool:
    """Whether a compound statement may leave the loop around it or, where `returns` count, the kernel."""
    loop = loop or isinstance(statement, ast.For | ast.While)
    for part in [*statement.body, *statement.orelse]:
        leaves = returns if isinstance(part, ast.Return) else isinstance(part, ast.Break | ast.Continue) and not loop
        if leaves or (isinstance(part, _COMPOUND) and _escapes(part, returns, loop)):
            return True
    return False


def _element(array: str, context: ast.expr_context) -> ast.Subscript:
    index = ast.Call(ast.Name("at", ast.Load()), [ast.Name(THREAD, ast.Load())], [])
    return ast.Subscript(ast.Name(array, ast.Load()), index, context)


def _take(name: str, array: str) -> ast.stmt:
    return ast.Assign([ast.Name(name, ast.Store())], _element(array, ast.Load()))


def _keep(name: str) -> ast.stmt:
    return ast.Assign([_element(slot(name), ast.Store())], ast.Name(name, ast.Load()))
