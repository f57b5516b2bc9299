"""`labkit schedule`: the keys of the contract, lists, faults and times for people, and what is refused in one line."""

import json

import pytest

from labkit.machine.links import parse_link
from labkit.network import zoo
from labkit.schedule.costs import Costs, flops_costs, save_costs
from labkit.schedule.instruction import parse

KEYS = {"scheme", "ranks", "valid", "errors", "messages", "bytes", "makespan", "instructions"}
S = 4 * 61_706
VALID = [
    (("allreduce", "--ranks", "3"), 12, 4 * S),
    (("allreduce", "--ranks", "3", "--algorithm", "tree", "--bucket-bytes", "0", "--no-overlap"), 20, 4 * S),
    (("allreduce", "--ranks", "2", "--micro-batches", "3", "--algorithm", "mpi"), 2, 2 * S),
    (("master", "--ranks", "3"), 4, 4 * S),
    (("chunked", "--ranks", "3", "--chunks", "7"), 16, 4 * S),
    (("parameter-server", "--ranks", "3"), 40, 4 * S),
    (("parameter-server", "--ranks", "3", "--servers", "sharded", "--placement", "greedy"), 40, 4 * S),
]
REFUSED = [
    (("allreduse", "--ranks", "3"), "did you mean 'allreduce'"),
    (("allreduce",), "--ranks 4"),
    (("allreduce", "--ranks", "0"), "ranks of 0"),
    (("allreduce", "--ranks", "3", "--chunks", "3"), "takes no option --chunks"),
    (("single", "--ranks", "3"), "give --ranks 1"),
    (("chunked", "--ranks", "3", "--chunks", "70000"), "61,706"),
    (("parameter-server", "--ranks", "1"), "at least 2"),
    (("parameter-server", "--ranks", "3", "--placement", "greedy"), "--servers sharded"),
    (("parameter-server", "--ranks", "3", "--mode", "ssp"), "no --bound"),
    (("master", "--ranks", "3", "--batch", "0"), "batch of 0"),
    (("master", "--ranks", "3", "--link", "memory"), "add --simulate"),
    (("master", "--ranks", "3", "--simulate", "--link", "memry"), "did you mean 'memory'"),
    (("master", "--ranks", "3", "--simulate", "--flops-per-s", "0"), "above 0"),
    (("master", "--ranks", "3", "--simulate", "--costs", "no_such_file.json"), "no_such_file.json"),
]


def named(value: object) -> str:
    """Name of a case: its words."""
    return " ".join(value) if isinstance(value, tuple) else ""


@pytest.fixture
def schedule(labkit):
    """`schedule("master", "--ranks", "3")` -> Ran, LeNet-5 and batch 7."""

    def call(scheme: str, *words: str):
        return labkit("schedule", scheme, "--network", "lenet5", "--batch", "7", *words)

    return call


@pytest.fixture
def document(schedule):
    """The JSON document, which must be the only thing on stdout."""

    def call(*words: str, status: int = 0) -> dict:
        ran = schedule(*words, "--json")
        assert ran.status == status, ran.err
        return json.loads(ran.out)

    return call


@pytest.mark.parametrize(
    ("words", "messages", "sent"), VALID, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_keys_of_the_contract(document, words, messages, sent):
    found = document(*words)
    assert found.keys() >= KEYS
    assert (found["scheme"], found["valid"], found["errors"]) == (words[0], True, [])
    assert (found["messages"], found["bytes"]) == (messages, sent)
    assert sum(found["messages_per_rank"]) == messages and sum(found["bytes_per_rank"]) == sent
    assert found["makespan"] > 0 and found["origin"] == "modelled"
    assert len(found["instructions"]) == found["ranks"] == int(words[2])
    assert all(str(parse(text)) == text for program in found["instructions"] for text in program)


def test_one_process_needs_no_ranks(document):
    found = document("single")
    assert (found["ranks"], found["messages"], found["instructions"]) == (1, 0, [["F0:13", "B0:13", "U0:13"]])


def test_error_average_is_said_not_to_be_sgd(schedule, document):
    """A scheme that runs, but is wrong: the document says so; --validate also ends with 1 and draws where."""
    found = document("error-average", "--ranks", "3")
    assert found["valid"] is False and "maths" in found["errors"][0]
    assert document("error-average", "--ranks", "3", "--validate", status=1)["valid"] is False
    ran = schedule("error-average", "--ranks", "3", "--validate")
    assert ran.status == 1 and "maths" in ran.out and "rank" in ran.out and ran.err == ""


def test_a_valid_schedule_is_said_to_be(schedule):
    ran = schedule("chunked", "--ranks", "3", "--validate")
    assert ran.status == 0 and "valid" in ran.out


def test_table_for_people(schedule):
    ran = schedule("master", "--ranks", "3")
    assert ran.status == 0
    assert "4 messages, 987,296 bytes in all" in ran.out and "Staleness: none" in ran.out


def test_lists_for_people(schedule):
    ran = schedule("parameter-server", "--ranks", "3", "--servers", "sharded", "--placement", "greedy", "--show")
    assert ran.status == 0
    assert "9 conv" not in ran.out and "9 fc1" in ran.out
    assert "4: conv3.weight (48,000 values, 192,000 bytes, kept by rank 1)" in ran.out
    assert "Ranks 0 to 1, each: 2 samples" in ran.out and "9 x serve sync" in ran.out and "12 x serve sync" in ran.out


def test_equal_lists_are_shown_once_and_cut_arrays_are_named(schedule):
    ran = schedule("chunked", "--ranks", "7", "--show")
    assert "Ranks 1 to 6, each: 1 sample\n" in ran.out
    assert "1: part of conv3.weight (15,427 values" in ran.out


def test_times_for_people(schedule):
    ran = schedule("allreduce", "--ranks", "3", "--simulate", "--link", "emulated:500,100")
    assert ran.status == 0
    assert "[modelled]" in ran.out and "emulated:500,100" in ran.out


def test_slower_links_and_ranks_take_longer(document):
    words = ("allreduce", "--ranks", "3", "--link")
    fast, slow = (document(*words, link)["makespan"] for link in ("fdr", "emulated:500,100"))
    assert fast < slow
    assert document(*words, "fdr", "--flops-per-s", "1e8")["makespan"] > fast


def test_times_from_a_file(document, schedule, tmp_path):
    """The file's own link counts unless another is given; another network's file is refused."""
    path = tmp_path / "costs.json"
    save_costs(Costs(flops_costs(zoo.get("lenet5"), 5e10, 1e10), parse_link("emulated:500,100"), 1e10), path)
    words = ("master", "--ranks", "3", "--costs", str(path))
    assert document(*words)["link"] == "emulated:500,100"
    assert document(*words, "--link", "fdr")["makespan"] < document(*words)["makespan"]
    save_costs(Costs(flops_costs(zoo.get("mlp"), 5e10), parse_link("fdr")), path)
    ran = schedule(*words, "--simulate")
    assert ran.status == 2 and "lenet5" in ran.err and "mlp" in ran.err


@pytest.mark.parametrize(
    ("words", "said"), REFUSED, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_refusals_are_one_line(schedule, words, said):
    ran = schedule(*words)
    assert (ran.status, ran.out) == (2, "")
    assert said in ran.err and " — " in ran.err and ran.err.count("\n") == 1
