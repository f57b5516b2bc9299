"""Move stepper: its replay against plain Python on recordings of random moves, its recordings, input and string."""

import json
import re

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.partition import Hypergraph, cut, limits, part_weights
from labkit.partition.figure import SMALL
from labkit.widgets._bipartite import picture, problem_of
from labkit.widgets._recording import COARSEST, TRIES
from labkit.widgets.stepper import MoveStepper, stepper

MODULE = str(MoveStepper._esm)
CASES = [("figure", "coarse", 2), ("residual_block", "coarse", 3), ("figure", "fine", 4)]


class Random:
    """A recording of random merges and moves, and what must hold after each event."""

    def __init__(self, hypergraph: Hypergraph, parts: int, seed: int) -> None:
        self.h, self.parts, self.rng = hypergraph, parts, np.random.default_rng(seed)
        self.group = np.arange(hypergraph.vertices)
        self.part, self.held, self.events, self.truth = None, [], [], []

    def tell(self, kind: str, **more: object) -> None:
        self.events.append({"kind": kind, **more})
        part = None if self.part is None else self.part.tolist()
        self.truth.append({"group": self.group.tolist(), "part": part, "held": sorted(self.held)})

    def play(self) -> "Random":
        groups = [self.group.copy()]
        for level in (1, 2):
            self.tell("coarser", level=level)
            for _ in range(3):
                into, vertex = sorted(self.rng.choice(np.unique(self.group), 2, replace=False).tolist())
                self.group[self.group == vertex] = into
                self.tell("merge", into=into, vertex=vertex)
            groups.append(self.group.copy())
        self.part = self.rng.integers(0, self.parts, self.h.vertices)[self.group]
        for level in (2, 1, 0):
            self.group = groups[level].copy()
            self.tell("start", level=level, part=self.part.tolist())
            self.one_pass()
        return self

    def one_pass(self) -> None:
        self.tell("pass", best=True)
        before = [self.part.copy()]
        for vertex in self.rng.permutation(np.unique(self.group))[:5].tolist():
            to = int((self.part[vertex] + self.rng.integers(1, self.parts)) % self.parts)
            self.part = np.where(self.group == vertex, to, self.part)
            self.held.append(vertex)
            before.append(self.part.copy())
            self.tell("move", vertex=vertex, to=to)
        undone = int(self.rng.integers(0, 6))
        self.part = before[len(before) - 1 - undone]
        if undone:
            self.tell("rollback", moves=undone)
        self.held = []
        self.tell("end")


@pytest.mark.parametrize(("name", "grain", "parts"), CASES)
def test_the_replay_is_what_plain_python_makes_of_the_events(name, grain, parts, run_js):
    problem = problem_of(SMALL[name](), grain)
    played = Random(problem.hypergraph, parts, seed=parts).play()
    given = f"{json.dumps(picture(problem))}, {json.dumps(played.events)}, {parts}"
    frames = run_js(MODULE, f"(m) => m.replay({given})")
    assert len(frames) == len(played.events) + 1 and frames[0]["part"] is None
    for frame, truth in zip(frames[1:], played.truth, strict=True):
        assert (frame["group"], frame["part"]) == (truth["group"], truth["part"])
        assert sorted(frame["held"]) == truth["held"]
        if truth["part"]:
            part = np.array(truth["part"])
            assert frame["cut"] == cut(problem.hypergraph, part)
            assert frame["loads"] == pytest.approx(part_weights(problem.hypergraph, part, parts))


