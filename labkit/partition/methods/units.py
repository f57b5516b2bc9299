"""What the naive methods deal out: the tasks of each layer in order, all of one layer with the same work."""

import numpy as np

from labkit.errors import LabError
from labkit.partition.grains import DENSE
from labkit.partition.tasks import Tasks

FINER = {"filter": "method 'channel-incremental', which divides filters", "channel": "dense='neuron'"}


def filter_units(tasks: Tasks, dense: str) -> np.ndarray:
    """Tasks of each layer where filters are whole: int64 [layers].

    dense: 'layer' counts the input and every dense layer as one task, 'neuron' each of its values. Raises LabError for
    anything else.
    """
    if dense not in DENSE:
        raise LabError(f"dense={dense!r}", "choose 'layer' or 'neuron'")
    whole = ("input", "dense") if dense == "layer" else ()
    return np.array([1 if layer.kind in whole else layer.filters for layer in tasks.layers])


def channel_units(tasks: Tasks, dense: str) -> np.ndarray:
    """The same where the filters of a convolution are divided by channels: int64 [layers]."""
    units = filter_units(tasks, dense)
    return np.array(
        [layer.fine_tasks if layer.fine else n for layer, n in zip(tasks.layers, units, strict=True)], np.int64
    )


def check_units(tasks: Tasks, parts: int, units: np.ndarray, work: np.ndarray, what: str) -> None:
    """Refuse more parts than there are tasks with work. what: 'filter' or 'channel', what a task is."""
    working = int(units[work > 0].sum())
    if parts > working:
        raise LabError(
            f"{parts} parts for {working} {what}s of {tasks.network.name} that have work",
            f"give at most {working} parts, or take {FINER[what]}",
        )


def spread(owner: np.ndarray, filters: int) -> np.ndarray:
    """The owner of each filter from that of each task, where one task may be all filters of a layer: [filters]."""
    return owner if len(owner) == filters else np.full(filters, owner[0])
