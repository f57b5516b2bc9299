"""Where a launcher, a status board, checkpoints and a Stop button take hold of a rank that runs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labkit.schedule import Event
from labkit.schedule.staleness import Stale

if TYPE_CHECKING:
    from labkit.run.rank.state import RankState

EVERYONE = -1  # as a peer: all other ranks, or whichever comes first


@dataclass(frozen=True)
class Hooks:
    """Functions that `Interpreter` calls; None is never called. All but `at_step_end` are called often: be quick.

    prepare(state) -> int: once, before the ranks meet for the first step. May fill the state from a checkpoint; returns
        the number of steps that are done, from which the run goes on.
    may_begin(lane, step) -> bool | None: asked by the lanes 'main' and 'server' before a step, again and again until it
        says yes, however long that takes: so a run is paused. None ends the run before this step: say it to all ranks
        and lanes before the same one.
    on_instruction(step, position): the lane of the instruction at this position of the rank's list begins it.
    on_wait(lane, peer): that lane now waits for rank `peer` (or EVERYONE); it waits no longer when the next hook of
        this lane is called.
    on_idle(lane): that lane has nothing to do for now.
    at_step_end(step, state): in the main lane, after its last instruction of the step. Instructions handed to the
        network lane may still be under way, and the rank's server may be elsewhere: `state.settle()` waits for what is
        this rank's own.
    on_event(event): an event is over; in the thread of its lane.
    on_update(stale): the rank's server has applied a gradient; in the thread of its server lane.
    stop(): at least every few milliseconds while a lane waits, and before each instruction. What it raises ends the
        rank, and comes out of `Interpreter.run`.
    """

    prepare: "Callable[[RankState], int] | None" = None
    may_begin: Callable[[str, int], bool | None] | None = None
    on_instruction: Callable[[int, int], None] | None = None
    on_wait: Callable[[str, int], None] | None = None
    on_idle: Callable[[str], None] | None = None
    at_step_end: "Callable[[int, RankState], None] | None" = None
    on_event: Callable[[Event], None] | None = None
    on_update: Callable[[Stale], None] | None = None
    stop: Callable[[], None] | None = None
