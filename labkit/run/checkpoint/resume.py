"""Checkpoints of a run: what each rank writes after every k-th step, and how a run goes on from there.

A checkpoint is a *consistent cut*: all ranks meet after the same step, with nothing under way. A rank first waits for
its own background messages and for the answers to its pushes (`RankState.settle`); once all have met, no push and no
gradient is anywhere in flight. Then each writes its shard, all meet again, and rank 0 commits.

What is exact. Under a synchronous scheme a run that goes on from a checkpoint with the same ranks and scheme has, bit
for bit, the weights of one that was never interrupted; with another number of ranks or another synchronous scheme they
agree within rounding, because sums are taken in another order. Under an asynchronous or stale-synchronous server the
weights, versions and optimiser slots of the servers are restored exactly, and every worker begins with these weights,
where before each had those of its last pull: no gradient is lost or counted twice, but what follows is another of the
many courses that such a run can take. Adam's t is the step of the run, and at a server the number of its updates.
"""

import warnings
from collections.abc import Callable
from dataclasses import asdict, replace

import numpy as np

from labkit.errors import LabError
from labkit.network import to_document
from labkit.run.checkpoint import files as checkpoints
from labkit.run.checkpoint.shards import Whole, gather, owners, pack
from labkit.run.job import Job
from labkit.run.rank.hooks import Hooks
from labkit.run.rank.state import RankState
from labkit.schedule import Schedule


def identity(schedule: Schedule, job: Job) -> dict:
    """What decides the course of training, as JSON: a run may go on from the checkpoints of one with the same.

    Numbers of ranks, scheme, link, backend and threads are not in it.
    """
    return {
        "network": to_document(schedule.network),
        "optimizer": {"name": job.optimizer.name} | asdict(job.optimizer),
        "seed": job.seed,
        "batch": schedule.batch,
        "loss": job.loss,
        "data": job.data,
        "dtype": job.dtype,
    }


def warn(text: str) -> None:
    """Say something as a warning of Python's."""
    warnings.warn(text, stacklevel=2)


def with_checkpoints(schedule: Schedule, job: Job, rank: int, hooks: Hooks, say: Callable[[str], None] = warn) -> Hooks:
    """`hooks` that also restore and write the checkpoints of a rank, where the job has a folder for them."""
    if job.checkpoint_folder is None:
        return hooks
    own, then = Checkpointer(schedule, job, rank, say), hooks.at_step_end

    def at_step_end(step: int, state: RankState) -> None:
        own.at_step_end(step, state)
        if then:
            then(step, state)

    return replace(hooks, prepare=own.prepare, at_step_end=at_step_end)


class Checkpointer:
    """Checkpoints of one rank: two hooks of the interpreter. say: takes a sentence for people.

    Without `job.checkpoint_folder` they do nothing.
    """

    def __init__(self, schedule: Schedule, job: Job, rank: int, say: Callable[[str], None]):
        self._schedule, self._job, self._rank, self._say = schedule, job, rank, say
        self._owners = owners(schedule)
        self._writers = tuple(r for r in range(schedule.size) if self._owners[r] or _computes(schedule, r))

    def prepare(self, state: RankState) -> int:
        """Fill `state` from the last complete checkpoint if the job says so; the number of steps that are done.

        Raises LabError where there is none that fits, where the run would have nothing to do, and where a run that
        begins anew would write among checkpoints of another one.
        """
        folder = self._job.checkpoint_folder
        if folder is None:
            return 0
        if not self._job.resume:
            self._check_free(checkpoints.latest(folder))
            return 0
        found = checkpoints.restore(folder, identity(self._schedule, self._job))
        if found.step >= self._job.steps:
            what = f"the checkpoint in {folder} is of step {found.step}, and the run has {self._job.steps} steps"
            raise LabError(what, f"ask for more than {found.step} steps")
        for note in found.notes if self._rank == 0 else ():
            self._say(f"{note}; going on from step {found.step}")
        names = self._job.optimizer.slots
        whole = gather(found, self._schedule.network.parameters, names, state.model.dtype)
        _fill(state, whole, self._job, found.ranks == self._schedule.size)
        return found.step

    def at_step_end(self, step: int, state: RankState) -> None:
        """After every `checkpoint_every`-th step: settle, meet, write, meet, commit. LabError where that cannot be."""
        done = step + 1
        if not self._job.checkpoint_every or done % self._job.checkpoint_every:
            return
        folder, size = self._job.checkpoint_folder, self._schedule.size
        state.settle()
        state.meet()
        if self._rank in self._writers:
            arrays, document = pack(self._owners[self._rank], *_held(state, self._job, done))
            checkpoints.write(folder, self._rank, size, done, arrays, document)
        state.meet()
        if self._rank == 0:
            about = identity(self._schedule, self._job) | {"scheme": self._schedule.scheme}
            checkpoints.commit(folder, size, done, self._writers, about)

    def _check_free(self, step: int | None) -> None:
        if step is not None and self._job.checkpoint_every:
            what = f"{self._job.checkpoint_folder} holds a checkpoint of step {step} of another run"
            raise LabError(what, "go on from it with resume (--resume), or give another folder")


def _computes(schedule: Schedule, rank: int) -> bool:
    return any(i.op == "F" for i in schedule.ranks[rank])


def _held(state: RankState, job: Job, done: int):
    """Weights, slots, updates [n] and state [m] of a rank, on the host; in the ranges that it serves, the server's."""
    model = state.model
    weights = np.array(model.parameters.host().flat)
    n = len(weights)
    slots = {name: np.array(model.arrays.get(v)) for name, v in zip(job.optimizer.slots, state.slots, strict=False)}
    slots = slots or {name: np.zeros(n, weights.dtype) for name in job.optimizer.slots}
    updates = np.full(n, done)
    for piece, desk in state.server.desks.items() if state.server else ():
        part = slice(*state.schedule.pieces[piece])
        weights[part], updates[part] = desk.weights, desk.version
        for name, values in zip(job.optimizer.slots, desk.slots, strict=True):
            slots[name][part] = values
    statistics = model.state.host().flat if _computes(state.schedule, state.rank) else None
    return weights, slots, updates, statistics


def _fill(state: RankState, whole: Whole, job: Job, same_ranks: bool) -> None:
    """Give a rank the weights, slots, versions and states of a checkpoint."""
    model, put = state.model, state.model.arrays.put
    put(whole.weights, model.parameters.flat)
    for name, slot in zip(job.optimizer.slots, state.slots, strict=False):
        put(whole.slots[name], slot)
    statistics = whole.state_of(state.rank, same_ranks)
    if statistics is not None:
        put(statistics.astype(model.dtype), model.state.flat)
    for piece, part in enumerate(state.schedule.pieces):
        state.versions[piece] = int(whole.updates[slice(*part)].max(initial=0))
    for piece, desk in state.server.desks.items() if state.server else ():
        part = slice(*state.schedule.pieces[piece])
        desk.weights[:] = whole.weights[part]
        desk.version = state.versions[piece]
        for name, values in zip(job.optimizer.slots, desk.slots, strict=True):
            values[:] = whole.slots[name][part]
