"""Notebook 11: by how much one move lowers the cut."""

import numpy as np

from labkit.course.exercise import Case, Exercise, WrongSolution


def gain(nets, costs, part, v, to):
    """By how much the sum of (lambda - 1) * cost falls when vertex v moves to part `to`."""
    total = 0
    for pins, cost in zip(nets, costs, strict=True):
        if v in pins:
            others = {part[u] for u in pins if u != v}
            total += cost * (part[v] not in others)
            total -= cost * (to not in others)
    return total


def cases(rng: np.random.Generator) -> list[Case]:
    """Nets whole and cut in several parts, moves that gain, lose and do nothing; one into the part it is in."""
    fixed = [
        ([[0, 1, 2]], [7], [0, 1, 2], 0, 1, "a net in three parts, into one that it reaches"),
        ([[0, 1, 2, 3], [0, 1]], [5, 3], [0, 0, 0, 0], 0, 1, "two nets that are whole"),
        ([[0, 1, 2], [3, 1], [0, 3, 2]], [4, 9, 2], [0, 1, 2, 1], 0, 3, "into a part that no net reaches yet"),
        ([[0, 1], [1, 2], [0]], [6, 5, 4], [1, 0, 0], 0, 1, "into the part that it is in"),
        ([[1, 2], [2, 3]], [3, 8], [0, 1, 0, 1], 0, 1, "a vertex without nets"),
    ]
    shown = "{} (nets {}, costs {}, part {}, v = {}, to = {})"
    made = [Case(tuple(args), shown.format(label, *args)) for *args, label in fixed]
    for number in range(8):
        parts, vertices = int(rng.integers(3, 6)), int(rng.integers(6, 12))
        part = rng.integers(0, parts, size=vertices).tolist()
        nets = [rng.permutation(vertices)[: rng.integers(2, 6)].tolist() for _ in range(rng.integers(5, 12))]
        v = nets[0][0]
        to = int((part[v] + rng.integers(1, parts)) % parts)
        label = f"{len(nets)} nets, {vertices} vertices in {parts} parts, number {number + 1}"
        made.append(Case((nets, rng.integers(1, 30, size=len(nets)).tolist(), part, v, to), label))
    return made


def _by_net(worth):
    """A gain that adds up worth(parts of the other pins, of all of them, own part, to) * cost over the nets of v."""

    def count(nets, costs, part, v, to):
        total = 0
        for pins, cost in zip(nets, costs, strict=True):
            if v in pins:
                total += cost * worth([part[u] for u in pins if u != v], part[v], to)
        return total

    return count


def _cut_nets(others, own, to):
    return (len({*others, own}) > 1) - (len({*others, to}) > 1)


def _target_only(others, own, to):
    return -(to not in others)


def _leaving_only(others, own, to):
    return int(own not in others)


def _two_way(others, own, to):
    return (own not in others) - all(part == own for part in others)


def _counts_itself(others, own, to):
    return -(to not in {*others, own})


def _edges(others, own, to):
    return others.count(to) - others.count(own)


def _sign(nets, costs, part, v, to):
    return -gain(nets, costs, part, v, to)


def _no_costs(nets, costs, part, v, to):
    return gain(nets, [1] * len(nets), part, v, to)


def _all_nets(nets, costs, part, v, to):
    return _by_net(lambda others, own, to: (own not in others) - (to not in others))(
        [[*pins, v] if v not in pins else pins for pins in nets], costs, part, v, to
    )


def _new_cut(nets, costs, part, v, to):
    after = [to if u == v else p for u, p in enumerate(part)]
    return sum(cost * (len({after[u] for u in pins}) - 1) for pins, cost in zip(nets, costs, strict=True))


def _printed(nets, costs, part, v, to):
    def cut(part):
        spread = [len({part[u] for u in pins}) for pins in nets]
        return sum(parts * cost for parts, cost in zip(spread, costs, strict=True) if parts > 1)

    return cut(part) - cut([to if u == v else p for u, p in enumerate(part)])


def _either(others, own, to):
    return 1 if own not in others else -(to not in others)


def _own_target(nets, costs, part, v, to):
    arrives = _by_net(_counts_itself) if to == part[v] else gain
    return arrives(nets, costs, part, v, to) + (
        _by_net(_leaving_only)(nets, costs, part, v, to) if to == part[v] else 0
    )


