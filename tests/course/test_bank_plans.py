"""Exercises on plans: what is right but over par, and what a plan that is none is told."""

from itertools import combinations, pairwise

import numpy as np
import pytest

from labkit.course import bank
from labkit.course.bank.nb12_layer_cuts import layer_cuts, least, part_loads
from labkit.course.checks import examine
from labkit.course.residual import dealt_values, made, projected_block, sent_for_addition
from labkit.course.verdict import OVER_PAR, RAISED, RIGHT, WRONG
from labkit.partition import flops, loads, volume
from labkit.partition.methods import partition

CUTS, RESIDUAL = bank.exercise("layer-cuts"), bank.exercise("residual-plan")


def swapped(works, parts):
    """Bisection, then single cuts moved by one or two layers as long as that helps: good, not the best."""
    cuts = next(one.function for one in CUTS.wrong if one.name == "halved again and again")(works, parts)
    rank, moved = (lambda c: sorted(part_loads(works, c), reverse=True)), True
    while moved:
        moved = False
        for i in range(len(cuts)):
            for step in (-2, -1, 1, 2):
                tried = [*cuts[:i], cuts[i] + step, *cuts[i + 1 :]]
                grows = all(a < b for a, b in pairwise([0, *tried, len(works)]))
                if grows and rank(tried) < rank(cuts):
                    cuts, moved = tried, True
    return cuts


def on_vgg16_only(works, parts):
    """Right on every case, a little off on the one that par is measured on."""
    cuts = layer_cuts(works, parts)
    return [cuts[0] - 1, *cuts[1:]] if works[:2] == [18, 9] else cuts


def test_cuts_that_are_not_the_best_are_wrong_or_over_par():
    assert examine(CUTS, swapped).status == WRONG
    verdict = examine(CUTS, on_vgg16_only)
    assert verdict.status == OVER_PAR and verdict.passed
    assert "%" in verdict.came and "last part" in verdict.next_step


def test_any_of_the_best_cuts_will_do():
    def latest(works, parts):
        n = len(works)
        return [n - cut for cut in reversed(layer_cuts(works[::-1], parts))]

    assert latest([4, 1, 4], 2) != layer_cuts([4, 1, 4], 2)
    assert examine(CUTS, latest).status == RIGHT


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda works, parts: None, "return missing"),
        (lambda works, parts: 3, "a list of whole numbers"),
        (lambda works, parts: [0.5] * (parts - 1), "a list of whole numbers"),
        (lambda works, parts: [1] * (parts - 1), "is empty"),
        (lambda works, parts: list(range(parts - 1, 0, -1)), "cut points grow"),
        (lambda works, parts: [len(works)] * (parts - 1), "is empty"),
        (lambda works, parts: [1], "not 1"),
    ],
)
def test_what_is_no_cut_says_why(answer, said):
    verdict = examine(CUTS, answer)
    assert verdict.status == WRONG
    assert said in verdict.misconception


def test_arrays_and_whole_numbers_of_numpy_are_cuts():
    assert examine(CUTS, lambda works, parts: np.array(layer_cuts(works, parts), np.int64)).status == RIGHT


def test_the_best_cuts_are_those_of_brute_force():
    rng = np.random.default_rng(3)
    for _ in range(20):
        works = rng.integers(1, 30, int(rng.integers(4, 10))).tolist()
        parts = int(rng.integers(1, len(works) + 1))
        tried = combinations(range(1, len(works)), parts - 1)
        assert least(works, parts) == min(max(part_loads(works, cuts)) for cuts in tried)


def like(**others):
    return lambda filters, parts: RESIDUAL.reference(filters, parts) | {k: f(filters, parts) for k, f in others.items()}


def test_a_divided_stem_is_over_par():
    verdict = examine(RESIDUAL, like(stem=lambda filters, parts: [k % parts for k in range(3)]))
    assert verdict.status == OVER_PAR
    assert "light layer" in verdict.next_step


def test_other_owners_that_keep_partners_together_are_right():
    def in_turn(filters, parts):
        turn = {part: range(part, filters, parts) for part in range(parts)}
        return {"stem": parts - 1, "project": turn, "conv1": turn, "conv2": turn, "fc": 0}

    assert examine(RESIDUAL, in_turn).status == RIGHT


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (like(project=lambda filters, parts: [0] * (filters - 1)), f"{18} filters"),
        (like(project=lambda filters, parts: {0: range(filters - 1)}), "nobody owns filter 17 of layer 'project'"),
        (like(project=lambda filters, parts: {0: range(filters), 1: [0]}), "given to part 0 and to part 1"),
        (like(fc=lambda filters, parts: parts), "an unknown part owns filter 0 of layer 'fc'"),
        (like(conv3=lambda filters, parts: 0), "did you mean 'conv2'"),
        (lambda filters, parts: {"stem": 0}, "nobody owns layer 'project'"),
        (lambda filters, parts: [0], "return a dict"),
        (lambda filters, parts: None, "return a dict"),
    ],
)
def test_owners_that_are_no_plan_get_the_plans_own_message(answer, said):
    verdict = examine(RESIDUAL, answer)
    assert verdict.status == RAISED
    assert said in verdict.came


def test_partners_that_lie_apart_are_counted_in_any_plan():
    def scattered(filters, parts):
        shares = RESIDUAL.reference(filters, parts)
        return shares | {"project": [*shares["conv2"][:-1], 0]}

    verdict = examine(RESIDUAL, scattered)
    assert verdict.status == WRONG
    assert "1 of 18 maps" in verdict.came and "64 values" in verdict.came
    assert "made in one part and added in another" in verdict.misconception


@pytest.mark.parametrize("size", [(18, 2), (19, 3), (26, 4)])
def test_par_is_about_what_the_engine_finds(size):
    plan = made(RESIDUAL.reference(*size), *size)
    assert volume(plan, 1).elements == dealt_values(*size) and sent_for_addition(plan) == 0
    found = partition(projected_block(size[0]), size[1], "coarse", imbalance=0.15)
    assert loads(found, flops(found.tasks)).max_over_avg <= 1.15 + 1e-9
    assert dealt_values(*size) == pytest.approx(volume(found, 1).elements, rel=0.003)
