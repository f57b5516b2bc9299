"""Who waits for whom when an execution stands still: a cycle of lanes, each waiting for the next.

Only for schedules in which everything has its counterpart (`matching`, `serving`): then whatever a stuck lane waits for
stands further on in the list of another stuck lane, and following it from lane to lane must come back to itself.
"""

from labkit.schedule.instruction import COLLECTIVES, Instruction
from labkit.schedule.rules.execution import Execution
from labkit.schedule.rules.faults import Fault, fault, ranks
from labkit.schedule.rules.lanes import Lane, Op

MOST_TOLD = 16  # lanes of a circle that a message spells out


def standstill_faults(execution: Execution) -> list[Fault]:
    """One fault for each cycle of lanes that wait for each other, at the cycle's lowest rank.

    And one for each lane that waits for nobody who is stuck, which only what `matching` and `serving` find can leave.
    """
    after = {id(lane): _waits_for(execution, lane) for lane in execution.stuck}
    found, seen = [], set()
    for lane in execution.stuck:
        walk = []
        while lane is not None and id(lane) not in seen:
            seen.add(id(lane))
            walk.append(lane)
            lane = after[id(lane)]
        if lane in walk:
            found.append(_cycle(execution, walk[walk.index(lane) :]))
        elif lane is None:
            found.append(_alone(execution, walk[-1]))
    return found


def _waits_for(execution: Execution, lane: Lane) -> Lane | None:
    """A stuck lane that what `lane` waits for cannot come before."""
    i = lane.op.i
    if i.op == "wait":
        return execution.network[lane.rank]
    if i.op == "pull":
        return execution.server[i.peer]
    for rank in range(execution.schedule.size) if i.op in (*COLLECTIVES, "serve") else [i.peer]:
        holder = next((found for found in _lanes(execution, rank) if _holds(execution, found, lane, i)), None)
        if holder is not None and holder is not lane:
            return holder
    return None


def _lanes(execution: Execution, rank: int) -> list[Lane]:
    lanes = (execution.network[rank], execution.main[rank], execution.server[rank])
    return [lane for lane in lanes if lane.op is not None]


def _holds(execution: Execution, holder: Lane, lane: Lane, i: Instruction) -> bool:
    """Whether `holder` has yet to do what `lane` waits for in instruction i."""
    if i.op in COLLECTIVES and execution.entered(holder.rank, i):
        return False
    return any(_answers(op.i, holder.rank, i, lane.rank) for op in _ahead(execution, holder))


def _ahead(execution: Execution, lane: Lane) -> list[Op]:
    """What a stuck lane has yet to do, the instruction that it is stuck in included."""
    if lane.name == "network":
        return [op for _, op, _ in lane.queue]
    whole = lane.program if lane.step + 1 < execution.steps else []
    return [*lane.program[lane.turn :], *whole]


def _answers(other: Instruction, other_rank: int, i: Instruction, rank: int) -> bool:
    """Whether instruction `other` of rank `other_rank` is what instruction i of `rank` waits for."""
    if i.op in COLLECTIVES:
        return other_rank != rank and (other.op, other.key, other.how, other.peer) == (i.op, i.key, i.how, i.peer)
    if i.op == "serve":
        return other.op == "push" and other.peer == rank
    if i.op == "push":
        return other.op == "serve"
    fits = {"send": ("recv", "swap"), "recv": ("send", "swap"), "swap": ("send", "recv", "swap")}[i.op]
    return other.op in fits and other.peer == rank and other.key == i.key


def _cycle(execution: Execution, lanes: list[Lane]) -> Fault:
    """The fault that names every rank of a cycle, and what each waits for."""
    start = min(range(len(lanes)), key=lambda n: (lanes[n].name != "main", lanes[n].rank))
    lanes = [*lanes[start:], *lanes[:start]]
    told = []
    for n, lane in enumerate(lanes):
        after = lanes[(n + 1) % len(lanes)]
        told.append(f"{_spoken(lane)} at instruction {lane.op.position} ({lane.op.i}) waits for {_spoken(after)}")
    if len(told) > MOST_TOLD:
        told = [*told[:MOST_TOLD], f"and so on, {len(told)} in all"]
    held = sorted({lane.rank for lane in lanes})
    lane = lanes[0]
    what = f"{ranks(held)} wait{'s' * (len(held) == 1)} in a circle for ever: {'; '.join(told)}"
    return fault(execution.schedule, "hang", lane.rank, lane.op.position, lane.step, what, _instead(lanes))


def _alone(execution: Execution, lane: Lane) -> Fault:
    """The fault of a lane that waits for what no lane will ever do."""
    what = f"{_spoken(lane)} waits for ever, for something that no rank does any more"
    instead = "give it a counterpart, as often as it is done itself"
    return fault(execution.schedule, "hang", lane.rank, lane.op.position, lane.step, what, instead)


def _spoken(lane: Lane) -> str:
    return f"rank {lane.rank}" + ("" if lane.name == "main" else f"'s {lane.name} lane")


def _instead(lanes: list[Lane]) -> str:
    ops = {lane.op.i.op for lane in lanes}
    if ops == {"send"}:
        return "let one of them receive before it sends, or write 'swap', which does both at once"
    if ops == {"recv"}:
        return "let one of them send before it receives"
    if ops <= {*COLLECTIVES, "wait"}:
        return "let all ranks enter the collectives in the same order"
    if "pull" in ops:
        return "let every worker push before it pulls"
    return "change the order in one of them, or hand it to the network lane with ' &' and wait later"
