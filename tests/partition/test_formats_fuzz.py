"""Whatever a file holds, the readers give a hypergraph or a vector, or a LabError with line and column."""

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.errors import LabError
from labkit.partition import Hypergraph
from labkit.partition.formats import hmetis, patoh, vectors
from labkit.partition.formats.scan import scan

PLACE = re.compile(r"^the text, line [1-9]\d*, column [1-9]\d*: found .+ — expected .+", re.DOTALL)


@st.composite
def hypergraphs(draw) -> Hypergraph:
    vertices = draw(st.integers(1, 7))
    nets = draw(st.lists(st.lists(st.integers(0, vertices - 1), min_size=1, unique=True), max_size=6))
    whole = st.integers(0, 10**9) | st.just(1)
    costs = draw(st.lists(whole, min_size=len(nets), max_size=len(nets)))
    weights = draw(st.lists(st.integers(0, 10**8) | st.just(1), min_size=vertices, max_size=vertices))
    starts = np.cumsum([0] + [len(net) for net in nets])
    return Hypergraph(starts, [pin for net in nets for pin in net], costs, weights)


@settings(deadline=None)
@given(hypergraphs(), st.sampled_from([0, 1]))
def test_every_hypergraph_survives(hypergraph, base):
    for again in (
        patoh.read_text(patoh.write_text(hypergraph, base)[0]),
        hmetis.read_text(hmetis.write_text(hypergraph)[0]),
    ):
        for field in ("starts", "pins", "costs", "weights"):
            assert np.array_equal(getattr(again, field), getattr(hypergraph, field))


@st.composite
def damaged(draw, write) -> str:
    """The text of a hypergraph in which one to three stretches are replaced."""
    text = write(draw(hypergraphs()))
    for _ in range(draw(st.integers(1, 3))):
        begin = draw(st.integers(0, len(text)))
        end = min(len(text), begin + draw(st.integers(0, 4)))
        text = text[:begin] + draw(st.text("0123 \n%-.x\u00e4\r\t", max_size=4)) + text[end:]
    return text


@pytest.mark.parametrize("form", [patoh, hmetis], ids=["patoh", "hmetis"])
@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_refused_with_its_place_or_is_a_hypergraph(form, data):
    text = data.draw(damaged(lambda hypergraph: form.write_text(hypergraph)[0]) | st.text("012 \n%x", max_size=30))
    try:
        found = form.read_text(text)
    except LabError as error:
        assert PLACE.match(str(error))
        line, column = map(int, re.findall(r"line (\d+), column (\d+)", str(error))[0])
        lines = text.split("\n")
        assert line <= len(lines) and column <= len(lines[line - 1]) + 1
    else:
        again = form.read_text(form.write_text(found)[0])
        assert np.array_equal(again.pins, found.pins) and np.array_equal(again.costs, found.costs)


@given(st.text("0127 \n-x", max_size=20), st.integers(0, 5) | st.none(), st.integers(1, 3) | st.none())
def test_vectors_are_read_or_refused_with_their_place(text, vertices, parts):
    try:
        found = vectors.read_text(text, vertices, parts)
    except LabError as error:
        assert PLACE.match(str(error))
    else:
        assert found.tolist() == [int(word) for word in text.split()]
        assert vertices is None or len(found) == vertices


@given(st.lists(st.lists(st.integers(0, 10**15 - 1), max_size=4), max_size=6), st.sampled_from([b"\n", b"\r\n"]))
def test_the_scan_finds_every_number_in_its_row(rows, newline):
    text = newline.join(b" ".join(str(n).encode() for n in row) for row in rows)
    found = scan(text, "rows")
    while rows and not rows[-1]:
        rows = rows[:-1]
    assert found.rows == len(rows)
    starts = found.starts.tolist()
    assert [found.values[a:b].tolist() for a, b in pairwise(starts)] == rows


@given(st.binary(max_size=60))
def test_any_bytes_are_scanned_or_refused(text):
    try:
        found = scan(text, "the text")
    except LabError as error:
        assert PLACE.match(str(error))
    else:
        assert len(found.values) == len(found.places) == found.starts[-1]
