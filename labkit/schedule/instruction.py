"""One instruction of one rank, and its spelling: what is written, printed and parsed back.

    F0:13#1               forward propagation (FP) of layers 0 to 12 for micro-batch 1
    B0:13#1               back-propagation and weight gradients (BP, KU) of layers 12 down to 0, for micro-batch 1
    U0:13   U w3          update the weights of layers 0 to 12, or those of piece 3
    send w3>2             send the weights of piece 3 to rank 2
    recv w3<0             receive them from rank 0 (they replace those there)
    recv g3<1 +           receive the gradients of piece 3 from rank 1, and add them to those there
    swap g3<>1 +          exchange: send and receive at once
    allreduce g3 ring     sum the gradients of piece 3 over all ranks, which all get the sum
    reduce g3>0 tree      sum them into rank 0
    bcast w3<0 linear     rank 0 gives its weights of piece 3 to all
    push g3>4   pull w3<4 to and from the parameter server on rank 4
    serve async           the server takes the next push that arrives, from whomever (async, sync or ssp2)
    wait w3               until nothing works on the weights of piece 3 in the background any more; `wait`: on anything

An instruction that ends in ` &` is handed to the rank's network lane, which does such instructions one after the other
while the main lane goes on; `wait` is how the two meet again. A *piece* is a range of the flat vector of parameters
(`Piece`). `e` is the mean error at the network's output.
"""

import re
from dataclasses import dataclass, replace

from labkit.errors import LabError, suggest

COMPUTE = ("F", "B", "U")
MESSAGES = ("send", "recv", "swap", "push", "pull")  # between two ranks
COLLECTIVES = ("allreduce", "reduce", "bcast")  # every rank takes part
OPS = (*COMPUTE, *MESSAGES, *COLLECTIVES, "serve", "wait")
MARKS = {"send": ">", "push": ">", "reduce": ">", "recv": "<", "pull": "<", "bcast": "<", "swap": "<>"}
ITEMS = ("g", "w", "e")  # gradients and weights of a piece; the mean error at the output
ADD = "+"  # what is received is added to what is there

_COMPUTE = re.compile(r"([FBU])(\d+):(\d+)(?:#(\d+))?$")
_OTHER = re.compile(r"(\w+)(?: ([gw]\d+|e)(?:(<>|<|>)(\d+))?)?(?: (\S+))?$")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction. Fields that an instruction has no use for keep their defaults.

    op: one of OPS. layers: (first, end), half-open, as Python slices. micro: number of the micro-batch within the
    rank's share of the step. item: 'g', 'w' or 'e'; piece: its number. peer: the other rank, or the root. how: the
    algorithm of a collective, the mode of a server, or '+'. background: handed to the network lane.

    Raises LabError where the fields do not make an instruction.
    """

    op: str
    layers: tuple[int, int] | None = None
    micro: int = 0
    item: str = ""
    piece: int = 0
    peer: int | None = None
    how: str = ""
    background: bool = False

    def __post_init__(self) -> None:
        if self.op not in OPS:
            raise LabError(f"there is no instruction {self.op!r}", suggest(self.op, OPS))
        fault = _fault(self)
        if fault:
            raise LabError(f"{self.op!r} {fault}", "see the spellings in labkit/schedule/instruction.py")

    def __str__(self) -> str:
        return spell(self)

    @property
    def key(self) -> str:
        """What the instruction works on, such as 'g3'; '' for layers and for `wait` alone."""
        return "" if not self.item else self.item if self.item == "e" else f"{self.item}{self.piece}"

    @property
    def lane(self) -> str:
        """Which of the rank's lanes does it: 'main', 'network' or 'server'."""
        return "server" if self.op == "serve" else "network" if self.background else "main"

    def behind(self) -> "Instruction":
        """The same instruction, handed to the network lane."""
        return replace(self, background=True)


def spell(instruction: Instruction) -> str:
    """The short spelling; `parse` takes it back."""
    i = instruction
    if i.layers is not None:
        return f"{i.op}{i.layers[0]}:{i.layers[1]}" + (f"#{i.micro}" if i.micro else "")
    peer = f"{MARKS[i.op]}{i.peer}" if i.peer is not None else ""
    words = [i.op, f"{i.key}{peer}", i.how, "&" if i.background else ""]
    return " ".join(word for word in words if word)


def parse(text: str) -> Instruction:
    """The instruction that `text` spells; LabError for text that spells none."""
    words = text.split()
    background = bool(words) and words[-1] == "&"
    plain = " ".join(words[:-1] if background else words)
    if match := _COMPUTE.match(plain):
        op, first, end, micro = match.groups()
        return Instruction(op, (int(first), int(end)), int(micro or 0), background=background)
    match = _OTHER.match(plain)
    if not match:
        what = f"{text!r} spells no instruction"
        raise LabError(what, "write it like 'F0:13', 'allreduce g2 ring &' or 'wait w3'")
    op, key, mark, peer, how = match.groups()
    if op in OPS and mark and mark != MARKS.get(op):
        right = f"with {MARKS[op]!r}" if op in MARKS else "without a rank"
        raise LabError(f"{text!r} has {mark!r} before the rank", f"{op!r} is written {right}")
    return Instruction(
        op,
        item=key[0] if key else "",
        piece=int(key[1:] or 0) if key else 0,
        peer=int(peer) if peer else None,
        how=how or "",
        background=background,
    )


def _fault(i: Instruction) -> str:
    """What is wrong with the fields of an instruction, or ''."""
    if i.layers is not None and (i.op not in COMPUTE or not 0 <= i.layers[0] < i.layers[1]):
        return f"cannot work on the layers {i.layers}"
    if i.op in ("F", "B") and (i.layers is None or i.item):
        return "needs a range of layers, as in 'F0:13'"
    if i.op == "U" and (i.layers is None) == (not i.item):
        return "needs either a range of layers or the weights of a piece"
    if (i.op in MARKS) != (i.peer is not None):
        return "needs the number of a rank" if i.op in MARKS else "takes no rank"
    if (i.peer is not None and i.peer < 0) or i.micro < 0 or i.piece < 0:
        return "has a negative number"
    if i.item and i.item not in ITEMS:
        return f"cannot work on {i.item!r}"
    if not i.item and i.op not in (*COMPUTE, "serve", "wait"):
        return "needs what it works on, such as g0 or w0"
    wanted = {"push": "g", "pull": "w", "U": "w"}.get(i.op)
    if i.item and wanted and i.item != wanted:
        return f"works on {wanted}, not on {i.key}"
    if (i.item and i.op == "serve") or (i.micro and i.op not in ("F", "B")) or (i.piece and i.item not in ("g", "w")):
        return "has something that it has no use for"
    if i.background and i.op in (*COMPUTE, "wait", "serve"):
        return "cannot go to the network lane"
    return _how_fault(i)


def _how_fault(i: Instruction) -> str:
    if i.op in ("recv", "swap") and i.how in ("", ADD):
        return ""
    if i.op == "serve":
        known = i.how in ("async", "sync") or re.fullmatch(r"ssp\d+", i.how)
        return "" if known else f"has no mode {i.how!r}; it is async, sync or ssp with a bound, as in ssp2"
    if i.op in COLLECTIVES:
        from labkit.schedule.collectives import ALGORITHMS, known

        return "" if known(i.op, i.how) else f"has no algorithm {i.how!r}; it is one of {', '.join(ALGORITHMS[i.op])}"
    return f"takes no {i.how!r}" if i.how else ""
