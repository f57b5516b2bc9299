"""Schedules and costs that the tests of the simulator share: small, round numbers that can be followed by hand."""

from labkit.machine.links import Link
from labkit.network import Dense, Network, chain
from labkit.schedule import Piece, Schedule
from labkit.schedule.costs import Compute, Costs, LayerSeconds, Seconds
from labkit.schedule.pieces import arrays
from labkit.schedule.schedule import program

LATENCY_S, BYTES_PER_S = 1.0, 8.0
LINK = Link("slow", LATENCY_S, BYTES_PER_S)  # 2 values of float32 in a second


def three_layers() -> Network:
    """Layers of 6, 12 and 20 weights: 24, 48 and 80 bytes."""
    layers = {name: Dense(size, bias=False) for name, size in (("a", 3), ("b", 4), ("c", 5))}
    return chain("three", (2,), layers)


def seconds(fp: float = 0.0, bp: float = 0.0, ku: float = 0.0, *, per_sample: bool = False) -> LayerSeconds:
    """One layer's seconds: of any call, or of each sample."""
    pairs = (Seconds(0.0, s) if per_sample else Seconds(s, 0.0) for s in (fp, bp, ku))
    return LayerSeconds(*pairs)


def costs(*layers: LayerSeconds, link: Link = LINK, **others) -> Costs:
    """Of `three_layers`, whose layers take no time unless they are given."""
    compute = {name: others.pop(name) for name in ("update_s_per_value", "loss_s") if name in others}
    return Costs(Compute(layers or (LayerSeconds(),) * 3, **compute), link, **others)


def schedule(*ranks: str, shares: tuple[int, ...] | None = None, pieces: tuple[Piece, ...] | None = None) -> Schedule:
    """What each rank does, spelled and joined by ';'. shares: samples, of one micro-batch per rank; 1 unless given."""
    network = three_layers()
    given = tuple((n,) if n else () for n in shares) if shares else ((1,),) * len(ranks)
    return Schedule("by hand", network, given, pieces or arrays(network), tuple(program([one]) for one in ranks))


def spans(timeline, rank: int, lane: str | None = None) -> list[tuple[str, float, float]]:
    """(spelling, start, end) of a rank's events."""
    return [(e.spelling, e.start_s, e.end_s) for e in timeline.of(rank) if lane in (None, e.lane)]
