"""Starting NCCL among the ranks of a run: whether all of them can, and then all of them together or none.

It is started, and adds up a vector whose sum is known. If that goes wrong on any rank, all of them give it up.
"""

import os
from dataclasses import replace

import numpy as np

from labkit.errors import LabError
from labkit.run.communicators.nccl import Nccl, library, new_key
from labkit.run.communicators.protocol import Communicator
from labkit.run.gpu.rounds import Round
from labkit.run.rank.waiting import Patience, wait

SEVERAL = "NCCL_MULTI_RANK_GPU_ENABLE"  # NCCL's own: 1 lets ranks share a GPU (an experiment, from NCCL 2.30 on)
START_S = 30.0  # for all ranks
TEST_VALUES = 1000


class _Elsewhere(LabError):
    """Another rank has failed, and said why."""


def unasked() -> dict:
    """What a rank says that is to do without."""
    return {"nccl": "", "why": "it is to do without", "key": "", "several": False}


def able(rank: int) -> dict:
    """What a rank says about NCCL: its version, or why there is none; rank 0 also the key that all will need."""
    word = unasked() | {"why": "", "several": os.environ.get(SEVERAL) == "1"}
    try:
        nccl, version = library()
        return word | {"nccl": version, "key": new_key(nccl).hex() if rank == 0 else ""}
    except LabError as error:
        return word | {"why": error.what}


def obstacle(words: list[dict]) -> str:
    """Why ranks that have said so cannot use NCCL together; '' if they can."""
    for rank, word in enumerate(words):
        if not word["nccl"]:
            return f"rank {rank}: {word['why']}"
    versions = {word["nccl"] for word in words}
    if len(versions) > 1:
        return f"the ranks have NCCL {' and '.join(sorted(versions))}"
    if len({word["uuid"] for word in words}) < len(words) and not all(word["several"] for word in words):
        return "it wants a GPU for each rank"
    return ""


def start(words: list[dict], communicator: Communicator, patience: Patience) -> tuple[Nccl | None, str]:
    """NCCL, started and tried, or None and why not; the same on all ranks. LabError where it cannot be given up."""
    from labkit.kernels.executors.side_line import SideLine

    outcome, group, why = Round(communicator), None, ""
    try:
        key = bytes.fromhex(words[0]["key"])
        group = Nccl(*library(), SideLine(), communicator.rank, communicator.size, key)
        short = replace(patience, timeout_s=min(START_S, patience.timeout_s))
        _try(group, outcome, short, communicator)
    except _Elsewhere as error:
        why = error.what
    except LabError as error:
        why = f"rank {communicator.rank}: {error.what}"
    except BaseException:
        if group is not None:
            group.close()
        raise
    outcome.say({"why": why})
    faults = [word["why"] for word in outcome.words(patience, "the word about NCCL") if word["why"]]
    if not faults:
        return group, ""
    if group is not None and not group.close():
        raise LabError(f"{faults[0]}; and NCCL does not let go of the GPU", "set LABKIT_EXCHANGE=host", status=1)
    return None, faults[0]


def _try(group: Nccl, outcome: Round, patience: Patience, communicator: Communicator) -> None:
    """Wait until it is started, and add up vectors of 1, 2, 3, ... LabError if that fails, here or elsewhere."""
    from labkit.kernels.executors.here import executor

    def unless_others_fail(ready) -> bool:
        outcome.listen()
        if failed := [word["why"] for word in outcome.heard.values() if word["why"]]:
            raise _Elsewhere(failed[0])
        return ready()

    on, rank, size = executor("gpu"), communicator.rank, communicator.size
    wait(lambda: unless_others_fail(group.ready), patience, lambda: "NCCL to start")
    vector = on.put(np.full(TEST_VALUES, rank + 1, np.float32))
    ticket = group.allreduce(vector)
    wait(lambda: unless_others_fail(lambda: group.done(ticket)), patience, lambda: "a first sum of NCCL's")
    if not (on.get(vector) == size * (size + 1) / 2).all():
        raise LabError("NCCL adds up wrongly")
