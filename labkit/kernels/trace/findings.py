"""What is wrong with a traced kernel, one sentence for each mistake, with the two who are to blame."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from labkit.errors import LabError, suggest
from labkit.kernels.trace.conflicts import GLOBAL, SHARED, Conflict, never_written, races
from labkit.kernels.trace.record import ATOMIC, READ, SPACES, WRITE, Fault, Site, Trace

LOCAL = SPACES.index("local")
_SAID = {"read": "reads", "write": "writes", "atomic": "atomically changes"}


@dataclass(frozen=True)
class Finding:
    """One mistake. kind: 'race in shared memory', 'race in global memory', 'outside of an array', 'misaligned access',
    'never written' (shared or local memory that is read), 'barrier divergence', 'output not written', 'float64'.

    severity: 'error', or 'warning' for what only costs time. sentence: for people. lines: of the source. array: its
    name, "" where none is concerned. index: flat; None likewise. blocks, threads: the two (or the one) it happened to.
    times: in how many cells, or how often. rows: of `Trace.accesses`, for a picture of it.
    """

    kind: str
    severity: str
    sentence: str
    lines: tuple[int, ...] = ()
    array: str = ""
    index: int | None = None
    blocks: tuple[int, ...] = ()
    threads: tuple[int, ...] = ()
    times: int = 1
    rows: tuple[int, ...] = ()

    def __str__(self) -> str:
        return self.sentence


def findings(trace: Trace, outputs: Iterable[str] | None = None) -> tuple[Finding, ...]:
    """The mistakes of a traced kernel, errors first; empty where nothing was found.

    outputs: names of arrays that the kernel has to fill; by default those that it writes and never reads. Of what
    depends on the arguments only that is found which happened with these: trace odd sizes, and more than one block.
    Asynchronous copies (cp.async) count as done where they are started: a wait that is missing is not found.
    """
    found = [finding for space in (SHARED, GLOBAL) for finding in _races(trace, space)]
    found += [*_outside(trace), *_unwritten_memory(trace), *_divergences(trace)]
    found += [*_outputs(trace, outputs), *_doubles(trace)]
    return tuple(sorted(found, key=lambda finding: finding.severity != "error"))


def _at(trace: Trace, site: Site) -> str:
    """`line 12`, or `line 12 of activate` for a function that the kernel calls."""
    return f"line {site.line}" + (f" of {site.function}" if site.function != trace.kernel else "")


def _more(cells: int, what: str = "cells") -> str:
    return f" The same happens in {cells:,} {what}." if cells > 1 else ""


def _races(trace: Trace, space: int) -> list[Finding]:
    return [_race(trace, conflict, SPACES[space]) for conflict in races(trace, space)]


def _race(trace: Trace, conflict: Conflict, space: str) -> Finding:
    accesses = trace.accesses
    rows = (conflict.first, conflict.second)
    sites = [trace.sites[accesses.site[row]] for row in rows]
    blocks, threads = (tuple(int(column[row]) for row in rows) for column in (accesses.block, accesses.thread))
    array, index = trace.arrays[accesses.array[rows[0]]], int(accesses.index[rows[0]])
    who = [f"thread {thread}" for thread in threads]
    if blocks[0] != blocks[1]:
        who = [f"{one} of {trace.place(block)}" for one, block in zip(who, blocks, strict=True)]
    place = "" if blocks[0] != blocks[1] else f" ({trace.place(blocks[0])})"
    said = [_SAID[site.kind] for site in sites]
    between = "no barrier between them" if blocks[0] == blocks[1] else "nothing that makes one block wait for the other"
    cell, lines = array.spelled(index), [_at(trace, site) for site in sites]
    if sites[0] == sites[1]:
        story = f"{who[0]} and {who[1]} both {said[0].removesuffix('s')} {cell} in {lines[0]}"
    else:
        story = f"{who[0]} {said[0]} {cell} in {lines[0]} and {who[1]} {said[1]} it in {lines[1]}"
    sentence = f"Race in {space} memory: {story}{place}, with {between}.{_more(conflict.cells)}"
    lines = tuple(site.line for site in sites)
    kind = f"race in {space} memory"
    return Finding(kind, "error", sentence, lines, array.name, index, blocks, threads, conflict.cells, rows)


def _outside(trace: Trace) -> list[Finding]:
    """The first fault of every place in the source; a negative index apart from one that is too large."""
    first: dict[tuple, Fault] = {}
    times: dict[tuple, int] = {}
    for fault in trace.faults:
        key = (fault.site, fault.axis, fault.axis >= 0 and fault.index[fault.axis] < 0)
        first.setdefault(key, fault)
        times[key] = times.get(key, 0) + 1
    return [_fault(trace, fault, times[key]) for key, fault in first.items()]


def _fault(trace: Trace, fault: Fault, times: int) -> Finding:
    site, array = trace.sites[fault.site], trace.arrays[fault.array]
    who = f"{trace.place(fault.block)}, thread {fault.thread}"
    spelled = f"{array.name}[{', '.join(map(str, fault.index))}]"
    kind, size = "outside of an array", fault.size
    axis = f"axis {fault.axis}" if len(fault.index) > 1 else "the array"
    if fault.axis < 0:
        kind, why = "misaligned access", f"{size} values in one access must begin at a multiple of {size}"
    elif fault.index[fault.axis] < 0:
        why = "a negative index counts from the end in Numba, and is memory before the array in CUDA C"
    else:
        why = f"{axis} has {size} cells, the last is {size - 1}" if size else f"{axis} has no cells"
    sentence = f"L{_at(trace, site)[1:]} {_SAID[site.kind]} {spelled} ({who}): {why}.{_more(times, 'accesses')}"
    rows = (_row(trace, fault.block, fault.order),) if fault.block in trace.phases else ()
    where = (None, (fault.block,), (fault.thread,))
    return Finding(kind, "error", sentence, (site.line,), array.name, *where, times, rows)


def _row(trace: Trace, block: int, order: int) -> int:
    """The row of the access that was the block's number `order`."""
    return int(np.searchsorted(trace.accesses.block, block)) + order


