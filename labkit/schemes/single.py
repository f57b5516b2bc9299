"""In[B, C] . W[C, K] -> Out[B, K]

Replicated: nothing. Split: nothing. Sent: nothing. The baseline that every other scheme is compared with, and, in
micro-batches, the reference for networks whose layers look at the samples of one share only (BatchNorm).

    rank 0  | F0:L | B0:L | U0:L |
"""

from labkit.errors import LabError
from labkit.network import Network
from labkit.schedule import Schedule, equal_shares
from labkit.schedule.pieces import whole
from labkit.schedule.schedule import program
from labkit.schemes.cost import Cost
from labkit.schemes.cuts import check_trainable


def single(network: Network, ranks: int, batch: int, *, micro_batches: int = 1) -> Schedule:
    """One process: FP, BP and the update of all layers, for one micro-batch after the other.

    Raises LabError unless ranks is 1.
    """
    check_trainable(network)
    _check_alone(ranks)
    end = len(network)
    lines = [f"F0:{end}#{m}; B0:{end}#{m}" for m in range(micro_batches)]
    return Schedule(
        scheme="single",
        network=network,
        shares=equal_shares(batch, 1, micro_batches),
        pieces=whole(network),
        ranks=(program([*lines, f"U0:{end}"]),),
    )


def _check_alone(ranks: int) -> None:
    if ranks != 1:
        raise LabError(f"scheme 'single' on {ranks} ranks", "give ranks=1, or take another scheme such as 'allreduce'")


def cost(network: Network, ranks: int, batch: int, **timing: object) -> Cost:
    """Messages: 0. Bytes: 0."""
    _check_alone(ranks)
    return Cost((0,), (0,))


REMARK = "Memory: one copy of the weights; micro-batches keep the activations of one of them instead of the batch's."
