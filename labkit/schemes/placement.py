"""Which server keeps which array, and how even that is (eserol-2019 sections 2.6.1 and 5.2.3).

A server receives the gradients of its arrays from every worker and sends their weights back, so the largest number of
values on one server sets the time of all. Arrays are not cut: no placement is more even than its largest array lets it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from labkit.errors import LabError, suggest
from labkit.network import Network

PLACEMENTS = ("round-robin", "greedy")
SERVERS = ("1", "sharded")


def place(values: Sequence[int], servers: int, how: str) -> tuple[int, ...]:
    """Server of each array, in the order of the layers; values: the arrays' sizes.

    round-robin: one after the other, whatever their size. greedy: each to the server that has the fewest values so far
    (the first such). Raises LabError for another name or fewer than one server.
    """
    if how not in PLACEMENTS:
        raise LabError(f"no placement {how!r}", suggest(how, PLACEMENTS))
    if servers < 1:
        raise LabError(f"{servers} servers", "give at least one")
    if how == "round-robin":
        return tuple(n % servers for n in range(len(values)))
    loads, owners = [0] * servers, []
    for size in values:
        owners.append(loads.index(min(loads)))
        loads[owners[-1]] += size
    return tuple(owners)


def owners_of(network: Network, ranks: int, servers: str, placement: str | None) -> tuple[int, ...]:
    """Rank that keeps each array of a network.

    servers: '1' (rank 0 keeps all) or 'sharded' over all ranks by `placement` (None for round-robin). Raises LabError
    for other names, a placement for one server, and one server without a worker.
    """
    if servers not in SERVERS:
        raise LabError(f"servers={servers!r}", suggest(servers, SERVERS))
    values = list(map(prod, network.weights().values()))
    if servers == "sharded":
        return place(values, ranks, placement or PLACEMENTS[0])
    if ranks < 2:
        raise LabError(f"one parameter server on {ranks} rank", "give at least 2 ranks: the server and a worker")
    if placement is not None:
        raise LabError(f"placement={placement!r} with one server", "leave it out, or give servers='sharded'")
    return (0,) * len(values)


@dataclass(frozen=True)
class Balance:
    """A placement of a network's arrays, and its loads in values.

    names, values, owners: of each array. servers: how many.
    """

    how: str
    names: tuple[str, ...]
    values: tuple[int, ...]
    owners: tuple[int, ...]
    servers: int

    @property
    def loads(self) -> tuple[int, ...]:
        """Values on each server."""
        return tuple(
            sum(size for size, owner in zip(self.values, self.owners, strict=True) if owner == server)
            for server in range(self.servers)
        )

    @property
    def max_over_avg(self) -> float:
        return max(self.loads) * self.servers / sum(self.values)

    @property
    def least_max_over_avg(self) -> float:
        """What no placement of whole arrays can be below: the largest array has to be somewhere."""
        return max(1.0, max(self.values) * self.servers / sum(self.values))

    def arrays_of(self, server: int) -> tuple[str, ...]:
        """Names of the arrays that one server keeps."""
        return tuple(name for name, owner in zip(self.names, self.owners, strict=True) if owner == server)

    def __str__(self) -> str:
        average = sum(self.values) / self.servers
        head = f"{self.how}: {len(self.values)} arrays on {self.servers} servers, max/average {self.max_over_avg:.3f}"
        rows = [
            f"{server:>6} {len(self.arrays_of(server)):>7} {load:>14,} {load / average:>8.3f}"
            for server, load in enumerate(self.loads)
        ]
        return "\n".join([head, f"{'server':>6} {'arrays':>7} {'values':>14} {'/average':>8}", *rows])


def balance(network: Network, servers: int, how: str) -> Balance:
    """How evenly a placement spreads a network's arrays. Raises LabError as `place`."""
    shapes = network.weights()
    values = tuple(map(prod, shapes.values()))
    return Balance(how, tuple(shapes), values, place(values, servers, how), servers)
