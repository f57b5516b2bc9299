"""Partition studio: the page's counting against labkit.partition, its plans, its searches, its string."""

import json
import sys
import threading

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.network import zoo
from labkit.partition import Plan, Slice, flops, loads, tasks_of, volume
from labkit.partition.volume import needs, owners
from labkit.widgets.studio import IMBALANCES, METHODS, PARTS, WORDS, PartitionStudio, key_of, studio
from labkit.widgets.studio_data import pack, segments, structure, unpack

MODULE = str(PartitionStudio._esm)
NETWORKS = ("lenet5", "lenet5_1998", "alexnet", "alexnet_star", "resnet18_32", "resnet18", "googlenet", "vgg16")


def scattered(network, parts, seed, method="by hand", imbalance=None):
    """A plan whose layers are cut into runs of random lengths with random owners."""
    rng, slices = np.random.default_rng(seed), []
    for layer in tasks_of(network).layers:
        runs = int(rng.integers(1, min(layer.filters, 9) + 1))
        cuts = np.sort(rng.integers(0, layer.filters, runs - 1))
        slices.append(Slice(layer.name, rng.integers(0, parts, runs)[np.searchsorted(cuts, np.arange(layer.filters))]))
    return Plan(network, parts, tuple(slices), method, {} if imbalance is None else {"imbalance": imbalance})


def by_layer(plan, batch):
    """Elements that the filters of each layer send."""
    sent = np.zeros(len(plan.slices), np.int64)
    for tensor in plan.tasks.tensors:
        wanted = needs(plan, tensor)
        wanted[np.arange(len(wanted)), owners(plan, tensor)] = False
        np.add.at(sent, tensor.layer, wanted.sum(1) * tensor.elements * batch)
    return sent.tolist()


@pytest.mark.parametrize("name", NETWORKS)
def test_the_page_counts_as_labkit_does(name, run_js):
    """Exactly: volume in all, per layer, sent and received, and the load of every part."""
    network, batch = zoo.get(name), 7
    scope = json.dumps(structure(tasks_of(network), flops(tasks_of(network))))
    plans = [scattered(network, parts, parts) for parts in (1, 2, 13, 128)]
    given = json.dumps([[pack(plan), plan.parts] for plan in plans])
    each = f"(([text, parts]) => m.measure(s, m.unpack(text), parts, {batch}))"
    got = run_js(MODULE, f"(m) => {{ const s = {scope}; return {given}.map({each}); }}")
    for mine, plan in zip(got, plans, strict=True):
        expected, work = volume(plan, batch), loads(plan, flops(plan.tasks))
        assert mine["elements"] == expected.elements
        assert (mine["sent"], mine["received"]) == (expected.sent.tolist(), expected.received.tolist())
        assert mine["byLayer"] == by_layer(plan, batch) and sum(mine["byLayer"]) == expected.elements
        assert mine["work"] == work.work.tolist()
        assert mine["over"] == pytest.approx(work.max_over_avg, rel=1e-12)
        assert mine["empty"] == (work.work == 0).sum()


def test_filters_that_choose_their_channels_are_counted_too(run_js):
    """Random connections: no two channels have the same readers."""
    from labkit.network import Conv, Flatten, Network, Node

    rng = np.random.default_rng(5)
    chosen = tuple(tuple(sorted(rng.choice(9, rng.integers(1, 9), replace=False).tolist())) for _ in range(20))
    nodes = (
        Node("a", Conv(9, 3, 3), ("input",)),
        Node("b", Conv(20, 3, 3, connections=chosen), ("a",)),
        Node("f", Flatten(), ("b",)),
    )
    network = Network("chosen", (2, 9, 9), nodes)
    plan = scattered(network, 5, 1)
    scope = json.dumps(structure(plan.tasks, flops(plan.tasks)))
    got = run_js(MODULE, f"(m) => m.measure({scope}, m.unpack({json.dumps(pack(plan))}), 5, 1)")
    assert got["elements"] == volume(plan, 1).elements > 0
    assert got["byLayer"] == by_layer(plan, 1)


def test_segments_join_what_is_read_alike():
    assert segments([[(0, 8)]] * 5) == [[0, 5, 0, 8, 0]]
    assert segments([[(c, c + 1)] for c in range(4)]) == [[0, 4, 0, 1, 1]]
    assert segments([[], [(0, 2), (3, 4)], [(0, 2), (4, 5)], [(5, 6)]]) == [[1, 2, 0, 2, 0], [1, 3, 3, 4, 1]]
    assert segments([[(0, 3)], [(0, 4)], [(0, 5)], [(1, 6)]]) == [[0, 1, 0, 3, 0], [1, 1, 0, 4, 0], [2, 2, 0, 5, 1]]


