"""Notebook 02: the batch at which a layer's activations weigh as much as its weights."""

import math

import numpy as np

from labkit.course.exercise import Case, Exercise, WrongSolution


def break_even(parameters, activations):
    """Smallest batch (at least one sample) at which a layer's activations take at least the bytes of its weights."""
    return max(1, -(-parameters // activations))


def cases(rng: np.random.Generator) -> list[Case]:
    """A dense layer, a convolution, a tie, a layer without weights; then ragged sizes on both sides of 1.

    The dense layer is fc7 of AlexNet: the notebook asks for fc6 afterwards.
    """
    sizes = [(16781312, 4096), (34944, 290400), (4096, 512), (0, 1176), (61706, 1790)]
    for _ in range(4):
        activations = int(rng.integers(7, 400))
        sizes.append((activations * int(rng.integers(2, 90)) + int(rng.integers(1, activations)), activations))
    return [Case(s, f"{s[0]:,} parameters and {s[1]:,} activations of one sample") for s in sizes]


EXERCISE = Exercise(
    id="break-even-batch",
    title="The break-even batch of a layer",
    prompt=(
        "Write `break_even(parameters, activations)`: the smallest batch at which the layer's activations take at "
        "least as many bytes as its weights. `activations` are the values of one sample; both are float32; a batch "
        "has at least one sample. Below this batch, exchanging activations (model parallelism) moves fewer bytes; "
        "above it, exchanging weights (data parallelism) does."
    ),
    reference=break_even,
    cases=cases,
    wrong=(
        WrongSolution(
            "rounded down",
            lambda parameters, activations: max(1, parameters // activations),
            "You round down: at that batch the activations are still the smaller of the two.",
            "Multiply your batch by the activations of one sample and compare.",
        ),
        WrongSolution(
            "rounded to the nearest",
            lambda parameters, activations: max(1, round(parameters / activations)),
            "You round to the nearest batch, which is below break-even half of the time.",
            "There are no parts of samples: which whole number is the first to reach it?",
        ),
        WrongSolution(
            "one too many",
            lambda parameters, activations: parameters // activations + 1,
            "One sample too many where the division comes out even: 'at least as many' includes equality.",
            "Try 12 parameters and 4 activations: 3 samples are enough.",
        ),
        WrongSolution(
            "not a number of samples",
            lambda parameters, activations: parameters / activations,
            "That is the ratio. A batch is a whole number of samples, and at least one.",
            "Round up.",
        ),
        WrongSolution(
            "upside down",
            lambda parameters, activations: max(1, math.ceil(activations / parameters)) if parameters else 1,
            "The ratio is upside down: the activations are what is multiplied by the batch.",
            "Write the condition down: batch x activations >= parameters.",
        ),
        WrongSolution(
            "bytes on one side",
            lambda parameters, activations: max(1, -(-4 * parameters // activations)),
            "Bytes on one side and values on the other: both are float32, so the 4 cancels.",
            "Write both sides in bytes.",
        ),
        WrongSolution(
            "no sample at all",
            lambda parameters, activations: -(-parameters // activations),
            "A layer without weights breaks even at a batch of 0 in your count, and there is no such batch.",
            "A batch has at least one sample.",
        ),
    ),
    hints=(
        "Write it as a condition: batch x activations >= parameters.",
        "Divide, and round up: the batch is a whole number. What of a layer that has no weights?",
    ),
    next_step="Try 10 parameters and 4 activations on paper: 2 samples have 8 values, so it takes 3.",
)
