"""Placement of arrays on servers: who gets what, how even that is, and what no placement can do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.errors import LabError
from labkit.network import zoo
from labkit.schemes.placement import PLACEMENTS, balance, place

SIZES = st.lists(st.integers(1, 1000), min_size=1, max_size=30)


def test_round_robin_looks_at_no_size():
    assert place([9, 1, 9, 1, 9], 2, "round-robin") == (0, 1, 0, 1, 0)


def test_greedy_takes_the_emptiest_server():
    """Loads 5; 5, 3; 5, 3, 2; then 4 goes to the server with 2, and 1 to the one with 3."""
    assert place([5, 3, 2, 4, 1], 3, "greedy") == (0, 1, 2, 2, 1)


@given(SIZES, st.integers(1, 9))
def test_greedy_is_within_the_largest_array_of_even(values, servers):
    """Graham 1966: when the fullest server took its last array it was the emptiest of all."""
    owners = place(values, servers, "greedy")
    loads = [sum(v for v, o in zip(values, owners, strict=True) if o == s) for s in range(servers)]
    assert sum(loads) == sum(values)
    assert max(loads) <= sum(values) / servers + max(values) * (1 - 1 / servers) + 1e-9


@pytest.mark.parametrize("how", PLACEMENTS)
def test_balance_of_vgg16(how):
    """Round-robin on two servers: weights and biases take turns, so one server gets every weight (5.2.3)."""
    found = balance(zoo.get("vgg16"), 2, how)
    assert sum(found.loads) == 138_357_544
    assert found.loads == {"round-robin": (138_344_128, 13_416), "greedy": (28_922_472, 109_435_072)}[how]
    assert found.max_over_avg == pytest.approx({"round-robin": 1.9998, "greedy": 1.5819}[how], abs=1e-4)


def test_no_placement_of_whole_arrays_is_below_the_largest_one():
    """fc1's weights are 74 % of VGG16: from 2 servers on they set the balance, whatever the rule."""
    for servers in (1, 2, 4, 8):
        rows = [balance(zoo.get("vgg16"), servers, how) for how in PLACEMENTS]
        assert all(row.max_over_avg >= row.least_max_over_avg - 1e-12 for row in rows)
        assert rows[0].least_max_over_avg == pytest.approx(max(1, servers * 102_760_448 / 138_357_544))
    assert rows[1].max_over_avg < rows[0].max_over_avg


def test_table_of_a_balance():
    text = str(balance(zoo.get("lenet5"), 2, "greedy"))
    assert text.splitlines()[0] == "greedy: 10 arrays on 2 servers, max/average 1.561"
    assert "48,166" in text and len(text.splitlines()) == 4


def test_arrays_of_the_servers_are_all_arrays():
    found = balance(zoo.get("lenet5"), 3, "round-robin")
    assert sorted(found.arrays_of(0) + found.arrays_of(1) + found.arrays_of(2)) == sorted(zoo.get("lenet5").weights())


@pytest.mark.parametrize(("servers", "how", "words"), [(2, "gredy", "greedy"), (0, "greedy", "at least one")])
def test_refusals(servers, how, words):
    with pytest.raises(LabError, match=words):
        place([1, 2], servers, how)
