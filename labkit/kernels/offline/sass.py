"""Machine code as data: the instructions of a kernel, its loops, and what a loop costs to issue.

A loop is what the control flow says it is: a branch back to an instruction that every way to the branch has passed (its
header), and all instructions from which the branch can be reached without passing the header. Code that a loop calls
(`CALL`, such as the division of 64-bit numbers) is not counted into it.
"""

import json
import re
from collections import Counter
from dataclasses import dataclass

INSTRUCTION_BYTES = 16
WARPS_PER_CLOCK = 4  # a multiprocessor issues for four warps, so at most four FFMA, while one wavefront is served
MEMORY = re.compile(r"^(LDG|LDS|LDL|LDSM|STG|STS|STL|LDGSTS|ATOMG|ATOMS|RED)\b")
ENDS = ("EXIT", "RET", "BRX", "JMX", "KILL")


@dataclass(frozen=True)
class Instruction:
    """One instruction as nvdisasm prints it, at byte `address` from the start of the kernel."""

    address: int
    opcode: str
    operands: str = ""
    predicate: str = ""

    @property
    def family(self) -> str:
        """The opcode without modifiers; where memory is touched, with the bits per lane if these are not 32."""
        name = self.opcode.split(".")[0]
        bits = re.search(r"\.(8|U8|S8|16|U16|S16|64|128)\b", self.opcode)
        return f"{name}.{bits[1]}" if bits and MEMORY.match(name) else name

    @property
    def target(self) -> int | None:
        """Address that this branch may go to, None for every other instruction.

        A `CALL` with an address is a branch too (so ptxas leaves loops on sm_80); that of a subroutine has its name.
        """
        match = re.search(r"\b0x([0-9a-f]+)$", self.operands) if self.opcode.startswith(("BRA", "CALL")) else None
        return int(match[1], 16) if match else None

    @property
    def ends(self) -> bool:
        """True if the instruction after this one is never the next."""
        jumps = self.target is not None and "," not in self.operands  # before a comma stands a condition
        return not self.predicate and (jumps or self.opcode.split(".")[0] in ENDS)


@dataclass(frozen=True)
class Loop:
    """One loop, read from machine code (so what it says of speed is `modelled`).

    start, end: byte addresses of its first instruction and behind its last. within: starts of the loops that it stands
    in. mix: family -> number of instructions, the most frequent first.
    """

    start: int
    end: int
    within: tuple[int, ...]
    mix: dict[str, int]

    @property
    def instructions(self) -> int:
        """All instructions in it; both sides of a branch count."""
        return sum(self.mix.values())

    @property
    def ffma(self) -> int:
        """Multiply-adds in float32."""
        return self.mix.get("FFMA", 0)

    @property
    def per_ffma(self) -> float:
        """Instructions issued for each multiply-add; infinite in a loop without one."""
        return self.instructions / self.ffma if self.ffma else float("inf")

    @property
    def issue_bound(self) -> float:
        """Share of the FP32 peak that is left when every instruction takes one slot: FFMA / all instructions."""
        return self.ffma / self.instructions

    @property
    def wavefronts(self) -> int:
        """Passes of 128 bytes through the load/store path per trip and warp, as if no lane shared a value: one for 32
        bits per lane, four for 128. An asynchronous copy passes twice, from global memory and into shared memory.
        """
        return sum(count * _passes(family) for family, count in self.mix.items() if MEMORY.match(family))

    @property
    def lsu_bound(self) -> float:
        """Share of the FP32 peak that the load/store path allows: FFMA / (4 wavefronts), at most 1."""
        return min(1.0, self.ffma / (WARPS_PER_CLOCK * self.wavefronts)) if self.wavefronts else 1.0

    @property
    def bound(self) -> float:
        """The smaller of the two."""
        return min(self.issue_bound, self.lsu_bound)


def _passes(family: str) -> int:
    name, _, bits = family.partition(".")
    return (2 if name == "LDGSTS" else 1) * {"64": 2, "128": 4}.get(bits, 1)


def read(document: str, kernel: str) -> tuple[Instruction, ...]:
    """Instructions of the function `kernel` in what `nvdisasm --emit-json` printed."""
    functions = json.loads(document)[1]
    ours = next(function for function in functions if function["function-name"] == kernel)
    return tuple(
        Instruction(i * INSTRUCTION_BYTES, one["opcode"], one.get("operands", ""), one.get("predicate", ""))
        for i, one in enumerate(ours["sass-instructions"])
    )


