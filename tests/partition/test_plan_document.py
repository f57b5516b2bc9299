"""Plans as JSON: every grain survives the round trip, each mistake is named, and the file can be read by a person."""

import json
import re

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.network import Conv, Dense, Flatten, chain, zoo
from labkit.partition import coarse, fine, flops, tasks_of
from labkit.partition.document import from_document, layout, load_plan, save, to_document

NETWORKS = {name: zoo.get(name) for name in ("lenet5", "lenet5_1998", "resnet18_32", "mlp")}
GRAINS = [(coarse, {}), (coarse, {"dense": "neuron"}), (fine, {}), (fine, {"groups": 2})]
TINY = chain("tiny", (3, 8, 8), {"conv1": Conv(4, 3), "conv2": Conv(6, 3), "flatten": Flatten(), "fc": Dense(5)})
ROWS = [
    {"layer": "input", "part": 0},
    {"layer": "conv1", "filters": {"0": "0-2", "1": "3"}},
    {
        "layer": "conv2",
        "blocks": [
            {"filters": "0-1,4", "channels": {"0": "0-1", "2": "2-3"}, "reduces": 2},
            {"filters": "2-3,5", "part": 1},
        ],
    },
    {"layer": "fc", "part": 2},
]


def tiny(**changes) -> dict:
    """The document of a plan of TINY in three parts, with other keys; a layer's name changes that layer's row."""
    document = to_document(plan_of(TINY, coarse, 3)) | {"layers": json.loads(json.dumps(ROWS))}
    for key, value in changes.items():
        names = [row["layer"] for row in document["layers"]]
        if key in names:
            document["layers"][names.index(key)] = {"layer": key} | value
        else:
            document[key] = value
    return document


def plan_of(network, grain, parts, seed=1, **options):
    tasks = tasks_of(network)
    problem = grain(tasks, flops(tasks), **options)
    part = np.random.default_rng(seed).integers(0, parts, problem.vertices.count)
    return problem.plan(part, parts, "drawn", seed=seed)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("grain", "options"), GRAINS, ids=lambda value: getattr(value, "__name__", str(value)))
def test_round_trip_through_a_file(name, grain, options, tmp_path):
    plan = plan_of(NETWORKS[name], grain, 5, **options)
    path = save(plan, tmp_path / "new" / "plan.json")
    again = load_plan(path, plan.network)
    assert again == plan
    assert (again.method, again.made) == ("drawn", {"seed": 1})
    assert json.loads(path.read_text()) == json.loads(json.dumps(to_document(plan)))
    assert [file.name for file in path.parent.iterdir()] == ["plan.json"]


def test_round_trip_of_a_random_fine_vgg16_of_more_than_a_million_tasks(tmp_path):
    plan = plan_of(zoo.get("vgg16"), fine, 7)
    assert load_plan(save(plan, tmp_path / "plan.json")) == plan


def test_a_plan_in_blocks_is_short(tmp_path):
    """Four groups of channels per layer make at most 16 blocks a layer, however many filters there are."""
    path = save(plan_of(zoo.get("vgg16"), fine, 7, groups=4), tmp_path / "plan.json")
    assert path.stat().st_size < 20_000


def test_a_document_written_by_hand():
    plan = from_document(tiny())
    assert plan.parts == 3
    assert plan["input"].owner.tolist() == [0, 0, 0]
    assert plan["conv1"].owner.tolist() == [0, 0, 0, 1]
    assert plan["conv2"].owner.tolist() == [2, 2, 1, 1, 2, 1]
    divided, whole = [0, 0, 2, 2], [1] * 4
    assert plan["conv2"].channels.tolist() == [divided, divided, whole, whole, divided, whole]
    assert plan["fc"].owner.tolist() == [2] * 5
    assert to_document(plan)["layers"] == ROWS


def test_method_and_made_may_be_left_out():
    document = tiny()
    del document["method"], document["made"]
    plan = from_document(document)
    assert (plan.method, plan.made) == ("by hand", {})


def test_a_layer_and_a_block_stand_on_lines_of_their_own():
    lines = layout(tiny()).splitlines()
    assert '   {"layer": "conv1", "filters": {"0": "0-2", "1": "3"}},' in lines
    assert '     {"filters": "2-3,5", "part": 1}]},' in lines
    assert sum('"kind"' in line for line in lines) == len(TINY.nodes)


def test_numpy_numbers_in_made_are_written(tmp_path):
    plan = from_document(tiny())
    plan.made.update(seconds=np.float64(0.5), runs=np.arange(2), best=np.int64(7))
    assert load_plan(save(plan, tmp_path / "plan.json")).made == {"seed": 1, "seconds": 0.5, "runs": [0, 1], "best": 7}