@pytest.mark.parametrize(("name", "grain", "parts"), CASES)
def test_buckets_hold_every_free_vertex_once_per_part_at_its_gain(name, grain, parts, run_js):
    problem = problem_of(SMALL[name](), grain)
    played = Random(problem.hypergraph, parts, seed=9).play()
    record, at = json.dumps(picture(problem)), next(i for i, e in enumerate(played.events) if e["kind"] == "move") + 2
    body = f"const r = {record}, f = m.replay(r, {json.dumps(played.events)}, {parts})[{at}]"
    found = run_js(MODULE, f"(m) => {{ {body}; return m.buckets(r, f, {parts}); }}")
    truth = played.truth[at - 1]
    group, part = np.array(truth["group"]), np.array(truth["part"])
    free = set(np.unique(group).tolist()) - set(truth["held"])
    assert truth["held"] and free
    for to, lists in enumerate(found):
        gains = [gain for gain, _ in lists]
        assert gains == sorted(gains, reverse=True)
        assert sorted(v for _, vertices in lists for v in vertices) == sorted(v for v in free if part[v] != to)
        for gain, vertices in lists:
            for v in vertices:
                after = np.where(group == v, to, part)
                assert gain == cut(problem.hypergraph, part) - cut(problem.hypergraph, after)


def test_the_best_moment_of_a_pass_is_kept_until_the_next(run_js):
    """Vertex 0 to part 1 cuts three nets, vertex 1 after it none more; the best is where the recording says."""
    record = json.dumps(picture(problem_of(SMALL["figure"](), "coarse")))
    events = [
        {"kind": "start", "level": 0, "part": [0] * 11 + [1]},
        {"kind": "pass", "best": True},
        {"kind": "move", "vertex": 11, "to": 0, "best": True},
        {"kind": "move", "vertex": 0, "to": 1},
        {"kind": "rollback", "moves": 1},
        {"kind": "end"},
    ]
    frames = run_js(MODULE, f"(m) => m.replay({record}, {json.dumps(events)}, 2)")
    assert [frame.get("cut") for frame in frames] == [None, 256, 256, 0, 64, 0, 0]
    assert [(f.get("best") or {}).get("step") for f in frames] == [None, None, 2, 3, 3, 3, 3]
    assert [(f.get("best") or {}).get("cut") for f in frames] == [None, None, 256, 0, 0, 0, 0]


NETWORKS = [
    ("figure", 2, "coarse"),
    ("residual_block", 3, "coarse"),
    ("figure", 3, "fine"),
    ("lenet5_head", 4, "coarse"),
]


def graph_of(name: str, grain: str) -> Hypergraph:
    return problem_of(SMALL[name](), grain).hypergraph


@pytest.mark.parametrize(("name", "parts", "grain"), NETWORKS)
@pytest.mark.parametrize("start", ["multilevel", "random"])
def test_the_page_ends_where_the_partitioner_does(name, parts, grain, start, run_js):
    """Every cut that the texts name is what the page works out, and the last partition is the engine's."""
    from labkit.partition.engines.multilevel import Settings, cut_with_multilevel

    view = stepper(name, parts, 0.3, seed=1, start=start, grain=grain)
    graph = graph_of(name, grain)
    frames = run_js(MODULE, f"(m) => m.replay({json.dumps(view.record)}, {json.dumps(view.events)}, {parts})")
    for before, frame, event in zip(frames, frames[1:], view.events, strict=False):
        if event["kind"] == "refined":
            assert frame["cut"] == event["cut"] == frame["best"]["cut"]
        if event["kind"] == "move":
            gain = int(event["text"].split("gain ")[1].replace("−", "-").replace(",", ""))
            assert gain == before["cut"] - frame["cut"]
    last = np.array(frames[-1]["part"])
    bounds = limits(graph.weights, parts, 0.3)
    if start == "multilevel":
        settings = Settings(coarsest=COARSEST * parts, tries=TRIES, small=0)
        assert last.tolist() == cut_with_multilevel(graph, bounds, 1, settings).tolist()
    assert bounds.excess(part_weights(graph, last, parts)) == 0
    assert any(event["kind"] == "move" for event in view.events)


