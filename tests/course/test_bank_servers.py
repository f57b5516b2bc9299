"""Exercises of notebook 07: what is right but over par, what is no answer at all, and rules that stop a server."""

from itertools import product

import numpy as np
import pytest

from labkit.course import bank
from labkit.course.bank.nb07_greedy_placement import VGG16, floor, greedy_placement, limit, loads_of
from labkit.course.bank.nb07_ssp_bound import answered
from labkit.course.bank.nb07_staleness_of import drawn, staleness_of
from labkit.course.checks import examine
from labkit.course.verdict import OVER_PAR, RIGHT, WRONG
from labkit.network import zoo
from labkit.schemes.placement import balance, place

PLACEMENT, AGES, BOUND = (bank.exercise(id) for id in ("greedy-placement", "staleness-of", "ssp-bound"))


def test_the_arrays_of_vgg16_are_the_networks():
    assert balance(zoo.get("vgg16"), 2, "greedy").values == VGG16
    assert limit(VGG16, 2) == max(balance(zoo.get("vgg16"), 2, "greedy").loads)


def test_the_thesiss_placement_is_right_but_over_par():
    verdict = examine(PLACEMENT, lambda values, servers: list(place(values, servers, "greedy")))
    assert verdict.status == OVER_PAR and verdict.passed
    assert "another order" in verdict.next_step and "%" in verdict.came


def test_other_placements_that_are_as_even_are_right():
    def last_server_first(values, servers):
        return np.array([servers - 1 - owner for owner in greedy_placement(values, servers)])

    assert examine(PLACEMENT, last_server_first).status == RIGHT


def test_the_reference_is_near_the_best_of_all_placements():
    rng = np.random.default_rng(5)
    for _ in range(10):
        values = rng.integers(1, 40, 7).tolist()
        best = min(max(loads_of(values, owners, 3)) for owners in product(range(3), repeat=7))
        assert floor(values, 3) <= best <= max(loads_of(values, greedy_placement(values, 3), 3)) <= 4 / 3 * best


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda values, servers: None, "return missing"),
        (lambda values, servers: 3, "a list of whole numbers"),
        (lambda values, servers: [0.5] * len(values), "a list of whole numbers"),
        (lambda values, servers: [0] * (len(values) - 1), "there are 31"),
        (lambda values, servers: [-1] * len(values), "no server -1"),
    ],
)
def test_what_is_no_placement_says_why(answer, said):
    verdict = examine(PLACEMENT, answer)
    assert verdict.status == WRONG
    assert said.lower() in verdict.misconception.lower()


def test_a_log_may_be_answered_with_an_array_or_a_tuple():
    for kind in (np.array, tuple):
        assert examine(AGES, lambda log, kind=kind: kind(staleness_of(log))).status == RIGHT


def test_logs_at_random_answer_only_what_was_updated():
    rng = np.random.default_rng(2)
    log = drawn(rng, 3, 2, 40, 0.5)
    owed = set()
    for what, *one in log:
        assert (what == "answer") == (tuple(one) in owed)
        owed ^= {tuple(one)}
    assert sum(what == "update" for what, *_ in log) == 40


@pytest.mark.parametrize("kind", [set, tuple, np.array, lambda free: free + free])
def test_order_and_kind_of_an_answer_do_not_matter(kind):
    assert examine(BOUND, lambda *state: kind(answered(*state))).status == RIGHT


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda waiting, counts, bound: None, "even if it is empty"),
        (lambda waiting, counts, bound: waiting[0], "even if it is empty"),
        (lambda waiting, counts, bound: list(counts), "does not wait for an answer"),
        (lambda waiting, counts, bound: [w + 9 for w in waiting], "does not wait for an answer"),
        (lambda waiting, counts, bound: waiting[:1] * (len(waiting) == len(counts)), "held back although"),
    ],
)
def test_answers_that_are_none_or_late_say_why(answer, said):
    verdict = examine(BOUND, answer)
    assert verdict.status == WRONG
    assert said in verdict.misconception


def test_a_run_that_stands_still_ends_with_a_verdict():
    verdict = examine(BOUND, lambda waiting, counts, bound: [])
    assert verdict.status == WRONG and "pushes so far {1: 1, 2: 1}" in verdict.came
