"""Notebook 04: what the threads of a convolution load from global and from shared memory, by mapping."""

import numpy as np

from labkit.course.exercise import Case, Exercise, WrongSolution


def conv_loads(mapping, N, C, K, R, S, P, Q):
    """Values of inputs and weights that threads load from (global, shared) memory in FP; stride 1, no padding."""
    taps = N * K * P * Q * C * R * S
    if mapping == "data":
        return 2 * taps, 0
    filters = K * C * R * S * (N if mapping == "hybrid" else 1)
    return taps + filters, taps


def cases(rng: np.random.Generator) -> list[Case]:
    """The second convolution of LeNet-5, then drawn sizes that all differ, in each mapping."""
    sizes = [(32, 6, 16, 5, 5, 10, 10)]
    for _ in range(3):
        pool = [int(n) for n in rng.permutation(np.arange(2, 14))]
        sizes.append(tuple(pool[:7]))
    label = "{}: N {}, C {}, K {}, filters of {}x{}, maps of {}x{}"
    return [Case((m, *s), label.format(m, *s)) for s in sizes for m in ("data", "model", "hybrid")]


def _filters_once(mapping, N, C, K, R, S, P, Q):
    """Hybrid as if it were model."""
    return conv_loads("model" if mapping == "hybrid" else mapping, N, C, K, R, S, P, Q)


def _data_caches(mapping, N, C, K, R, S, P, Q):
    """In data each weight is loaded once per sample."""
    if mapping == "data":
        return N * K * P * Q * C * R * S + N * K * C * R * S, 0
    return conv_loads(mapping, N, C, K, R, S, P, Q)


def _reads_vanish(mapping, N, C, K, R, S, P, Q):
    """Loads of shared memory left out."""
    return conv_loads(mapping, N, C, K, R, S, P, Q)[0], 0


def _inputs_shared(mapping, N, C, K, R, S, P, Q):
    """Inputs as if they lay in shared memory too."""
    far, near = conv_loads(mapping, N, C, K, R, S, P, Q)
    return (far, near) if mapping == "data" else (far - near + N * C * (P + R - 1) * (Q + S - 1), 2 * near)


def _one_position(mapping, N, C, K, R, S, P, Q):
    """Each weight used at one position only."""
    return conv_loads(mapping, N, C, K, R, S, 1, 1)


def _weights_only(mapping, N, C, K, R, S, P, Q):
    """Inputs left out."""
    far, near = conv_loads(mapping, N, C, K, R, S, P, Q)
    return far - N * K * P * Q * C * R * S, near


EXERCISE = Exercise(
    id="conv-loads",
    title="Loads of a convolution in three mappings",
    prompt=(
        "Write `conv_loads(mapping, N, C, K, R, S, P, Q) -> (from_global, from_shared)`: how many values the threads "
        "load in FP of a convolution, inputs and weights together (biases left out; stride 1, no padding, one group).\n"
        "mapping is 'data', 'model' or 'hybrid', as in notebook 03: in data both factors of every product come from "
        "global memory; in the others the weight comes from shared memory, after the block has copied its filter from "
        "global memory once. A copy is a load from global memory; storing it is none."
    ),
    reference=conv_loads,
    cases=cases,
    parts=("from_global", "from_shared"),
    wrong=(
        WrongSolution(
            "hybrid copies as rarely as model",
            _filters_once,
            "In hybrid there is a block for each sample and channel, and each copies its filter: N times as often as "
            "in model.",
            "How many blocks have filter k in hybrid?",
        ),
        WrongSolution(
            "data reads each weight once per sample",
            _data_caches,
            "In data nothing is copied: every product loads its weight anew, at each of the P Q positions.",
            "Count one load of a weight for each product. (A cache may answer it; it is a load all the same.)",
        ),
        WrongSolution(
            "loads from shared memory left out",
            _reads_vanish,
            "The weights of the products are loaded from shared memory in model and hybrid. These loads do not vanish, "
            "they move.",
            "One load from shared memory for each product.",
        ),
        WrongSolution(
            "inputs from shared memory",
            _inputs_shared,
            "Only the filter is in shared memory. Inputs come from global memory in all three.",
            "One load of an input from global memory for each product.",
        ),
        WrongSolution(
            "one position",
            _one_position,
            "You count one output for each map. It has P Q of them.",
            "Products: N K P Q outputs, C R S each.",
        ),
        WrongSolution(
            "inputs left out",
            _weights_only,
            "The inputs are missing from the loads of global memory.",
            "Every product loads an input as well.",
        ),
    ),
    hints=(
        "Count the products first: N K P Q outputs, C R S products each.",
        "Each product loads an input, from global memory, and a weight, from global or from shared memory.",
        "Copies: one filter of C R S values for each block; model has K blocks, hybrid N K.",
    ),
    next_step="For N = K = C = 1, a filter of 1x1 and maps of 2x2: data (8, 0), model and hybrid (5, 4).",
)
