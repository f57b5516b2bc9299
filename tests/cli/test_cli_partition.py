"""`labkit partition` and `labkit plan`: the keys of the contract, files in and out, and what is refused in one line."""

import json
from pathlib import Path

import pytest

PARTITION = {
    "network",
    "parts",
    "method",
    "engine",
    "engine_version",
    "imbalance",
    "batch",
    "seed",
    "weights",
    "volume_elements",
    "volume_bytes",
    "loads",
    "max_over_avg",
    "sent_bytes",
    "received_bytes",
    "seconds",
}
CHECK = {"ok", "network", "parts", "method", "volume_elements", "volume_bytes", "loads", "max_over_avg"}
METHODS = ("layer", "filter-horizontal", "filter-incremental", "channel-incremental", "coarse", "fine")


def document(labkit, *words: str, status: int = 0):
    """What `labkit WORDS --json` printed; it must be the one document on stdout."""
    ran = labkit(*words, "--json")
    assert ran.status == status, ran.err
    return json.loads(ran.out)


@pytest.fixture
def plan_file(labkit, tmp_path):
    """A plan of LeNet-5 in two parts, saved."""
    path = tmp_path / "plan.json"
    assert labkit("partition", "lenet5", "--parts", "2", "--imbalance", "0.3", "--out", str(path)).status == 0
    return str(path)


@pytest.mark.parametrize("method", METHODS)
def test_keys_of_the_contract(labkit, method):
    found = document(labkit, "partition", "lenet5", "--parts", "2", "--method", method, "--imbalance", "0.3")
    assert found.keys() >= PARTITION
    assert (found["network"], found["parts"], found["method"], found["batch"]) == ("lenet5", 2, method, 32)
    assert found["volume_bytes"] == 4 * found["volume_elements"] == sum(found["sent_bytes"])
    assert sum(found["loads"]) == pytest.approx(416_520)
    assert sum(found["memory_bytes"]) >= 2 * 4 * 61_706
    assert (found["engine"] == "counts") == (method in ("coarse", "fine"))


def test_volume_is_that_of_the_batch(labkit):
    words = ("partition", "lenet5", "--parts", "2", "--method", "layer")
    one, many = (document(labkit, *words, "--batch", n)["volume_elements"] for n in ("1", "50"))
    assert many == 50 * one > 0


@pytest.mark.parametrize("engine", ["counts", "mtkahypar", "multilevel"])
def test_every_engine_and_the_same_seed_twice(labkit, engine):
    words = ("partition", "resnet18_32", "--parts", "3", "--engine", engine, "--seed", "4")
    first, again = document(labkit, *words), document(labkit, *words)
    assert first["engine"] == engine and first["engine_version"]
    assert first["max_over_avg"] <= 1.1 + 1e-9
    assert {k: v for k, v in first.items() if k != "seconds"} == {k: v for k, v in again.items() if k != "seconds"}


def test_tables_for_people(labkit):
    ran = labkit("partition", "lenet5", "--parts", "2", "--method", "layer")
    assert ran.status == 0
    assert "Plan of lenet5 in 2 parts" in ran.out and "max/average" in ran.out and "[modelled]" in ran.out


def test_another_input_shape_moves_other_volumes(labkit):
    words = ("partition", "vgg16", "--parts", "2", "--method", "layer", "--input-shape")
    small, large = (document(labkit, *words, shape) for shape in ("3x64x64", "3x224x224"))
    assert small["volume_elements"] < large["volume_elements"]


def test_show_check_and_compare(labkit, plan_file):
    shown = document(labkit, "plan", "show", plan_file)
    checked = document(labkit, "plan", "check", plan_file, "--network", "lenet5", "--imbalance", "0.3")
    assert checked.keys() >= CHECK and checked["ok"] is True
    assert checked["volume_elements"] == shown["volume_elements"]
    rows = document(labkit, "plan", "compare", plan_file, plan_file)
    assert [row["volume_over_first"] for row in rows] == [1.0, 1.0]
    for words in (("show", plan_file), ("check", plan_file), ("compare", plan_file, plan_file)):
        assert labkit("plan", *words).status == 0


def test_plans_of_other_networks_are_not_compared(labkit, plan_file, tmp_path):
    """Not even where the name is the same; and all are weighed alike, as the first one was."""
    other = str(tmp_path / "larger.json")
    words = ("--parts", "2", "--method", "layer", "--input-shape", "1x40x40", "--out", other)
    assert labkit("partition", "lenet5", *words).status == 0
    ran = labkit("plan", "compare", plan_file, other)
    assert ran.status == 2 and "lenet5 (1, 32, 32) and lenet5 (1, 40, 40)" in ran.err and ran.err.count("\n") == 1


