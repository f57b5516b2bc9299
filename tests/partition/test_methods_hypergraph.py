"""The front of all methods, and the hypergraph methods around an engine: what it is given, and how it is checked."""

import doctest
import inspect
from dataclasses import dataclass, field

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.network import zoo
from labkit.partition import Weights, coarse, flops, loads, methods, tasks_of, volume
from labkit.partition.engines import registry
from labkit.partition.methods import METHODS, partition

LENET, VGG = zoo.get("lenet5"), zoo.get("vgg16")


@dataclass
class Greedy:
    """A small engine: the heaviest task first, each to the lightest part. It keeps what it was given."""

    name: str = "greedy"
    version: str = "1"
    given: dict = field(default_factory=dict)

    def __call__(self, problem, limits, seed=0, progress=None):
        self.given = {"problem": problem, "limits": limits, "seed": seed, "progress": progress}
        load = np.zeros(limits.parts)
        part = np.zeros(problem.vertices.count, np.int64)
        for vertex in np.argsort(-problem.hypergraph.weights, kind="stable"):
            part[vertex] = load.argmin()
            load[part[vertex]] += problem.hypergraph.weights[vertex]
        return part


@dataclass
class Constant:
    """An engine that always answers the same, whatever it is asked."""

    part: np.ndarray
    name: str = "constant"
    version: str = "1"

    def __call__(self, problem, limits, seed=0, progress=None):
        return self.part


@pytest.mark.parametrize("method", ["coarse", "fine"])
def test_an_engine_is_given_the_problem_and_its_answer_is_the_plan(method):
    engine, progress = Greedy(), lambda done, what: None
    plan = partition(LENET, 3, method, engine, imbalance=0.2, seed=7, dense="neuron", floor=0.5, progress=progress)
    given = engine.given
    weights = flops(tasks_of(LENET))
    assert given["problem"].grain == method
    assert given["problem"].vertices.filters[-1].max() - given["problem"].vertices.filters[-1].min() == 9
    assert given["limits"].cap == pytest.approx([1.2 * weights.total / 3] * 3)
    assert given["limits"].floor == pytest.approx(0.5 * weights.total / 3)
    assert (given["seed"], given["progress"]) == (7, progress)
    assert plan == given["problem"].plan(engine(given["problem"], given["limits"]), 3)
    assert (plan.method, plan.grain) == (method, method)
    seconds = plan.made.pop("seconds")
    assert 0 < seconds < 60
    assert plan.made == {
        "engine": "greedy",
        "engine_version": "1",
        "seed": 7,
        "imbalance": 0.2,
        "weights": "flops",
    }


def test_naive_methods_say_that_no_engine_was_used():
    made = partition(LENET, 2, "filter-incremental").made
    assert set(made) == {"engine", "engine_version", "seed", "imbalance", "weights", "seconds"}
    assert [made[key] for key in ("engine", "engine_version", "seed", "imbalance")] == [None] * 4
    assert made["weights"] == "flops"


def test_the_front_is_what_others_rely_on():
    parameters = inspect.signature(partition).parameters
    defaults = {name: p.default for name, p in parameters.items() if p.default is not p.empty}
    assert list(parameters)[:4] == ["network", "parts", "method", "engine"]
    assert defaults == {
        "method": "coarse",
        "engine": None,
        "weights": "flops",
        "imbalance": 0.1,
        "seed": 0,
        "dense": "layer",
        "floor": 0.0,
        "alone": False,
        "progress": None,
    }
    assert METHODS == ("layer", "filter-horizontal", "filter-incremental", "channel-incremental", "coarse", "fine")


def test_weights_may_be_given():
    tasks = tasks_of(LENET)
    even = Weights("even", np.array([0, 1, 1, 1, 1, 1]), "layers", "modelled")
    plan = partition(LENET, 5, "layer", weights=even)
    assert loads(plan, even).work.tolist() == [1] * 5
    assert plan.made["weights"] == "even"
    with pytest.raises(LabError, match="'even' are for 6 layers, vgg16 has 17"):
        partition(VGG, 2, "coarse", Greedy(), weights=even)
    for method in METHODS:
        engine = Greedy() if method in ("coarse", "fine") else None
        with pytest.raises(LabError, match="make them for this network"):
            partition(LENET, 2, method, engine, weights=flops(tasks_of(VGG)))
    assert partition(LENET, 2, weights=flops(tasks), engine=Greedy()).made["weights"] == "flops"