@pytest.mark.parametrize("value", [{1, 2}, float("nan"), object()])
def test_what_json_cannot_say_is_refused(value, tmp_path):
    plan = from_document(tiny())
    plan.made["strange"] = value
    with pytest.raises(LabError, match="`made` cannot be written"):
        save(plan, tmp_path / "plan.json")
    assert not list(tmp_path.iterdir())


def blocks(*found) -> dict:
    return {"blocks": list(found)}


WHOLE = {"filters": "0-5", "part": 1}
HALF = {"filters": "0-4", "part": 1}
SPLIT = {"filters": "5", "channels": {"0": "0-1", "2": "2-3"}, "reduces": 0}

MISTAKES = [  # changes of the tiny document -> what the error says
    ({"format": "plan"}, "'format' is 'plan'.*labkit-plan"),
    ({"version": 2}, "version 2 of its format, this labkit reads 1 — update labkit"),
    ({"version": 0}, "'version' is '0'"),
    ({"version": True}, "'version' is 'True'"),
    ({"parts": 0}, "'parts' of the plan is 0 — give a whole number from 1"),
    ({"parts": True}, "'parts' of the plan is True"),
    ({"parts": "3"}, "'parts' of the plan is 3"),
    ({"parts": 2}, "layer 'conv2' of the plan names part 2 — give a whole number from 0 to 1"),
    ({"layer": []}, "has a key 'layer' — did you mean 'layers'"),
    ({"made": []}, r"'made' of the plan is \[\] — give an object"),
    ({"method": None}, "'method' of the plan is None — give a string"),
    ({"layers": {}}, "'layers' of the plan are dict"),
    ({"layers": [3]}, "row 1 of the plan's layers names no layer"),
    ({"layers": ROWS[:3]}, "says nothing of layer 'fc' of tiny"),
    ({"layers": ROWS + ROWS[:1]}, "layer 'input' stands twice"),
    ({"layers": ROWS[::-1]}, "not in the order of tiny"),
    ({"layers": [{"layer": "conv3", "part": 0}, *ROWS]}, "no layer 'conv3' with tasks — did you mean 'conv"),
    ({"network": 3}, "a network's document is int"),
    ({"fc": {}}, "layer 'fc' of the plan says nothing"),
    ({"fc": {"part": 0, "filters": {"0": "0-4"}}}, "says 'part' and 'filters'"),
    ({"fc": {"parts": 0}}, "has a key 'parts' — did you mean 'part'"),
    ({"fc": {"part": -1}}, "names part -1"),
    ({"fc": {"part": 1.0}}, "names part 1.0"),
    ({"fc": {"part": "0"}}, "names part a string"),
    ({"fc": {"part": False}}, "names part False"),
    ({"fc": {"filters": "0-4"}}, "gives away filters by a string"),
    ({"fc": {"filters": {}}}, "gives away filters by an object"),
    ({"fc": {"filters": {"0": "0-3"}}}, "nobody owns filter 4 of layer 'fc'"),
    ({"fc": {"filters": {"0": "0-5"}}}, "has filters 0-5 — use rising ranges of the numbers 0 to 4"),
    ({"fc": {"filters": {"0": "5"}}}, "has filter 5 — "),
    ({"fc": {"filters": {"0": "3-2"}}}, "has filters 3-2"),
    ({"fc": {"filters": {"0": "0-"}}}, "has filters '0-' — give numbers and ranges"),
    ({"fc": {"filters": {"0": 4}}}, "has filters 4 — give numbers and ranges in a string"),
    ({"fc": {"filters": {"0": "0-3", "1": "2-4"}}}, "filter 2 of layer 'fc' is given to part 0 and to part 1"),
    ({"fc": {"filters": {"0": "0-4", "2": "3"}}}, "filter 3 of layer 'fc' is given to part 0 and to part 2"),
    ({"fc": {"filters": {"0": "0-4,1"}}}, "filter 1 of layer 'fc' is given to part 0 twice"),
    ({"fc": {"filters": {"00": "0-4"}}}, "names a part '00'"),
    ({"fc": {"filters": {"all": "0-4"}}}, "names a part 'all'"),
    ({"fc": {"filters": {"3": "0-4"}}}, "names part 3 — give a whole number from 0 to 2"),
    ({"fc": blocks(WHOLE)}, r"'fc' of the plan \(dense\) is divided by channels"),
    ({"conv2": {"blocks": {}}}, "'blocks' of layer 'conv2' of the plan are dict"),
    ({"conv2": blocks()}, "nobody owns filter 0 of layer 'conv2'"),
    ({"conv2": blocks(7)}, "block 1 of layer 'conv2' of the plan is 7"),
    ({"conv2": blocks(HALF)}, "nobody owns filter 5 of layer 'conv2'"),
    ({"conv2": blocks(WHOLE, SPLIT)}, "filter 5 .* in block 1 and in block 2, and is given to part 1 and to part 0"),
    ({"conv2": blocks(SPLIT | {"part": 1})}, "has a key 'channels'"),
    ({"conv2": blocks({"filters": "0-5"})}, "has no 'channels'"),
    ({"conv2": blocks(HALF, SPLIT | {"reduces": 3})}, "block 2 of layer 'conv2' of the plan names part 3"),
    ({"conv2": blocks(HALF, SPLIT | {"channels": {"0": "0-1"}})}, "nobody owns filter 5, channel 2 of layer 'conv2'"),
    ({"conv2": blocks(HALF, SPLIT | {"channels": {"0": "0-2", "2": "2-3"}})},
     "channel 2 of filter 5 of layer 'conv2' is given to part 0 and to part 2"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "words"), MISTAKES, ids=[re.sub(r"\W+", "_", m[1])[:50] for m in MISTAKES])
