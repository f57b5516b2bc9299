"""Small schedules that are right, written out by hand: what the tests of `validate` start from."""

from labkit.network import Dense, ReLU, Softmax, chain
from labkit.schedule import Schedule, equal_shares
from labkit.schedule.pieces import Piece, arrays, buckets, chunks, whole
from labkit.schedule.schedule import program

TINY = chain("tiny", (3,), {"fc1": Dense(2), "relu": ReLU(), "fc2": Dense(3), "fc3": Dense(2), "softmax": Softmax()})
END = len(TINY)


def schedule(lines, shares=None, pieces=None, batch=7, micro_batches=1, network=TINY) -> Schedule:
    """A schedule from the text of each rank; instructions are joined by ';'."""
    shares = equal_shares(batch, len(lines), micro_batches) if shares is None else shares
    return Schedule("test", network, shares, pieces or whole(network), tuple(program([line]) for line in lines))


def with_program(old: Schedule, rank: int, instructions) -> Schedule:
    """The same schedule with another list for one rank."""
    ranks = (*old.ranks[:rank], tuple(instructions), *old.ranks[rank + 1 :])
    return Schedule(old.scheme, old.network, old.shares, old.pieces, ranks)


def single(micro_batches: int = 1) -> Schedule:
    passes = "; ".join(f"F0:{END}#{m}; B0:{END}#{m}" for m in range(micro_batches))
    return schedule([f"{passes}; U0:{END}"], micro_batches=micro_batches)


def all_reduced(ranks: int = 3, how: str = "ring", batch: int = 7) -> Schedule:
    return schedule([f"F0:{END}; B0:{END}; allreduce g0 {how}; U0:{END}"] * ranks, batch=batch)


def overlapped(ranks: int = 3, how: str = "ring", micro_batches: int = 1, batch: int = 7) -> Schedule:
    """Buckets of one layer each travel while BP goes on."""
    last = micro_batches - 1
    passes = "".join(f"F0:{END}#{m}; B0:{END}#{m}; " for m in range(last))
    back = (
        f"B3:{END}#{last}; allreduce g0 {how} &; B2:3#{last}; allreduce g1 {how} &; B0:2#{last}; allreduce g2 {how} &"
    )
    line = f"{passes}F0:{END}#{last}; {back}; wait g0; U w0; wait g1; U w1; wait g2; U w2"
    return schedule([line] * ranks, pieces=buckets(TINY, 0), micro_batches=micro_batches, batch=batch)


def pairwise_exchange(batch: int = 7) -> Schedule:
    """Two ranks that swap."""
    return schedule([f"F0:{END}; B0:{END}; swap g0<>{1 - r} +; U0:{END}" for r in range(2)], batch=batch)


def star(ranks: int = 3, batch: int = 7) -> Schedule:
    """Messages one by one to and from rank 0."""
    others = range(1, ranks)
    root = [f"recv g0<{r} +" for r in others] + [f"U0:{END}"] + [f"send w0>{r}" for r in others]
    lines = ["; ".join([f"F0:{END}; B0:{END}", *root])]
    lines += [f"F0:{END}; B0:{END}; send g0>0; recv w0<0"] * len(others)
    return schedule(lines, batch=batch)


def master(ranks: int = 3, how: str = "tree", batch: int = 7) -> Schedule:
    lines = [
        f"F0:{END}; B0:{END}; reduce g0>0 {how}; {f'U0:{END}; ' if rank == 0 else ''}bcast w0<0 {how}"
        for rank in range(ranks)
    ]
    return schedule(lines, batch=batch)


def chunked(ranks: int = 3, batch: int = 7) -> Schedule:
    """Weights come back in two chunks behind the next FP; the cut lies within the second dense layer."""
    parts = chunks(TINY, 2)
    tail = "bcast w0<0 linear &; bcast w1<0 linear &"
    root = f"F0:{END}; B0:{END}; reduce g2>0 linear; wait; U0:{END}; {tail}"
    other = f"wait w0; F0:2; wait w1; F2:{END}; B0:{END}; reduce g2>0 linear; {tail}"
    return schedule([root] + [other] * (ranks - 1), pieces=(*parts, *whole(TINY)), batch=batch)


def one_server(workers: int = 2, mode: str = "sync", batch: int = 7) -> Schedule:
    """Rank 0 serves two pieces and computes nothing."""
    work = f"F0:{END}; B0:{END}; push g1>0; push g0>0; pull w0<0; pull w1<0"
    lines = ["; ".join([f"serve {mode}"] * (2 * workers))] + [work] * workers
    return schedule(lines, ((), *equal_shares(batch, workers)), chunks(TINY, 2), batch)


def sharded_servers(ranks: int = 3, mode: str = "sync", batch: int = 7) -> Schedule:
    """Every rank works and serves its arrays; weights come behind the next FP."""
    pieces = arrays(TINY)
    lines = []
    for rank in range(ranks):
        serves = ["serve " + mode] * (ranks * len([n for n in range(len(pieces)) if n % ranks == rank]))
        fp = ["wait w0; wait w1; F0:2", "wait w2; wait w3; F2:3", f"wait w4; wait w5; F3:{END}"]
        bp = [f"B3:{END}; push g5>{5 % ranks} &; push g4>{4 % ranks} &"]
        bp += [f"B2:3; push g3>{3 % ranks} &; push g2>{2 % ranks} &; B0:2; push g1>{1 % ranks} &; push g0>0 &"]
        lines.append("; ".join(serves + fp + bp + [f"pull w{n}<{n % ranks} &" for n in range(len(pieces))]))
    return schedule(lines, pieces=pieces, batch=batch)


def error_averaged(ranks: int = 3) -> Schedule:
    """The shortcut of convnet-strategies-mpi: mean errors instead of gradients."""
    lines = [
        f"F0:{END}; reduce e>0 linear; {f'B0:{END}; U0:{END}; ' if rank == 0 else ''}bcast w0<0 linear"
        for rank in range(ranks)
    ]
    return schedule(lines)


def right_schedules() -> dict[str, Schedule]:
    """Every shape of schedule above, by a name."""
    halves = (Piece(0, 9), Piece(9, TINY.parameters))
    return {
        "single": single(),
        "single micro-batches": single(3),
        "ring": all_reduced(),
        "library": all_reduced(4, "mpi"),
        "more ranks than samples": all_reduced(4, "halving", batch=2),
        "overlapped": overlapped(),
        "overlapped micro-batches": overlapped(2, "doubling", 2),
        "swap": pairwise_exchange(),
        "star": star(),
        "master tree": master(),
        "master linear": master(4, "linear", batch=2),
        "chunked": chunked(),
        "sync server": one_server(),
        "async server": one_server(mode="async"),
        "ssp server": one_server(3, "ssp1"),
        "sync shards": sharded_servers(),
        "async shards": sharded_servers(mode="async"),
        "ssp shards": sharded_servers(2, "ssp0"),
        "halves": schedule(
            [f"F0:{END}; B0:{END}; allreduce g1 tree; allreduce g0 ring &; U w1; wait g0; U w0"] * 2, pieces=halves
        ),
    }
