"""Notebook 02: memory of training and of inference, from a network's rows."""

import numpy as np

from labkit.course.exercise import Case, Exercise, WrongSolution

LENET = [
    ("conv1", 1024, 4704, 156),
    ("pool1", 4704, 1176, 0),
    ("conv2", 1176, 1600, 2416),
    ("pool2", 1600, 400, 0),
    ("conv3", 400, 120, 48120),
    ("fc1", 120, 84, 10164),
    ("fc2", 84, 10, 850),
]


def memory(rows, batch, slots):
    """Bytes for (training, inference) of a chain of layers; a row is (name, inputs, outputs, parameters)."""
    parameters = sum(row[3] for row in rows)
    pair = max(inputs + outputs for _, inputs, outputs, _ in rows)
    kept = rows[0][1] + sum(row[2] for row in rows)
    inference = parameters + batch * pair
    training = (2 + slots) * parameters + batch * (kept + pair)
    return 4 * training, 4 * inference


def cases(rng: np.random.Generator) -> list[Case]:
    """LeNet-5, then chains whose largest pair stands at the start, in the middle or at the end."""
    made = [Case((LENET, 32, 1), "LeNet-5, batch 32, one slot")]
    for length, slots in ((1, 0), (3, 2), (4, 0), (6, 1), (5, 2)):
        sizes = [int(n) for n in rng.integers(3, 5000, size=length + 1)]
        weights = [int(n) for n in rng.integers(0, 20000, size=length)]
        rows = [(f"layer{i + 1}", sizes[i], sizes[i + 1], weights[i]) for i in range(length)]
        batch = int(rng.integers(2, 200))
        made.append(Case((rows, batch, slots), f"a chain of {length}, batch {batch}, slots {slots}"))
    return made


def _counted(rows, batch, slots, *, weights=2, kept=None, pair=None, held=1, size=4):
    """The count with one term replaced: copies of the weights, activations kept, largest pair, pairs held in BP."""
    parameters = sum(row[3] for row in rows)
    largest = max(row[1] + row[2] for row in rows) if pair is None else pair(rows)
    all_kept = rows[0][1] + sum(row[2] for row in rows) if kept is None else kept(rows)
    training = (weights + slots) * parameters + batch * (all_kept + held * largest)
    return size * training, size * (parameters + batch * largest)


def _elements(rows, batch, slots):
    return _counted(rows, batch, slots, size=1)


def _no_gradients(rows, batch, slots):
    return _counted(rows, batch, slots, weights=1)


def _no_slots(rows, batch, slots):
    return _counted(rows, batch, 0)


def _no_activation_gradients(rows, batch, slots):
    return _counted(rows, batch, slots, held=0)


def _no_images(rows, batch, slots):
    return _counted(rows, batch, slots, kept=lambda rows: sum(row[2] for row in rows))


def _shared_maps_twice(rows, batch, slots):
    return _counted(rows, batch, slots, kept=lambda rows: sum(row[1] + row[2] for row in rows))


def _nothing_forgotten(rows, batch, slots):
    training, _ = memory(rows, batch, slots)
    kept = rows[0][1] + sum(row[2] for row in rows)
    return training, 4 * (sum(row[3] for row in rows) + batch * kept)


def _weights_times_batch(rows, batch, slots):
    training, inference = (each * batch for each in memory(rows, 1, slots))
    return training, inference


def _one_map(rows, batch, slots):
    return _counted(rows, batch, slots, pair=lambda rows: max(row[2] for row in rows))


EXERCISE = Exercise(
    id="training-memory",
    title="Memory of training and of inference",
    prompt=(
        "Write `memory(rows, batch, slots) -> (training, inference)`, both in bytes of float32. A row is (name, "
        "inputs, outputs, parameters): values that a layer reads and writes for one sample, and its parameters. Each "
        "layer reads what the one before wrote.\n"
        "Inference holds the parameters and, for the whole batch, input and output of one layer at a time: take the "
        "largest pair.\n"
        "Training holds the parameters, a gradient for each of them, `slots` values more for each (the optimiser's), "
        "every activation of the batch (the images too, each map once), and the gradients of one layer's output and "
        "input at a time: the largest pair again."
    ),
    reference=memory,
    cases=cases,
    parts=("training", "inference"),
    wrong=(
        WrongSolution(
            "values, not bytes",
            _elements,
            "You counted values. Bytes were asked for, and a float32 takes four.",
            "Multiply at the end.",
        ),
        WrongSolution(
            "no gradients of the weights",
            _no_gradients,
            "Training holds a gradient for every parameter; your count has the parameters alone.",
            "Count 2 + slots values for each parameter.",
        ),
        WrongSolution(
            "optimiser forgotten",
            _no_slots,
            "What the optimiser remembers is missing: momentum needs one value more for each parameter, Adam two.",
            "Use `slots`.",
        ),
        WrongSolution(
            "no gradients of the activations",
            _no_activation_gradients,
            "BP holds the gradient of a layer's output while it computes that of its input; both are missing.",
            "Add the largest pair to the training count.",
        ),
        WrongSolution(
            "images forgotten",
            _no_images,
            "The images are missing: the first layer needs its input for the gradients of its weights.",
            "Add the inputs of the first row.",
        ),
        WrongSolution(
            "each map counted twice",
            _shared_maps_twice,
            "You added inputs and outputs of all rows, but the output of one layer is the input of the next: one "
            "array.",
            "Count the first input, then outputs only.",
        ),
        WrongSolution(
            "inference keeps everything",
            _nothing_forgotten,
            "Your inference keeps all activations. Without BP nobody needs them: two neighbours at a time are enough.",
            "Which pair of input and output is the largest?",
        ),
        WrongSolution(
            "weights for every sample",
            _weights_times_batch,
            "You multiplied the parameters by the batch. All samples share them; only activations are there per "
            "sample.",
            "Multiply only what belongs to a sample.",
        ),
        WrongSolution(
            "outputs alone",
            _one_map,
            "You took the largest output alone. While a layer works, its input is there as well.",
            "Take the largest sum of inputs and outputs of one row.",
        ),
    ),
    hints=(
        "Make three sums first: all parameters; the largest inputs + outputs of one row; all maps, each once.",
        "Everything that belongs to a sample is multiplied by the batch; everything that belongs to a weight is not.",
        "training = (2 + slots) x parameters + batch x (maps + pair); inference = parameters + batch x pair; then "
        "bytes.",
    ),
    next_step="Work out one layer by hand: ('fc', 3, 2, 8), batch 1, no slots: training 104 bytes, inference 52.",
)
