"""Notebook 11: what a plan sends, counted from who owns which filter."""

import numpy as np

from labkit.course.exercise import Case, Exercise, WrongSolution


def plan_volume(owners, maps, batch):
    """Values that a plan sends in a forward pass of `batch` samples through a chain of layers."""
    total = 0
    for layer in range(len(owners) - 1):
        height, width, pool = maps[layer]
        elements = (height // pool) * (width // pool)
        readers = set(owners[layer + 1])
        total += sum(len(readers - {owner}) for owner in owners[layer]) * elements
    return total * batch


def cases(rng: np.random.Generator) -> list[Case]:
    """Layers in several parts, owners that read their own maps and owners that do not, maps that pooling cuts off."""
    plans = [
        ([[0, 0], [0, 0, 1], [1, 2]], "two layers and an input"),
        ([[0], [1, 1, 1, 1], [1, 1]], "many readers in one part"),
        ([[0, 0, 0], [0, 0], [0]], "everything in one part"),
        ([[2], [0, 1, 2, 2, 3, 0], [4, 4, 4]], "a layer that is spread over four parts"),
    ]
    for length in (3, 4, 5, 6):
        parts = int(rng.integers(3, 7))
        sizes = rng.integers(1, 9, size=length)
        plans.append(([rng.integers(0, parts, size=n).tolist() for n in sizes], f"{length} layers at random"))
    made = []
    for owners, label in plans:
        sizes = rng.integers((6, 10, 1), (10, 17, 4), size=(len(owners), 3)).tolist()
        sizes[0][2], sizes[1] = 1, [7, 12, 2]
        batch = int(rng.integers(2, 40))
        args = owners, [tuple(row) for row in sizes], batch
        made.append(Case(args, "{} (owners {}, maps {}, batch {})".format(label, *args)))
    return made


def _with(sent, elements=None):
    """The count with one term replaced: copies of a map from its owner and its readers, or the values of a map."""

    def count(owners, maps, batch):
        total = 0
        for layer in range(len(owners) - 1):
            height, width, pool = maps[layer]
            size = elements(height, width, pool) if elements else (height // pool) * (width // pool)
            total += sum(sent(owner, owners[layer + 1]) for owner in owners[layer]) * size
        return total * batch

    return count


def _copies(owner, readers):
    return len(set(readers) - {owner})


def _no_batch(owners, maps, batch):
    return plan_volume(owners, maps, 1)


def _bytes(owners, maps, batch):
    return 4 * plan_volume(owners, maps, batch)


def _all_parts(owners, maps, batch):
    parts = len({part for layer in owners for part in layer})
    return _with(lambda owner, readers: parts - 1)(owners, maps, batch)


def _size_of_the_reader(owners, maps, batch):
    return plan_volume(owners, maps[1:], batch)


def _there_and_back(owners, maps, batch):
    return 2 * plan_volume(owners, maps, batch)


def _not_the_last(owners, maps, batch):
    return plan_volume(owners[:-1], maps, batch)


def _not_the_input(owners, maps, batch):
    return plan_volume(owners[1:], maps[1:], batch)


def _first_only(owners, maps, batch):
    return plan_volume(owners[:2], maps, batch)


def _pairs_of_parts(owners, maps, batch):
    return plan_volume([sorted(set(row)) for row in owners], maps, batch)


EXERCISE = Exercise(
    id="plan-volume",
    title="The volume of a plan",
    prompt=(
        "Write `plan_volume(owners, maps, batch)`: how many values are sent in one forward pass of `batch` samples.\n"
        "`owners[l][k]` is the part that owns filter k of layer l and so makes its map (layer 0 is the input). Every "
        "filter of layer l + 1 reads every map of layer l; nobody reads the maps of the last layer. `maps[l]` is "
        "(height, width, pool): a map of layer l has height x width values for one sample, and its owner pools it "
        "in windows of pool x pool, without overlap, before it is sent; rows and columns that fill no window are "
        "dropped."
    ),
    reference=plan_volume,
    cases=cases,
    wrong=(
        WrongSolution(
            "edges counted",
            _with(lambda owner, readers: sum(part != owner for part in readers)),
            "You send a map once for every *filter* that reads it elsewhere. A part needs one copy, however many of "
            "its filters read it: you have counted the edges that are cut.",
            "Make a set of the parts that read the map.",
        ),
        WrongSolution(
            "connectivity times cost",
            _with(lambda owner, readers: len({owner, *readers})),
            "You count all parts that hold a pin, lambda. The part that owns the map has it already: lambda - 1 copies "
            "travel.",
            "What does your function give for a plan with everything in one part?",
        ),
        WrongSolution(
            "connectivity times cost of cut nets",
            _with(lambda owner, readers: len({owner, *readers}) if _copies(owner, readers) else 0),
            "You charge a map that is sent for every part that holds it (lambda), the owner's among them. Copies that "
            "travel are one fewer.",
            "A map that one other part reads is sent once.",
        ),
        WrongSolution(
            "the owner's own part counted",
            _with(lambda owner, readers: len(set(readers))),
            "You count every part that reads the map, the owner's own among them. Nothing has to be sent there.",
            "Take the owner's part out of the set of readers.",
        ),
        WrongSolution(
            "one too few where the owner does not read",
            _with(lambda owner, readers: len(set(readers)) - 1),
            "You take one off the parts that read the map. That is right only if the owner's part is one of them: a "
            "map that is read in one *other* part is sent.",
            "Take the owner's part out of the set, if it is in it.",
        ),
        WrongSolution(
            "a cut map counted once",
            _with(lambda owner, readers: min(1, _copies(owner, readers))),
            "You charge a map once if it is sent at all (the cut-net metric). Each of the other parts that read it "
            "gets a copy of its own.",
            "Count the parts, not the maps.",
        ),
        WrongSolution(
            "everybody gets everything",
            _all_parts,
            "You send every map to all parts. Only parts that own a filter of the next layer need it.",
            "Look at owners[l + 1].",
        ),
        WrongSolution(
            "batch forgotten",
            _no_batch,
            "That is the volume of one sample. Each sample of the batch has maps of its own.",
            "Multiply by the batch.",
        ),
        WrongSolution(
            "before pooling",
            _with(_copies, lambda height, width, pool: height * width),
            "You send the map as it was before pooling. The owner pools first, so that less travels.",
            "A map has (height // pool) x (width // pool) values when it is sent.",
        ),
        WrongSolution(
            "pooled in one direction",
            _with(_copies, lambda height, width, pool: height * width // pool),
            "Pooling makes a map smaller in both directions.",
            "Divide the height and the width.",
        ),
        WrongSolution(
            "windows that do not fit",
            _with(_copies, lambda height, width, pool: height * width // pool**2),
            "You divide the area. Rows and columns that fill no window are dropped, so height and width have to be "
            "rounded down each by itself.",
            "A map of 7 x 12 pooled by 2 has 3 x 6 values.",
        ),
        WrongSolution(
            "not rounded",
            _with(_copies, lambda height, width, pool: height / pool * (width / pool)),
            "You divide without rounding. Rows and columns that fill no window are dropped: nobody sends a part of a "
            "value.",
            "Use // for the height and for the width.",
        ),
        WrongSolution(
            "rounded up",
            _with(_copies, lambda height, width, pool: -(-height // pool) * -(-width // pool)),
            "You round up. Rows and columns that fill no window are dropped.",
            "A map of 7 x 12 pooled by 2 has 3 x 6 values.",
        ),
        WrongSolution(
            "pairs of parts",
            _pairs_of_parts,
            "You count a map for each part that makes some. A part that makes five maps has five to send.",
            "Go through all of owners[l], not through the set of its parts.",
        ),
        WrongSolution(
            "last link left out",
            _not_the_last,
            "The maps that the last layer reads are missing. With n layers there are n - 1 places where maps travel.",
            "range(len(owners) - 1)",
        ),
        WrongSolution(
            "input left out",
            _not_the_input,
            "The input is missing. Its maps have an owner as well, and have to be sent to whoever reads them.",
            "Begin with layer 0.",
        ),
        WrongSolution(
            "first layer only",
            _first_only,
            "Only the maps of layer 0 are counted: does your function return before the loop has ended?",
            "Put the return after the loop.",
        ),
        WrongSolution(
            "there and back",
            _there_and_back,
            "That is twice the result: forward and backward, or each copy at both of its ends. Asked is the forward "
            "pass, and each copy counts once.",
            "Leave the 2 out.",
        ),
        WrongSolution(
            "size of the reader's maps",
            _size_of_the_reader,
            "You use the size of the maps that the *reading* layer makes. What is sent has the size of the layer that "
            "made it.",
            "maps[l] belongs to owners[l].",
        ),
        WrongSolution(
            "bytes",
            _bytes,
            "That is the number of bytes in float32. Asked are values.",
            "Leave the 4 out.",
        ),
    ),
    hints=(
        "For each layer but the last: which parts read its maps? That is a set, and the same for all of its maps.",
        "A map is sent to each of these parts, but not to the one that owns it: len(readers - {owner}) copies.",
        "Times (height // pool) * (width // pool) values, times the batch.",
    ),
    next_step=(
        "By hand: owners [[0], [0, 1, 1]], a map of 4 x 4 without pooling, one sample. One copy goes to part 1: 16."
    ),
)
