"""Does a rank's list of instructions, step after step: one dictionary from the name of an instruction to what does it.

A rank has up to three lanes (threads). The main lane computes and does the messages that stand in the foreground, in
order; the network lane does what is handed to it with `&`, one after the other; the server lane serves. Lanes never
wait for a step to end.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from labkit.data import Split
from labkit.engine.threads import limit
from labkit.errors import LabError
from labkit.run.communicators.protocol import Communicator
from labkit.run.gpu import places as gpu_places
from labkit.run.job import Job
from labkit.run.rank.hooks import Hooks
from labkit.run.rank.lane import Lane
from labkit.run.rank.memory import high_water_bytes
from labkit.run.rank.messages import Messages
from labkit.run.rank.network_lane import NetworkLane
from labkit.run.rank.ready import Code, ready_program
from labkit.run.rank.result import RankResult
from labkit.run.rank.server import Server
from labkit.run.rank.state import RankState
from labkit.run.rank.virtual import state_of
from labkit.run.rank.waiting import SPIN_BEHIND_S, Ended, LaneError, Patience, quick_switches, spinning_s
from labkit.schedule import Schedule

PAUSE_S = 5e-3  # between two questions whether a paused rank may go on


class Interpreter:
    """Runs the list of `rank`; made and run once, in the process or thread of that rank.

    communicator: of this rank, among `schedule.size`. samples: what is trained on (`feed.training_samples`), where it
    is loaded already. hooks: see `Hooks`. cores: that the ranks of this machine share, None for those that this process
    may use; where ranks have to share them, a rank that waits sleeps. clock: seconds, common to all ranks.

    state, lanes: what the rank holds and is doing, from `run` on; for hooks and for looking at a rank that failed.
    """

    def __init__(
        self,
        schedule: Schedule,
        job: Job,
        rank: int,
        communicator: Communicator,
        *,
        samples: Split | None = None,
        hooks: Hooks | None = None,
        cores: int | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ):
        if (communicator.rank, communicator.size) != (rank, schedule.size):
            what = f"rank {rank} of a schedule for {schedule.size} ranks over a communicator of {communicator.size}"
            raise LabError(f"{what}, where it is rank {communicator.rank}", f"start {schedule.size} ranks")
        self.schedule, self.job, self.rank, self.communicator = schedule, job, rank, communicator
        self.hooks, self.clock = hooks or Hooks(), clock
        self._samples = samples
        self._program = ready_program(schedule, rank)
        make = partial(Lane, rank=rank, hooks=self.hooks, record=job.record)
        main = Patience(job.timeout_s, spinning_s(schedule.size, cores), self._check)
        behind = replace(main, spin_s=min(main.spin_s, SPIN_BEHIND_S))  # beside a main lane that computes
        self.lanes = (make("main", patience=main), make("network", patience=behind), make("server", patience=behind))
        self.state: RankState | None = None
        self.place = gpu_places.Place()
        self._network: NetworkLane | None = None
        self._serving: threading.Thread | None = None
        self._served = 0  # steps that the server lane has done
        self._reason: BaseException | None = None  # what ends all lanes
        self._closing = threading.Event()

    def run(self) -> RankResult:
        """All steps, from the first (or the one that `hooks.prepare` says) to the job's last.

        Raises LaneError where an instruction fails (a wait takes longer than the job's timeout, the loss is not finite,
        anything else), what `hooks.stop` raises, and LabError for data that cannot be had. Its threads have then ended.
        """
        with quick_switches(), limit(self.job.threads), np.errstate(all="ignore"):
            try:
                first = self._make_ready()
                self.state.meet()
                began = self.clock()
                self._start_lanes(first)
                for step in range(first, self.job.steps):
                    if not self._step(step):
                        break
                self._apart("at the end of the run", self._finish)
                return self._result(first, began, self.clock())
            except Ended:
                raise self._reason from self._reason.__cause__
            finally:
                self._close()

    def _make_ready(self) -> int:
        """Model, samples, server; the number of the first step."""
        schedule, job, rank = self.schedule, self.job, self.rank
        self.place = gpu_places.take(schedule, job, self.communicator, self.lanes[0].patience)
        state = self.state = state_of(schedule, job, rank, self._samples, self.communicator, self._check)
        if any(code.lane == "server" for code in self._program):
            weights = state.model.parameters.host().flat
            tell = self.hooks.on_update
            state.server = Server(schedule, rank, state.optimizer, weights, self.communicator, tell)
        self._messages = Messages(state, self.communicator, state.server, self.place.nccl)
        self._done_by = self._methods()
        state.settle = partial(self._apart, "between two steps", self._settle)
        state.meet = partial(self._apart, "where all ranks meet", self._messages.barrier, self.lanes[0])
        first = self.hooks.prepare(state) if self.hooks.prepare else 0
        state.start(first)
        return first

    def _methods(self) -> dict[str, Callable[[Lane, int, Code], int | None]]:
        """What does each kind of instruction; it returns the bytes received, if any."""
        messages = self._messages
        return {
            "F": self._forward,
            "B": self._backward,
            "U": self._update,
            "send": messages.moves,
            "recv": messages.moves,
            "swap": messages.moves,
            "allreduce": messages.allreduce,
            "reduce": messages.moves,
            "bcast": messages.moves,
            "push": messages.push,
            "pull": messages.pull,
            "serve": self._serve_one,
            "wait": self._wait,
        }

    def _start_lanes(self, first: int) -> None:
        if any(code.lane == "network" for code in self._program):
            self._network = NetworkLane(self.lanes[1], self._do)
        if self.state.server is not None:
            self.state.server.begin(self.job.steps - first)
            name = f"server lane of rank {self.rank}"
            self._serving = threading.Thread(target=self._serve, args=(first,), name=name, daemon=True)
            self._serving.start()

    def _step(self, step: int) -> bool:
        """One step of the main lane; False if the run ends before it."""
        main = self.lanes[0]
        if not self._may_begin(main, step):
            return False
        self.state.begin_step()
        for code in self._program:
            if code.lane == "main":
                self._do(main, step, code)
            elif code.lane == "network":
                self._network.hand(step, code)
        self.state.steps_done = step + 1
        if self.hooks.at_step_end:
            self.hooks.at_step_end(step, self.state)
        return True

    def _serve(self, first: int) -> None:
        """All steps of the server lane."""
        lane, program = self.lanes[2], [code for code in self._program if code.lane == "server"]
        try:
            with limit(self.job.threads), np.errstate(all="ignore"):
                for step in range(first, self.job.steps):
                    if not self._may_begin(lane, step):
                        break
                    for code in program:
                        self._do(lane, step, code)
                    self._served = step + 1
                self._apart("at the end of the run", self.state.server.finish, lane)
        except BaseException as error:  # the main lane raises it
            self._reason = self._reason or error

    def _do(self, lane: Lane, step: int, code: Code) -> None:
        """One instruction in its lane: tells the hook, does it, notes the event."""
        try:
            lane.begin(step, code)
            self._check()
            start = self.clock()
            received = self._done_by[code.instruction.op](lane, step, code) or 0
            if code.lane != "server":
                lane.note(code, step, code.kind, start, self.clock(), received)
        except Ended:
            raise
        except BaseException as error:
            self._reason = self._reason or LaneError(lane.name, step, code.position, code.spelling, error)
            self._reason.__cause__ = error
            raise Ended from error

    def _apart(self, place: str, work: Callable, *arguments: object) -> None:
        """Something that is no instruction; `place` says where it stands if it fails."""
        try:
            work(*arguments)
        except LabError as error:
            told = LabError(f"{place}: {error.what}", error.instead, error.status)
            self._reason = self._reason or LaneError("main", -1, -1, "", told)
            raise Ended from error

    def _check(self) -> None:
        """Raise what ends this rank's lanes, if anything does."""
        if self._reason is not None or self._closing.is_set():
            raise Ended
        if self.hooks.stop:
            try:
                self.hooks.stop()
            except BaseException as error:
                self._reason = self._reason or error
                raise Ended from error

    def _may_begin(self, lane: Lane, step: int) -> bool:
        """Wait for leave to begin a step; whether it will ever be given."""
        ask = self.hooks.may_begin
        while ask and not (said := ask(lane.name, step)):
            if said is None:
                return False
            time.sleep(PAUSE_S)
            self._check()
        return True

    def _settle(self) -> None:
        """Wait until the network lane has nothing to do, take the answers that servers have for this rank, and let its
        own server come to where this lane is.
        """
        main = self.lanes[0]
        if self._network:
            self._network.wait(main)
        self._messages.take_answers(main, main.step)
        while self._serving and self._served < self.state.steps_done and self._serving.is_alive():
            time.sleep(PAUSE_S)  # however long the workers take: each push has a timeout of its own
            self._check()

    def _finish(self) -> None:
        """Wait until every lane has done all that is left."""
        self._settle()
        while self._serving and self._serving.is_alive():
            self._serving.join(PAUSE_S)
            self._check()
        self._check()
        if self.place.nccl:  # others may still read from this rank's GPU
            self._messages.barrier(self.lanes[0])

    def _close(self) -> None:
        """End the other lanes."""
        self._closing.set()
        if self._network:
            self._network.close()
        if self._serving:
            self._serving.join()
        self.place.leave()

    def _forward(self, lane: Lane, step: int, code: Code) -> None:
        self._messages.note_reading(step, code)
        self.state.forward(code.instruction, step)

    def _backward(self, lane: Lane, step: int, code: Code) -> None:
        self.state.backward(code.instruction)

    def _update(self, lane: Lane, step: int, code: Code) -> None:
        self.state.update(code.instruction, step)

    def _serve_one(self, lane: Lane, step: int, code: Code) -> None:
        self.state.server.serve(lane, step, code, self.clock)

    def _wait(self, lane: Lane, step: int, code: Code) -> None:
        if self._network:
            self._network.wait(lane, code.instruction.key)

    def _result(self, first: int, began: float, ended: float) -> RankResult:
        state, (main, _, serving) = self.state, self.lanes
        model, server = state.model, state.server
        parameters, busy = model.parameters.host().flat.copy(), main if main.code else serving
        for piece, desk in (server.desks if server else {}).items():
            parameters[slice(*self.schedule.pieces[piece])] = desk.weights
        return RankResult(
            rank=self.rank,
            first_step=first,
            losses=np.array(state.losses),
            parameters=parameters,
            served=tuple(server.desks) if server else (),
            state=model.state.host().flat.copy(),
            works=sum(self.schedule.shares[self.rank]) > 0,
            stale=tuple(server.stale) if server else (),
            sent=tuple(row for lane in self.lanes for row in lane.ledger.rows()),
            events=tuple(event for lane in self.lanes for event in lane.events()),
            began_s=began,
            ended_s=ended,
            compute_s=busy.seconds["compute"],
            communicate_s=busy.seconds["communicate"],
            memory_bytes=high_water_bytes(),
            cpu=state.meter.read(),
            communicator=" and ".join([self.communicator.name, *([self.place.nccl.name] if self.place.nccl else [])]),
            regime=self.communicator.regime,
            gpu=self.place.gpu,
            shares_gpu_with=self.place.shares_with,
            remarks=self.place.remarks,
        )
