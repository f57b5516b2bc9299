"""One round of one rank in a collective: at most one message out and one in, at the same time."""

from typing import NamedTuple

NOTHING = (0, 0)


class Move(NamedTuple):
    """to: rank that gets the values `sent` = (start, stop) of the item, or None. source: rank whose values arrive, and
    are put at `received`, or None. add: they are added to those there instead of replacing them.
    """

    to: int | None
    sent: tuple[int, int]
    source: int | None
    received: tuple[int, int]
    add: bool = False

    @property
    def values_sent(self) -> int:
        return self.sent[1] - self.sent[0] if self.to is not None else 0

    @property
    def values_received(self) -> int:
        return self.received[1] - self.received[0] if self.source is not None else 0


def send(to: int, part: tuple[int, int]) -> Move:
    """Only send."""
    return Move(to, part, None, NOTHING)


def receive(source: int, part: tuple[int, int], add: bool = False) -> Move:
    """Only receive."""
    return Move(None, NOTHING, source, part, add)


def cut(values: int, parts: int) -> tuple[tuple[int, int], ...]:
    """`values` values as `parts` ranges (start, stop) that follow each other, of lengths that differ by at most 1."""
    return tuple((i * values // parts, (i + 1) * values // parts) for i in range(parts))