def _unwritten_memory(trace: Trace) -> list[Finding]:
    found = []
    accesses = trace.accesses
    for space in (SHARED, LOCAL):
        rows = never_written(trace, space)
        for number, count in zip(*np.unique(accesses.site[rows], return_counts=True), strict=True):
            row = int(rows[accesses.site[rows] == number].min())
            site, array = trace.sites[number], trace.arrays[accesses.array[row]]
            block, thread, index = int(accesses.block[row]), int(accesses.thread[row]), int(accesses.index[row])
            sentence = (
                f"L{_at(trace, site)[1:]} reads {array.spelled(index)}, {array.space} memory that nobody has "
                f"written before ({trace.place(block)}, thread {thread}): what it holds is left over from before."
                f"{_more(int(count), 'reads')}"
            )
            place = ((site.line,), array.name, index, (block,), (thread,), int(count), (row,))
            found.append(Finding("never written", "error", sentence, *place))
    return found


def _divergences(trace: Trace) -> list[Finding]:
    found: dict[tuple[int, int], Finding] = {}
    for one in trace.divergences:
        site = trace.sites[one.site]
        where = "has ended" if one.other < 0 else f"waits at the one in {_at(trace, trace.sites[one.other])}"
        if one.other == one.site:
            where += ", in another round of its loop"
        sentence = (
            f"Barrier divergence in {trace.place(one.block)}: thread {one.thread} waits at the barrier in "
            f"{_at(trace, site)} ({one.waiting} threads do), but thread {one.other_thread} {where} "
            f"({one.elsewhere} threads). All threads of a block must reach the same barrier."
        )
        lines = (site.line,) if one.other < 0 else (site.line, trace.sites[one.other].line)
        threads = (one.thread, one.other_thread)
        finding = Finding("barrier divergence", "error", sentence, lines, "", None, (one.block,), threads)
        found.setdefault((one.site, one.other), finding)
    return list(found.values())


def _outputs(trace: Trace, outputs: Iterable[str] | None) -> list[Finding]:
    given = {array.name: number for number, array in enumerate(trace.arrays) if array.space == "global"}
    accesses = trace.accesses
    if outputs is None:
        used = {kind: set(accesses.array[accesses.kind == kind].tolist()) for kind in (READ, WRITE, ATOMIC)}
        wanted = [number for number in given.values() if number in used[WRITE] - used[READ] - used[ATOMIC]]
    else:
        unknown = [name for name in outputs if name not in given]
        if unknown:
            raise LabError(f"output {unknown[0]!r} of kernel {trace.kernel}", suggest(unknown[0], given))
        wanted = [given[name] for name in outputs]
    found = []
    for number in wanted:
        missing = np.flatnonzero(~trace.written[number])
        array = trace.arrays[number]
        if len(missing):
            first = int(missing[0])
            sentence = (
                f"{len(missing):,} of the {array.size:,} cells of {array.name} are never written; "
                f"the first is {array.spelled(first)}."
            )
            rest = (array.name, first, (), (), len(missing))
            found.append(Finding("output not written", "error", sentence, (), *rest))
    return found


def _doubles(trace: Trace) -> list[Finding]:
    found = []
    for slip in trace.doubles:
        place = f"Line {slip.line}" + (f" of {slip.function}" if slip.function != trace.kernel else "")
        origin = f" in line {slip.double.line}" if slip.double.line not in (0, slip.line) else ""
        reason = f"because of {slip.double.culprit}{origin}; {slip.double.advice}"
        sentence = f"{place} is computed in float64 on a GPU: `{slip.text}`, {reason}."
        found.append(Finding("float64", "warning", sentence, (slip.line,)))
    return found
