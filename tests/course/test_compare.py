"""Comparisons say where the first difference is."""

import numpy as np
import pytest

from labkit.course.compare import difference


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (5, 5),
        (np.int64(5), 5),
        (5.0, 5),
        (1.0 + 1e-9, 1.0),
        ((1, 2), (1, 2)),
        ([1, 2], (1, 2)),
        (["B", "A"], {"A", "B"}),
        ({np.int32(3), 5}, {3, 5}),
        ({"a": 1.0}, {"a": 1.0}),
        (np.bool_(True), True),
        ("ring", "ring"),
        (np.zeros((2, 3)), np.zeros((2, 3))),
        ([1.0, 2.0], np.array([1.0, 2.0])),
    ],
)
def test_equal(got, expected):
    assert difference(got, expected, 1e-6) is None


@pytest.mark.parametrize(
    ("got", "expected", "where", "came"),
    [
        (6, 5, "the result", "6"),
        (5.5, 5, "the result", "5.5"),
        (None, 5, "the result", "is a return missing?"),
        ("5", 5, "the result", "'5'"),
        (True, 1, "the result", "True"),
        (1, True, "the result", "1"),
        (float("nan"), 1.0, "the result", "nan"),
        ((1, 3), (1, 2), "result[1]", "3"),
        ((1,), (1, 2), "the result", "(1,)"),
        ({"a"}, {"a", "b"}, "the result", "{a}"),
        (set(), {"b"}, "the result", "no name"),
        (3, {"b"}, "the result", "3"),
        ({7, 10}, {7, 9}, "the result", "{7, 10}"),
        (set(), {9}, "the result", "no whole number"),
        ({"9"}, {9}, "the result", "{'9'}"),
        ({7.5}, {7, 9}, "the result", "{7.5}"),
        ({"a": 1}, {"a": 2}, "'a'", "1"),
        ({"b": 1}, {"a": 2}, "the result", "{'b': 1}"),
        ([[1.0, 2.0], [3.0]], np.ones((2, 2)), "the result", "[[1.0, 2.0], [3.0]]"),
        (np.ones(3), np.ones((3, 1)), "the shape of the result", "(3,)"),
        (np.array([[1.0, 2], [3, 5]]), np.array([[1.0, 2], [3, 4]]), "the result[1, 1]", "5"),
    ],
)
def test_different(got, expected, where, came):
    found = difference(got, expected, 1e-6)
    assert found.where == where
    assert came in found.came


def test_parts_have_names():
    found = difference((1.0, np.array([1.0, 9.0])), (1.0, np.array([1.0, 2.0])), 1e-6, ("dw", "db"))
    assert (found.where, found.expected, found.came, found.part) == ("db[1]", "2", "9", 1)


def test_the_tolerance_is_relative_to_the_largest_entry():
    expected = np.array([1000.0, 0.0])
    assert difference(np.array([1000.0, 1e-4]), expected, 1e-6) is None
    assert difference(np.array([1000.0, 1e-2]), expected, 1e-6)
    assert difference(np.array([1e-9]), np.array([2e-9]), 1e-6)  # tiny values are compared as strictly


def test_nothing_is_drawn_out():
    assert len(difference(list(range(1000)), 5, 0).came) <= 100
    assert "shape (40,)" in difference(np.arange(40), "word", 0).came


def test_nan_agrees_with_nan_only():
    """A known mistake may give NaN for some inputs; whoever makes it gets the same NaN."""
    known = np.array([1.0, np.nan])
    assert difference(np.array([1.0, np.nan]), known, 1e-6) is None
    assert difference(np.array([2.0, np.nan]), known, 1e-6).where == "the result[0]"
    assert difference(np.array([1.0, 3.0]), known, 1e-6).where == "the result[1]"
    assert difference(np.array([1.0, np.nan]), np.array([1.0, 3.0]), 1e-6).where == "the result[1]"
