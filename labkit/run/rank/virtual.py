"""Computing that is slept through: real messages among more ranks than there are cores, at the times of a model.

With `Job.compute`, F, B, U and a server's updates take the seconds that the model says, on a clock, and compute
nothing; weights stay as they are. Everything else is done for real, over an emulated network, whose small messages and
sleeping waits leave the cores free: so eight ranks on two cores keep their times (regime 'simulated', because what they
would have computed is a model's).

Each sleep ends at a set time. How late a thread is woken is known to the emulated network, as for its messages, so that
delays do not add up over the instructions of a step.
"""

from collections.abc import Callable

import numpy as np

from labkit.data import Split
from labkit.errors import LabError
from labkit.run.communicators.emulated import Emulated
from labkit.run.communicators.protocol import Communicator
from labkit.run.job import Job
from labkit.run.rank.clock import now_ns, sleep_until
from labkit.run.rank.feed import training_samples
from labkit.run.rank.state import RankState
from labkit.schedule import Instruction, Schedule
from labkit.schedule.costs import Costs
from labkit.schedule.simulator.operations import operations

LOOK_EVERY_NS = 20_000_000


def state_of(
    schedule: Schedule,
    job: Job,
    rank: int,
    samples: Split | None,
    communicator: Communicator,
    check: Callable[[], None],
) -> RankState:
    """The state of a rank that computes, or of one that sleeps instead. samples: loaded where they are None and needed.

    check: raises what ends the rank. Raises LabError for data that cannot be had, for a model of another network, and
    for a rank that would sleep on a network that is not emulated.
    """
    if job.compute is None:
        if samples is None and schedule.shares[rank]:
            samples = training_samples(schedule.network, job)
        return RankState(schedule, job, rank, samples)
    if not isinstance(communicator, Emulated):
        raise LabError(f"computing that is slept through over {communicator.name}", "give an emulated link")
    return VirtualState(schedule, job, rank, Sleeper(communicator, check))


class Sleeper:
    """`sleeper(seconds)`: sleeps in whichever lane calls it."""

    def __init__(self, communicator: Emulated, check: Callable[[], None]):
        self._communicator, self._check = communicator, check

    def __call__(self, seconds: float) -> None:
        """Be done so many seconds after the lane would have got here, had it never been woken late."""
        due_ns = self._communicator.punctual_ns() + round(seconds * 1e9)
        while (left := due_ns - now_ns()) > 0:
            sleep_until(now_ns() + min(left, LOOK_EVERY_NS))
            self._check()
        self._communicator.go_on_from(due_ns)


class SleptOptimizer:
    """What a server updates with: it takes `s_per_value` for each weight, and changes none."""

    def __init__(self, s_per_value: float, sleep: Callable[[float], None]):
        self._s_per_value, self._sleep = s_per_value, sleep

    def start(self, weights: np.ndarray) -> tuple:
        """No slots."""
        return ()

    def update(self, weights: np.ndarray, gradients: np.ndarray, slots: tuple, step: int) -> None:
        self._sleep(len(weights) * self._s_per_value)


class VirtualState(RankState):
    """A rank's weights and gradients, which messages carry, and sleep in place of all computing."""

    def __init__(self, schedule: Schedule, job: Job, rank: int, sleep: Sleeper):
        super().__init__(schedule, job, rank, None)
        program, costs = schedule.ranks[rank], Costs(job.compute, job.link)
        ready = operations(schedule, costs)[rank]
        self._seconds = {i: one.seconds for i, one in zip(program, ready, strict=True)}
        self._sleep, self._slowed_s = sleep, job.slowed(rank)
        self.optimizer = SleptOptimizer(job.compute.update_s_per_value, sleep)
        self.model.arrays.put(np.zeros(schedule.network.parameters, self.model.dtype), self.model.gradients.flat)

    def forward(self, instruction: Instruction, step: int) -> None:
        slowed = instruction.layers[0] == 0 and self._seconds[instruction] > 0
        self._sleep(self._seconds[instruction] + (self._slowed_s if slowed else 0.0))

    def backward(self, instruction: Instruction) -> None:
        self._sleep(self._seconds[instruction])

    def update(self, instruction: Instruction, step: int) -> None:
        self._sleep(self._seconds[instruction])
