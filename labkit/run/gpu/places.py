"""Where the ranks of a run compute: a GPU each, in turn, and whether NCCL carries their all-reduce.

Which processes are on one machine, and which GPU each of them really has, the ranks tell each other before the run.
"""

import os
import socket
from dataclasses import dataclass, replace

from labkit.errors import LabError, suggest
from labkit.machine import cuda_driver, gpu_choice
from labkit.run.communicators.nccl import Nccl
from labkit.run.communicators.protocol import Communicator
from labkit.run.gpu import nccl_start
from labkit.run.gpu.rounds import Round
from labkit.run.job import EXCHANGES, Job
from labkit.run.rank.clock import machine
from labkit.run.rank.waiting import Patience
from labkit.schedule import Schedule
from labkit.schedule.collectives import LIBRARY

EXCHANGE = "LABKIT_EXCHANGE"  # environment variable: what `auto` means


@dataclass(frozen=True)
class Place:
    """Of one rank. gpu: its name, None without one. shares_with: other ranks on the same one. nccl: started, or None.

    remarks: sentences for people, the same on all ranks.
    """

    gpu: str | None = None
    shares_with: tuple[int, ...] = ()
    nccl: Nccl | None = None
    remarks: tuple[str, ...] = ()

    def leave(self) -> None:
        """End what goes on there, without waiting for other ranks."""
        if self.nccl is not None:
            self.nccl.close()


def take(schedule: Schedule, job: Job, communicator: Communicator, patience: Patience) -> Place:
    """The place of this rank; all ranks call it together, before CUDA is used.

    Raises LabError where there is no GPU that can run the kernels, where CUDA was started before this process could
    choose among several, and where `job.exchange` asks for NCCL and it cannot be had.
    """
    if job.backend != "cuda" or job.compute is not None or _simulated():
        if job.exchange == "nccl":
            what = "exchange 'nccl' for ranks that do not compute on GPUs"
            raise LabError(what, "take backend cuda, or leave exchange out")
        return Place()
    wish, idle = wish_of(job), unused(schedule, job)
    card = _card(communicator, patience)
    word = {"uuid": card.uuid, "name": card.name}
    word |= nccl_start.able(communicator.rank) if wish != "host" and not idle else nccl_start.unasked()
    words = _everybody(word, communicator, patience)
    rank, group = communicator.rank, None
    place = Place(card.name, sharers(words, rank), remarks=sharing(words))
    if wish == "host":
        return place
    why = idle or nccl_start.obstacle(words)
    if not why:
        group, why = nccl_start.start(words, communicator, patience)
    if why and wish == "nccl":
        raise LabError(f"exchange 'nccl': {why}", "take exchange 'auto' or 'host'")
    told = why and not idle and not place.remarks
    more = (f"NCCL is not used: {why}; all-reduces of GPUs go through the host",) if told else ()
    return replace(place, nccl=group, remarks=(*place.remarks, *more))


def wish_of(job: Job) -> str:
    """'auto', 'host' or 'nccl'. LabError for another word in the environment variable."""
    wish = job.exchange if job.exchange != "auto" else os.environ.get(EXCHANGE) or "auto"
    if wish not in EXCHANGES:
        raise LabError(f"{EXCHANGE}={wish!r}", suggest(wish, EXCHANGES))
    return wish


def unused(schedule: Schedule, job: Job) -> str:
    """Why NCCL would have nothing to do; '' if it would."""
    if schedule.size == 1:
        return "there is one rank only"
    if job.link is not None:
        return f"nobody can slow it down to {job.link.name}"
    if not any(i.how == LIBRARY for program in schedule.ranks for i in program):
        return "no all-reduce of this schedule is the library's own (algorithm mpi)"
    return ""


def sharers(words: list[dict], rank: int) -> tuple[int, ...]:
    """The other ranks on the GPU of `rank`."""
    return tuple(r for r, word in enumerate(words) if word["uuid"] == words[rank]["uuid"] and r != rank)


def sharing(words: list[dict]) -> tuple[str, ...]:
    """A sentence for each GPU that several ranks are on."""
    ranks: dict[str, list[int]] = {}
    for rank, word in enumerate(words):
        ranks.setdefault(word["uuid"], []).append(rank)
    return tuple(
        f"ranks {', '.join(map(str, some[:-1]))} and {some[-1]} share one {words[some[0]]['name']}: their kernels take "
        "turns, so times say nothing about as many GPUs"
        for some in ranks.values()
        if len(some) > 1
    )


def _simulated() -> bool:
    from labkit.kernels.source import SIMULATED

    return SIMULATED


def _card(communicator: Communicator, patience: Patience) -> cuda_driver.Card:
    """The GPU of this process, which it chooses now if others of its machine choose, too."""
    from labkit.kernels.executors.here import executor

    here = [machine(), socket.gethostname()]
    words = _everybody({"machine": here, "process": os.getpid()}, communicator, patience)
    processes = list(dict.fromkeys(word["process"] for word in words if word["machine"] == here))
    if len(processes) > 1:
        gpu_choice.choose(processes.index(os.getpid()))
    executor("gpu")  # LabError if it cannot run the kernels
    card = cuda_driver.card()
    if card is None:
        raise LabError("there is no NVIDIA GPU here, or no driver for it", "use --backend cuda-cpu: same kernels, CPU")
    if len(processes) > 1 and card.visible > 1:
        what = f"CUDA was started in the process of rank {communicator.rank} before it chose one of {card.visible} GPUs"
        instead = f"give each rank its own from outside: srun --gpus-per-task=1, or {gpu_choice.VISIBLE} for each"
        raise LabError(what, instead)
    return card


def _everybody(word: dict, communicator: Communicator, patience: Patience) -> list[dict]:
    """What each rank says here, in their order."""
    round_of_all = Round(communicator)
    round_of_all.say(word)
    return round_of_all.words(patience, "the word about their GPUs")
