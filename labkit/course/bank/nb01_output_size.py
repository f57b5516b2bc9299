"""Notebook 01: how large the output of a convolution is."""

import math

import numpy as np

from labkit.course.exercise import Case, Exercise, WrongSolution


def output_size(H: int, W: int, R: int, S: int, stride: int, padding: int) -> tuple[int, int]:
    """Output height and width of a convolution: the number of places where the filter fits."""
    P = (H + 2 * padding - R) // stride + 1
    Q = (W + 2 * padding - S) // stride + 1
    return P, Q


def cases(rng: np.random.Generator) -> list[Case]:
    """Known layers first, then ragged sizes whose last stride does not fit."""
    known = [(32, 32, 5, 5, 1, 0), (28, 31, 3, 5, 1, 2), (227, 224, 11, 11, 4, 0), (17, 24, 4, 3, 3, 1)]
    drawn = []
    while len(drawn) < 12:
        R, S, stride, padding = (int(rng.integers(low, high)) for low, high in ((1, 8), (1, 8), (1, 6), (0, 4)))
        H, W = R + int(rng.integers(0, 40)), S + int(rng.integers(0, 40))
        if H != W and (H + 2 * padding - R) % stride:
            drawn.append((H, W, R, S, stride, padding))
    return [Case(sizes, _label(*sizes)) for sizes in (*known, *drawn)]


def _label(H: int, W: int, R: int, S: int, stride: int, padding: int) -> str:
    return f"an input of {H}x{W}, a filter of {R}x{S}, stride {stride} and padding {padding}"


def _rounded_up(H, W, R, S, stride, padding):
    return math.ceil((H + 2 * padding - R) / stride) + 1, math.ceil((W + 2 * padding - S) / stride) + 1


def _padded_once(H, W, R, S, stride, padding):
    return (H + padding - R) // stride + 1, (W + padding - S) // stride + 1


def _no_first(H, W, R, S, stride, padding):
    return (H + 2 * padding - R) // stride, (W + 2 * padding - S) // stride


def _swapped(H, W, R, S, stride, padding):
    return output_size(H, W, R, S, stride, padding)[::-1]


def _square(H, W, R, S, stride, padding):
    return (output_size(H, H, R, R, stride, padding)[0],) * 2


def _not_floored(H, W, R, S, stride, padding):
    return (H + 2 * padding - R) / stride + 1, (W + 2 * padding - S) / stride + 1


def _every_position(H, W, R, S, stride, padding):
    return H - R + 1, W - S + 1


def _stride_of_all(H, W, R, S, stride, padding):
    return (H + 2 * padding - R + 1) // stride, (W + 2 * padding - S + 1) // stride


EXERCISE = Exercise(
    id="conv-output-size",
    title="Size of a convolution's output",
    prompt=(
        "Write `output_size(H, W, R, S, stride, padding) -> (P, Q)`: the height and width of what a filter of R rows "
        "and S columns gives on an input of H rows and W columns, when `padding` zeros are added on every side and "
        "the filter moves by `stride`. Integers, please."
    ),
    reference=output_size,
    cases=cases,
    parts=("P", "Q"),
    wrong=(
        WrongSolution(
            "rounded up",
            _rounded_up,
            "You round up: the last position, where the filter hangs over the edge, is counted as if it fitted.",
            "Draw 6 columns, a filter of 3 and stride 2: where would the third position read?",
        ),
        WrongSolution(
            "padding on one side",
            _padded_once,
            "The padding is added once, but zeros stand on both sides of every row and column.",
            "Count the columns of a row after padding: left zeros, the input, right zeros.",
        ),
        WrongSolution(
            "first position forgotten",
            _no_first,
            "You count the moves of the filter; the position before the first move is an output too.",
            "Try a filter as large as the input: how many outputs are there?",
        ),
        WrongSolution(
            "height and width swapped",
            _swapped,
            "Height and width have changed places: (P, Q) is (height, width), as in H before W.",
            "Check which of R and S belongs to the rows.",
        ),
        WrongSolution(
            "square only",
            _square,
            "Width is computed from the height: right for square inputs and filters only.",
            "Use W and S for the second value.",
        ),
        WrongSolution(
            "not floored",
            _not_floored,
            "A size came out that is no integer: positions that do not fit whole have to be dropped.",
            "Which division in Python drops the remainder?",
        ),
        WrongSolution(
            "stride and padding forgotten",
            _every_position,
            "Stride and padding do not occur in your count: it is right for stride 1 without padding.",
            "Which of the two makes the row longer, and which lets the filter skip positions?",
        ),
        WrongSolution(
            "one added before the division",
            _stride_of_all,
            "The 1 is added before dividing by the stride; that is right for stride 1 only.",
            "Divide the room for moves by the stride first, then add the position it started from.",
        ),
    ),
    hints=(
        "Put the filter at the far left. How many columns are still free to its right? That is its room for moves.",
        "With padding the row has W + 2 * padding columns, and the filter covers S of them.",
        "Moves = room // stride (a move that does not fit whole does not happen); outputs = moves + 1.",
    ),
    next_step="Try it on paper with one row of 7 columns, a filter of 3, stride 2 and padding 1 (the answer is 4).",
)