def test_moves_are_undone_back_to_the_best_moment(run_js):
    view = stepper("residual_block", 2, 0.2, seed=4, start="random")
    frames = run_js(MODULE, f"(m) => m.replay({json.dumps(view.record)}, {json.dumps(view.events)}, 2)")
    rollbacks = [i for i, event in enumerate(view.events, 1) if event["kind"] == "rollback"]
    assert rollbacks
    for i in rollbacks:
        assert frames[i]["cut"] == frames[i]["best"]["cut"] == frames[frames[i]["best"]["step"]]["cut"]
        assert frames[i]["part"] == frames[frames[i]["best"]["step"]]["part"]


def test_merging_halves_the_vertices_level_by_level(run_js):
    view = stepper("figure", 3, 0.5, grain="fine")
    kinds = [event["kind"] for event in view.events]
    assert kinds.count("coarser") == kinds.count("level") >= 2
    frames = run_js(MODULE, f"(m) => m.replay({json.dumps(view.record)}, {json.dumps(view.events)}, 3)")
    for frame, event in zip(frames[1:], view.events, strict=True):
        if event["kind"] == "level":
            left = int(re.search(r"has (\d+) vertices", event["text"])[1])
            assert len(set(frame["group"])) == left
    assert frames[-1]["group"] == list(range(42))


def test_the_same_seed_shows_the_same_and_another_does_not():
    assert stepper("figure", seed=3).events == stepper("figure", seed=3).events
    assert stepper("figure", seed=3, start="random").events != stepper("figure", seed=4, start="random").events


def test_the_sentence_says_step_level_cut_and_balance(run_js):
    view = stepper("figure", 2, 0.1, start="random")
    given = f"{json.dumps(view.record)}, {json.dumps(view.events)}, 2"
    first, last = run_js(MODULE, f"(m) => [0, {len(view.events)}].map((t) => m.sentence(m.replay({given}), t))")
    assert first == f"Step 0 of {len(view.events)}, level 0: each task is a vertex of its own."
    assert re.fullmatch(r"Step \d+ of \d+, level 0: this level is finished\. Cut [\d,]+, "
                        r"best of this pass [\d,]+; max/average 1\.\d+\.", last)  # fmt: skip


def test_a_hypergraph_without_a_network():
    """That of figure 3.5: 13 vertices in two columns, 12 nets between them."""
    nets = [[0, 1, 2, 3, 4], *([v, 5, 6, 7] for v in (1, 2, 3, 4)), *([v, 8, 9] for v in (5, 6, 7)),
            [8, 10], [9, 10], [10, 11], [11, 12]]  # fmt: skip
    costs, weights = [1, 2, 2, 2, 2, 3, 3, 3, 4, 4, 5, 6], [1, 2, 2, 2, 2, 3, 3, 3, 4, 4, 5, 6, 7]
    graph = Hypergraph(np.cumsum([0, *map(len, nets)]), np.concatenate(nets), costs, weights)
    view = stepper(graph, 2, 0.2)
    assert sorted(set(view.record["columns"])) == [0, 2] and {net["at"] for net in view.record["nets"]} == {1}
    assert view.events[-1]["kind"] == "refined"
    large = Hypergraph(np.array([0, 61]), np.arange(61), [1], np.ones(61))
    with pytest.raises(LabError, match="61 vertices; a picture shows at most 60"):
        stepper(large)


def test_the_string_of_the_state_goes_there_and_back():
    view = stepper("figure", seed=2)
    view.state = {"at": 7, "speed": 12}
    assert stepper("figure", seed=2, from_state=view.state_string()).state == view.state


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"what": "vgg16"}, "groups=4"),
        ({"what": "figur"}, "figure"),
        ({"parts": 9}, "from 2 to 8"),
        ({"imbalance": -1}, "imbalance=-1"),
        ({"parts": 8, "imbalance": 0.0}, "filter 0 of conv2 alone"),
        ({"seed": 0.5}, "integer"),
        ({"start": "randon"}, "random"),
        ({"grain": "finer"}, "fine"),
        ({"from_state": "stepper?at=1000"}, "from 0 to"),
    ],
)
def test_bad_input_is_refused(arguments, word):
    with pytest.raises(LabError, match=word):
        stepper(**{"what": "figure"} | arguments)