def test_weights_that_are_measured_report_progress():
    seen = []
    partition(LENET, 2, "layer", weights="mix", progress=lambda done, what: seen.append(done))
    assert seen[-1] == 1 and len(seen) > 1


@pytest.mark.parametrize(("name", "grain"), [("counts", "coarse")])
def test_engines_by_name(name, grain):
    found = registry.engine(name, grain)
    assert found.name == name
    assert isinstance(found.version, str) and found.version


def test_engines_are_imported_when_they_are_asked_for(monkeypatch):
    asked = []

    class Module:
        ENGINE = Greedy()

    monkeypatch.setattr(registry, "import_module", lambda name: asked.append(name) or Module)
    partition(LENET, 2, "layer")
    assert asked == []
    assert partition(LENET, 2).made["engine"] == "greedy"
    partition(LENET, 2, "fine", "mtkahypar")
    partition(LENET, 2, "fine")
    packages = [name.removeprefix("labkit.partition.engines.") for name in asked]
    assert packages == ["counts", "mtkahypar", "blocks"]


ERRORS = [
    ({"method": "corse"}, r"unknown method 'corse'.*did you mean 'coarse'"),
    ({"engine": "mtkahyper"}, r"unknown engine 'mtkahyper'.*did you mean 'mtkahypar'"),
    ({"engine": 3}, r"engine 3 .*counts, mtkahypar, multilevel"),
    (
        {"method": "layer", "engine": "counts"},
        r"engine 'counts' for method 'layer', which has none.*'coarse' or 'fine'",
    ),
    ({"method": "filter-horizontal", "engine": Greedy()}, r"engine 'greedy' for method 'filter-horizontal'"),
    ({"weights": "flop"}, r"unknown weights 'flop'.*did you mean 'flops'"),
    ({"weights": "eserol"}, r"'eserol' for lenet5"),
    ({"parts": 0}, r"parts=0"),
    ({"parts": 2.0}, r"parts=2.0"),
    ({"parts": 2**15}, r"parts=32768.*32767"),
    ({"imbalance": -1}, r"imbalance=-1.*from 0 to 10"),
    ({"seed": -1}, r"seed=-1"),
    ({"seed": "0"}, r"seed='0'"),
    ({"floor": 1.5}, r"floor=1.5.*from 0 to 1"),
    ({"alone": 1}, r"alone=1.*True or False"),
    ({"dense": "whole"}, r"dense='whole'.*'layer' or 'neuron'"),
    ({"method": "layer", "parts": 6}, r"6 parts for the 5 layers of lenet5.*at most 5.*'filter-incremental'"),
    ({"method": "filter-horizontal", "parts": 145}, r"145 parts for 144 filters of lenet5.*'channel-incremental'"),
    ({"method": "filter-incremental", "parts": 145}, r"145 parts for 144 filters of lenet5.*'channel-incremental'"),
    ({"method": "channel-incremental", "parts": 2025}, r"2025 parts for 2024 channels of lenet5.*dense='neuron'"),
    ({"method": "coarse", "parts": 145}, r"145 parts for 144 tasks of lenet5.*at most 144.*'fine' or dense='neuron'"),
    ({"method": "fine", "parts": 2025}, r"2025 parts for 2024 tasks of lenet5.*at most 2024.*dense='neuron'"),
    ({"method": "coarse", "parts": 25}, r"filter 0 of layer 'conv1' alone is 1.176 times.*imbalance of 0.177 or more"),
    ({"method": "fine", "parts": 25}, r"channel 0 of filter 0 of layer 'conv1' alone is 1.176 times"),
]


@pytest.mark.parametrize(("options", "message"), ERRORS)
def test_one_clear_error(options, message):
    given = {"parts": 2} | options
    if given.get("method", "coarse") in ("coarse", "fine"):
        given = {"engine": Greedy()} | given
    with pytest.raises(LabError, match=message):
        partition(LENET, **given)


def test_what_the_errors_advise_works():
    for method, parts in (("layer", 5), ("filter-horizontal", 144), ("filter-incremental", 144)):
        assert partition(LENET, parts, method).parts == parts
    assert partition(LENET, 2024, "channel-incremental").parts == 2024
    assert partition(LENET, 25, "coarse", Greedy(), imbalance=0.177).parts == 25


def test_a_heavy_layer_is_named():
    with pytest.raises(LabError, match=r"layer 'fc1' alone"):
        partition(zoo.get("mlp"), 2, engine=Greedy())


