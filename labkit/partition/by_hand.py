"""Plans written by hand: what a learner types to try an idea."""

from collections.abc import Iterable, Mapping

import numpy as np

from labkit.errors import LabError, suggest
from labkit.network import INPUT, Network
from labkit.partition.plan import NOBODY, Plan, Slice
from labkit.partition.tasks import TaskLayer
from labkit.partition.trace import tasks_of

# What one layer's owners can be: a part for the whole layer, the part of every filter, or part -> its filters.
Owners = int | Iterable[int] | Mapping[int, Iterable[int]]


def plan_by_hand(network: Network, owners: Mapping[str, Owners], parts: int | None = None) -> Plan:
    """A coarse plan from the owners of each layer's filters.

    owners: layer -> one part for the whole layer (`1`), or the part of each of its K filters (`[0, 0, 1]`), or the
    filters of each part (`{0: range(0, 2), 1: [2]}`). parts: how many parts; by default the largest part named and
    those below it. The input lies where the first filter that reads it is, unless `owners` says otherwise.

    Raises LabError naming the layer and the filter for holes, double ownership, and layers that the network has not.
    """
    tasks = tasks_of(network)
    for name in owners:
        if name not in tasks.names:
            raise LabError(f"{network.name} has no layer {name!r} with tasks", suggest(name, tasks.names))
    given = {layer.name: _owner(layer, owners[layer.name]) for layer in tasks.layers if layer.name in owners}
    if INPUT not in given:
        first = next(layer.name for layer in tasks.layers if layer.name != INPUT)
        given[INPUT] = np.full(tasks.layers[0].filters, given[first][0] if first in given else 0)
    missing = [name for name in tasks.names if name not in given]
    if missing:
        raise LabError(f"nobody owns layer {missing[0]!r}", f"give it a part: {{..., {missing[0]!r}: 0}}")
    if parts is None:
        parts = 1 + max(int(owner.max()) for owner in given.values())
    return Plan(network, parts, tuple(Slice(name, given[name]) for name in tasks.names))


def _owner(layer: TaskLayer, owners: Owners) -> np.ndarray:
    """The part of each filter: [K]."""
    if isinstance(owners, Mapping):
        return _from_ranges(layer, owners)
    if isinstance(owners, (int, np.integer)):
        return np.full(layer.filters, int(owners))
    owner = np.asarray(list(owners)) if isinstance(owners, Iterable) else np.asarray(owners)
    if owner.shape != (layer.filters,):
        raise LabError(
            f"layer {layer.name!r} has {layer.filters} filters, and {owner.size} owners were given",
            "give one part for the whole layer, or one for each filter",
        )
    return owner


def _from_ranges(layer: TaskLayer, owners: Mapping[int, Iterable[int]]) -> np.ndarray:
    owner = np.full(layer.filters, NOBODY)
    for part, filters in owners.items():
        for k in filters:
            if not 0 <= k < layer.filters:
                raise LabError(f"layer {layer.name!r} has no filter {k}", f"use 0 to {layer.filters - 1}")
            if owner[k] not in (NOBODY, part):
                raise LabError(
                    f"filter {k} of layer {layer.name!r} is given to part {owner[k]} and to part {part}",
                    "give every filter to one part",
                )
            owner[k] = part
    return owner