def test_structures_are_small():
    for name in NETWORKS:
        tasks = tasks_of(zoo.get(name))
        assert len(json.dumps(structure(tasks, flops(tasks)))) < 15_000


def test_owners_go_there_and_back_as_text(run_js):
    plan = scattered(zoo.get("lenet5"), 3, 2)
    text = pack(plan)
    assert unpack(plan.network, 3, text, "by hand", {}) == plan
    assert run_js(MODULE, f"(m) => m.pack(m.unpack('{text}'))") == text
    assert run_js(MODULE, "(m) => m.unpack('0:2.1-2')") == [[0, 0, 1], [2]]


@pytest.mark.parametrize(
    "text", ["", "0", "0-0:6-0:16-0:120-0:84-x", "0-0:7-0:16-0:120-0:84-0:10", "0:0", "0:99999999"]
)
def test_text_that_is_no_plan_is_refused(text):
    with pytest.raises(LabError):
        unpack(zoo.get("lenet5"), 2, text, "by hand", {})


def judged(run_js, mine, reference):
    keys = ("elements", "over", "empty")
    given = ", ".join(json.dumps(dict(zip(keys, one, strict=True))) for one in (mine, reference))
    found = run_js(MODULE, f"(m) => m.judge({given}, 1.1)")
    return found["why"], found["valid"]


def test_less_volume_counts_only_within_the_limit(run_js):
    """The limit is that of the imbalance, or the load of the plan that is to be beaten, whichever is higher."""
    reference = (100, 1.02, 0)
    assert judged(run_js, (90, 1.1, 0), reference) == ("better", True)
    assert judged(run_js, (100, 1.1, 0), reference) == ("worse", True)
    assert judged(run_js, (90, 1.101, 0), reference) == ("heavy", False)
    assert judged(run_js, (90, 1.101, 0), (100, 1.101, 0)) == ("better", True)
    assert judged(run_js, (90, 1, 1), reference) == ("idle", False)
    assert judged(run_js, (90, 1, 1), (100, 1, 2)) == ("better", True)


def said(run_js, text, best=None, allowed=1.5):
    """What the view says of a painted plan of LeNet-5 against one in which part 0 has everything but fc2."""
    network, parts = zoo.get("lenet5"), 2
    scope = structure(tasks_of(network), flops(tasks_of(network))) | {"words": WORDS}
    set_ = {"parts": parts, "batch": 2**20, "imbalance": 0.5}
    painted = json.dumps(text != REFERENCE)
    body = f"const scope = {json.dumps(scope)}, set = {json.dumps(set_)}, best = {json.dumps(best)}"
    body += f", of = (text) => m.measure(scope, m.unpack(text), 2, set.batch), before = of('{REFERENCE}')"
    body += f", now = of('{text}'), verdict = m.judge(now, before, {allowed})"
    return run_js(
        MODULE, f"(m) => {{ {body}; return m.sentence({{ scope, set, now, verdict, best, painted: {painted} }}); }}"
    )


REFERENCE = "0-0:6-0:16-0:120-0:84-1:10"
ALONE = "0-0:6-0:16-0:120-0:84-0:10"


def test_the_sentence_says_what_counts(run_js):
    start = said(run_js, REFERENCE)
    assert start.startswith("Part 0 carries most, 1.996 times the average. A batch of 1048576, one forward pass: ")
    assert "84 × 2²⁰ elements are sent (336 MiB)." in start and start.endswith("give filters to other parts.")
    assert "100.0 % of the plan you began with, which is no less." in said(run_js, "1-1:6-1:16-1:120-1:84-0:10")
    split = said(run_js, "0-0:6-0:16-0:120-0:42.1:42-1:10", {"share": 0.5})
    assert "of the plan you began with, which is no less." in split and split.endswith("Best so far: 50.0 %.")
    assert "but more parts are idle, so it does not count." in said(run_js, ALONE, allowed=2)
    assert "but a part carries more than the limit, so it does not count." in said(run_js, ALONE)


def plans_of(name="lenet5", *settings):
    network = zoo.get(name)
    return [scattered(network, parts, 3, method, imbalance) for method, parts, imbalance in settings]


@pytest.fixture
def view():
    return studio("lenet5", 2, "coarse", 0.1, plans=plans_of("lenet5", ("coarse", 2, 0.1), ("layer", 4, 0.2)))


def test_plans_that_are_given_need_no_search(view):
    assert list(view.plans) == ["coarse/2/0.1", "layer/4/0.2"]
    assert view.plan is view.reference and view.plan.method == "coarse"
    view.state = view.state | {"method": "layer", "parts": 4, "imbalance": 0.2}
    assert view.plan.parts == 4 and view.plan.method == "layer"