def test_a_heavy_task_may_be_alone():
    """fc1 of the perceptron has nearly all of the work; it gets a part of its own, the rest is in the other."""
    plan = partition(zoo.get("mlp"), 2, engine=Greedy(), alone=True)
    assert plan["fc1"].owner[0] != plan["fc2"].owner[0]


def answer(parts, first):
    """Parts of the coarse LeNet-5's vertices: all in part 0 but filters of conv1, one in each part from `first` on."""
    problem = coarse(tasks_of(LENET), flops(tasks_of(LENET)))
    part = np.zeros(problem.vertices.count, np.int64)
    part[problem.vertices.filters[1][first:parts]] = np.arange(first, parts)
    return part


def test_an_engine_that_breaks_the_limits_is_reported_with_what_it_reached():
    """Part 1 has one of six filters of conv1, 19,600 of 416,520 operations: the other has 1.906 times the average."""
    with pytest.raises(LabError, match=r"'constant' found no plan.*the smallest imbalance it found is 0.906"):
        partition(LENET, 2, engine=Constant(answer(2, 1)))
    assert partition(LENET, 2, engine=Constant(answer(2, 1)), imbalance=0.906).parts == 2


def test_limits_are_kept_in_every_unit():
    """The same in shares of the work, where the excess is a small number."""
    work = flops(tasks_of(LENET)).work
    shares = Weights("shares", work / work.sum(), "of the work", "modelled")
    with pytest.raises(LabError, match=r"the smallest imbalance it found is 0.906"):
        partition(LENET, 2, engine=Constant(answer(2, 1)), weights=shares)
    with pytest.raises(LabError, match=r"its lightest part has 0.094 times the average"):
        partition(LENET, 2, engine=Constant(answer(2, 1)), weights=shares, imbalance=1.0, floor=0.1)


def test_an_engine_that_misses_the_floor_is_reported_with_what_it_reached():
    options = {"engine": Constant(answer(2, 1)), "imbalance": 1.0}
    with pytest.raises(LabError, match=r"at or above the floor; its lightest part has 0.094 times the average"):
        partition(LENET, 2, floor=0.1, **options)
    assert partition(LENET, 2, floor=0.094, **options).parts == 2


def test_an_engine_that_leaves_parts_empty_is_reported():
    with pytest.raises(LabError, match="'constant' left 2 of 4 parts without work"):
        partition(LENET, 4, engine=Constant(answer(3, 2)), imbalance=10)


@pytest.mark.parametrize(
    ("part", "message"),
    [(np.zeros(3, int), "of length 3"), (np.full(145, 2), "unknown part owns"), (np.full(145, -1), "nobody owns")],
)
def test_an_engine_that_answers_nonsense_makes_no_plan(part, message):
    with pytest.raises(LabError, match=message):
        partition(LENET, 2, engine=Constant(part))


def test_an_exception_from_progress_ends_the_work():
    class Stop(Exception):
        pass

    @dataclass
    class Reporting(Greedy):
        def __call__(self, problem, limits, seed=0, progress=None):
            progress(0.5, "cutting")

    def progress(done, what):
        raise Stop

    with pytest.raises(Stop):
        partition(LENET, 2, engine=Reporting(), progress=progress)


def test_volume_and_balance_of_a_plan_are_those_of_the_engine():
    plan = partition(VGG, 4, engine=Greedy(), imbalance=0.05)
    assert loads(plan, flops(tasks_of(VGG))).max_over_avg <= 1.05
    assert volume(plan).elements > 0


def test_the_example_in_the_documentation():
    assert doctest.testmod(methods).failed == 0


@pytest.mark.parametrize(
    "name, parts, options, advice",
    [
        ("mlp", 3, {}, "give at most 2 parts, or take dense='neuron'"),
        ("mlp", 3, {"method": "fine"}, "give at most 2 parts, or take dense='neuron'"),
        ("lenet5", 4000, {"dense": "neuron"}, "parts, or take method 'fine'"),
    ],
)
def test_only_what_divides_tasks_of_this_network_is_advised(name, parts, options, advice):
    with pytest.raises(LabError) as refused:
        partition(zoo.get(name), parts, **{"method": "coarse"} | options)
    assert str(refused.value).endswith(advice)


def test_nothing_finer_is_advised_where_there_is_nothing():
    with pytest.raises(LabError, match=r"give at most [0-9]+ parts$"):
        partition(zoo.get("mlp"), 4000, "fine", dense="neuron")
