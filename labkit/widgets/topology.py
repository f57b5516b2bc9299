"""Topology: a collective step by step, messages that move between ranks, and what each rank's vector holds."""

from collections.abc import Sequence

import anywidget
import traitlets

from labkit.errors import LabError, suggest
from labkit.schedule import Instruction
from labkit.schedule.collectives import ALGORITHMS, LIBRARY, Move, known, moves
from labkit.widgets._base import css, decode, encode, esm, one_of, static_text, within
from labkit.widgets._collective import Play, checked_moves, parents, play
from labkit.widgets._mistakes import verdict

KIND = "topology"
YOURS = "yours"
MOST_RANKS = 8
MOST_VALUES = 10**9
DEFAULTS = {"algorithm": "ring", "at": 0.0, "speed": 1.0}
LEGEND = (
    "A column is a part of a rank's vector, and level k of it is the contribution of rank k (rank 0 at the bottom): "
    "filled, it is in the sum there; 2×, it is there twice. Arrows: the messages of this round."
)


class TopologyView(anywidget.AnyWidget):
    """Ranks on a ring or tree, and messages between them; make one with `topology`.

    plays: algorithm -> cells [[start, stop]], holds [rounds + 1][ranks][cells] (a digit per rank, how often its value
    is there), messages [[round, left, source, to, start, stop of what is sent, the same of what is received, added]],
    parents, says, wrong ([rank, cell, round] or []). state: algorithm, at (rounds that have passed), speed (rounds per
    second).
    """

    _esm = esm("choice.js", "player.js", "units.js", "topology.js")
    _css = css() + static_text("parallel.css")
    title = traitlets.Unicode().tag(sync=True)
    legend = traitlets.Unicode(LEGEND).tag(sync=True)
    plays = traitlets.Dict().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)

    def state_string(self) -> str:
        """The settings as a line; `topology(..., from_state=line)` shows the same moment."""
        return encode(KIND, self.state)

    @property
    def says(self) -> str:
        """The sentence on the result of the algorithm that is shown."""
        return self.plays[self.state["algorithm"]]["says"]


def topology(
    op: str | Instruction = "allreduce",
    algorithm: str | None = None,
    ranks: int | None = None,
    values: int | None = None,
    root: int = 0,
    *,
    moves: Sequence[Sequence[Move]] | None = None,
    from_state: str | None = None,
) -> TopologyView:
    """Step through a collective.

    op: 'allreduce', 'reduce' or 'bcast', or an Instruction of a schedule, from which algorithm and root are taken.
    algorithm: a name of labkit.schedule.collectives.ALGORITHMS; the view can switch to the others of `op`. ranks: 2 to
    8 (default 4, or as many as `moves` has lists). values: length of the vector; by default one value per rank. root:
    of a reduce or broadcast. moves: instead of an algorithm, a list of Moves (or tuples of the same form) for each
    rank; the view marks the cell that goes wrong first, and `view.says` says how. from_state: a line of
    `state_string()`.

    Raises LabError for what does not exist, for the library's own all-reduce, whose messages nobody sees, and for
    moves that name ranks or values that are not there.
    """
    if isinstance(op, Instruction):
        op, algorithm, root = op.op, algorithm or op.how, op.peer or 0
    one_of("op", op, tuple(ALGORITHMS))
    ranks = len(moves) if ranks is None and isinstance(moves, Sequence) else 4 if ranks is None else ranks
    ranks = within("ranks", ranks, 2, MOST_RANKS, whole=True)
    values = within("values", ranks if values is None else values, 1, MOST_VALUES, whole=True)
    root = within("root", root, 0, ranks - 1, whole=True)
    plays = {name: _played(op, name, ranks, root, values) for name in _names(op, algorithm, ranks, values)}
    if moves is not None:
        programs = checked_moves(moves, values)
        if len(programs) != ranks:
            raise LabError(f"moves of {len(programs)} ranks for ranks={ranks}", "give one list for each rank")
        plays = {YOURS: _about(play(programs, values), op, root)} | plays
    state = DEFAULTS | {"algorithm": YOURS if moves is not None else algorithm or next(iter(plays))}
    if from_state is not None:
        state = decode(KIND, from_state, state)
    one_of("algorithm", state["algorithm"], tuple(plays))
    state["at"] = within("at", state["at"], 0, len(plays[state["algorithm"]]["holds"]) - 1)
    state["speed"] = within("speed", state["speed"], 0.1, 10)
    where = "" if op == "allreduce" else f", root {root}"
    return TopologyView(title=f"{op} of {values:,} values on {ranks} ranks{where}", plays=plays, state=state)


def _names(op: str, chosen: str | None, ranks: int, values: int) -> list[str]:
    """The algorithms that the view offers; those with a number of chunks get one, as in 'chain4'."""
    chunks = str(min(ranks, values))
    names = [name[:-1] + chunks if name.endswith("K") else name for name in ALGORITHMS[op] if name != LIBRARY]
    if chosen == LIBRARY:
        raise LabError("nobody sees the messages of the library's own all-reduce", f"choose one of {', '.join(names)}")
    if chosen is not None and not known(op, chosen):
        raise LabError(f"{op} has no algorithm {chosen!r}", suggest(chosen, names))
    return names if chosen is None or chosen in names else [*names, chosen]


def _played(op: str, algorithm: str, ranks: int, root: int, values: int) -> dict:
    programs = [moves(op, algorithm, rank, ranks, root, values) for rank in range(ranks)]
    return _about(play(programs, values), op, root)


def _about(played: Play, op: str, root: int) -> dict:
    """A play as plain values."""
    says, wrong = verdict(played, op, root)
    digits = [[["".join(str(min(n, 9)) for n in hold) for hold in holds] for holds in each] for each in played.holds]
    messages = [[a.round, a.left, a.source, a.to, *a.sent, *a.received, a.add] for a in played.arrivals]
    top = root if op != "allreduce" else 0
    return {
        "cells": [list(cell) for cell in played.cells],
        "holds": digits,
        "messages": messages,
        "parents": parents(played, top),
        "says": says,
        "wrong": list(wrong or ()),
    }
