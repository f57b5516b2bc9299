"""Notebook 02: parameters and multiply-accumulates of a grouped convolution."""

import numpy as np

from labkit.course.exercise import Case, Exercise, WrongSolution


def grouped_conv(C, H, W, K, R, S, groups, stride, padding):
    """Parameters (with biases) and multiply-accumulates for one sample of a grouped convolution."""
    P = (H + 2 * padding - R) // stride + 1
    Q = (W + 2 * padding - S) // stride + 1
    read = C // groups * R * S
    return K * (read + 1), K * read * P * Q


def cases(rng: np.random.Generator) -> list[Case]:
    """AlexNet's second layer, then ragged ones: one group, some groups, one channel per group."""
    sizes = [(96, 27, 27, 256, 5, 5, 2, 1, 2), (6, 14, 17, 16, 5, 3, 1, 1, 0)]
    for groups in (2, 3, 4, 5, 6, 7):
        C, K = groups * int(rng.integers(1, 6)), groups * int(rng.integers(2, 7))
        R, S, H, W = (int(n) for n in rng.integers((1, 2, 9, 20), (6, 7, 19, 40)))
        sizes.append((C, H, W, K, R, S, groups, int(rng.integers(1, 4)), int(rng.integers(0, 3))))
    return [Case(size, _label(*size)) for size in sizes]


def _label(C, H, W, K, R, S, groups, stride, padding) -> str:
    return (
        f"{C} channels of {H}x{W}, {K} filters of {R}x{S} in {groups} group{'s' * (groups > 1)}, "
        f"stride {stride}, padding {padding}"
    )


def _ungrouped(C, H, W, K, R, S, groups, stride, padding):
    return grouped_conv(C, H, W, K, R, S, 1, stride, padding)


def _grouped_twice(C, H, W, K, R, S, groups, stride, padding):
    parameters, macs = grouped_conv(C, H, W, K // groups, R, S, groups, stride, padding)
    return parameters, macs


def _no_bias(C, H, W, K, R, S, groups, stride, padding):
    parameters, macs = grouped_conv(C, H, W, K, R, S, groups, stride, padding)
    return parameters - K, macs


def _bias_in_work(C, H, W, K, R, S, groups, stride, padding):
    P, Q = (H + 2 * padding - R) // stride + 1, (W + 2 * padding - S) // stride + 1
    parameters, macs = grouped_conv(C, H, W, K, R, S, groups, stride, padding)
    return parameters, macs + K * P * Q


def _input_positions(C, H, W, K, R, S, groups, stride, padding):
    parameters, _ = grouped_conv(C, H, W, K, R, S, groups, stride, padding)
    return parameters, (parameters - K) * H * W


def _flops(C, H, W, K, R, S, groups, stride, padding):
    parameters, macs = grouped_conv(C, H, W, K, R, S, groups, stride, padding)
    return parameters, 2 * macs


def _once(C, H, W, K, R, S, groups, stride, padding):
    parameters, _ = grouped_conv(C, H, W, K, R, S, groups, stride, padding)
    return parameters, parameters - K


EXERCISE = Exercise(
    id="grouped-conv-cost",
    title="What a grouped convolution costs",
    prompt=(
        "Write `grouped_conv(C, H, W, K, R, S, groups, stride, padding) -> (parameters, macs)`. The input has C "
        "channels of H x W; there are K filters of R x S with one bias each. Channels and filters are divided into "
        "`groups`, and a filter reads only the channels of its own group. macs are the multiply-accumulates of one "
        "sample's forward pass; adding the bias is not counted."
    ),
    reference=grouped_conv,
    cases=cases,
    parts=("parameters", "macs"),
    wrong=(
        WrongSolution(
            "groups ignored",
            _ungrouped,
            "Every filter reads all C channels in your count. In a grouped convolution it reads C / groups.",
            "Draw 4 channels, 4 filters and 2 groups, and a line for every channel that a filter reads.",
        ),
        WrongSolution(
            "groups counted twice",
            _grouped_twice,
            "You divided both channels and filters by the groups: that is one group. There are `groups` of them.",
            "All K filters exist; only what each of them reads becomes smaller.",
        ),
        WrongSolution(
            "no bias",
            _no_bias,
            "The biases are missing from the parameters: one for each filter.",
            "Add K.",
        ),
        WrongSolution(
            "bias counted as work",
            _bias_in_work,
            "Adding the bias is no multiply-accumulate here; papers that count it speak of connections.",
            "Count the products only. (LeNet-5's 340,908 connections are MAC plus additions of biases.)",
        ),
        WrongSolution(
            "input positions",
            _input_positions,
            "The filter does its work once per output position, and there are P x Q of them, not H x W.",
            "Use your function for the output's size.",
        ),
        WrongSolution(
            "operations, not MAC",
            _flops,
            "You counted multiplications and additions separately: that is FLOPs. One MAC is one of each.",
            "Halve it, and write down which of the two a paper means before you compare.",
        ),
        WrongSolution(
            "each weight used once",
            _once,
            "Each weight is used once in your count, as in a dense layer. A convolution uses it at every output "
            "position.",
            "Multiply by the number of output positions.",
        ),
    ),
    hints=(
        "Count what one filter reads: how many channels, how many values of each?",
        "One filter has (C / groups) x R x S weights and a bias, and gives one output map of P x Q.",
        "For one output value the filter uses each of its weights once.",
    ),
    next_step="Check AlexNet's second layer by hand: 96 channels in 2 groups, 256 filters of 5x5: 307,456 parameters.",
)
