"""Notebook 12: a plan for a residual block that has to bring the partners of its addition together."""

from collections.abc import Callable

import numpy as np

from labkit.course.compare import Told
from labkit.course.exercise import Case, Exercise, Par, WrongSolution, is_stub_value
from labkit.course.residual import BALANCED, LIMIT, TOGETHER, dealt_values, judged, made
from labkit.partition.volume import volume

SIZES = ((18, 2), (19, 3), (23, 3), (26, 4), (21, 2), (27, 4))  # filters K, parts


def residual_plan(filters, parts):
    """Equal shares of neighbouring filters of all three convolutions; light layers whole, where there is least."""
    share = [k * parts // filters for k in range(filters)]
    return {"stem": parts - 1, "project": share, "conv1": share, "conv2": share, "fc": 0}


def run(answer: Callable, args: tuple) -> tuple:
    """What is said of the plan that a learner's function returns."""
    owners = answer(*args)
    return owners if is_stub_value(owners) else judged(made(owners, *args))


def expected(filters: int, parts: int) -> tuple:
    """What a right answer leads to."""
    loads = Told(BALANCED, f"at most {LIMIT:g} times the average in every part")
    return loads, Told(TOGETHER, "nothing is sent for the addition"), 0


def excess(answer: Callable, args: tuple) -> float:
    """Per cent by which a plan sends more than one that deals all convolutions alike."""
    return max(0.0, 100 * (volume(made(answer(*args), *args), 1).elements / dealt_values(*args) - 1))


def cases(rng: np.random.Generator) -> list[Case]:
    """No number of filters is a multiple of the parts, but for the first."""
    return [_case(*size) for size in SIZES]


def _case(filters: int, parts: int) -> Case:
    return Case((filters, parts), f"a block of {filters} filters in {parts} parts")


def _like(filters, parts, **others):
    return residual_plan(filters, parts) | others


def _shares(filters, parts):
    return residual_plan(filters, parts)["conv2"]


def _rest_to_the_last(filters, parts):
    share = [min(k // (filters // parts), parts - 1) for k in range(filters)]
    return _like(filters, parts, project=share, conv1=share, conv2=share)


def _layer_by_layer(filters, parts):
    return {"stem": 0, "project": 0, "conv1": 0, "conv2": parts - 1, "fc": parts - 1}


EXERCISE = Exercise(
    id="residual-plan",
    title="A plan for a residual block",
    prompt=(
        "Write `residual_plan(filters, parts)`: a dict with the owners of 'stem', 'project', 'conv1', 'conv2' and 'fc' "
        "in the block above with `filters` filters, as `plan_by_hand` takes them: for each layer one part for all of "
        "it, a list with the part of each filter, or a dict from part to filters. stem has 3 filters, fc has 10.\n"
        "No load may be above 1.15 times the average (multiply-accumulates), and nothing may be sent for the addition. "
        "Par is the volume of the whole plan."
    ),
    reference=residual_plan,
    cases=cases,
    run=run,
    oracle=expected,
    parts=("the loads", "the addition", "values sent for it"),
    par=Par(
        what="volume above that of a plan which divides conv1, conv2 and project alike, and nothing else",
        unit="%",
        cost=excess,
        bound=lambda args: 5.0,
        case=lambda rng: _case(26, 4),
        why="conv2 is in every part, so its input has to go there, and that of the shortcut; no more than that",
        slack=1.0,
        advice="Nothing is sent for the addition, but something else is sent needlessly: look at the volume tensor by "
        "tensor. Which light layer did you divide?",
    ),
    wrong=(
        WrongSolution(
            "the shortcut whole in the first part",
            lambda filters, parts: _like(filters, parts, project=0),
            "The shortcut is light, so you left it in one part. Its maps are not light: all those that are added in "
            "other parts have to go there.",
            "Its input has 3 maps, its output `filters`. Which of the two should travel?",
        ),
        WrongSolution(
            "the shortcut where the stem is",
            lambda filters, parts: _like(filters, parts, project=parts - 1),
            "You left the shortcut where its input is made. It makes many maps from 3, and all those that are added in "
            "other parts have to go there.",
            "Send the 3 maps, and make the others where they are added.",
        ),
        WrongSolution(
            "dealt in turn here, in blocks there",
            lambda filters, parts: _like(filters, parts, project=[k % parts for k in range(filters)]),
            "You deal the filters of the shortcut in turn, and those of conv2 in blocks. Loads are the same; partners "
            "are not.",
            "Filter k of project and filter k of conv2 need the same owner, for every k.",
        ),
        WrongSolution(
            "shares in the opposite order",
            lambda filters, parts: _like(filters, parts, project=_shares(filters, parts)[::-1]),
            "Equal shares, but of other filters: the first part has the first filters of conv2 and the last ones of "
            "the shortcut.",
            "Filter k of project and filter k of conv2 need the same owner, for every k.",
        ),
        WrongSolution(
            "shares moved on by a part",
            lambda filters, parts: _like(
                filters, parts, project=[(part + 1) % parts for part in _shares(filters, parts)]
            ),
            "The shortcut's shares are moved on by one part against those of conv2. That balances, and no map is where "
            "it is added.",
            "Filter k of project and filter k of conv2 need the same owner, for every k.",
        ),
        WrongSolution(
            "layer by layer",
            _layer_by_layer,
            "You gave whole layers away. More than four fifths of the work is in conv2 alone, so that cannot balance.",
            "Divide conv2 among all parts.",
        ),
        WrongSolution(
            "everything in one part",
            lambda filters, parts: dict.fromkeys(("stem", "project", "conv1", "conv2", "fc"), 0),
            "Everything is in one part: nothing is sent, and nobody else has anything to do. A cut without a limit on "
            "the loads is no problem worth solving.",
            "Give each part its share of conv2 first.",
        ),
        WrongSolution(
            "only conv2 divided",
            lambda filters, parts: _like(filters, parts, stem=0, project=0, conv1=0),
            "You divided conv2 evenly, and the first part has the rest on top: a tenth of the work or more.",
            "Divide conv1 as well, or give the part that has it fewer filters of conv2.",
        ),
        WrongSolution(
            "the rest to the last part",
            _rest_to_the_last,
            "Each part has filters // parts filters, and the last one all that remain: of 23 filters in 3 parts 7, 7 "
            "and 9.",
            "Spread the remainder: k * parts // filters is the part of filter k.",
        ),
    ),
    hints=(
        "Take the heavy layers first: which of them is too heavy for any single part?",
        "Deal conv1 and conv2 in equal shares; k * parts // filters is a part for each filter k.",
        "Map k of project is added to map k of conv2, by the owner of filter k of conv2. So the two lists have to be "
        "equal.",
    ),
    next_step="Build the plan: plan = plan_by_hand(projected_block(18), residual_plan(18, 2)); print it, and look at "
    "loads(plan, flops(plan.tasks)).work and at the rows of volume(plan, 1).",
)
