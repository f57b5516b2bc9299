"""What a rank's process does in a run: the interpreter, with its hooks tied to the status board and the launcher."""

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from labkit.errors import LabError
from labkit.run.checkpoint.resume import Checkpointer
from labkit.run.communicators.emulated import Emulated
from labkit.run.job_file import from_document
from labkit.run.mpi.board import Row
from labkit.run.mpi.rank_files import event_row, file_of, pack
from labkit.run.mpi.rank_main import Seat
from labkit.run.rank.hooks import Hooks
from labkit.run.rank.interpreter import Interpreter
from labkit.run.rank.state import RankState
from labkit.run.rank.warm_up import warm_up


def run(seat: Seat) -> None:
    """Take part in the run that `seat.arguments` describe: {'run': `job_file.to_document`, 'live': tell every event}.

    Tells ('loss', [step, this rank's part of it]) and, if live, ('event', `event_row`) and ('update', `Stale` record);
    leaves its result in the run's folder. Raises what `Interpreter.run` raises.
    """
    schedule, job = from_document(seat.arguments["run"])
    communicator = Emulated(seat.communicator, job.link) if job.link else seat.communicator
    lanes = [instruction.lane for instruction in schedule.ranks[seat.rank]]
    works, hooks = set(lanes) != {"server"}, board_hooks(seat.row, lanes, seat.stream.look)
    checkpointer = Checkpointer(schedule, job, seat.rank, partial(seat.stream.tell, "say"))

    def at_step_end(step: int, state: RankState) -> None:
        if works:
            seat.row.begin("main", step, len(lanes))  # what follows is no instruction any more
            seat.row.idle("main")
        if schedule.shares[seat.rank]:
            seat.stream.tell("loss", [step, state.losses[-1]])
        checkpointer.at_step_end(step, state)

    def prepare(state: RankState) -> int:
        warm_up(state)
        return checkpointer.prepare(state)

    hooks = replace(hooks, prepare=prepare, at_step_end=at_step_end)
    if seat.arguments["live"]:
        tell = seat.stream.tell
        hooks = replace(hooks, on_event=lambda e: tell("event", event_row(e)), on_update=partial(tell, "update"))
    ranked = Interpreter(schedule, job, seat.rank, communicator, hooks=hooks)
    try:
        result = ranked.run()
    except BaseException:
        if job.link:
            communicator.give_up()
        raise
    if job.link:
        communicator.close()
    file_of(seat.folder, seat.rank).write_bytes(pack(result))


def board_hooks(row: Row, lanes: list[str], look: Callable[[], None]) -> Hooks:
    """Hooks that write into a rank's row of the board, and do what the launcher has written into its head.

    lanes: of the rank's instructions. look: called again and again, even while the rank is held. A main lane that has
    nothing to do keeps step with the rank's server, so that a rank that only serves can be held.
    """
    parent, serves_only, served = os.getppid(), set(lanes) == {"server"}, 0

    def may_begin(lane: str, step: int) -> bool | None:
        nonlocal served
        if lane == "main" and serves_only:
            return True if step < served else None if row.stopping and step >= row.limit else False
        final = row.stopping  # before the limit is read, which moves no more once this is true
        if row.may_begin(lane, step):
            served = step + 1
            return True
        row.idle(lane)
        return None if final else False

    def stop() -> None:
        look()
        if row.closing or os.getppid() != parent:
            raise LabError("the run was ended by its launcher", status=1)

    return Hooks(
        may_begin=may_begin,
        on_instruction=lambda step, position: row.begin(lanes[position], step, position),
        on_wait=row.wait,
        on_idle=row.idle,
        stop=stop,
    )
