"""In[B/p, C] . W[C, K] -> Out[B/p, K]; Reduce(mean e[K] > 0); BP on rank 0; Broadcast(W < 0): this is not SGD

Replicated: the weights. Split: the samples of the forward propagation; back-propagation is rank 0's alone. Sent: one
mean error per output instead of gradients, and all weights back. It is the shortcut that convnet-strategies-mpi
proposes ("in the backward pass only one of the nodes is sufficient"), kept here because it is wrong: the gradient of a
weight is a sum over samples of error times activation, the mean of a product is not the product of the means, and the
activations of the other ranks never reach rank 0.

    rank 0  | F0:L |<-- e 1 --|<-- e 2 --| B0:L | U0:L |-- w 1 -->|-- w 2 -->|
    rank 1  | F0:L |--- e --->|                        |<-- w ----|
    rank 2  | F0:L |           |--- e -->|                        |<-- w ----|
"""

from labkit.errors import LabError
from labkit.network import Network
from labkit.schedule import Schedule, equal_shares
from labkit.schedule.pieces import whole
from labkit.schedule.schedule import program
from labkit.schemes.cost import Cost, cost_of, from_root, to_root
from labkit.schemes.cuts import check_trainable


def error_average(network: Network, ranks: int, batch: int) -> Schedule:
    """Errors are averaged on rank 0, which alone goes back and updates. It runs, and `validate` says what is wrong.

    Raises LabError for a batch so small that rank 0 has no sample to go back with.
    """
    check_trainable(network)
    shares = equal_shares(batch, ranks)
    if not sum(shares[0]):
        raise LabError(f"error-average of {batch} samples on {ranks} ranks", f"give batch={ranks} or more")
    end = len(network)

    def lines(rank: int) -> list[str]:
        update = [f"B0:{end}; U0:{end}"] if rank == 0 else []
        return [f"F0:{end}", "reduce e>0 linear", *update, "bcast w0<0 linear"]

    return Schedule(
        scheme="error-average",
        network=network,
        shares=shares,
        pieces=whole(network),
        ranks=tuple(program(lines(rank)) for rank in range(ranks)),
    )


def cost(network: Network, ranks: int, batch: int) -> Cost:
    """Messages: 2(p - 1). Bytes: (p - 1) times the model's and as many times one value per output."""
    (outputs, *_) = network.output_shape
    return cost_of((to_root(ranks, outputs), from_root(ranks, network.parameters)), ranks)


REMARK = (
    "Not SGD: the weights differ from those of one process after the first step. Half the traffic of `master`, and "
    "p - 1 ranks that idle during BP, which is two thirds of the work."
)
