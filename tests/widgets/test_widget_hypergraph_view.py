"""Hypergraph view: its JavaScript against the partition room, its drawing data, its input, its string."""

import json
from itertools import pairwise

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.network import zoo
from labkit.partition import coarse, connectivity, cut, fine, flops, part_weights, tasks_of, volume
from labkit.partition.figure import SMALL, figure_network, residual_block
from labkit.partition.grains import NetworkHypergraph
from labkit.partition.stages import edge_cut
from labkit.widgets._bipartite import coarse_of_fine, picture, problem_of
from labkit.widgets.hypergraph_view import HypergraphView, hypergraph_view, in_order

MODULE = str(HypergraphView._esm)
CASES = [("figure", "coarse", 2), ("figure", "fine", 3), ("residual_block", "fine", 4), ("lenet5_head", "coarse", 8)]


def drawn(name: str, grain: str) -> tuple[NetworkHypergraph, str]:
    problem = problem_of(SMALL[name](), grain)
    return problem, json.dumps(picture(problem))


@pytest.mark.parametrize(("name", "grain", "parts"), CASES)
def test_cut_connectivity_and_loads_are_those_of_python(name, grain, parts, run_js):
    problem, record = drawn(name, grain)
    rng = np.random.default_rng(parts)
    vectors = rng.integers(0, parts, (4, problem.vertices.count))
    given = json.dumps(vectors.tolist())
    got = run_js(MODULE, f"(m) => {given}.map((part) => m.tally({record}, part, {parts}))")
    for part, found in zip(vectors, got, strict=True):
        assert found["cut"] == cut(problem.hypergraph, part)
        assert [row["lambda"] for row in found["rows"]] == connectivity(problem.hypergraph, part).tolist()
        assert found["loads"] == pytest.approx(part_weights(problem.hypergraph, part, parts))


@pytest.mark.parametrize(("name", "grain", "parts"), CASES)
def test_a_gain_is_what_the_cut_falls_by(name, grain, parts, run_js):
    problem, record = drawn(name, grain)
    rng = np.random.default_rng(7)
    part = rng.integers(0, parts, problem.vertices.count)
    moves = [(int(v), int(rng.integers(0, parts))) for v in rng.permutation(problem.vertices.count)[:12]]
    body = f"const r = {record}, p = {part.tolist()}, t = m.tally(r, p, {parts})"
    got = run_js(
        MODULE, f"(m) => {{ {body}; return {json.dumps(moves)}.map(([v, q]) => m.gain(r, t.rows, p, [v], q)); }}"
    )
    for (v, to), gain in zip(moves, got, strict=True):
        after = part.copy()
        after[v] = to
        assert gain == cut(problem.hypergraph, part) - cut(problem.hypergraph, after)
    assert any(got)


@pytest.mark.parametrize(("name", "grain", "parts"), CASES)
def test_the_graph_charges_what_the_edge_cut_of_the_plan_does(name, grain, parts, run_js):
    problem, record = drawn(name, grain)
    part = np.random.default_rng(3).integers(0, parts, problem.vertices.count)
    got, none = run_js(MODULE, f"(m) => [m.edges({record}, {part.tolist()}), m.edges({record}, {[0] * len(part)})]")
    said = edge_cut(problem.plan(part, parts), 1)
    assert (got["cut"], sum(row["count"] > 0 for row in got["rows"])) == (
        said.charged,
        int((connectivity(problem.hypergraph, part) > 1).sum()),
    )
    assert got["cut"] > said.sent == cut(problem.hypergraph, part)
    assert got["of"] == len(problem.hypergraph.pins) - problem.hypergraph.nets
    assert none["cut"] == none["count"] == 0


def test_the_overcount_of_one_map_by_hand(run_js):
    """Filter 0 of conv1 in part 0, the three filters of conv2 in part 1: three edges are cut, one map is sent."""
    _, record = drawn("figure", "coarse")
    part = [0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1]
    graph, found = run_js(MODULE, f"(m) => [m.edges({record}, {part}), m.tally({record}, {part}, 2)]")
    assert (graph["rows"][3]["count"], graph["rows"][3]["cost"]) == (3, 3 * 64)
    assert (found["rows"][3]["lambda"], found["rows"][3]["cost"]) == (2, 64)
    text = run_js(MODULE, f"(m) => m.graphSentence(m.edges({record}, {part}), m.tally({record}, {part}, 2).cut)")
    assert (
        text
        == "As a multistage graph: 12 of 31 edges are cut, 768 elements: 3 times the 256 that the hypergraph counts."
    )


def test_the_sentences(run_js):
    _, record = drawn("figure", "coarse")
    part = [0, 0, 0, 0, 0, 0, 2, 1, 0, 0, 1, 1]
    body = f"const r = {record}, t = m.tally(r, {part}, 3)"
    text = run_js(MODULE, f"(m) => {{ {body}; return m.sentence(r, t, 6, 32); }}")
    first, second = text.splitlines()
    assert first.startswith(
        "Cut 640 elements per sample, 20,480 for a batch of 32 (81,920 bytes): 9 of 11 nets are cut."
    )
    assert first.endswith("Loads 56.7 %, 33.3 % and 10 %, max/average 1.7.")
    assert second == "Net of map 3 of conv1: pins in parts 0, 1 and 2, λ = 3, costs 128 elements."
    inside = run_js(MODULE, f"(m) => {{ {body}; return m.sentence(r, t, 10, 1); }}")
    assert inside.endswith("Net of map 1 of conv3: all 2 pins in part 1, λ = 1, costs nothing.")


