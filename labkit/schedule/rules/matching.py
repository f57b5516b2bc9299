"""Rules between ranks that need no execution: what one sends another receives, and collectives are entered by all.

Counted over one step: since every rank repeats its list, numbers that differ in one step differ more in each. Messages
of empty pieces are none. What has its counterpart may still come in an order that blocks: that is for `execution`.
"""

from collections import Counter, defaultdict

from labkit.schedule.instruction import COLLECTIVES, Instruction
from labkit.schedule.rules.faults import Fault, fault, ranks, times
from labkit.schedule.schedule import Schedule

Channel = tuple[int, int, str]  # from rank, to rank, item


def matching_faults(schedule: Schedule) -> list[Fault]:
    """Messages without counterpart, and collectives that some rank does not enter, or enters in another way."""
    return _message_faults(schedule) + _collective_faults(schedule)


def _message_faults(schedule: Schedule) -> list[Fault]:
    sends, receives = channels(schedule)
    found = []
    for channel in sorted({*sends, *receives}):
        out, into = sends.get(channel, []), receives.get(channel, [])
        if len(out) == len(into):
            continue
        source, target, _ = channel
        few, many = sorted((len(out), len(into)))
        rank, position = (source, out[few]) if len(out) > len(into) else (target, into[few])
        found.append(fault(schedule, "hang", rank, position, 0, *_alone(schedule, channel, rank, few, many)))
    return found


def channels(schedule: Schedule) -> tuple[dict[Channel, list[int]], dict[Channel, list[int]]]:
    """Positions of what is sent and of what is received in one step, by (from, to, item)."""
    sends, receives = defaultdict(list), defaultdict(list)
    for rank, program in enumerate(schedule.ranks):
        for position, i in enumerate(program):
            if i.op in ("send", "recv", "swap") and schedule.values(i):
                if i.op != "recv":
                    sends[rank, i.peer, i.key].append(position)
                if i.op != "send":
                    receives[i.peer, rank, i.key].append(position)
    return sends, receives


def _alone(schedule: Schedule, channel: Channel, rank: int, few: int, many: int) -> tuple[str, str]:
    """Why a message has no counterpart, and what to type. rank: the one that would wait for it."""
    source, target, key = channel
    if rank == source:
        other, does, missing = target, f"receives {key} from rank {source}", f"recv {key}<{source}"
        kin = [n for n, i in enumerate(schedule.ranks[other]) if i.op in ("recv", "swap") and i.peer == rank]
    else:
        other, does, missing = source, f"sends {key} to rank {target}", f"send {key}>{target}"
        kin = [n for n, i in enumerate(schedule.ranks[other]) if i.op in ("send", "swap") and i.peer == rank]
    what = f"rank {other} {does} {times(few)}, not {times(many)}" if few else f"rank {other} never {does}"
    kin = [n for n in kin if schedule.ranks[other][n].key != key]
    also = f" (or mend its instruction {kin[0]}, '{schedule.ranks[other][kin[0]]}')" if kin else ""
    return what, f"give rank {other} '{missing}'{also}, or leave this out"


def _collective_faults(schedule: Schedule) -> list[Fault]:
    entered: dict[str, list[list[tuple[int, Instruction]]]] = {}  # item -> [rank] -> (position, instruction)
    for rank, program in enumerate(schedule.ranks if schedule.size > 1 else ()):
        for position, i in enumerate(program):
            if i.op in COLLECTIVES and schedule.values(i):
                entered.setdefault(i.key, [[] for _ in schedule.ranks])[rank].append((position, i))
    found = []
    for rows in entered.values():
        kinds = [tuple((i.op, i.how, i.peer) for _, i in row) for row in rows]
        common = Counter(kinds)
        model = max(range(schedule.size), key=lambda rank: (common[kinds[rank]], len(kinds[rank]), -rank))
        for rank in range(schedule.size):
            if kinds[rank] != kinds[model]:
                found.append(_differs(schedule, rows, kinds, rank, model))
    return found


def _differs(schedule: Schedule, rows: list, kinds: list, rank: int, model: int) -> Fault:
    """Where the collectives of `rank` on one item first differ from those of rank `model`, which most ranks do."""
    turn = next((n for n, (a, b) in enumerate(zip(kinds[rank], kinds[model], strict=False)) if a != b), None)
    others = ranks(r for r in range(schedule.size) if kinds[r] == kinds[model])
    if turn is None and len(kinds[rank]) < len(kinds[model]):
        position, i = rows[model][len(kinds[rank])]
        what = f"rank {rank} never enters it, so that {others} would wait for ever"
        return fault(schedule, "hang", model, position, 0, what, f"give rank {rank} '{i}', too")
    turn = len(kinds[model]) if turn is None else turn
    position, i = rows[rank][turn]
    if turn == len(kinds[model]):
        return fault(schedule, "hang", rank, position, 0, f"{others} never do so", "leave it out, or add it there")
    other = rows[model][turn][1]
    what = f"on {others} this is '{other}'"
    instead = "write the same on all ranks: operation, algorithm and root"
    return fault(schedule, "hang", rank, position, 0, what, instead)
