"""Hypergraph view: a small network's tasks as vertices, what they send as nets, and a partition that is made by hand.

Figures 3.2 to 3.4 of eserol-2019 in a drawing of our own. The cut is the sum of (lambda - 1) * cost over the nets;
lambda counts the parts that hold a pin of a net. The multistage graph of section 3.1, with an edge from every map to
every filter that reads it, can be drawn beside it: it charges a map once for every filter that reads it elsewhere,
though the map is sent once to each part.
"""

import anywidget
import numpy as np
import traitlets

from labkit.errors import LabError
from labkit.network import Network
from labkit.network.sizes import check_batch
from labkit.partition.grains import NetworkHypergraph
from labkit.partition.plan import Plan
from labkit.widgets._base import css, decode, encode, esm, one_of, static_text, within
from labkit.widgets._bipartite import (
    GRAINS,
    MOST_PARTS,
    MOST_VERTICES,
    coarse_of_fine,
    drawable,
    network_of,
    picture,
    problem_of,
)

KIND = "hypergraph_view"
LEGEND = (
    "A circle is a vertex (a task), with its part in it and its number beside it; a diamond is a net (what is sent). "
    "Cut nets are bold, dashed and carry λ and (λ − 1) · cost. Click a vertex, or press Enter on it, to move it to the "
    "next part; a digit moves it to that part. Arrow keys walk through vertices and nets; Enter or a click holds a net."
)


class HypergraphView(anywidget.AnyWidget):
    """Vertices and nets that parts are painted on; make one with `hypergraph_view`.

    grains: "coarse" and, where it is small enough, "fine" -> what `_bipartite.picture` gives; the fine one has `of`,
    the coarse vertex of each. start: grain -> the parts to begin with. state: grain, parts, part (a digit per vertex),
    net (the one that is pointed out, -1: none), graph (whether the multistage graph is drawn).
    """

    _esm = esm("choice.js", "toggle.js", "units.js", "bipartite.js", "hypergraph_view.js")
    _css = css() + static_text("bipartite.css")
    title = traitlets.Unicode().tag(sync=True)
    legend = traitlets.Unicode(LEGEND).tag(sync=True)
    unit = traitlets.Unicode().tag(sync=True)
    grains = traitlets.Dict().tag(sync=True)
    start = traitlets.Dict().tag(sync=True)
    batch = traitlets.Int(1).tag(sync=True)
    state = traitlets.Dict().tag(sync=True)
    problems: dict[str, NetworkHypergraph]

    def state_string(self) -> str:
        """The settings as a line; `hypergraph_view(network, from_state=line)` shows the same partition."""
        return encode(KIND, self.state)

    def plan(self) -> Plan:
        """The partition that is shown now, as a Plan."""
        return self.problems[self.state["grain"]].plan(self.part, self.state["parts"])

    @property
    def part(self) -> np.ndarray:
        """The part of every vertex that is shown now: int64 [vertices]."""
        return np.array([int(digit) for digit in self.state["part"]])


def hypergraph_view(
    network: Network | str,
    parts: int = 2,
    grain: str = "coarse",
    plan: Plan | None = None,
    batch: int = 1,
    *,
    groups: int | None = None,
    graph: bool = False,
    from_state: str | None = None,
) -> HypergraphView:
    """Draw a small network's hypergraph and partition it by hand; everything is computed in the page.

    network: a Network, or a name: "figure" (that of figures 3.3 and 3.4), "residual_block", "lenet5_head", or one of
    the zoo. parts: 2 to 8. grain: "coarse" or "fine"; the view can switch where both are small enough. plan: the
    partition to begin with, of the same network; its number of parts counts. Without one, layers are dealt to the
    parts in order, so that the work is about equal. batch: samples of the volume. groups: at most so many vertices per
    layer, each of neighbouring filters. graph: also draw the multistage graph. from_state: a line of `state_string()`;
    it overrides the rest.

    Raises LabError for a hypergraph of more than 60 (coarse) or 80 (fine) vertices, naming a number of groups that
    can be drawn, and for settings that do not exist.
    """
    check_batch(batch)
    network = network_of(network)
    state = {"grain": grain, "parts": plan.parts if plan else parts, "part": "", "net": -1, "graph": bool(graph)}
    if from_state is not None:
        state = decode(KIND, from_state, state)
    one_of("grain", state["grain"], tuple(GRAINS))
    state["parts"] = within("parts", state["parts"], 2, MOST_PARTS, whole=True)
    problems = _both(network, state["grain"], groups)
    start = _start(problems, state, plan)
    state["part"] = _checked(state["part"] or start[state["grain"]], problems[state["grain"]], state["parts"])
    state["net"] = within("net", state["net"], -1, problems[state["grain"]].hypergraph.nets - 1, whole=True)
    grains = {name: picture(problem) for name, problem in problems.items()}
    if "fine" in grains:
        grains["fine"]["of"] = coarse_of_fine(problems["coarse"], problems["fine"])
    unit = problems["coarse"].weights.unit
    view = HypergraphView(title=f"Hypergraph: {network.name}", grains=grains, start=start, unit=unit, batch=batch)
    view.problems = problems
    view.state = state
    return view


def _both(network: Network, grain: str, groups: int | None) -> dict[str, NetworkHypergraph]:
    """The grains that can be drawn, by name; LabError if `grain` cannot."""
    chosen = drawable(network, grain, groups)
    if grain == "fine":
        return {"coarse": drawable(network, "coarse", groups), "fine": chosen}
    fine = problem_of(network, "fine", groups)
    return {"coarse": chosen} | ({"fine": fine} if fine.vertices.count <= MOST_VERTICES["fine"] else {})


def _start(problems: dict[str, NetworkHypergraph], state: dict, plan: Plan | None) -> dict[str, str]:
    """The parts to begin with, in each grain that is drawn; those of the plan, or layers in order."""
    parts, first = state["parts"], problems["coarse"]
    of = coarse_of_fine(first, problems["fine"]) if "fine" in problems else []
    if plan is None:
        coarse = in_order(first.hypergraph.weights, parts)
        fine = coarse[of] if of else coarse
    else:
        if plan.network != first.tasks.network:
            raise LabError(
                f"a plan of {plan.network.name} for a view of {first.tasks.network.name}", "give one of this network"
            )
        vector = problems[state["grain"]].vector(plan)
        fine = vector if state["grain"] == "fine" else vector[of] if of else vector
        coarse = vector
        if state["grain"] == "fine":
            coarse = np.zeros(first.vertices.count, np.int64)
            coarse[of] = vector  # the last one counts, which is the filter's sum
    return {name: "".join(map(str, {"coarse": coarse, "fine": fine}[name])) for name in problems}


def in_order(weights: np.ndarray, parts: int) -> np.ndarray:
    """Vertices dealt to the parts in their order, so that each part has about the same weight: int64 [V]."""
    middle = np.cumsum(weights) - weights / 2
    return np.minimum(parts * middle / weights.sum(), parts - 1).astype(np.int64)


def _checked(part: str, problem: NetworkHypergraph, parts: int) -> str:
    count = problem.vertices.count
    if len(part) != count or not all(digit.isdigit() and int(digit) < parts for digit in part):
        raise LabError(
            f"part={part!r} for {count} vertices in {parts} parts", f"give {count} digits, each from 0 to {parts - 1}"
        )
    return part
