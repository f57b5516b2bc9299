"""Limits of the loads: what may be asked for at all, and what is said where it cannot be met."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.errors import LabError
from labkit.partition import Limits, limits

WEIGHTS = np.array([4.0, 3, 2, 1, 0])


def test_cap_is_the_average_and_the_imbalance():
    found = limits(WEIGHTS, 2, 0.1)
    assert found.cap == pytest.approx([5.5, 5.5])
    assert (found.parts, found.floor) == (2, 0)


def test_excess_counts_both_sides():
    bounds = Limits(np.array([5.0, 5.0]), floor=2)
    assert bounds.excess(np.array([5.0, 2.0])) == 0
    assert bounds.excess(np.array([6.0, 2.0])) == pytest.approx(1)
    assert bounds.excess(np.array([6.0, 0.5])) == pytest.approx(2.5)


def test_rounding_of_sums_is_forgiven():
    assert Limits(np.array([0.3]), floor=0.3).excess(np.array([0.1 + 0.2])) == 0


def test_heavy_tasks_alone():
    """Three parts of 10 / 3 on average: 4 is more than 1.1 times that, and so gets a part with its own limit."""
    assert limits(WEIGHTS, 3, 0.1, alone=True).cap == pytest.approx([4, 11 / 3, 11 / 3])


def test_the_imbalance_that_is_advised_works_and_less_does_not():
    with pytest.raises(
        LabError, match=r"the heavy one alone is 1.200 times.*give an imbalance of 0.2 or more"
    ) as error:
        limits(WEIGHTS, 3, 0.1, names=lambda task: "the heavy one" if task == 0 else "another")
    assert "alone=True" in error.value.instead
    limits(WEIGHTS, 3, 0.2)
    with pytest.raises(LabError):
        limits(WEIGHTS, 3, 0.199)


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=20), st.integers(1, 20))
def test_advice_can_be_typed(weights, parts):
    """Whatever the task weights: either the limits exist, or the number in the message is enough (up to 10)."""
    weights = np.array(weights)
    try:
        limits(weights, parts, 0.05)
    except LabError as error:
        if parts > len(weights):
            assert f"give at most {len(weights)} parts" in error.instead
            return
        advised = float(error.instead.split("imbalance of ")[1].split(" or more")[0])
        if advised <= 10:
            assert (limits(weights, parts, advised).cap >= weights.max() * (1 - 1e-9)).all()


@pytest.mark.parametrize("imbalance", [-0.1, 10.5, float("nan"), "0.1", None, True])
def test_imbalances_that_are_none(imbalance):
    with pytest.raises(LabError, match=r"imbalance=.*from 0 to 10"):
        limits(WEIGHTS, 2, imbalance)


@pytest.mark.parametrize("parts", [0, -1, 1.5, True, "2"])
def test_parts_that_are_none(parts):
    with pytest.raises(LabError, match="parts="):
        limits(WEIGHTS, parts, 0.1)


def test_more_parts_than_tasks_with_work():
    with pytest.raises(LabError, match="5 parts for 4 tasks that have work"):
        limits(WEIGHTS, 5, 0.1)
