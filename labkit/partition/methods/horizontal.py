"""Filter-wise horizontal partitioning: every layer is divided evenly over all parts (eserol-2019 section 5.1.2)."""

import numpy as np

from labkit.partition.methods.units import check_units, filter_units, spread
from labkit.partition.plan import Plan, Slice
from labkit.partition.tasks import Tasks
from labkit.partition.weights import Weights, layer_work


def filter_horizontal(tasks: Tasks, parts: int, weights: Weights, dense: str = "layer") -> Plan:
    """Each part owns as many neighbouring filters of each layer as any other, or one more.

    What does not divide evenly goes, one filter each, to the parts that are lightest at that point, heavy filters
    first, so that loads stay even. dense: 'layer' keeps each dense layer whole, in one part; 'neuron' divides it as
    well, as the thesis does. The input lies in part 0. Raises LabError for more parts than there are filters with work,
    and for weights of another network.
    """
    work = layer_work(tasks, weights)
    units = filter_units(tasks, dense)
    check_units(tasks, parts, units, work, "filter")
    load = np.zeros(parts)
    load[0] = work[0]
    shares = np.zeros((len(units), parts), np.int64)
    each = work / units
    for number in np.argsort(-each[1:], kind="stable") + 1:
        shares[number] = units[number] // parts
        lightest = np.argsort(load, kind="stable")[: units[number] % parts]
        shares[number, lightest] += 1
        load += shares[number] * each[number]
    shares[0, 0] = units[0]
    slices = [
        Slice(layer.name, spread(np.repeat(np.arange(parts), share), layer.filters))
        for layer, share in zip(tasks.layers, shares, strict=True)
    ]
    return Plan(tasks.network, parts, tuple(slices), "filter-horizontal")
