"""Where communication overtakes computing: the number of ranks beyond which more of them no longer help.

Strong scaling without overlap: a step computes for T/n seconds on n ranks and communicates for C(n); at C(n) = T/n half
of the time is lost. keuper-pfreundt-2016 (section II, figure 3) places this "after scaling to only 4 to 8 nodes" with a
binary tree. The same figures with a ring give 13 and 25: the limit is one of the collective.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import log2

from labkit.errors import LabError, suggest
from labkit.machine.links import Link

# n ranks, a real number -> (latencies, times that all bytes pass a port): the forms of `limits.collectives` as curves.
CURVES: dict[str, Callable[[float], tuple[float, float]]] = {
    "server": lambda n: (2, 2 * (n - 1)),  # n - 1 workers and the server, which is a worker as well
    "tree": lambda n: (2 * log2(n), 2 * log2(n)),
    "ring": lambda n: (2 * (n - 1), 2 * (n - 1) / n),
}
MOST_RANKS = 2.0**40


@dataclass(frozen=True)
class Training:
    """One row of keuper-pfreundt-2016, tables I and II: seconds of an iteration on one node, bytes of the model."""

    network: str
    device: str
    compute_s: float
    model_bytes: float


KEUPER_LINK = Link("FDR InfiniBand", 0.0, 6.8e9)  # section I-B; beside 50 MB and more its latency is nothing
KEUPER = (
    Training("AlexNet", "CPU", 2.0, 250e6),
    Training("AlexNet", "K80", 0.9, 250e6),
    Training("AlexNet", "TitanX", 0.2, 250e6),
    Training("AlexNet", "KNL", 0.6, 250e6),
    Training("GoogLeNet", "CPU", 1.3, 50e6),
    Training("GoogLeNet", "K80", 0.36, 50e6),
    Training("GoogLeNet", "KNL", 0.32, 50e6),
)


def crossing(algorithm: str, compute_s: float, n_bytes: float, link: Link) -> float:
    """Ranks, as a real number, at which exchanging n_bytes takes as long as computing: C(n) = compute_s / n.

    algorithm: 'ring', 'tree' or 'server'. Raises LabError for another one, or for seconds and bytes that are not
    positive.
    """
    if algorithm not in CURVES:
        raise LabError(f"no curve for {algorithm!r}", suggest(algorithm, CURVES))
    if not (compute_s > 0 and n_bytes > 0):
        raise LabError(f"{compute_s} s of computing and {n_bytes} bytes", "give numbers above 0")
    low, high = 1.0, 2.0
    while high < MOST_RANKS and communicating(algorithm, high, n_bytes, link) < compute_s / high:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        if communicating(algorithm, middle, n_bytes, link) < compute_s / middle:
            low = middle
        else:
            high = middle
    return high


def communicating(algorithm: str, ranks: float, n_bytes: float, link: Link) -> float:
    """Seconds of one exchange between `ranks` ranks."""
    latencies, passes = CURVES[algorithm](ranks)
    return latencies * link.latency_s + passes * n_bytes / link.bytes_per_s
