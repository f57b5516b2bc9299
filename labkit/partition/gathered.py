"""The other measure of communication: each layer's maps are gathered in one part, which pools them and sends them on.

The hypergraph's measure, 'connectivity' (`volume.volume`), has each map pooled by its owner and sent from there. The
tables of the naive methods in eserol-2019 (5.4, 5.6 and 5.8) do not fit it. They fit this one: whatever parts compute
filters of a layer, or channels of filters, send their sums, not yet pooled, to the last of these parts in the order of
their numbers; that part adds them up, does what follows map by map, and sends each map to every other part that needs
it. It is what the fine-grain hypergraph of section 3.3 costs where all sums of a layer lie in one part, as they do
when vertices are dealt out in the order of figure 3.3: a layer's sums come after all its channels.

A figure of one measure says nothing beside a figure of the other: most plans cost less by 'connectivity', because maps
shrink before they travel. Compare plans by one measure only.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from labkit.errors import LabError, suggest
from labkit.network.sizes import check_batch
from labkit.partition.plan import Plan
from labkit.partition.tasks import Read, Tensor
from labkit.partition.volume import Traffic, Volume, maps_and_gradients, needs, parts_with_filters, volume


def gathered(plan: Plan, batch: int = 32, backward: bool = False) -> Volume:
    """Communication of a plan for a batch of samples where each layer's maps are gathered before they are sent on.

    The rows called 'gathered sums' are what goes to the gathering parts, those called 'maps' what they send; a layer in
    a single part is not gathered, and the input maps stay where they lie. Owners of filters play no part where the
    plan divides filters by channels. backward: see `volume`. Raises LabError for a bad batch.
    """
    check_batch(batch)
    holders = [parts_with_filters(plan, number) for number in range(len(plan.slices))]
    at = np.array([np.flatnonzero(one.any(0))[-1] for one in holders])
    rows = [_maps(plan, tensor, at, batch, backward) for tensor in plan.tasks.tensors]
    for number, (layer, holds) in enumerate(zip(plan.tasks.layers, holders, strict=True)):
        if number in plan.tasks.working and holds.any(0).sum() > 1:
            pairs = np.zeros((plan.parts, plan.parts), np.int64)
            pairs[:, at[number]] = holds.sum(0) * layer.partial_elements * batch
            np.fill_diagonal(pairs, 0)
            rows.append(Traffic(layer.name, "gathered sums", pairs + pairs.T if backward else pairs))
    return Volume(batch, backward, tuple(rows), plan.parts)


MEASURES = {"connectivity": volume, "gathered": gathered}


def measure(name: str) -> Callable[..., Volume]:
    """The function (plan, batch, backward) -> Volume of one of MEASURES. Raises LabError for another name."""
    if name not in MEASURES:
        raise LabError(f"unknown measure of volume {name!r}", suggest(name, MEASURES))
    return MEASURES[name]


def _maps(plan: Plan, tensor: Tensor, at: np.ndarray, batch: int, backward: bool) -> Traffic:
    """Maps of a tensor from the gathering part of their layer to the parts that compute with them."""
    wanted = needs(plan, replace(tensor, readers=tuple(r for r in tensor.readers if isinstance(r, Read))))
    for join in (r for r in tensor.readers if not isinstance(r, Read)):
        wanted[np.diff(join.starts) > 0, at[join.layer]] = True  # what is done after the sums is done where they are
    owner = np.where(tensor.layer == 0, plan.slices[0].owner[tensor.filter * (tensor.layer == 0)], at[tensor.layer])
    return maps_and_gradients(tensor, owner, wanted, batch, backward)
