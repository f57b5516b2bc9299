"""What happened, or would happen: the one type that the simulator, a run and every picture share."""

from dataclasses import dataclass
from typing import NamedTuple


class Event(NamedTuple):
    """One instruction of one rank, from its start to its end.

    step: number of the step; position: of the instruction in the rank's list. lane: 'main', 'network' or 'server'.
    spelling: the instruction's. kind: 'compute' (F, B, U, a server's update), 'communicate' or 'wait'. start_s, end_s:
    seconds since the first rank began. bytes_sent, bytes_received, messages (sent): what the ledger counted for it.
    peers: the ranks it had to do with.
    """

    rank: int
    step: int
    position: int
    lane: str
    spelling: str
    kind: str
    start_s: float
    end_s: float
    bytes_sent: int = 0
    bytes_received: int = 0
    messages: int = 0
    peers: tuple[int, ...] = ()

    @property
    def seconds(self) -> float:
        return self.end_s - self.start_s


@dataclass(frozen=True)
class Timeline:
    """The events of some steps of all ranks, and where they come from.

    regime: 'real' (messages through this machine's memory or network as fast as they go), 'emulated' (real data and
    arithmetic over a network that was slowed down on purpose) or 'simulated' (times from a model: no claim about this
    machine). origin: as in `machine.origin`. ranks: how many. cores: that the run could use (None where it never ran).
    """

    events: tuple[Event, ...]
    ranks: int
    regime: str
    origin: str
    link: str = ""
    cores: int | None = None

    @property
    def seconds(self) -> float:
        """From the first event's start to the last one's end."""
        return max((e.end_s for e in self.events), default=0.0) - min((e.start_s for e in self.events), default=0.0)

    @property
    def oversubscribed(self) -> bool:
        """Whether ranks shared cores, so that times say nothing about a machine with a core for each."""
        return self.regime != "simulated" and self.cores is not None and self.ranks > self.cores

    def of(self, rank: int) -> tuple[Event, ...]:
        """The events of one rank, by their start."""
        return tuple(sorted((e for e in self.events if e.rank == rank), key=lambda e: e.start_s))
