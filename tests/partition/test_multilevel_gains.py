"""Gains, their tables and their buckets: after every move what a fresh count would give."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multilevel_cases import from_nets, partitioned

from labkit.errors import LabError
from labkit.partition import Limits, cut
from labkit.partition.engines.multilevel import gain
from labkit.partition.engines.multilevel.buckets import BUCKETS, NONE, bucket_of, least_gain
from labkit.partition.engines.multilevel.choose import choose
from labkit.partition.engines.multilevel.state import cut_of, fill, gain_of, move, new_state
from labkit.partition.engines.multilevel.steps import contents

PARTS = 4
EASY = Limits(np.full(PARTS, 1e12))
ONE_NET = from_nets([[0, 1, 2]], [5], [1, 1, 1])
quick = settings(max_examples=60, deadline=None)


@quick
@given(partitioned(PARTS), st.data())
def test_a_gain_is_the_difference_of_two_cuts(case, data):
    h, part = case
    vertex, to = data.draw(st.integers(0, h.vertices - 1)), data.draw(st.integers(0, PARTS - 1))
    after = part.copy()
    after[vertex] = to
    assert gain(h, part, vertex, to) == cut(h, part) - cut(h, after)


@pytest.mark.parametrize(
    ("part", "vertex", "to", "expected"),
    [([0, 0, 1], 2, 0, 5), ([0, 0, 1], 0, 1, 0), ([0, 0, 0], 0, 1, -5), ([0, 1, 2], 0, 3, 0), ([0, 0, 1], 0, 0, 0)],
)
def test_gains_by_hand(part, vertex, to, expected):
    assert gain(ONE_NET, np.array(part), vertex, to) == expected


def test_a_gain_of_a_vertex_that_is_not_there_is_refused():
    with pytest.raises(LabError, match="vertex 3 of a hypergraph with 3"):
        gain(ONE_NET, np.zeros(3, int), 3, 1)
    with pytest.raises(LabError, match="3 vertices"):
        gain(ONE_NET, np.zeros(2, int), 0, 1)


def filled(h, part, limits=EASY):
    state = new_state(h, limits)
    state.part[:] = part
    fill(state)
    return state


def check_tables(h, state):
    """Every table of the state against a fresh count, every bucket against the gains."""
    assert cut_of(state) == cut(h, state.part)
    assert np.allclose(state.loads, np.bincount(state.part, h.weights, PARTS))
    free = np.flatnonzero(state.free)
    for v in range(h.vertices):
        for b in range(PARTS):
            if b != state.part[v]:
                assert gain_of(state, v, b) == gain(h, state.part, v, b)
    for b, shelves in enumerate(contents(state.buckets)):
        lists = [v for _, vertices in shelves for v in vertices]
        assert sorted(lists) == [v for v in free if state.part[v] != b]
        for least, vertices in shelves:
            assert {least_gain(int(bucket_of(gain_of(state, v, b)))) for v in vertices} == {least}
        highest = max(np.flatnonzero(state.buckets.first[b] != NONE), default=NONE)
        assert state.buckets.top[b] >= highest


@quick
@given(partitioned(PARTS), st.data())
def test_tables_and_buckets_are_right_after_every_move(case, data):
    h, part = case
    state = filled(h, part)
    check_tables(h, state)
    for vertex in data.draw(st.permutations(range(h.vertices)))[:6]:
        others = [b for b in range(PARTS) if b != state.part[vertex]]
        move(state, vertex, data.draw(st.sampled_from(others)))
        check_tables(h, state)


@quick
@given(partitioned(PARTS))
def test_the_best_move_is_chosen_where_all_are_allowed(case):
    h, part = case
    state = filled(h, part)
    vertex, to = choose(state)
    gains = [gain(h, part, v, b) for v in range(h.vertices) for b in range(PARTS) if b != part[v]]
    assert gain(h, part, vertex, to) == max(gains)


@given(st.integers(-(2**61), 2**61), st.integers(0, 2**61))
def test_buckets_rise_with_the_gain_and_their_edges_are_tight(a, more):
    place = bucket_of(a)
    assert 0 <= place < BUCKETS
    assert place <= bucket_of(min(a + more, 2**61))
    assert least_gain(place) <= a
    assert bucket_of(least_gain(place)) == place
    assert bucket_of(least_gain(place) - 1) == place - 1


def test_small_gains_have_a_bucket_each():
    assert len({bucket_of(g) for g in range(-15, 16)}) == 31
    assert bucket_of(1000) == bucket_of(1001) < bucket_of(2000)


def test_an_overfilled_part_is_left_first_though_another_move_gains_more():
    h = from_nets([[0, 1], [2, 3]], [9, 1], [1, 1, 3, 3])
    part = np.array([0, 1, 1, 1])
    state = filled(h, part, Limits(np.full(PARTS, 5.0)))
    vertex, _ = choose(state)
    assert part[vertex] == 1
    state = filled(h, part, Limits(np.full(PARTS, 8.0)))
    assert choose(state) == (1, 0)


def test_a_part_below_the_floor_is_filled_first():
    h = from_nets([[0, 1, 2]], [4], [2, 2, 2])
    state = filled(h, np.array([0, 0, 0]), Limits(np.array([6.0, 6.0, 0, 0]), floor=0.0))
    assert choose(state)[0] != NONE
    state = filled(h, np.array([0, 0, 1]), Limits(np.full(4, 6.0), floor=2.0))
    assert choose(state)[1] in (2, 3)
