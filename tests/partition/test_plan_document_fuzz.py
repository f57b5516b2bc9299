"""Whatever a plan's document holds, reading it gives a valid plan or a LabError, never another exception."""

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.errors import LabError
from labkit.network import zoo
from labkit.partition import coarse, fine, flops, tasks_of
from labkit.partition.document import from_document, to_document
from labkit.partition.ranges import spell


def drawn(name, grain, parts) -> dict:
    """The document of a random plan."""
    tasks = tasks_of(zoo.get(name))
    problem = grain(tasks, flops(tasks))
    part = np.random.default_rng(3).integers(0, parts, problem.vertices.count)
    return to_document(problem.plan(part, parts))


GOOD = [drawn("lenet5_1998", fine, 3), drawn("lenet5", coarse, 2), drawn("resnet18_32", coarse, 4)]


@given(st.lists(st.integers(-1, 3), max_size=30))
def test_spelled_owners_are_read_back(owner):
    found = np.full(len(owner), -1)
    for part, text in spell(np.array(owner, np.int16)).items():
        for piece in text.split(","):
            first, _, last = piece.partition("-")
            found[int(first) : int(last or first) + 1] = int(part)
    assert found.tolist() == owner


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 12),
    st.sampled_from([2**31, 10**30, 1.5, 1e300, "", "0", "1", "0-3", "4-0", "3,3", "conv1", "input", "part", "-1"]),
)
VALUES = st.recursive(
    SCALARS, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.sampled_from(["0", "1", "part", "K"]), v)
)


@st.composite
def mutated(draw) -> dict:
    """A good document in which one to three values, keys or list items are replaced, dropped or doubled."""
    document = json.loads(json.dumps(draw(st.sampled_from(GOOD))))
    for _ in range(draw(st.integers(1, 3))):
        node = document
        while True:
            places = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not places:
                break
            place = draw(st.sampled_from(places))
            if isinstance(node[place], (dict, list)) and draw(st.integers(0, 3)):
                node = node[place]
                continue
            _edit(draw, node, place)
            break
    return document


def _edit(draw, node, place):
    what = draw(st.sampled_from(["replace", "drop", "rename", "swap"]))
    if what == "replace":
        node[place] = draw(VALUES)
    elif what == "drop":
        del node[place]
    elif what == "rename" and isinstance(node, dict):
        node[draw(st.sampled_from(["0", "2", "7", "part", "blocks", "filters", "name", ""]))] = node.pop(place)
    elif isinstance(node, list):
        node.insert(0, node[place])


@settings(max_examples=300, deadline=None)
@given(mutated())
def test_a_mutated_document_is_refused_or_a_plan(document):
    try:
        plan = from_document(document)
    except LabError as error:
        assert error.what and error.instead
    else:
        assert from_document(to_document(plan)) == plan
