"""Schedules as JSON and as text: there and back, and errors that name the place."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from schedule_cases import TINY, all_reduced, right_schedules, schedule

from labkit.errors import LabError
from labkit.network import zoo
from labkit.schedule import from_document, from_text, to_document, to_text
from labkit.schedule.pieces import buckets, whole

RIGHT = right_schedules()
RING = to_document(all_reduced(2))
TEXT = """\
# two ranks
scheme: allreduce ring
network: mlp
shares: 4+3 | 7
pieces: 0:10 10:101770

rank 0:
    F0:5; B0:5
    F0:5#1; B0:5#1
    allreduce g0 ring &
rank 1:
    F0:5; B0:5; wait
"""


@pytest.mark.parametrize("name", RIGHT)
def test_json_there_and_back(name):
    assert from_document(json.loads(json.dumps(to_document(RIGHT[name])))) == RIGHT[name]


@pytest.mark.parametrize("name", RIGHT)
def test_text_there_and_back(name):
    assert from_text(to_text(RIGHT[name])) == RIGHT[name]


def test_a_text_by_hand():
    found = from_text(TEXT.replace("101770", str(zoo.get("mlp").parameters)))
    assert found.network == zoo.get("mlp") and found.scheme == "allreduce ring"
    assert found.shares == ((4, 3), (7,)) and [piece.start for piece in found.pieces] == [0, 10]
    assert list(map(str, found.ranks[1])) == ["F0:5", "B0:5", "wait"] and len(found.ranks[0]) == 5


def test_ranks_with_one_list_share_it():
    text = to_text(schedule(["wait", "wait w0", "wait", "wait", "wait w0"]))
    assert "ranks 0,2-3:\n    wait\nranks 1,4:\n    wait w0\n" in text
    assert to_text(schedule(["wait"] * 3)).count("wait") == 1


def test_a_network_of_the_zoo_stands_under_its_name_and_others_whole():
    lenet = zoo.get("lenet5")
    text = to_text(schedule(["wait"], network=lenet, pieces=buckets(lenet, 0)))
    assert "network: lenet5\n" in text
    assert '"name": "tiny"' in to_text(schedule(["wait"], network=TINY, pieces=whole(TINY)))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("format",), "labkit-plan", "a schedule's 'format' is 'labkit-plan' — write \"labkit-schedule\""),
        (("version",), 7, "a schedule's 'version' is 7 — write 1, or update labkit"),
        (("version",), True, "a schedule's 'version' is True"),
        (("scheme",), None, "a schedule's 'scheme' is None — give its name"),
        (("shares",), 4, "a schedule's 'shares' is 4 — write a list of lists of whole numbers from 0 up"),
        (("shares", 1), 4, "'shares' of a schedule has 4 in row 1"),
        (("shares", 1, 0), -4, "'shares' of a schedule has -4 in row 1"),
        (("shares", 1, 0), True, "'shares' of a schedule has True in row 1"),
        (("pieces", 0), [3], "piece 0 is [3] — write its start and its stop, as in [0, 330]"),
        (("pieces", 0), [0, 10**9], "piece 0 holds the values 0 to 1000000000 of 25"),
        (("pieces", 0, 1), "x" * 99, "'pieces' of a schedule has 'xxxxxxx"),
        (("instructions", 1), None, "'instructions' of a schedule has None in row 1"),
        (("instructions", 1, 2), "allreduce g0", "rank 1, instruction 2: 'allreduce' has no algorithm ''"),
        (("instructions", 1, 2), 5, "'instructions' of a schedule has 5 in row 1 — write lists of texts"),
        (("instructions", 0, 0), "F0:6", "rank 0, instruction 0 (F0:6): network 'tiny' has 5 layers"),
        (("network", "layers", 0, "kind"), "conf", "layer 'fc1' has kind 'conf' — did you mean 'conv'?"),
        (("more",), 1, "the schedule has a key 'more'"),
    ],
)
def test_errors_of_a_document_name_the_place(path, value, message):
    document = copy.deepcopy(RING)
    spot = document
    for key in path[:-1]:
        spot = spot[key]
    spot[path[-1]] = value
    with pytest.raises(LabError) as caught:
        from_document(document)
    assert message in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize("key", RING)
def test_every_key_is_needed(key):
    with pytest.raises(LabError, match=f"the schedule has no '{key}' — add it" if key != "format" else "format"):
        from_document({k: v for k, v in RING.items() if k != key})


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("F0:5#1; B0:5#1", "F0:5#1; B0-5", "line 9: 'B0-5' spells no instruction"),
        ("wait", "weight", "line 12: there is no instruction 'weight' — did you mean 'wait'?"),
        ("network: mlp", "network: mpl", "line 3: unknown network 'mpl' — did you mean 'mlp'?"),
        ("network: mlp", "network: {mlp", "line 3: the network is not JSON"),
        ("network: mlp", 'network: {"name": 3}', "line 3: a network's 'name' is 3"),
        ("4+3 | 7", "4+3 | x", "line 4: 'x' is no rank's share — write the samples of each rank's micro-batches"),
        ("4+3 | 7", "4+3", "lists for the ranks [0, 1], and shares for 1"),
        ("10:101770", "10-20", "line 5: '10-20' is no piece — write its start and stop, as in '0:330'"),
        ("rank 1:", "rank 0:", "line 11: rank 0 has a list already"),
        ("rank 1:", "ranks 2-1:", "line 11: '2-1' names no ranks — write it like 'rank 0:' or 'ranks 0-2,5:'"),
        ("rank 1:", "ranks 1,1:", "line 11: rank 1 has a list already"),
        ("rank 0:\n", "", "line 7: 'F0:5; B0:5' belongs to no rank"),
        ("scheme: allreduce ring\n", "", "the text of a schedule has no line 'scheme: ...' — add it"),
        ("# two ranks", "scheme: x", "line 2: a second line 'scheme: ...' — leave one of them out"),
    ],
)
def test_errors_of_a_text_name_the_line(old, new, message):
    assert old in TEXT
    with pytest.raises(LabError) as caught:
        from_text(TEXT.replace(old, new, 1))
    assert message in str(caught.value)


@given(st.data())
def test_a_document_with_anything_in_it_is_a_schedule_or_refused(data):
    document = copy.deepcopy(RING)
    spot, junk = document, st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just([]) | st.just({})
    for _ in range(data.draw(st.integers(0, 3))):
        keys = list(spot) if isinstance(spot, dict) else list(range(len(spot)))
        deeper = [key for key in keys if isinstance(spot[key], (dict, list)) and spot[key]]
        if not deeper:
            break
        spot = spot[data.draw(st.sampled_from(deeper))]
    key = data.draw(st.sampled_from(list(spot) if isinstance(spot, dict) else list(range(len(spot)))))
    spot[key] = data.draw(junk)
    try:
        assert from_document(to_document(from_document(document))) == from_document(document)
    except LabError as error:
        assert error.instead


@given(st.lists(st.sampled_from(TEXT.splitlines()) | st.text(max_size=20), max_size=14).map("\n".join))
def test_a_text_of_anything_is_a_schedule_or_refused(text):
    try:
        found = from_text(text)
    except LabError as error:
        assert error.instead
        return
    assert from_text(to_text(found)) == found
