"""Schedules as text that a person can read and edit.

    # two ranks, one piece
    scheme: allreduce ring
    network: mlp
    shares: 8 | 8
    pieces: 0:25450
    ranks 0-1:
        F0:5; B0:5
        allreduce g0 ring
        U0:5

shares: the samples of each rank's micro-batches, as in `4+4 | 4+4`, and `-` for a rank that computes nothing. network:
a name of the zoo, or the JSON document of another one in one line. Ranks with one list share it; instructions stand in
lines of their own or with ';' between them; lines that begin with '#' are remarks.
"""

import json
import re

from labkit.errors import LabError, suggest
from labkit.network import Network, zoo
from labkit.network import from_document as network_from_document
from labkit.network import to_document as network_to_document
from labkit.schedule.instruction import Instruction, parse
from labkit.schedule.pieces import Piece
from labkit.schedule.schedule import Schedule

HEAD = ("scheme", "network", "shares", "pieces")
PER_LINE = 8  # pieces in a line
_RANKS = re.compile(r"ranks? ([\d ,-]+):$")


def to_text(schedule: Schedule) -> str:
    """The text of a schedule; `from_text` takes it back."""
    network = schedule.network
    known = network.name in zoo.names() and zoo.get(network.name) == network
    name = network.name if known else json.dumps(network_to_document(network))
    shares = " | ".join("+".join(map(str, share)) or "-" for share in schedule.shares)
    pieces = [f"{start}:{stop}" for start, stop in schedule.pieces]
    lines = [f"scheme: {schedule.scheme}", f"network: {name}", f"shares: {shares}"]
    lines += [f"pieces: {' '.join(pieces[n : n + PER_LINE])}" for n in range(0, len(pieces), PER_LINE)]
    groups: dict[tuple[Instruction, ...], list[int]] = {}
    for rank, program in enumerate(schedule.ranks):
        groups.setdefault(program, []).append(rank)
    for program, ranks in groups.items():
        lines += [_ranks(ranks), *(f"    {instruction}" for instruction in program)]
    return "\n".join(lines) + "\n"


def from_text(text: str) -> Schedule:
    """The schedule that a text describes.

    Raises LabError naming the line, what stands there, and what to write instead.
    """
    head: dict[str, list[tuple[int, str]]] = {key: [] for key in HEAD}
    programs: dict[int, list[Instruction]] = {}
    current: list[int] = []
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        key, colon, rest = line.partition(":")
        if match := _RANKS.match(line):
            current = _numbers(number, match[1], programs)
            programs.update((rank, []) for rank in current)
        elif colon and key in HEAD:
            head[key].append((number, rest.strip()))
        elif not current:
            instead = "write " + ", ".join(f"'{k}: ...'" for k in HEAD) + " and 'rank 0:' before instructions"
            raise LabError(f"line {number}: {line!r} belongs to no rank", instead)
        else:
            for rank in current:
                programs[rank] += _instructions(number, line)
    return _schedule(head, programs)


def _ranks(ranks: list[int]) -> str:
    """'rank 2:', 'ranks 0-3:' or 'ranks 0,2-3:'."""
    runs: list[list[int]] = []
    for rank in ranks:
        if runs and rank == runs[-1][1] + 1:
            runs[-1][1] = rank
        else:
            runs.append([rank, rank])
    told = ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
    return f"rank{'s' * (len(ranks) > 1)} {told}:"


def _numbers(number: int, told: str, known: dict[int, list]) -> list[int]:
    """The ranks that a heading names."""
    ranks: list[int] = []
    for part in told.replace(" ", "").split(","):
        match = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", part)
        if not match or int(match[1]) > int(match[2] or match[1]):
            raise LabError(f"line {number}: {told!r} names no ranks", "write it like 'rank 0:' or 'ranks 0-2,5:'")
        ranks += range(int(match[1]), int(match[2] or match[1]) + 1)
    twice = [rank for rank in ranks if rank in known or ranks.count(rank) > 1]
    if twice:
        raise LabError(f"line {number}: rank {twice[0]} has a list already", "give every rank one list")
    return ranks


def _instructions(number: int, line: str) -> list[Instruction]:
    try:
        return [parse(part.strip()) for part in line.split(";") if part.strip()]
    except LabError as error:
        raise LabError(f"line {number}: {error.what}", error.instead) from None


def _schedule(head: dict[str, list[tuple[int, str]]], programs: dict[int, list[Instruction]]) -> Schedule:
    for key in HEAD:
        if not head[key]:
            raise LabError(f"the text of a schedule has no line '{key}: ...'", "add it")
        if len(head[key]) > 1 and key != "pieces":
            raise LabError(f"line {head[key][1][0]}: a second line '{key}: ...'", "leave one of them out")
    shares = _shares(*head["shares"][0])
    if sorted(programs) != list(range(len(shares))):
        what = f"lists for the ranks {sorted(programs)}, and shares for {len(shares)}"
        raise LabError(what, "give one list and one share (or '-') per rank, from rank 0 on")
    network = _network(*head["network"][0])
    pieces = tuple(piece for number, line in head["pieces"] for piece in _pieces(number, line))
    ranks = tuple(tuple(programs[rank]) for rank in range(len(shares)))
    return Schedule(head["scheme"][0][1], network, shares, pieces, ranks)


def _network(number: int, told: str) -> Network:
    if not told.startswith("{"):
        if told not in zoo.names():
            raise LabError(f"line {number}: unknown network {told!r}", suggest(told, zoo.names()))
        return zoo.get(told)
    try:
        return network_from_document(json.loads(told))
    except json.JSONDecodeError as error:
        raise LabError(f"line {number}: the network is not JSON: {error.msg}", "mend it") from None
    except LabError as error:
        raise LabError(f"line {number}: {error.what}", error.instead) from None


def _shares(number: int, told: str) -> tuple[tuple[int, ...], ...]:
    found = []
    for part in told.split("|"):
        part = part.replace(" ", "")
        if part != "-" and not re.fullmatch(r"\d{1,9}(\+\d{1,9})*", part):
            instead = "write the samples of each rank's micro-batches, as in '4+4 | 4+4 | -'"
            raise LabError(f"line {number}: {part!r} is no rank's share", instead)
        found.append(() if part == "-" else tuple(map(int, part.split("+"))))
    return tuple(found)


def _pieces(number: int, told: str) -> list[Piece]:
    for part in told.split():
        if not re.fullmatch(r"\d{1,12}:\d{1,12}", part):
            raise LabError(f"line {number}: {part!r} is no piece", "write its start and stop, as in '0:330'")
    return [Piece(*map(int, part.split(":"))) for part in told.split()]