def loops(code: tuple[Instruction, ...]) -> tuple[Loop, ...]:
    """Every loop that control can reach, in the order of their first instructions."""
    if not code:
        return ()
    blocks = _blocks(code)
    after = {first: _successors(code, first, last) for first, last in blocks.items()}
    dominators = _dominators(after)
    bodies: dict[int, set[int]] = {}
    for block in dominators:
        for header in after[block]:
            if header in dominators[block]:
                bodies.setdefault(header, {header}).update(_body(header, block, after, dominators))
    found = []
    for header, body in sorted(bodies.items()):
        inside = [code[i] for first in body for i in range(first, blocks[first] + 1)]
        within = tuple(code[other].address for other in bodies if other != header and header in bodies[other])
        end = max(one.address for one in inside) + INSTRUCTION_BYTES
        mix = dict(Counter(one.family for one in inside).most_common())
        found.append(Loop(code[header].address, end, within, mix))
    return tuple(found)


def hottest(found: tuple[Loop, ...]) -> Loop | None:
    """The loop in which the time goes: of the most deeply nested ones with multiply-adds the one with the most of them
    (compilers unroll, and keep a short loop for the rest). None where no loop multiplies and adds.
    """
    busy = [loop for loop in found if loop.ffma]
    return max(busy, key=lambda loop: (len(loop.within), loop.ffma), default=None)


def around(found: tuple[Loop, ...], inner: Loop) -> Loop | None:
    """The smallest loop that `inner` stands in, None where it stands in none."""
    return min((loop for loop in found if loop.start in inner.within), key=lambda loop: loop.instructions, default=None)


def besides(found: tuple[Loop, ...], inner: Loop) -> Loop | None:
    """What the loop around `inner` holds besides it, as a loop; None if it has no multiply-add, or as many as `inner`.

    Compilers unroll by four and put a rest of up to three behind: all that runs where a filter is narrower than four.
    """
    outer = around(found, inner)
    rest = Counter(outer.mix) - Counter(inner.mix) if outer else Counter()
    if not 0 < rest["FFMA"] < inner.ffma:
        return None
    return Loop(outer.start, outer.end, outer.within, dict(rest.most_common()))


def nest(found: tuple[Loop, ...], ffma: int) -> Loop | None:
    """One trip that does `ffma` multiply-adds, as a loop: the hottest one if it does so many itself, else the loop
    around it with the hottest counted as often as that takes. None where no loop multiplies and adds.
    """
    hot = hottest(found)
    outer = around(found, hot) if hot else None
    if outer is None or hot.ffma >= ffma:
        return hot
    mix = Counter(outer.mix)
    for family, count in hot.mix.items():
        mix[family] += count * (ffma // hot.ffma - 1)
    return Loop(outer.start, outer.end, outer.within, dict(mix.most_common()))


def _blocks(code: tuple[Instruction, ...]) -> dict[int, int]:
    """Basic blocks: index of the first instruction -> index of the last."""
    firsts = {0}
    for i, one in enumerate(code):
        if one.target is not None:
            firsts.add(one.target // INSTRUCTION_BYTES)
        if (one.target is not None or one.ends) and i + 1 < len(code):
            firsts.add(i + 1)
    ordered = sorted(firsts)
    return dict(zip(ordered, [first - 1 for first in ordered[1:]] + [len(code) - 1], strict=True))


def _successors(code: tuple[Instruction, ...], first: int, last: int) -> list[int]:
    """First instructions of the blocks that may follow the block from `first` to `last`."""
    end = code[last]
    targets = [] if end.target is None else [end.target // INSTRUCTION_BYTES]
    return targets if end.ends or last + 1 == len(code) else [*targets, last + 1]


def _dominators(after: dict[int, list[int]]) -> dict[int, set[int]]:
    """For every block that can be reached: the blocks that each way to it passes, itself included."""
    reached, todo = {0}, [0]
    while todo:
        fresh = set(after[todo.pop()]) - reached
        reached |= fresh
        todo += fresh
    before = {block: [b for b in reached if block in after[b]] for block in reached}
    dominators = {block: set(reached) for block in reached} | {0: {0}}
    changed = True
    while changed:
        changed = False
        for block in sorted(reached - {0}):
            new = {block} | set.intersection(*(dominators[b] for b in before[block]))
            changed |= new != dominators[block]
            dominators[block] = new
    return dominators


def _body(header: int, end: int, after: dict[int, list[int]], reached: dict) -> set[int]:
    """Blocks from which `end` can be reached without passing `header`, `end` included."""
    body, todo = {end}, [end]
    while todo:
        block = todo.pop()
        if block != header:
            fresh = {b for b in reached if block in after[b]} - body
            body |= fresh
            todo += fresh
    return body