def test_each_mistake_is_named(changes, words):
    assert from_document(tiny())
    with pytest.raises(LabError, match=words):
        from_document(tiny(**changes))


def test_a_channel_that_a_filter_does_not_read_is_named():
    """Filter 0 of LeNet-5's second layer reads maps 0 to 2 only (LeCun et al. 1998, table 1)."""
    document = to_document(plan_of(zoo.get("lenet5_1998"), coarse, 1))
    row = next(row for row in document["layers"] if row["layer"] == "c3")
    del row["part"]
    row["blocks"] = [{"filters": "0", "channels": {"0": "0-3"}, "reduces": 0}, {"filters": "1-15", "part": 0}]
    with pytest.raises(LabError, match="filter 0 of layer 'c3' does not read channel 3"):
        from_document(document)


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (zoo.get("lenet5"), "the plan is for 'tiny', not for 'lenet5'"),
        (chain("tiny", (3, 9, 9), {"conv1": Conv(4, 3)}), r"inputs \(3, 8, 8\), not"),
        (chain("tiny", (3, 8, 8), {"conv1": Conv(4, 3), "flatten": Flatten()}), "differ in layer 'flatten'"),
    ],
)
def test_a_plan_for_another_network_is_refused_by_name(network, words):
    assert from_document(tiny(), TINY)
    with pytest.raises(LabError, match=words):
        from_document(tiny(), network)


@pytest.mark.parametrize("layer", [Conv(2**20 + 1, 1), Conv(2**20, 1)])
def test_a_network_too_large_for_a_plan_is_refused_before_it_fills_the_memory(layer):
    document = tiny(network={"name": "big", "input_shape": [80, 1, 1], "layers": [{"name": "c", "kind": "conv"}]})
    document["network"]["layers"][0] |= {"K": layer.K, "R": 1}
    with pytest.raises(LabError, match=r"layer 'c' .* has 10485"):
        from_document(document)


FILES = [
    (b'{"format": "labkit-plan",\n "parts": }', "not JSON: line 2, column 11"),
    (b'{"format": "labkit-plan", "format": "labkit-plan"}', "the key 'format' stands twice"),
    (b'{"format": "labkit-plan", "version": NaN}', "NaN is no number of JSON"),
    (b"[" * 100_000, "is no document of a plan"),
    (b"9" * 5_000, "is no document of a plan"),
    (b"\xff\xfe{}", "cannot read"),
    (b"", "not JSON: line 1, column 1"),
    (b"[]", "the plan is a list"),
]


@pytest.mark.parametrize(("content", "words"), FILES)
def test_a_file_that_is_no_plan(content, words, tmp_path):
    path = tmp_path / "plan.json"
    path.write_bytes(content)
    with pytest.raises(LabError, match=words) as caught:
        load_plan(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(LabError, match=r"no such file: .*absent\.json"):
        load_plan(tmp_path / "absent.json")
    with pytest.raises(LabError, match="cannot read"):
        load_plan(tmp_path)
    with pytest.raises(LabError, match="cannot write"):
        save(from_document(tiny()), tmp_path)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = save(from_document(tiny()), tmp_path / "plan.json")
    before = path.read_bytes()

    def fail(*_):
        raise OSError("no space left")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(LabError, match="no space left"):
        save(plan_of(TINY, coarse, 2), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["plan.json"]