def test_switching_the_grain_keeps_the_owners(run_js):
    network = residual_block()
    small, large = problem_of(network, "coarse"), problem_of(network, "fine")
    of = coarse_of_fine(small, large)
    part = np.random.default_rng(0).integers(0, 3, small.vertices.count)
    given = f"{{of: {of}}}"
    refined = run_js(MODULE, f"(m) => m.refine({part.tolist()}, {given})")
    assert large.plan(np.array(refined), 3) == small.plan(part, 3)
    assert run_js(MODULE, f"(m) => m.coarsen({refined}, {given})") == part.tolist()
    scattered = np.random.default_rng(1).integers(0, 3, large.vertices.count)
    back = run_js(MODULE, f"(m) => m.coarsen({scattered.tolist()}, {given})")
    owners = [piece.owner.tolist() for piece in large.plan(scattered, 3).slices]
    assert [piece.owner.tolist() for piece in small.plan(np.array(back), 3).slices] == owners


@pytest.mark.parametrize(("name", "grain"), [("figure", "coarse"), ("figure", "fine"), ("residual_block", "fine")])
def test_nothing_stands_on_anything_else(name, grain, run_js):
    _, record = drawn(name, grain)
    place = run_js(MODULE, f"(m) => m.layout({record}, 1100)")
    spots = sorted((round(p["x"]), round(p["y"])) for p in place["vertices"] + place["nets"])
    columns: dict[int, list[int]] = {}
    for x, y in spots:
        columns.setdefault(x, []).append(y)
    assert all(b - a >= 2 * place["radius"] for ys in columns.values() for a, b in pairwise(ys))
    assert all(b - a >= 2 * place["radius"] + 8 for a, b in pairwise(sorted(columns)))
    assert max(y for _, y in spots) < place["height"] and min(x for x, _ in spots) > 0


def test_columns_follow_the_layers_and_nets_stand_between_them():
    for name, grain in (("figure", "fine"), ("residual_block", "coarse")):
        record = picture(problem_of(SMALL[name](), grain))
        for net in record["nets"]:
            at = [record["columns"][v] for v in net["pins"]]
            assert net["at"] not in at
            assert abs(record["columns"][net["hub"]] - net["at"]) == 1
        assert [head[0] for head in record["heads"]] == list(range(0, 2 * len(record["heads"]), 2))


def test_the_view_gives_its_partition_back_as_a_plan():
    view = hypergraph_view("figure", parts=3, grain="fine")
    digits = "".join(str(v % 3) for v in range(42))
    view.state = view.state | {"part": digits}
    plan = view.plan()
    assert plan.grain == "fine" and plan.parts == 3
    assert volume(plan, 1).elements == cut(view.problems["fine"].hypergraph, view.part)
    again = hypergraph_view(figure_network(), grain="fine", plan=plan)
    assert again.state["part"] == digits and again.state["parts"] == 3


def test_a_coarse_plan_starts_both_grains():
    network = figure_network()
    problem = coarse(tasks_of(network), flops(tasks_of(network)), dense="neuron")
    plan = problem.plan(np.arange(12) % 4, 4)
    view = hypergraph_view(network, plan=plan, grain="fine")
    assert view.plan() == plan
    assert view.start["coarse"] == "012301230123"


def test_the_start_is_about_balanced_and_in_order():
    part = in_order(np.array([0, 0, 3, 3, 1, 1, 1, 3]), 3)
    assert part.tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    assert hypergraph_view("lenet5_head", 2).start["coarse"][-1] == "1"


def test_large_networks_are_drawn_in_groups():
    view = hypergraph_view("vgg16", groups=3)
    assert len(view.grains["coarse"]["names"]) == 1 + 13 * 3 + 3
    assert "fine" not in view.grains
    assert hypergraph_view(zoo.get("resnet18_32"), groups=2).grains["coarse"]["nets"]
    with pytest.raises(LabError, match=r"4228 vertices; a picture shows at most 60.*groups=4"):
        hypergraph_view("vgg16")
    with pytest.raises(LabError, match=r"at most 80.*groups=8"):
        hypergraph_view("lenet5_head", grain="fine")


def test_the_string_of_the_state_goes_there_and_back():
    view = hypergraph_view("figure", graph=True)
    view.state = view.state | {"part": "010101010101", "net": 4}
    assert hypergraph_view("figure", from_state=view.state_string()).state == view.state


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"network": "figur"}, "figure"),
        ({"parts": 1}, "from 2 to 8"),
        ({"parts": 9}, "from 2 to 8"),
        ({"grain": "finer"}, "fine"),
        ({"batch": 0}, "batch=0"),
        ({"groups": 0}, "groups=0"),
        ({"from_state": "hypergraph_view?part=%22012%22"}, "12 digits, each from 0 to 1"),
        ({"from_state": "hypergraph_view?net=11"}, "from -1 to 10"),
        ({"from_state": "scheduler?net=11"}, "starts with"),
    ],
)
def test_bad_input_is_refused(arguments, word):
    with pytest.raises(LabError, match=word):
        hypergraph_view(**{"network": "figure"} | arguments)


def test_plans_that_do_not_fit_are_refused():
    network = figure_network()
    tasks = tasks_of(network)
    scattered = fine(tasks, flops(tasks)).plan(np.arange(42) % 2, 2)
    with pytest.raises(LabError, match="divides"):
        hypergraph_view(network, plan=scattered)
    with pytest.raises(LabError, match="residual block"):
        hypergraph_view("residual_block", plan=scattered, grain="fine")
