"""What a failed run says: which rank, at which instruction, what happened, and what the others were doing then."""

from collections.abc import Callable
from dataclasses import dataclass

from labkit.errors import LabError
from labkit.run.mpi.board import ALL, NOBODY, RUNNING, WAITING, RankView

Spelling = Callable[[int, int], str]  # (rank, position) -> the instruction there
MOST_SHOWN = 6


@dataclass(frozen=True)
class Doing:
    """What a rank was doing. step, position, spelling: of its instruction. peer: whom it waited for there (ALL: all the
    others, or whichever comes first), or NOBODY.
    """

    rank: int
    step: int
    position: int
    spelling: str
    peer: int

    def text(self, step: int) -> str:
        """As words; the step only where it is not `step`."""
        where = f"{self.spelling!r}" + (f" of step {self.step}" if self.step != step else "")
        if self.peer == NOBODY:
            return f"rank {self.rank} was at {where}"
        return f"rank {self.rank} was waiting for {'others' if self.peer == ALL else f'rank {self.peer}'} in {where}"


@dataclass(frozen=True)
class Failure:
    """Why a run ended. rank: whose failure it was. step, position, spelling: what it was doing (step -1: nothing yet).
    happened: in words, such as 'was killed by SIGKILL'. others: what the other ranks were doing, first those that
    waited for `rank`.
    """

    rank: int
    step: int
    position: int
    spelling: str
    happened: str
    others: tuple[Doing, ...]

    def __str__(self) -> str:
        where = f" in step {self.step}, instruction {self.position} ({self.spelling})" if self.step >= 0 else ""
        said = [f"rank {self.rank}{where} {self.happened}"]
        said += [doing.text(self.step) for doing in self.others[:MOST_SHOWN]]
        more = len(self.others) - MOST_SHOWN
        return "; ".join([*said, f"and {more} ranks more"] if more > 0 else said)

    @property
    def waiting(self) -> tuple[Doing, ...]:
        """Those of the others that waited for somebody."""
        return tuple(doing for doing in self.others if doing.peer != NOBODY)


class RankError(LabError):
    """A run that ended because of one rank. failure: the parts of the message. traceback: what the rank raised."""

    def __init__(self, failure: Failure, instead: str, status: int = 1, traceback: str = ""):
        super().__init__(str(failure), instead, status)
        self.failure, self.traceback = failure, traceback


def failure_of(
    view: RankView,
    happened: str,
    views: list[RankView],
    spelling: Spelling,
    place: tuple[int, int] | None = None,
) -> Failure:
    """The failure of the rank that `view` shows, among all `views`. place: (step, position) if it is known better."""
    step, position = place or (view.last.step, view.last.position)
    others = [found for other in views if other.rank != view.rank and (found := _doing(other, spelling))]
    others.sort(key=lambda other: (other.peer != view.rank, other.peer == NOBODY, other.rank))
    name = spelling(view.rank, position) if position >= 0 else ""
    return Failure(view.rank, step, position, name, happened, tuple(others))


def _doing(view: RankView, spelling: Spelling) -> Doing | None:
    """What a rank is doing: in a lane that waits for a certain rank, else in one that waits, else in its main lane."""
    if view.state != RUNNING:
        return None
    lanes = [lane for lane in view.lanes if lane.position >= 0]
    waiting = sorted((lane for lane in lanes if lane.doing == WAITING), key=lambda lane: lane.peer == ALL)
    for lane in [*waiting, *lanes][:1]:
        return Doing(view.rank, lane.step, lane.position, spelling(view.rank, lane.position), lane.peer)
    return None
