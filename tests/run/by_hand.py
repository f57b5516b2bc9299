"""Schedules written by hand, and one process that does the same: what the tests of the interpreter compare."""

import numpy as np

from labkit.data import Split, batches
from labkit.engine.model import Model
from labkit.network import Conv, Dense, Dropout, Flatten, MaxPool, Network, ReLU, Softmax, Tanh, chain
from labkit.run.job import Job
from labkit.run.rank.feed import training_samples
from labkit.schedule import Piece, Schedule, equal_shares
from labkit.schedule.pieces import arrays, buckets, chunks, layer_ranges, whole
from labkit.schedule.schedule import program


def small(dropout: float = 0.0) -> Network:
    """Images of 8 x 7 and widths that no number of ranks divides; 6 layers, with Dropout 7."""
    layers = {"conv": Conv(3, 3), "tanh": Tanh(), "pool": MaxPool(2, 2), "flatten": Flatten()}
    layers |= {"drop": Dropout(dropout)} if dropout else {}
    return chain("small", (1, 8, 7), layers | {"fc": Dense(10), "softmax": Softmax()})


def wide() -> Network:
    """Two dense layers: short and long pieces."""
    layers = {"flatten": Flatten(), "fc1": Dense(9), "relu": ReLU(), "fc2": Dense(10), "softmax": Softmax()}
    return chain("wide", (1, 8, 8), layers)


def job(**settings) -> Job:
    """Three steps in float64 on the reference, unless told otherwise."""
    plain = {"steps": 3, "seed": 4, "backend": "reference", "dtype": "float64", "timeout_s": 20.0}
    return Job(**plain | settings)


def schedule(network: Network, shares, pieces, lines: list[list[str]], name: str = "by hand") -> Schedule:
    """`lines`: spellings for each rank, which may be joined by ';'."""
    return Schedule(name, network, shares, tuple(pieces), tuple(program(rank) for rank in lines))


def allreduce(network: Network, ranks: int, batch: int, how: str, micros: int = 1) -> Schedule:
    """All gradients at once, in the foreground; the forwards of all micro-batches before the first backward."""
    n, m = len(network), range(micros)
    lines = [*(f"F0:{n}#{i}" for i in m), *(f"B0:{n}#{i}" for i in m), f"allreduce g0 {how}", f"U0:{n}"]
    return schedule(network, equal_shares(batch, ranks, micros), whole(network), [lines] * ranks)


def overlapped(network: Network, ranks: int, batch: int, how: str, bucket_bytes: int = 0) -> Schedule:
    """Buckets behind back-propagation, which goes a layer at a time; every update waits for its own bucket only."""
    n, pieces = len(network), buckets(network, bucket_bytes)
    layers, first = layer_ranges(network), {}
    for number, piece in enumerate(pieces):
        first[min(i for i, part in enumerate(layers) if part.values and part.start >= piece.start)] = number
    lines = [f"F0:{n}"]
    for layer in reversed(range(n)):
        lines += [f"B{layer}:{layer + 1}", *([f"allreduce g{first[layer]} {how} &"] if layer in first else [])]
    for number in range(len(pieces)):
        lines += [f"wait g{number}", f"U w{number}"]
    return schedule(network, equal_shares(batch, ranks), pieces, [lines] * ranks)


def master(network: Network, ranks: int, batch: int, how: str) -> Schedule:
    """Reduce to rank 0, which updates and broadcasts."""
    n = len(network)
    before, after = [f"F0:{n}; B0:{n}; reduce g0>0 {how}"], [f"bcast w0<0 {how}"]
    lines = [[*before, *([f"U0:{n}"] if rank == 0 else []), *after] for rank in range(ranks)]
    return schedule(network, equal_shares(batch, ranks), whole(network), lines)


