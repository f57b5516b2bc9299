"""What was really sent, counted where it is sent: in the end it must equal what the schedule says, exactly."""

from labkit.network.graph import FLOAT_BYTES
from labkit.schedule.traffic import Sent, Traffic, gather


class Ledger:
    """Messages and bytes of one rank by receiver and instruction. Each lane has a ledger of its own, so nothing locks.

    `messages` and `bytes` are the sums so far. Values count as float32 whatever they are computed in: 4 bytes each.
    """

    def __init__(self, rank: int):
        self.rank, self.messages, self.bytes = rank, 0, 0
        self._rows: dict[tuple[int, int], list[int]] = {}

    def count(self, peer: int, position: int, values: int) -> None:
        """One message of `values` values to `peer` for the instruction at `position`."""
        size = values * FLOAT_BYTES
        row = self._rows.get((peer, position))
        if row is None:
            row = self._rows[peer, position] = [0, 0]
        row[0] += 1
        row[1] += size
        self.messages += 1
        self.bytes += size

    def rows(self) -> list[Sent]:
        """One row for each receiver and instruction."""
        return [Sent(self.rank, *key, *sums) for key, sums in self._rows.items()]


def total(ledgers: list[Ledger]) -> Traffic:
    """All of them together."""
    return gather(row for ledger in ledgers for row in ledger.rows())
