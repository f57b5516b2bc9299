"""Notebook 11: the pins of a map's net, in either grain, and where an addition reads the map as well."""

import numpy as np

from labkit.course.exercise import Case, Exercise, WrongSolution

NOBODY = -1


def net_pins(layer, c, makes, works, readers):
    """Vertices in the net of map c of `layer`: the one that makes the map, and all that read it."""
    pins = {makes[layer][c]}
    for reader, how in readers[layer]:
        if how == "conv":
            pins |= {row[c] for row in works[reader] if row[c] != -1}
        else:
            pins.add(makes[reader][c])
    return pins


CHAIN = {"input": 3, "conv1": 5, "conv2": 4, "conv3": 7}
BLOCK = {"stem": 4, "conv1": 6, "conv2": 4, "head": 5}
IN_A_CHAIN = {"conv1": "input", "conv2": "conv1", "conv3": "conv2"}
IN_A_BLOCK = {"conv1": "stem", "conv2": "conv1", "head": "conv2"}
AFTER = {
    "input": [("conv1", "conv")],
    "conv1": [("conv2", "conv")],
    "conv2": [("conv3", "conv")],
    "conv3": [],
    "stem": [("conv1", "conv"), ("conv2", "add")],
}
# Two convolutions and an addition, which is named first.
BRANCHES = {"conv1": "stem", "conv2": "conv1", "head": "stem"}
BRANCHED = {"stem": [("conv2", "add"), ("conv1", "conv"), ("head", "conv")]}


def numbered(sizes: dict[str, int], sources: dict[str, str], grain: str, gaps: float, rng: np.random.Generator):
    """(makes, works) of layers with `sizes` filters, the first being the input, with vertices numbered at random.

    sources: layer -> the layer whose maps its filters read. gaps: how likely it is that a filter leaves a channel out.
    """
    numbers = iter(rng.permutation(1000).tolist())
    makes = {name: [next(numbers) for _ in range(count)] for name, count in sizes.items()}
    works = {}
    for name, source in sources.items():
        reads = rng.random((sizes[name], sizes[source])) >= gaps
        reads[:, 0] = True
        rows = [[vertex] * sizes[source] for vertex in makes[name]]
        if grain == "fine":
            rows = [[next(numbers) for _ in row] for row in rows]
        works[name] = np.where(reads, rows, NOBODY).tolist()
    return makes, works


def cases(rng: np.random.Generator) -> list[Case]:
    """Chains and residual blocks in both grains; filters that leave channels out; the last map of a wide layer."""
    rows = [
        (CHAIN, IN_A_CHAIN, AFTER, "coarse", 0.0, "conv1", 2, "a chain"),
        (CHAIN, IN_A_CHAIN, AFTER, "coarse", 0.0, "input", 1, "the input of a chain"),
        (CHAIN, IN_A_CHAIN, AFTER, "fine", 0.0, "conv1", 3, "a chain"),
        (CHAIN, IN_A_CHAIN, AFTER, "fine", 0.5, "conv2", 3, "filters that leave channels out"),
        (CHAIN, IN_A_CHAIN, AFTER, "coarse", 0.5, "conv2", 2, "filters that leave channels out"),
        (BLOCK, IN_A_BLOCK, AFTER, "coarse", 0.0, "stem", 3, "a residual block"),
        (BLOCK, IN_A_BLOCK, AFTER, "fine", 0.0, "stem", 2, "a residual block"),
        (BLOCK, BRANCHES, BRANCHED, "fine", 0.0, "stem", 1, "two branches and an addition"),
        (BLOCK, BRANCHES, BRANCHED, "coarse", 0.3, "stem", 0, "two branches and an addition"),
        (CHAIN, IN_A_CHAIN, AFTER, "coarse", 0.0, "conv3", 5, "maps that nobody reads"),
        ({"input": 9, "conv1": 2}, {"conv1": "input"}, AFTER, "fine", 0.0, "input", 8, "two filters of nine channels"),
    ]
    made = []
    for sizes, sources, readers, grain, gaps, layer, c, label in rows:
        args = (layer, c, *numbered(sizes, sources, grain, gaps, rng), readers)
        late = len(sizes) == 2  # where filters and channels are confused this one raises, which says less
        made.append(Case(args, f"map {c} of {layer!r} ({label}, {grain} grain)", late))
    return made


def _no_maker(layer, c, makes, works, readers):
    return net_pins(layer, c, makes, works, readers) - {makes[layer][c]}


def _whole_layer(layer, c, makes, works, readers):
    return net_pins(layer, c, makes, works, readers) | set(makes[layer])


def _one_filter(layer, c, makes, works, readers):
    pins = {makes[layer][c]}
    for reader, how in readers[layer]:
        pins |= set(works[reader][c]) - {NOBODY} if how == "conv" else {makes[reader][c]}
    return pins


def _sums(layer, c, makes, works, readers):
    pins = {makes[layer][c]}
    for reader, how in readers[layer]:
        reading = [m for m, row in zip(makes[reader], works[reader], strict=True) if row[c] != NOBODY]
        pins |= set(reading) if how == "conv" else {makes[reader][c]}
    return pins


def _sums_too(layer, c, makes, works, readers):
    return net_pins(layer, c, makes, works, readers) | _sums(layer, c, makes, works, readers)


def _all_channels(layer, c, makes, works, readers):
    pins = {makes[layer][c]}
    for reader, how in readers[layer]:
        pins |= {v for row in works[reader] for v in row if v != NOBODY} if how == "conv" else {makes[reader][c]}
    return pins


