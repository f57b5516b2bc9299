"""How long a schedule takes, from a model: every instruction of every rank with its start and its end.

    timeline = simulate(schedule, Costs(flops_costs(network, 1e11), parse_link("emulated:500,100")), steps=3)
    timeline.seconds

Closed forms (`limits/collectives.py`) hold where everyone starts at once and the number of ranks suits the algorithm;
the simulation follows each message through the ports of its two ranks, so it also holds where they do not.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf

from labkit.errors import LabError
from labkit.machine.links import Link
from labkit.machine.origin import MODELLED
from labkit.network import Dense, chain
from labkit.schedule.costs import Costs, no_compute
from labkit.schedule.events import Event, Timeline
from labkit.schedule.instruction import Instruction
from labkit.schedule.pieces import Piece
from labkit.schedule.schedule import Schedule
from labkit.schedule.simulator.lanes import LANES, Lane, Worker, World
from labkit.schedule.simulator.operations import PUSH, SERVE, Operation, operations
from labkit.schedule.simulator.servers import Server
from labkit.schedule.staleness import Stale

MOST_NAMED = 4  # ranks in the message of a deadlock


def simulate(schedule: Schedule, costs: Costs, steps: int = 1, events: bool = True) -> Timeline:
    """The events of `steps` steps, by their start; regime 'simulated'. The same again for the same arguments.

    Lanes: main, network and server, see `instruction`. Messages: see `simulator.network`. A move of a collective is
    over when both its directions are; then what is added takes its time. A rank without samples computes nothing. Every
    instruction is one event, but a `serve` up to four: waiting for a push, receiving it, the update, and the answers,
    whose event takes no time because the server does not wait until they have left.

    events: False keeps only the first and the last event of each lane: enough for `Timeline.seconds`, and faster.

    Raises LabError where ranks wait for each other for ever, for costs of another network, and for steps below 1.
    """
    with _no_collection():
        world = _simulated(schedule, costs, steps)
        found = world.events if events else _ends(world.events)
        listed = tuple(map(_event, sorted(found)))
    return Timeline(
        events=listed,
        ranks=schedule.size,
        regime="simulated",
        origin=MODELLED,
        link=costs.link.name,
    )


def simulated_staleness(schedule: Schedule, costs: Costs, steps: int = 1) -> tuple[Stale, ...]:
    """Every update of the parameter servers, in the simulated order; none in a schedule without servers.

    Raises LabError as `simulate` does.
    """
    return tuple(map(Stale._make, _simulated(schedule, costs, steps).stale))


def collective_seconds(
    op: str,
    how: str,
    ranks: int,
    values: int,
    link: Link,
    reduce_bytes_per_s: float = inf,
    overhead_s: float = 0.0,
) -> float:
    """Seconds of one collective alone, which all ranks begin at time 0. Raises LabError for names that are unknown."""
    schedule = alone(op, how, ranks, values)
    costs = Costs(no_compute(schedule.network), link, reduce_bytes_per_s, overhead_s)
    return simulate(schedule, costs, events=False).seconds


def alone(op: str, how: str, ranks: int, values: int, root: int = 0) -> Schedule:
    """A schedule of one collective over one piece of `values` values, and nothing else."""
    item, peer = ("w" if op == "bcast" else "g"), (None if op == "allreduce" else root)
    program = (Instruction(op, item=item, peer=peer, how=how),)
    network = chain("alone", (max(1, values),), {"weights": Dense(1, bias=False)})
    return Schedule(f"{op} {how}", network, ((),) * ranks, (Piece(0, values),), (program,) * ranks)


def _simulated(schedule: Schedule, costs: Costs, steps: int) -> World:
    if not isinstance(steps, int) or isinstance(steps, bool) or steps < 1:
        raise LabError(f"{steps!r} steps to simulate", "give a whole number of at least 1")
    world, ready, lanes = World(schedule, costs, steps), operations(schedule, costs), []
    workers = _workers(ready)
    for rank, program in enumerate(ready):
        serves = [entry for entry in enumerate(program) if entry[1].action == SERVE]
        if serves:
            world.servers[rank] = Server(world, rank, serves, workers.get(rank, {}))
            lanes.append(world.servers[rank].lane)
        worker = Worker(world, rank, [entry for entry in enumerate(program) if entry[1].action != SERVE])
        lanes += [worker.main, worker.behind]
    try:
        world.network.run()
    finally:
        _untie(world, lanes)
    stuck = [lane for lane in lanes if lane.at is not None]
    if stuck:
        raise _deadlock(schedule, stuck)
    return world


def _untie(world: World, lanes: list[Lane]) -> None:
    """Break the circles of references, so that memory is free again at once."""
    for lane in lanes:
        lane.resume = None
    world.servers.clear()


@contextmanager
def _no_collection() -> Iterator[None]:
    """Python looks for circles of references whenever many objects were made; here there are many, and no circles."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _workers(ready: tuple[tuple[Operation, ...], ...]) -> dict[int, dict[int, tuple[int, ...]]]:
    """Server -> piece -> ranks that push it there. LabError for a push to a rank that serves nobody."""
    servers = [rank for rank, program in enumerate(ready) if any(one.action == SERVE for one in program)]
    found: dict[int, dict[int, tuple[int, ...]]] = {rank: {} for rank in servers}
    for rank, program in enumerate(ready):
        for position, one in enumerate(program):
            if one.action != PUSH:
                continue
            if one.peer not in found:
                what = f"rank {rank}, instruction {position} ({one.spelling}): rank {one.peer} serves nobody"
                raise LabError(what, "give that rank a `serve` for each push")
            ranks = found[one.peer].get(one.piece, ())
            if rank not in ranks:
                found[one.peer][one.piece] = (*ranks, rank)
    return found


def _deadlock(schedule: Schedule, stuck: list) -> LabError:
    names = []
    for lane in stuck[:MOST_NAMED]:
        step, position, one = lane.at
        behind = f" ({one.lane} lane)" if one.lane != "main" else ""
        names.append(f"rank {lane.number // len(LANES)}{behind}, step {step}, instruction {position} ({one.spelling})")
    more = f", and {len(stuck) - MOST_NAMED} more" if len(stuck) > MOST_NAMED else ""
    what = f"schedule {schedule.scheme!r} hangs: {'; '.join(names)}{more} wait for ever"
    return LabError(what, "see validate(schedule), which draws the place")


def _ends(entries: list[tuple]) -> list[tuple]:
    """First and last event of each lane."""
    first, last = {}, {}
    for entry in entries:
        first.setdefault(entry[1], entry)
        last[entry[1]] = entry
    return [*first.values(), *(entry for lane, entry in last.items() if entry is not first[lane])]


def _event(entry: tuple) -> Event:
    start, lane, step, position, _, end, kind, one, messages = entry
    return Event(lane // len(LANES), step, position, one.lane, one.spelling, kind, start, end, *messages[1:])
