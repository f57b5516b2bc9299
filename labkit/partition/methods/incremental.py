"""Incremental partitioning: fill one part until its load exceeds the average, then open the next.

eserol-2019 sections 5.1.3 (filters) and 5.1.4 (channels of filters). A part overshoots the average by at most one task,
so that the last parts may stay empty: VGG16 in 128 parts by filters fills 122.
"""

from fractions import Fraction

import numpy as np

from labkit.partition.methods.units import channel_units, check_units, filter_units, spread
from labkit.partition.plan import NOBODY, Plan, Slice
from labkit.partition.tasks import TaskLayer, Tasks
from labkit.partition.weights import Weights, layer_work


def filter_incremental(tasks: Tasks, parts: int, weights: Weights, dense: str = "layer") -> Plan:
    """Parts are filled with filters, layer by layer in the network's order; the input is the first task.

    dense: 'layer' makes each dense layer one task, 'neuron' each of its neurons. Parts may stay empty. Raises LabError
    for more parts than there are filters with work, and for weights of another network.
    """
    work, units = layer_work(tasks, weights), filter_units(tasks, dense)
    check_units(tasks, parts, units, work, "filter")
    filled = fill(units, work, parts)
    slices = [
        Slice(layer.name, spread(owner, layer.filters)) for layer, owner in zip(tasks.layers, filled, strict=True)
    ]
    return Plan(tasks.network, parts, tuple(slices), "filter-incremental")


def channel_incremental(tasks: Tasks, parts: int, weights: Weights, dense: str = "layer") -> Plan:
    """Parts are filled with channels of filters: all channels of one filter, then those of the next.

    The part that computes a filter's last channel owns the filter, so it adds up the sums. Otherwise, and errors
    included, as `filter_incremental`.
    """
    work, units = layer_work(tasks, weights), channel_units(tasks, dense)
    check_units(tasks, parts, units, work, "channel")
    filled = fill(units, work, parts)
    slices = [slice_by_channel(layer, owner) for layer, owner in zip(tasks.layers, filled, strict=True)]
    return Plan(tasks.network, parts, tuple(slices), "channel-incremental")


def fill(units: np.ndarray, work: np.ndarray, parts: int) -> list[np.ndarray]:
    """The part of every task: per layer int64 [units[layer]].

    units: tasks per layer. work: of each layer, shared evenly by its tasks. Loads are added up as fractions, without
    rounding: a part that holds just the average is not full yet, and there are never more than `parts` parts.
    """
    average = sum(map(Fraction, work)) / parts
    part, load, filled = 0, Fraction(0), []
    for count, whole in zip(units.tolist(), work, strict=True):
        each, runs, left = Fraction(whole) / count, [], count
        while left:
            if load > average:
                part, load = part + 1, Fraction(0)
            taken = min(left, (average - load) // each + 1) if each else left
            runs.append((part, taken))
            load += taken * each
            left -= taken
        owners, lengths = zip(*runs, strict=True)
        filled.append(np.repeat(owners, lengths))
    return filled


def slice_by_channel(layer: TaskLayer, owner: np.ndarray) -> Slice:
    """The slice in which the layer's tasks, in order, lie in the parts `owner`."""
    if not layer.fine:
        return Slice(layer.name, spread(owner, layer.filters))
    links = np.ones((layer.filters, layer.channels), bool) if layer.links is None else layer.links
    channels = np.full(links.shape, NOBODY, np.int64)
    channels[links] = owner
    last = layer.channels - 1 - links[:, ::-1].argmax(1)
    return Slice(layer.name, channels[np.arange(layer.filters), last], channels)
