"""The status board: a small file that all processes of a run have in memory, with a row for each rank.

A rank writes where it is into its own row before and while it does an instruction: a few integers, no system call. So
whoever looks knows what every rank was doing even after it was killed. The launcher writes only the head: how far the
ranks may go, and whether the run is over.
"""

import mmap
import time
from array import array
from dataclasses import dataclass
from pathlib import Path

from labkit.errors import LabError

LANES = ("main", "network", "server")
IDLE, WORKING, WAITING = range(3)  # state of a lane: nothing to do, computing, waiting for `peer`
ABSENT, STARTING, RUNNING, FINISHED, FAILED = range(5)  # state of a rank
NOBODY, ALL = -2, -1  # as a peer: waits for no other rank; for all of them, or for whichever comes first
UNLIMITED = 2**62

_MARK = 0x6C61626B6974  # 'labkit'
_HEAD, _ROW, _LANE = 8, 32, 6  # words of 8 bytes: of the head, of a rank's row, of each lane within it
_MARKED, _RANKS, _LAUNCHER, _BORN, _LIMIT, _STOP, _CLOSING = range(7)
_PID, _KEEPER, _STATE, _STATUS, _ENDED_NS, _LANES_AT = range(6)
_STEP, _POSITION, _DOING, _PEER, _SINCE_NS, _ASKED = range(6)


@dataclass(frozen=True)
class LaneView:
    """What a lane was seen doing. step, position: of its instruction (-1: none yet). doing: IDLE, WORKING or WAITING.
    peer: whom it waits for, NOBODY or ALL. since_s: seconds on the monotonic clock at its last progress (0: none).
    """

    lane: str
    step: int
    position: int
    doing: int
    peer: int
    since_s: float


@dataclass(frozen=True)
class RankView:
    """What a rank was seen doing. pid: its process (0: none yet); keeper: the process that looks after it.
    state: ABSENT to FAILED. status: exit status, or minus the signal that ended it; None while it runs. ended_s: when
    that was.
    """

    rank: int
    pid: int
    keeper: int
    state: int
    status: int | None
    ended_s: float
    lanes: tuple[LaneView, ...]

    @property
    def last(self) -> LaneView:
        """The main lane, or the server's where the main lane never had an instruction."""
        main, _, server = self.lanes
        return server if main.step < 0 <= server.step else main

    @property
    def progress_s(self) -> float:
        """When any lane last went on."""
        return max(lane.since_s for lane in self.lanes)


class Row:
    """A rank's own row, for writing. Every call is a few stores into memory."""

    def __init__(self, words: memoryview, first: int):
        self._words, self._first = words, first
        self._lane = {name: first + _LANES_AT + n * _LANE for n, name in enumerate(LANES)}

    def state(self, state: int) -> None:
        """ABSENT to FAILED."""
        self._words[self._first + _STATE] = state

    def process(self, pid: int, keeper: int) -> None:
        """Who does the work, and who looks after it."""
        self._words[self._first + _KEEPER] = keeper
        self._words[self._first + _PID] = pid
        self.state(STARTING)

    def ended(self, status: int) -> None:
        """How the rank's process ended: its exit status, or minus the signal."""
        self._words[self._first + _STATUS] = status
        self._words[self._first + _ENDED_NS] = time.monotonic_ns()

    def begin(self, lane: str, step: int, position: int) -> None:
        """`lane` begins to compute the instruction at `position` of step `step`."""
        words, at = self._words, self._lane[lane]
        words[at + _STEP], words[at + _POSITION] = step, position
        words[at + _PEER], words[at + _DOING] = NOBODY, WORKING
        words[at + _SINCE_NS] = time.monotonic_ns()

    def wait(self, lane: str, peer: int = ALL) -> None:
        """`lane` now waits for a message of or to `peer`."""
        words, at = self._words, self._lane[lane]
        words[at + _PEER], words[at + _DOING] = peer, WAITING
        words[at + _SINCE_NS] = time.monotonic_ns()

    def idle(self, lane: str) -> None:
        """`lane` has nothing to do."""
        words, at = self._words, self._lane[lane]
        words[at + _PEER], words[at + _DOING] = NOBODY, IDLE
        words[at + _SINCE_NS] = time.monotonic_ns()

    def may_begin(self, lane: str, step: int) -> bool:
        """Whether the launcher lets `lane` begin `step` now; asking again and again is how it is paused."""
        self._words[self._lane[lane] + _ASKED] = step + 1  # before the limit is read: see `Board.hold`
        return step < self._words[_LIMIT]

    @property
    def limit(self) -> int:
        """The first step that no rank may begin."""
        return self._words[_LIMIT]

    @property
    def stopping(self) -> bool:
        """Whether a step that may not begin never will. Ask before `may_begin`: once it is true the limit stays."""
        return bool(self._words[_STOP])

    @property
    def closing(self) -> bool:
        """Whether the launcher has decided that the run is over, whatever the ranks are doing."""
        return bool(self._words[_CLOSING])


