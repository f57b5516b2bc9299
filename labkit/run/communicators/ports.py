"""Ports of one direction of a rank: how many messages can be on their way at a time."""

from heapq import heapreplace


class Ports:
    """`number` ports, all free at first. Not safe to share between threads without a lock."""

    def __init__(self, number: int):
        self._free_ns = [0] * number  # a heap: the first is free soonest

    def take(self, ready_ns: int, held_ns: int) -> int:
        """Take the port that is free soonest from `ready_ns` on, for `held_ns`; returns when it is free again."""
        end = max(ready_ns, self._free_ns[0]) + held_ns
        heapreplace(self._free_ns, end)
        return end