def chunked(network: Network, ranks: int, batch: int, count: int, how: str) -> Schedule:
    """The weights come back in chunks behind the next forward, in which every layer waits for its own."""
    pieces, layers, n = chunks(network, count), layer_ranges(network), len(network)
    lines, done = [], 0
    for layer, part in enumerate(layers):
        needed = [k for k, piece in enumerate(pieces) if piece.start < part.stop and k >= done]
        lines += [*(f"wait w{k}" for k in needed), f"F{layer}:{layer + 1}"]
        done += len(needed)
    tail = [f"B0:{n}", *(f"reduce g{k}>0 {how}" for k in range(count))]
    casts = [f"bcast w{k}<0 {how} &" for k in range(count)]
    ranked = [[*lines, *tail, *([f"U0:{n}"] if rank == 0 else []), *casts] for rank in range(ranks)]
    return schedule(network, equal_shares(batch, ranks), pieces, ranked)


def pairs(network: Network, batch: int) -> Schedule:
    """Two ranks that sum by `swap`, and by `send` and `recv`: all pieces but the last, and the last one."""
    n, pieces = len(network), arrays(network)
    last = len(pieces) - 1
    lines = []
    for rank, other in ((0, 1), (1, 0)):
        there, back = f"send g{last}>{other}", f"recv g{last}<{other}"
        ends = [f"{back} +", there] if rank == 0 else [there, back]
        swaps = [f"swap g{k}<>{other} +" for k in range(last)]
        lines.append([f"F0:{n}; B0:{n}", *swaps, *ends, f"U0:{n}"])
    return schedule(network, equal_shares(batch, 2), pieces, lines)


def server(
    network: Network, ranks: int, batch: int, mode: str, sharded: bool = False, overlap: bool = False
) -> Schedule:
    """Parameter server: rank 0 alone, or piece k on rank k mod ranks."""
    n, pieces = len(network), arrays(network)
    shares = equal_shares(batch, ranks) if sharded else ((), *equal_shares(batch, ranks - 1))
    owner = [k % ranks if sharded else 0 for k in range(len(pieces))]
    workers = sum(map(bool, shares))
    behind = " &" if overlap else ""
    push = [f"push g{k}>{owner[k]}{behind}" for k in range(len(pieces))]
    pull = [f"pull w{k}<{owner[k]}{behind}" for k in range(len(pieces))]
    work = [*(["wait"] if overlap else []), f"F0:{n}; B0:{n}", *push, *pull]
    lines = [[f"serve {mode}"] * (workers * owner.count(r)) + (work if shares[r] else []) for r in range(ranks)]
    return schedule(network, shares, pieces, lines)


def samples(network: Network, asked: Job, count: int | None = None) -> Split:
    """What `asked` trains on, or only the first `count` samples of it."""
    split = training_samples(network, asked)
    return split if count is None else split.subset(slice(0, count))


def one_process(network: Network, asked: Job, batch: int, split: Split, parts=None) -> tuple[np.ndarray, list[float]]:
    """Weights and losses of one process after the job's steps. parts(n): sizes of the shares that it computes one
    after the other, adding up their gradients.
    """
    model = Model(network, asked.backend, batch, asked.seed, asked.dtype)
    slots, losses, step, epoch = model.slots(asked.optimizer), [], 0, 0
    while step < asked.steps:
        for x, labels in batches(split, batch, seed=asked.seed, epoch=epoch):
            if step == asked.steps:
                break
            total, loss, first = np.zeros_like(model.gradients.flat), 0.0, 0
            for size in parts(len(x)) if parts else [len(x)]:
                part = slice(first, first + size)
                if size:
                    done = model.gradients_of(x[part], labels[part], asked.loss, step, first)
                    total += model.gradients.flat * (size / len(x))
                    loss += done.loss * size / len(x)
                first += size
            model.gradients.flat[:] = total
            model.update(asked.optimizer, slots, step)
            losses.append(loss)
            step += 1
        epoch += 1
    return model.parameters.flat.copy(), losses


__all__ = ["Piece", "allreduce", "chunked", "job", "master", "one_process", "overlapped", "pairs", "samples", "server"]
