"""What a parameter server did in a run, as a log; and learners' functions on real runs and networks."""

from collections.abc import Callable, Iterable
from math import prod

from labkit.course import bank
from labkit.course.checks import examine
from labkit.errors import LabError
from labkit.network import Network
from labkit.run.result import RunResult
from labkit.schedule import Event, Schedule
from labkit.schemes.placement import Balance
from labkit.widgets.tables import Table


def server_log(result: RunResult, schedule: Schedule) -> list[tuple[str, int, int]]:
    """What the server of a run did, in order, from the events of its lane: ("update", worker, piece) for a gradient
    that was applied, ("answer", worker, piece) for weights that were sent.

    An event says how many bytes came, from which the piece is told. Raises LabError for pieces of the same size, for a
    synchronous server, whose updates wait for a sum, and for ranks that are worker and server in one.
    """
    pieces = {4 * piece.values: number for number, piece in enumerate(schedule.pieces)}
    modes = {i.how for program in schedule.ranks for i in program if i.op == "serve"}
    both = any(i.op == "serve" for rank in schedule.workers for i in schedule.ranks[rank])
    if len(pieces) < len(schedule.pieces) or "sync" in modes or both or not modes:
        what = f"no log of {schedule.scheme} on {schedule.network.name}"
        raise LabError(what, "take one server that is not synchronous, and a network whose arrays differ in size")
    log, worker, piece = [], -1, -1
    for event in _serving(result.timeline.events):
        if event.bytes_received:
            (worker,), piece = event.peers, pieces[event.bytes_received]
        elif event.kind == "compute":
            log.append(("update", worker, piece))
        elif event.kind == "communicate":
            log += [("answer", other, piece) for other in event.peers]
    return log


def _serving(events: Iterable[Event]) -> list[Event]:
    """Events of server lanes in order. What a serve does: wait, take the push, update, answer."""
    order = {"wait": 0, "communicate": 1, "compute": 2}
    return sorted(
        (event for event in events if event.lane == "server"),
        key=lambda e: (e.rank, e.step, e.position, 3 if e.kind == "communicate" and e.messages else order[e.kind]),
    )


def own_ages(function: Callable, result: RunResult, schedule: Schedule) -> Table:
    """How stale the updates of a run were: by the server's own records, and by the learner's function from the log."""
    log = server_log(result, schedule)
    recorded = sorted(stale.staleness for stale in result.staleness)
    rows = [("recorded by the server", *_summary(recorded), None)]
    if examine(bank.exercise("staleness-of"), function).passed:
        own = sorted(map(int, function(log)))
        rows.append(("by your function", *_summary(own), sum(a != b for a, b in zip(own, recorded, strict=True))))
    else:
        rows.append(("by your function: not yet", None, None, None, None))
    head = ("", "updates", "mean staleness", "largest", "that differ")
    return Table(f"From a log of {len(log):,} lines ({result.timeline.regime}, measured here)", head, tuple(rows))


def _summary(ages: list[int]) -> tuple[int, str, int]:
    return len(ages), f"{sum(ages) / len(ages):.2f}", max(ages)


def own_balance(function: Callable, network: Network, servers: int) -> list[Balance]:
    """The learner's placement of a network's arrays, in a list; an empty one before the exercise is solved."""
    if not examine(bank.exercise("greedy-placement"), function).passed:
        return []
    shapes = network.weights()
    values = tuple(map(prod, shapes.values()))
    owners = tuple(int(owner) for owner in function(list(values), servers))
    return [Balance("yours", tuple(shapes), values, owners, servers)]
