"""In[B/p, C] . W[C, K] -> Out[B/p, K]; Reduce(dW[C, K] > 0); Broadcast(W < 0)

Replicated: the weights. Split: the samples; the update is rank 0's alone. Sent: all gradients to the master, one rank
after the other, and all weights back: method 1 of convnet-strategies-mpi.

    rank 0  | F0:L | B0:L |<-- g 1 --|<-- g 2 --| U0:L |-- w 1 -->|-- w 2 -->|
    rank 1  | F0:L | B0:L |--- g --->|                 |<-- w ----|
    rank 2  | F0:L | B0:L |           |--- g -->|                 |<-- w ----|
"""

from labkit.network import Network
from labkit.schedule import Schedule, equal_shares
from labkit.schedule.pieces import whole
from labkit.schedule.schedule import program
from labkit.schemes.cost import Cost, cost_of, from_root, to_root
from labkit.schemes.cuts import check_trainable


def master(network: Network, ranks: int, batch: int) -> Schedule:
    """Gradients are summed on rank 0, which computes a share like the others, updates and hands out the weights."""
    check_trainable(network)
    end = len(network)

    def lines(rank: int) -> list[str]:
        update = [f"U0:{end}"] if rank == 0 else []
        return [f"F0:{end}; B0:{end}", "reduce g0>0 linear", *update, "bcast w0<0 linear"]

    return Schedule(
        scheme="master",
        network=network,
        shares=equal_shares(batch, ranks),
        pieces=whole(network),
        ranks=tuple(program(lines(rank)) for rank in range(ranks)),
    )


def cost(network: Network, ranks: int, batch: int) -> Cost:
    """Messages: 2(p - 1), of the size of the model. Bytes: 2(p - 1) times the model's, half of them sent by rank 0.

    The paper has 2p messages because its master computes nothing: that is `parameter-server` with one server, p + 1
    ranks and one array.
    """
    return cost_of((to_root(ranks, network.parameters), from_root(ranks, network.parameters)), ranks)


REMARK = (
    "Staleness: none. Memory: the optimiser's values on rank 0 only. Rank 0 receives and sends p - 1 models while the "
    "others wait: its port, not the network, is the limit."
)
