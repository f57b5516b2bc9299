"""What the multilevel partitioner tells of its work, rewritten for a picture in which vertices keep their places.

The partitioner numbers the vertices of each level anew. Here a vertex is always one of the original ones, and those
that were merged are spoken of by the lowest of them. An event is a dictionary with its `kind`, its `text`, and:

    coarser  level: merging begins that leads there        merge     into, vertex: two vertices become one
    level    (the merging is over)                         tried     (a partition was refined for comparison)
    start    level, part: of each vertex, to be refined    pass      (all vertices are free to move)
    move     vertex, to; best: whether no earlier moment   rollback  moves: how many are undone, the last first
             of the pass was as good                       end       (of a pass)      refined  cut: of a level
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from labkit.partition.hypergraph import Hypergraph, cut, part_weights
from labkit.partition.limits import Limits

if TYPE_CHECKING:  # compiled code: it is loaded where a recording is made
    from labkit.partition.engines.multilevel import Event, Level, Merged, Move, PassEnd, Refined, Start, Tried

STARTS = ("multilevel", "random")
COARSEST = 4  # vertices per part: with its usual settings the partitioner would not coarsen what can be drawn
TRIES = 5  # of initial partitions, on the coarsest level only: each way of making them is among five
ROUNDING = 1e-9  # excesses of load that differ by less than this part of the whole are equal


@dataclass
class _Teller:
    """The recording so far.

    own: per level, the vertex of it that each original vertex belongs to, int64 [V]. merging, passing: the level that
    merging leads to and the (level, pass) that is under way. best: (excess, cut) of the best moment of the pass.
    """

    own: list[np.ndarray]
    limits: Limits
    events: list[dict] = field(default_factory=list)
    merging: int = 0
    passing: tuple[int, int] | None = None
    best: tuple[float, int] = (0.0, 0)

    def tell(self, kind: str, text: str, **more: object) -> None:
        self.events.append({"kind": kind, "text": text} | more)

    def lowest(self, level: int, vertex: int) -> int:
        """The original vertex that stands for one of a level."""
        return int(np.flatnonzero(self.own[level] == vertex)[0])

    def merged(self, one: Merged) -> None:
        level = len(self.own)
        if self.merging < level:
            self.merging = level
            self.tell("coarser", "vertices that share costly nets are merged in pairs", level=level)
        into, vertex = sorted(self.lowest(level - 1, v) for v in (one.first, one.second))
        text = f"vertices {into} and {vertex} become one, they share {one.rating:.4g}"
        self.tell("merge", text, into=into, vertex=vertex)

    def level(self, one: Level) -> None:
        if one.cluster is None:
            return
        self.own.append(one.cluster[self.own[-1]])
        sizes = f"{one.hypergraph.vertices} vertices and {one.hypergraph.nets} nets"
        self.tell("level", f"level {one.number} has {sizes} left")

    def tried(self, one: Tried) -> None:
        broken = ", but breaks the limits" if one.excess > 0 else ""
        best = ", the best so far" if one.best else ""
        self.tell("tried", f"tried '{one.way}': cut {one.before:,}, refined {one.after:,}{broken}{best}")

    def start(self, one: Start) -> None:
        how = "merged vertices come apart, each in its part" if one.way == "projected" else f"start '{one.way}'"
        self.tell("start", how, level=one.level, part=one.part[self.own[one.level]].tolist())
        self.best = (self.limits.excess(one.loads), one.cut)

    def begin(self, level: int, number: int) -> None:
        if self.passing != (level, number):
            self.passing = (level, number)
            self.tell("pass", f"pass {number + 1} begins, every vertex may move once", best=True)

    def move(self, one: Move) -> None:
        self.begin(one.level, one.number)
        vertex, excess = self.lowest(one.level, one.vertex), self.limits.excess(one.loads)
        slack = ROUNDING * one.loads.sum()
        better = one.cut < self.best[1] if abs(excess - self.best[0]) <= slack else excess < self.best[0]
        gain = f"{one.gain:+,}".replace("-", "−") if one.gain else "0"
        text = f"vertex {vertex} moves from part {one.came_from} to part {one.to}, gain {gain}"
        self.tell("move", text, vertex=vertex, to=int(one.to), best=bool(better))
        if better:
            self.best = (excess, one.cut)

    def pass_end(self, one: PassEnd) -> None:
        self.begin(one.level, one.number)
        undone = one.made - one.kept
        if undone:
            self.tell("rollback", f"back to the best moment: {undone} of {one.made} moves are undone", moves=undone)
        self.tell("end", f"the pass keeps {one.kept} of {one.made} moves")
        self.passing = None

    def refined(self, one: Refined) -> None:
        self.tell("refined", "this level is finished", cut=int(one.cut))


def recording(hypergraph: Hypergraph, limits: Limits, seed: int, start: str = "multilevel") -> list[dict]:
    """The events of a partitioner's work, as described above.

    start: "multilevel", the whole course of the engine; or "random", only passes of moves, from parts drawn at random.
    """
    from labkit.partition.engines import multilevel as m
    from labkit.partition.engines.multilevel.levels import without_empty_parts

    limits = without_empty_parts(limits, hypergraph.weights)
    teller = _Teller([np.arange(hypergraph.vertices)], limits)
    tell = {
        m.Merged: teller.merged,
        m.Level: teller.level,
        m.Tried: teller.tried,
        m.Start: teller.start,
        m.Move: teller.move,
        m.PassEnd: teller.pass_end,
        m.Refined: teller.refined,
    }
    settings = m.Settings(coarsest=COARSEST * limits.parts, tries=TRIES, small=0)
    course = m.moves(hypergraph, limits, seed, settings) if start == "multilevel" else _passes(hypergraph, limits, seed)
    for event in course:
        tell[type(event)](event)
    return teller.events


def _passes(hypergraph: Hypergraph, limits: Limits, seed: int) -> Iterator[Event]:
    """Refinement of a random partition of the hypergraph itself."""
    from labkit.partition.engines.multilevel import PassEnd, Refined, Start
    from labkit.partition.engines.multilevel.state import new_state
    from labkit.partition.engines.multilevel.steps import steps

    part = np.random.default_rng(seed).integers(0, limits.parts, hypergraph.vertices)
    loads = part_weights(hypergraph, part, limits.parts)
    yield Start(0, "random", part, cut(hypergraph, part), loads)
    for event in steps(new_state(hypergraph, limits), 0, part):
        yield event
        part = event.part if isinstance(event, PassEnd) else part
    yield Refined(0, part, cut(hypergraph, part), part_weights(hypergraph, part, limits.parts))
