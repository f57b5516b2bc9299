"""In[B/p, C] . W[C, K] -> Out[B/p, K]; Reduce(dW[C, K] > 0); Broadcast(W[chunk] < 0), chunk after chunk

Replicated: the weights. Split: the samples; the update is rank 0's alone. Sent: all gradients to the master as in
`master`; the weights come back in K chunks in the order of the layers, so that the next step's forward propagation
begins with the first of them: method 2 of convnet-strategies-mpi.

    rank 0   | F0:9 | B0:9 |<-- g --| wait; U0:9 |     F0:9, next step ...
    network  |                                   |-- w0 -->|-- w1 -->|-- w2 -->|
    rank 1   ...    | B0:9 |--- g ->|             wait w0 | F0:4 | wait w1 | F4:7 | wait w2 | F7:9 |
"""

from labkit.network import Network
from labkit.schedule import Schedule, equal_shares
from labkit.schedule.pieces import chunks as chunks_of
from labkit.schedule.pieces import whole
from labkit.schedule.schedule import program
from labkit.schemes.cost import Cost, cost_of, from_root, to_root
from labkit.schemes.cuts import ahead


def chunked(network: Network, ranks: int, batch: int, *, chunks: int = 4) -> Schedule:
    """Like `master`, with the weights handed out in `chunks` pieces behind the next forward propagation.

    Pieces 0 to chunks - 1 are the chunks, and the last piece is the whole, which the gradients travel in. A chunk may
    end within a layer; a layer waits for every chunk that it has weights in. Rank 0 has its weights already, but must
    not update them while the last step's are still being sent.

    Raises LabError unless 1 <= chunks <= number of parameters.
    """
    parts, end = chunks_of(network, chunks), len(network)
    handed_out = [f"bcast w{n}<0 linear &" for n in range(chunks)]
    summed = [f"B0:{end}", f"reduce g{chunks}>0 linear"]
    forward = [
        line
        for cut in ahead(network, parts)
        for line in (*(f"wait w{n}" for n in cut.pieces), f"F{cut.first}:{cut.end}")
    ]
    first = program([f"F0:{end}", *summed, "wait", f"U0:{end}", *handed_out])
    others = program([*forward, *summed, *handed_out])
    return Schedule(
        scheme=f"chunked {chunks}",
        network=network,
        shares=equal_shares(batch, ranks),
        pieces=(*parts, *whole(network)),
        ranks=(first, *(others,) * (ranks - 1)),
    )


def cost(network: Network, ranks: int, batch: int, *, chunks: int = 4) -> Cost:
    """Messages: (p - 1)(1 + K). Bytes: 2(p - 1) times the model's, as without chunks.

    A message has 2/(1 + K) of the model's bytes on average. The paper says 1/K, which times its number of messages
    gives its own payload only for K = 1.
    """
    rows = [from_root(ranks, part.values) for part in chunks_of(network, chunks)]
    return cost_of([to_root(ranks, network.parameters), *rows], ranks)


REMARK = (
    "Staleness: none, although ranks are in different steps for a while. Memory: as for `master`. Chunks hide the way "
    "back behind FP; but every rank then has its last chunk at the same time, and all queue for the master's port on "
    "the way in, where `master` lets them in one after the other: many ranks on a slow link lose more than they gain."
)