def _same_list(nets, costs, part, v, to):
    return 0


EXERCISE = Exercise(
    id="fm-gain",
    title="The gain of a move",
    prompt=(
        "Write `gain(nets, costs, part, v, to)`: by how much the volume falls if vertex v moves to part `to` and all "
        "others stay. Negative if it rises, and 0 if v is in that part already.\n"
        "`nets[e]` lists the pins of net e, `costs[e]` is its cost, `part[u]` the part of vertex u. The volume is the "
        "sum of (lambda - 1) * cost over all nets, and a net that v is no pin of does not change."
    ),
    reference=gain,
    cases=cases,
    wrong=(
        WrongSolution(
            "cut-net gain",
            _by_net(_cut_nets),
            "You ask whether a net is cut before and after. With more than two parts a net that stays cut can still "
            "reach one part more, or one fewer.",
            "Count parts: does the net leave the old part, does it come to the new one?",
        ),
        WrongSolution(
            "only the target looked at",
            _by_net(_target_only),
            "You charge for the nets that v brings into the new part, and forget those that it takes out of the old "
            "one.",
            "A net gains its cost if v is its only pin in the old part.",
        ),
        WrongSolution(
            "only the old part looked at",
            _by_net(_leaving_only),
            "You credit the nets that leave the old part, and forget those that reach the new part for the first time.",
            "A net loses its cost if it has no pin in the new part yet.",
        ),
        WrongSolution(
            "sign",
            _sign,
            "The sign is the other way round: a gain is what the volume *falls* by.",
            "Old volume minus new volume.",
        ),
        WrongSolution(
            "v counts itself",
            _by_net(_counts_itself),
            "You look at all pins, v among them. So the old part never becomes empty of the net's pins in your count.",
            "Collect the parts of the *other* pins.",
        ),
        WrongSolution(
            "costs ignored",
            _no_costs,
            "You count nets. A net of large maps weighs more than one of small maps.",
            "Multiply by the net's cost.",
        ),
        WrongSolution(
            "two-way formula",
            _by_net(_two_way),
            "With two parts 'all other pins are in the old part' and 'none of them is in the new one' say the same. "
            "With more parts they do not: a net that is cut already may still have no pin in the new part.",
            "Ask for the new part itself: to not in {part[u] for the other pins u}.",
        ),
        WrongSolution(
            "edges counted",
            _by_net(_edges),
            "You count pins in the new part against pins in the old one, as if each pair of pins were an edge. A net "
            "does not care how many of its pins are in a part, only whether one is.",
            "Make a set of the parts of the other pins.",
        ),
        WrongSolution(
            "lambda in place of lambda - 1",
            _printed,
            "You charge cut nets lambda * cost. A net that becomes cut is then charged twice, and one that leaves one "
            "of three parts looks right.",
            "The volume has (lambda - 1) * cost for every net; it is 0 by itself where a net is whole.",
        ),
        WrongSolution(
            "one question for each net",
            _by_net(_either),
            "A net that leaves the old part may reach the new one for the first time as well. Then nothing is gained.",
            "Ask both questions of every net: two ifs, no elif.",
        ),
        WrongSolution(
            "into its own part",
            _own_target,
            "Right, except where v is in part `to` already: there nothing changes, and the gain is 0.",
            "Look at the parts of the *other* pins, or begin with: if to == part[v].",
        ),
        WrongSolution(
            "nothing changes",
            _same_list,
            "You say 0 every time. If you compare the volume before and after, both may be computed from the same "
            "list: `after = part` makes no copy, and changing one changes the other.",
            "after = list(part), then after[v] = to.",
        ),
        WrongSolution(
            "every net",
            _all_nets,
            "You let v move through nets that it is no pin of.",
            "Leave out nets that v is not in.",
        ),
        WrongSolution(
            "the new volume",
            _new_cut,
            "That is the volume after the move. Asked is by how much it falls.",
            "Volume before, minus volume after.",
        ),
    ),
    hints=(
        "The slow way: the volume, minus the volume with part[v] = to. Good enough to check yourself with.",
        "For each net of v look at the parts of its other pins, as a set.",
        "Plus the cost if the old part is not in that set; minus the cost if the new part is not.",
    ),
    next_step="Three pins in parts 0, 1 and 2, cost 7: moving the first into part 1 gains 7, into part 3 nothing.",
)