class Board:
    """The mapped file. Raises LabError for a file that is no board."""

    def __init__(self, path: Path):
        try:
            with path.open("r+b") as file:
                self._map = mmap.mmap(file.fileno(), 0)
        except (OSError, ValueError) as error:
            raise LabError(f"cannot open the board of the run: {error}", "start the run again") from None
        self._words = memoryview(self._map).cast("q")
        if self._words[_MARKED] != _MARK:
            raise LabError(f"{path} is no board of a run", "start the run again")
        self.ranks: int = self._words[_RANKS]
        self.rows = tuple(Row(self._words, _HEAD + rank * _ROW) for rank in range(self.ranks))

    def close(self) -> None:
        """Unmap; nothing of the board can be used afterwards."""
        for row in self.rows:
            row._words = None
        self._words.release()
        self._map.close()

    @property
    def launcher(self) -> tuple[int, int]:
        """(process id, when it was born in the system's clock ticks, 0 where that is not known) of the launcher."""
        return self._words[_LAUNCHER], self._words[_BORN]

    @property
    def closing(self) -> bool:
        """Whether the launcher has decided that the run is over, so that processes may end without a word."""
        return bool(self._words[_CLOSING])

    def close_run(self) -> None:
        """Say that the run is over."""
        self._words[_CLOSING] = 1

    @property
    def limit(self) -> int:
        """The first step that no rank may begin."""
        return self._words[_LIMIT]

    def release(self, steps: int | None = None) -> None:
        """Let the ranks go on: without a limit, or for `steps` steps more."""
        self._words[_LIMIT] = UNLIMITED if steps is None else self._words[_LIMIT] + steps

    def hold(self) -> int:
        """Have all ranks stop before one and the same step, soon; returns that step.

        A lane first says which step it wants to begin and then reads the limit; here the limit is written first and the
        wishes are read afterwards. So a lane either has seen the limit, or its wish is seen here and the limit moves.
        """
        while True:
            limit = self._furthest()
            self._words[_LIMIT] = limit
            if self._furthest() <= limit:
                return limit

    def stop(self) -> int:
        """Have all ranks end before one and the same step; returns it."""
        limit = self.limit if self.limit < UNLIMITED else self.hold()
        self._words[_STOP] = 1  # only now: the limit may have moved while the ranks were caught
        return limit

    def look(self, rank: int) -> RankView:
        """What `rank` is doing."""
        words, at = self._words, _HEAD + rank * _ROW
        pid, keeper, state, status, ended_ns = words[at : at + _LANES_AT]
        lanes = tuple(self._lane(at + _LANES_AT + n * _LANE, name) for n, name in enumerate(LANES))
        return RankView(rank, pid, keeper, state, status if ended_ns else None, ended_ns / 1e9, lanes)

    def _lane(self, at: int, name: str) -> LaneView:
        step, position, doing, peer, since_ns = self._words[at : at + _ASKED]
        return LaneView(name, step, position, doing, peer, since_ns / 1e9)

    def _furthest(self) -> int:
        """Steps that some lane has asked to begin, the number of the last of them plus 1."""
        first = _HEAD + _LANES_AT + _ASKED
        ends = [self._words[first + r * _ROW + n * _LANE] for r in range(self.ranks) for n in range(len(LANES))]
        return max(ends)


def create(path: Path, ranks: int, launcher: int, born: int) -> Board:
    """A new board for `ranks` ranks at `path`. launcher, born: see `Board.launcher`."""
    words = array("q", [0] * (_HEAD + ranks * _ROW))
    words[:_STOP] = array("q", [_MARK, ranks, launcher, born, UNLIMITED])
    for rank in range(ranks):
        for lane in range(len(LANES)):
            at = _HEAD + rank * _ROW + _LANES_AT + lane * _LANE
            words[at : at + _PEER + 1] = array("q", [-1, -1, IDLE, NOBODY])
    path.write_bytes(words.tobytes())
    return Board(path)
