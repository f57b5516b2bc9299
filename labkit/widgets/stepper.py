"""Move stepper: our multilevel partitioner at work on a small hypergraph, played back event by event.

The partitioner runs once, here, and its events go to the page; there they are replayed in JavaScript, which works out
cut, loads, gains and buckets by itself. Merged vertices are drawn as one, where the lowest numbered of them stands.
"""

import anywidget
import traitlets

from labkit.network import Network
from labkit.partition.hypergraph import Hypergraph
from labkit.partition.limits import limits
from labkit.partition.names import vertex_names
from labkit.widgets._base import css, decode, encode, esm, one_of, static_text, within
from labkit.widgets._bipartite import GRAINS, MOST_PARTS, drawable, hypergraph_picture, network_of, picture
from labkit.widgets._recording import STARTS, recording

KIND = "stepper"
DEFAULTS = {"at": 0, "speed": 2}
LEGEND = (
    "A circle is a vertex with its part in it; +2 beside its number: two more are merged with it. A diamond is a net; "
    "cut nets are bold, dashed and carry λ and (λ − 1) · cost. Thick outline: what this step is about. Pale and "
    "dashed: moved in this pass already, and held until its end. Colours in the buckets: the part of a vertex now. "
    "Bars: work of each part, with the average (thin line) and the limit (double line)."
)


class MoveStepper(anywidget.AnyWidget):
    """Picture, gain buckets, cut and loads at each event of a partitioner; make one with `stepper`.

    record: as `_bipartite.picture` gives it. events: as `_recording` describes them, with `text`. state: at (how many
    events have happened), speed (of the replay, events per second).
    """

    _esm = esm("player.js", "units.js", "bipartite.js", "stepper.js")
    _css = css() + static_text("bipartite.css")
    title = traitlets.Unicode().tag(sync=True)
    legend = traitlets.Unicode(LEGEND).tag(sync=True)
    record = traitlets.Dict().tag(sync=True)
    events = traitlets.List(traitlets.Dict()).tag(sync=True)
    parts = traitlets.Int(2).tag(sync=True)
    imbalance = traitlets.Float(0.1).tag(sync=True)
    state = traitlets.Dict().tag(sync=True)

    def state_string(self) -> str:
        """The settings as a line; `from_state=line`, with the same hypergraph and seed, shows the same moment."""
        return encode(KIND, self.state)


def stepper(
    what: Network | Hypergraph | str,
    parts: int = 2,
    imbalance: float = 0.1,
    seed: int = 0,
    *,
    start: str = "multilevel",
    grain: str = "coarse",
    groups: int | None = None,
    from_state: str | None = None,
) -> MoveStepper:
    """Watch the multilevel partitioner: merges, the first partition, moves, and what is undone.

    what: a network or its name, as for `hypergraph_view`, or a Hypergraph of at most 60 vertices. parts: 2 to 8.
    imbalance: no part may be heavier than (1 + imbalance) averages. seed: of the partitioner's random choices. start:
    "multilevel" or "random", which shows only passes of moves, from parts drawn at random. grain, groups: of the
    network's hypergraph. from_state: a line of `state_string()`.

    Raises LabError for a hypergraph that is too large to be drawn, and for limits that nobody can keep.
    """
    parts = within("parts", parts, 2, MOST_PARTS, whole=True)
    seed = within("seed", seed, 0, 2**31 - 1, whole=True)
    one_of("grain", grain, tuple(GRAINS))
    one_of("start", start, STARTS)
    names = None
    if isinstance(what, Hypergraph):
        graph, record, title = what, hypergraph_picture(what), f"a hypergraph of {what.vertices} vertices"
    else:
        problem = drawable(network_of(what), grain, groups)
        graph, record, title = problem.hypergraph, picture(problem), f"{problem.tasks.network.name}, {grain} grain"
        names = vertex_names(problem)
    bounds = limits(graph.weights, parts, imbalance, names.__getitem__ if names else None)
    events = recording(graph, bounds, seed, start)
    state = dict(DEFAULTS) if from_state is None else decode(KIND, from_state, DEFAULTS)
    state["at"] = within("at", state["at"], 0, len(events), whole=True)
    state["speed"] = within("speed", state["speed"], 1, 30, whole=True)
    return MoveStepper(
        title=f"Partitioner, move by move: {title}",
        record=record,
        events=events,
        parts=parts,
        imbalance=float(imbalance),
        state=state,
    )
