"""Notebook 00: bytes of a convolution's weights, the exercise that shows how checks answer."""

import numpy as np

from labkit.course.exercise import Case, Exercise, WrongSolution


def weight_bytes(K: int, C: int, R: int, S: int) -> int:
    """Four bytes for each weight and each bias."""
    return 4 * (K * C * R * S + K)


def cases(rng: np.random.Generator) -> list[Case]:
    """The first layer of LeNet-5, then ragged sizes in which no two numbers are equal."""
    drawn = []
    while len(drawn) < 8:
        sizes = tuple(int(n) for n in rng.integers(2, 60, size=4))
        if len(set(sizes)) == 4:
            drawn.append(sizes)
    return [Case(s, _label(*s)) for s in ((6, 1, 5, 5), *drawn)]


def _label(K: int, C: int, R: int, S: int) -> str:
    return f"{K} filters of {R}x{S} over {C} channel{'s' * (C > 1)}"


EXERCISE = Exercise(
    id="weight-bytes",
    title="Bytes of a convolution's weights",
    prompt=(
        "Write `weight_bytes(K, C, R, S)`: how many bytes a convolution takes in float32, biases included. It has "
        "K filters; each reads R x S values in every one of C channels and has one bias."
    ),
    reference=weight_bytes,
    cases=cases,
    wrong=(
        WrongSolution(
            "counted, not weighed",
            lambda K, C, R, S: K * C * R * S + K,
            "You counted the parameters. Bytes were asked for, and a float32 takes more than one.",
            "How many bits are in a float32, and how many in a byte?",
        ),
        WrongSolution(
            "bits",
            lambda K, C, R, S: 32 * (K * C * R * S + K),
            "You counted bits: a float32 has 32 bits, which is 4 bytes.",
            "Divide by the bits of a byte.",
        ),
        WrongSolution(
            "double precision",
            lambda K, C, R, S: 8 * (K * C * R * S + K),
            "That is float64, Python's and NumPy's default. Training uses float32, which is half as large.",
            "Use 4 bytes for each value.",
        ),
        WrongSolution(
            "no bias",
            lambda K, C, R, S: 4 * K * C * R * S,
            "The biases are missing: one for each filter.",
            "Add the biases before you multiply by the bytes of a value.",
        ),
        WrongSolution(
            "a bias for every channel",
            lambda K, C, R, S: 4 * K * C * (R * S + 1),
            "You gave every filter one bias for each channel; it has one, added after the channels are summed.",
            "How many numbers does one filter add to its output? One per output map.",
        ),
        WrongSolution(
            "channels forgotten",
            lambda K, C, R, S: 4 * (K * R * S + K),
            "A filter reads R x S values in one channel only in your count; it has that many weights for each channel.",
            "Multiply the weights of a filter by the number of channels.",
        ),
        WrongSolution(
            "one filter",
            lambda K, C, R, S: 4 * (C * R * S + 1),
            "That is one filter. The layer has K of them.",
            "Multiply by the number of filters.",
        ),
    ),
    hints=(
        "One filter is a block of C x R x S weights, with one bias.",
        "The layer has K such filters, and every number in them takes four bytes.",
    ),
    next_step="Work out one filter by hand for C=1, R=S=5, then six of them: LeNet-5's first layer takes 624 bytes.",
)
