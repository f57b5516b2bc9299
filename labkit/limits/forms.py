"""The closed forms of `limits.collectives`, one function each: (ranks p, setting) -> seconds, for p >= 2."""

from typing import NamedTuple


class Setting(NamedTuple):
    """latency_s; send_s and add_s: of all n bytes; chunks: K."""

    latency_s: float
    send_s: float
    add_s: float
    chunks: int
    overlap: bool


def _ring(p: int, s: Setting) -> float:
    return 2 * (p - 1) * (s.latency_s + s.send_s / p) + (p - 1) / p * s.add_s


def _doubling(p: int, s: Setting) -> float:
    return lg(power_below(p)) * (s.latency_s + s.send_s + s.add_s) + _fold(p, s)


def _halving(p: int, s: Setting) -> float:
    q = power_below(p)
    return 2 * lg(q) * s.latency_s + (q - 1) / q * (2 * s.send_s + s.add_s) + _fold(p, s)


def _fold(p: int, s: Setting) -> float:
    return 2 * (s.latency_s + s.send_s) + s.add_s if p & (p - 1) else 0.0


def _tree_reduce(p: int, s: Setting) -> float:
    return rounds(p) * (s.latency_s + s.send_s + s.add_s)


def _tree_bcast(p: int, s: Setting) -> float:
    return rounds(p) * (s.latency_s + s.send_s)


def _linear_reduce(p: int, s: Setting) -> float:
    """While the root adds one rank's values, the next one's come in: the slower of the two counts p - 2 times."""
    if not s.overlap:
        return (p - 1) * (s.latency_s + s.send_s + s.add_s)
    return s.latency_s + s.send_s + (p - 2) * max(s.send_s, s.add_s) + s.add_s


def _linear_bcast(p: int, s: Setting) -> float:
    return (1 if s.overlap else p - 1) * s.latency_s + (p - 1) * s.send_s


def _server(p: int, s: Setting) -> float:
    """A reduce whose root has nothing of its own, then a broadcast."""
    if not s.overlap:
        collected = (p - 1) * (s.latency_s + s.send_s) + (p - 2) * s.add_s
    else:
        collected = s.latency_s + s.send_s
        if p > 2:
            collected += s.send_s + (p - 3) * max(s.send_s, s.add_s) + s.add_s
    return collected + _linear_bcast(p, s)


def _scatter(p: int, s: Setting) -> float:
    return (rounds(p) + p - 1) * s.latency_s + 2 * (p - 1) / p * s.send_s


def _chain(p: int, s: Setting) -> float:
    passed = p - 2 + s.chunks
    return (p - 1 if s.overlap else passed) * s.latency_s + passed / s.chunks * s.send_s


def _pipeline(p: int, s: Setting) -> float:
    """Chunks follow each other every second round, as a rank with two children sends each of them twice.

    On its way down, a chunk takes one round to a left child and two to a right one; the rank that waits longest is on
    one of the two lowest levels.
    """
    if p == 2:
        return _chain(p, s)
    behind, found = 2 * (s.chunks - 1), 0.0
    for place in range(power_below(p) // 2 - 1, p):
        turns = bin(place + 1)[3:]  # from the root down: 0 is left, 1 is right
        passed = len(turns) + turns.count("1") + behind
        latencies = len(turns) if s.overlap else passed
        found = max(found, latencies * s.latency_s + passed / s.chunks * s.send_s)
    return found


def lg(power: int) -> int:
    """Of a power of two."""
    return power.bit_length() - 1


def power_below(ranks: int) -> int:
    """The largest power of two up to `ranks`."""
    return 1 << lg(ranks)


def rounds(ranks: int) -> int:
    """ceil(lg p)."""
    return (ranks - 1).bit_length()


FORMS = {
    ("allreduce", "ring"): _ring,
    ("allreduce", "tree"): lambda p, s: _tree_reduce(p, s) + _tree_bcast(p, s),
    ("allreduce", "doubling"): _doubling,
    ("allreduce", "halving"): _halving,
    ("reduce", "linear"): _linear_reduce,
    ("reduce", "tree"): _tree_reduce,
    ("bcast", "linear"): _linear_bcast,
    ("bcast", "tree"): _tree_bcast,
    ("bcast", "scatter"): _scatter,
    ("bcast", "chain"): _chain,
    ("bcast", "pipeline"): _pipeline,
    ("server", "1"): _server,
    ("server", "sharded"): _ring,
}