def _nobody_kept(layer, c, makes, works, readers):
    pins = net_pins(layer, c, makes, works, readers)
    absent = any(how == "conv" and any(row[c] == NOBODY for row in works[name]) for name, how in readers[layer])
    return pins | ({NOBODY} if absent else set())


def _addition_reads_all(layer, c, makes, works, readers):
    pins = net_pins(layer, c, makes, works, readers)
    return pins.union(*(makes[name] for name, how in readers[layer] if how == "add"))


def _no_addition(layer, c, makes, works, readers):
    convolutions = [(name, how) for name, how in readers[layer] if how == "conv"]
    return net_pins(layer, c, makes, works, {layer: convolutions})


def _first_reader(layer, c, makes, works, readers):
    return net_pins(layer, c, makes, works, {layer: readers[layer][:1]})


def _how_ignored(layer, c, makes, works, readers):
    return net_pins(layer, c, makes, works, {layer: [(name, "conv") for name, _ in readers[layer]]})


def _overwritten(layer, c, makes, works, readers):
    pins = {makes[layer][c]}
    for reader, how in readers[layer]:
        pins = {row[c] for row in works[reader]} - {NOBODY} if how == "conv" else pins | {makes[reader][c]}
    return pins


EXERCISE = Exercise(
    id="net-pins",
    title="The pins of a map's net",
    prompt=(
        "Write `net_pins(layer, c, makes, works, readers)`: the set of the vertices that are pins of the net of map c "
        "of `layer`.\n"
        "`makes[name][k]` is the vertex that makes map k of layer `name`. `works[name][k][c]` is the vertex that "
        "computes channel c of filter k: in the coarse grain the filter's own, whatever c is; in the fine grain one "
        "for each pair; -1 where the filter does not read the channel (as in a grouped convolution). `readers[layer]` "
        "lists who reads the maps of `layer`, as (name, how): with 'conv' the filters of `name` do; with 'add' its "
        "maps have those of `layer` added, map by map, by whoever makes them."
    ),
    reference=net_pins,
    cases=cases,
    wrong=(
        WrongSolution(
            "maker left out",
            _no_maker,
            "Whoever makes the map is missing. The net says where the map is needed *and* where it comes from: without "
            "its maker a map that is read in one other part would look as if it stayed at home.",
            "Begin with the vertex that makes the map.",
        ),
        WrongSolution(
            "one net for the whole layer",
            _whole_layer,
            "All makers of the layer are in your net. Every map travels on its own, so every map has a net of its own, "
            "with one maker.",
            "Which of the vertices in makes[layer] makes map c?",
        ),
        WrongSolution(
            "channels of one filter",
            _one_filter,
            "You took all channels of filter c. Map c is read by *channel* c of every filter.",
            "In works[name][k][c] the filter comes first: let k run, and keep c.",
        ),
        WrongSolution(
            "sums in place of channels",
            _sums,
            "In the fine grain the vertices that read a map are channels; a filter's sum reads what its channels made. "
            "(In the coarse grain both are the same vertex, so there you are right.)",
            "Take the readers from works, not from makes.",
        ),
        WrongSolution(
            "sums beside channels",
            _sums_too,
            "The sums of the reading filters do not need the map itself: they are held to their channels by another "
            "net.",
            "Leave the readers' sums out.",
        ),
        WrongSolution(
            "every channel of every filter",
            _all_channels,
            "Only channel c of a filter reads map c; the other channels read other maps.",
            "One vertex for each filter: works[name][k][c].",
        ),
        WrongSolution(
            "nobody is a pin",
            _nobody_kept,
            "There is a -1 among your pins. It is no vertex: that filter does not read the map.",
            "Leave filters out whose works[name][k][c] is -1.",
        ),
        WrongSolution(
            "an addition reads like a convolution",
            _addition_reads_all,
            "You let every map of the sum read map c. An addition works map by map: only the maker of map c of the "
            "sum reads map c.",
            "With 'add' there is one more pin: makes[name][c].",
        ),
        WrongSolution(
            "how ignored",
            _how_ignored,
            "You treat every reader as a convolution. A layer with 'add' does not read this map with its filters: "
            "whoever makes its map c adds map c to it.",
            "Ask what `how` is; with 'add' there is one more pin, makes[name][c].",
        ),
        WrongSolution(
            "pins overwritten",
            _overwritten,
            "A convolution replaces the pins that were there before it, the maker among them.",
            "Add to the set: pins |= {...} or pins.add(...), not pins = {...}.",
        ),
        WrongSolution(
            "addition forgotten",
            _no_addition,
            "The addition is missing. A map that jumps over a block is needed by whoever adds it at the block's end.",
            "Look at every entry of readers[layer], those with 'add' too.",
        ),
        WrongSolution(
            "first reader only",
            _first_reader,
            "You looked at the first entry of readers[layer] only. A map is sent to everybody who needs it, and in "
            "residual networks these are several layers.",
            "Go through all of readers[layer]; it may also be empty.",
        ),
    ),
    hints=(
        "A set with one vertex in it: {makes[layer][c]}. Then go through readers[layer].",
        "A convolution: works[name] has one row for each filter; from each row the entry c, unless it is -1.",
        "An addition: one more vertex, the maker of map c of that layer.",
    ),
    next_step="Draw two maps and three filters that read them in the fine grain: 6 channels, 3 sums. Mark one net.",
)