def test_a_plan_that_breaks_its_limit_ends_with_1(labkit, plan_file):
    found = document(labkit, "plan", "check", plan_file, "--imbalance", "0", status=1)
    assert found["ok"] is False


def test_a_plan_of_another_network_ends_with_1(labkit, plan_file):
    ran = labkit("plan", "check", plan_file, "--network", "vgg16")
    assert ran.status == 1 and "vgg16" in ran.err and "lenet5" in ran.err and ran.err.count("\n") == 1


@pytest.mark.parametrize("kind", ["patoh", "hmetis"])
def test_a_hypergraph_goes_out_and_a_vector_comes_in(labkit, tmp_path, kind):
    """What a user of PaToH does; the vector here is that of our own plan."""
    graph, vector = tmp_path / "lenet5.u", tmp_path / "lenet5.part"
    words = ("partition", "lenet5", "--parts", "2", "--imbalance", "0.3")
    own = document(labkit, *words, "--export", "vector", str(vector))
    assert labkit(*words, "--export", kind, str(graph)).status == 0
    numbers = graph.read_text().split()[:3]
    assert {"145", "144"} <= set(numbers)
    read = document(labkit, *words, "--vector", str(vector))
    assert read["engine"] == "file"
    assert (read["volume_elements"], read["loads"]) == (own["volume_elements"], own["loads"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nonet", "--parts", "2"), "unknown network 'nonet'"),
        (("lenet5", "--parts", "0"), "parts=0"),
        (("lenet5", "--parts", "2", "--method", "fines"), "fine"),
        (("lenet5", "--parts", "2", "--engine", "patoh"), "mtkahypar"),
        (("lenet5", "--parts", "2", "--method", "layer", "--engine", "counts"), "layer"),
        (("lenet5", "--parts", "9", "--method", "layer"), "9 parts"),
        (("lenet5", "--parts", "2", "--imbalance", "-1"), "imbalance=-1"),
        (("vgg16", "--parts", "128", "--weights", "eserol"), "fc1"),
        (("lenet5", "--parts", "2", "--weights", "eserol"), "VGG16"),
        (("lenet5", "--parts", "2", "--batch", "0"), "batch=0"),
        (("lenet5", "--parts", "2", "--dense", "rows"), "dense='rows'"),
        (("lenet5", "--parts", "2", "--input-shape", "big"), "--input-shape 'big'"),
        (("lenet5", "--parts", "2", "--export", "metis", "x"), "hmetis"),
        (("lenet5", "--parts", "2", "--out", "no/such/folder/p.json"), "no such folder"),
        (("lenet5", "--parts", "2", "--out", ""), "it is a folder"),
        (("lenet5", "--parts", "2", "--export", "patoh", "."), "it is a folder"),
        (("lenet5", "--parts", "2", "--export", "", "x"), "--export ''"),
        (("lenet5", "--parts", "2", "--batch", str(2**64)), f"batch={2**64}"),
        (("lenet5", "--parts", "145"), "--method 'fine' or --dense neuron"),
        (("vgg16", "--parts", "128", "--weights", "eserol"), "or --alone"),
        (("lenet5", "--parts", "2", "--vector", "x", "--engine", "counts"), "--vector with --engine counts"),
        (("lenet5", "--parts", "2", "--vector", ""), "cannot read"),
        (("lenet5", "--parts", "2", "--vector", "no-such-file"), "no-such-file"),
        (("lenet5", "--parts", "2", "--method", "layer", "--vector", "x"), "--method coarse or fine"),
    ],
)
def test_one_line_says_what_is_wrong(labkit, words, told):
    ran = labkit("partition", *words)
    assert ran.status == 2 and ran.out == ""
    assert ran.err.startswith("labkit: ") and ran.err.count("\n") == 1
    assert told in ran.err and " — " in ran.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("show", "no-such-plan.json"), "no-such-plan.json"),
        (("check", "no-such-plan.json"), "no-such-plan.json"),
        (("compare", "one.json"), "two files"),
        (("check", "no-such-plan.json", "--network", "nonet"), "unknown network 'nonet'"),
        (("check", "no-such-plan.json", "--imbalance", "-1"), "imbalance=-1"),
    ],
)
def test_plan_commands_refuse_in_one_line(labkit, words, told):
    ran = labkit("plan", *words)
    assert ran.status == 2 and ran.err.count("\n") == 1 and told in ran.err


def test_a_broken_plan_ends_with_1_and_names_the_place(labkit, plan_file, tmp_path):
    broken = tmp_path / "broken.json"
    read = json.loads(Path(plan_file).read_text())
    read["layers"] = read["layers"][:-1]
    broken.write_text(json.dumps(read))
    ran = labkit("plan", "check", str(broken))
    assert ran.status == 1 and "fc2" in ran.err and ran.err.count("\n") == 1