def test_the_painted_plan_comes_back(view):
    painted = scattered(view.plan.network, 2, 77)
    view.state = view.state | {"owners": pack(painted)}
    assert view.plan == painted and view.plan.method == "by hand"
    assert view.plan.made == {"begun_with": "coarse", "imbalance": 0.1}
    assert view.best_plan is view.reference
    view.best = {"coarse/2/0.1": {"share": 0.5, "owners": pack(painted)}}
    assert view.best_plan == painted


def test_the_string_of_the_state_goes_there_and_back(view):
    view.state = view.state | {"owners": pack(scattered(view.plan.network, 2, 77)), "row": 2, "first": 3, "last": 9}
    again = studio("lenet5", plans=view._known.values(), from_state=view.state_string())
    assert again.state == view.state and again.plan == view.plan


def test_choices_of_the_page_are_those_of_the_partitioner(view):
    from labkit.partition import methods

    assert set(METHODS) <= set(methods.METHODS)
    assert (view.scope["method"], view.scope["parts"], view.scope["imbalance"]) == (METHODS, PARTS, IMBALANCES)
    own = studio("lenet5", 5, "filter-incremental", 0.12345)
    assert own.scope["parts"] == (2, 4, 5, 8, 16, 32, 64, 128) and own.state["imbalance"] == 0.1235
    assert 0.1235 in own.scope["imbalance"] and list(own.plans) == ["filter-incremental/5/0.1235"]


def test_the_partitioner_is_asked_where_no_plan_is_given():
    view = studio("lenet5", 3, "coarse", 0.3, batch=64)
    assert view.plan.parts == 3 and view.plan.made["engine"] == "counts"
    assert view.plans["coarse/3/0.3"]["by"].startswith("The plan you began with was made by counts")
    assert loads(view.plan, flops(view.plan.tasks)).max_over_avg <= 1.3


@pytest.mark.parametrize("imbalance", [0, 1.0, 0.1, 0.15, 1e-4, 9.9999, 10])
def test_python_and_the_page_call_a_plan_the_same(imbalance, run_js):
    given = json.dumps({"method": "coarse", "parts": 8, "imbalance": imbalance})
    module = MODULE.replace("export{", "export{keyOf,")
    assert run_js(module, f"(m) => m.keyOf({given})") == key_of("coarse", 8, imbalance)


def wait_for(view, thread):
    thread.join(60)
    assert not thread.is_alive()
    return view.run


def test_a_search_adds_its_plan(view):
    run = wait_for(view, view.search("filter-incremental", 2, 0.1))
    assert run == {"busy": False, "text": "", "failed": False}
    assert view._known["filter-incremental/2/0.1"].method == "filter-incremental"
    assert view.plan.method == "coarse"  # the page decides what is shown


def test_errors_of_a_search_are_a_line_in_the_view(view):
    run = wait_for(view, view.search("coarse", 128, 0.1))
    assert run["failed"] and not run["busy"] and "cannot be met" in run["text"]
    assert wait_for(view, view.search("coarse", "two", 0.1))["failed"]
    assert wait_for(view, view.search("coarse", 2, 0.1)) == {"busy": False, "text": "", "failed": False}


def test_a_search_tells_how_far_it_is_and_stops(view, monkeypatch):
    """The partitioner is a stand-in that goes on until it is stopped."""
    ended, told, turn = threading.Event(), threading.Event(), threading.Event()

    def endless(network, parts, method, *, imbalance, weights, progress):
        try:
            while True:
                progress(0.5, "annealing")
                turn.wait(0.02)
        finally:
            ended.set()

    monkeypatch.setattr("labkit.partition.methods.partition", endless)
    monkeypatch.setattr(sys.modules[PartitionStudio.__module__], "PERIOD_S", 0)
    view.observe(lambda change: told.set() if "50 %" in change["new"]["text"] else None, "run")
    thread = view.search("coarse", 8, 0.1)
    assert view.run["busy"] and told.wait(10)
    assert "coarse, 8 parts, 50 % (annealing)" in view.run["text"]
    view._command(view, {"command": "stop"}, [])
    assert ended.wait(10)
    run = wait_for(view, thread)
    assert not run["busy"] and run["text"] == "Stopped." and len(view.plans) == 2


def test_a_new_search_ends_the_one_before(view, monkeypatch):
    late, network = threading.Event(), zoo.get("lenet5")

    def slow(given, parts, method, **_):
        if parts == 4:
            assert late.wait(10)
        return scattered(network, parts, 1, method)

    monkeypatch.setattr("labkit.partition.methods.partition", slow)
    first = view.search("coarse", 4, 0.1)
    view._command(view, {"command": "partition", "method": "coarse", "parts": 8, "imbalance": 0.1}, [])
    for _ in range(1000):
        if not view.run["busy"]:
            break
        threading.Event().wait(0.01)
    late.set()
    wait_for(view, first)
    assert "coarse/8/0.1" in view.plans and "coarse/4/0.1" not in view.plans
