"""A schedule as text for people: what its layers and pieces are, and the list of every rank."""

from itertools import groupby

from labkit.network.graph import FLOAT_BYTES

WIDTH = 116


def explained(schedule, statement: str) -> str:
    """The whole schedule. Ranks that follow each other with the same list and share are shown once."""
    head = [f"{schedule.scheme}: {schedule.network.name}, batch {schedule.batch}, {schedule.size} ranks", statement]
    return "\n".join([*head, "", *_layers(schedule.network), "", *_pieces(schedule), "", *_programs(schedule)])


def _layers(network) -> list[str]:
    numbered = [f"{n} {node.name}" for n, node in enumerate(network.nodes)]
    return ["Layers", *_lines(numbered, ", ")]


def _pieces(schedule) -> list[str]:
    """One line per piece: gN and wN are its gradients and its weights; a parameter server's with who keeps them."""
    keeper = {i.piece: f", kept by rank {i.peer}" for program in schedule.ranks for i in program if i.op == "push"}
    lines = ["Pieces (gN: gradients, wN: weights)"]
    for number, piece in enumerate(schedule.pieces):
        size = f"{piece.values:,} values, {piece.values * FLOAT_BYTES:,} bytes{keeper.get(number, '')}"
        lines.append(f"  {number}: {contents(schedule.network, piece)} ({size})")
    return lines


def contents(network, piece) -> str:
    """Names of the first and the last array that a piece holds some of; 'part of' where it does not hold all."""
    from labkit.schedule.pieces import arrays, overlapping

    parts, names = arrays(network), tuple(network.weights())
    held = overlapping(parts, *piece)
    said = []
    for n in dict.fromkeys((held[0], held[-1])):
        cut = parts[n].start < piece.start or parts[n].stop > piece.stop
        said.append(f"part of {names[n]}" if cut else names[n])
    return " to ".join(said)


def _programs(schedule) -> list[str]:
    """The lists, with equal instructions in a row counted, as in '12 x serve sync'."""
    lines = []
    alike = groupby(range(schedule.size), key=lambda rank: (schedule.ranks[rank], schedule.shares[rank]))
    for (program, share), group in alike:
        ranks = list(group)
        who = f"Rank {ranks[0]}" if len(ranks) == 1 else f"Ranks {ranks[0]} to {ranks[-1]}, each"
        samples = f"{' + '.join(map(str, share)) or 'no'} sample{'s' * (share != (1,))}"
        runs = [(spelling, len(list(same))) for spelling, same in groupby(map(str, program))]
        lines += [f"{who}: {samples}", *_lines([s if n == 1 else f"{n} x {s}" for s, n in runs], "; ")]
    return lines


def _lines(items: list[str], between: str) -> list[str]:
    """Items in lines of at most WIDTH characters; none is broken."""
    lines = ["  "]
    for n, item in enumerate(items):
        word = item + (between if n < len(items) - 1 else "")
        if len(lines[-1]) + len(word.rstrip()) > WIDTH and lines[-1].strip():
            lines.append("  ")
        lines[-1] += word
    return [line.rstrip() for line in lines]
