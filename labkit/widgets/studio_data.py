"""What the partition studio sends to the page: task layers and tensors of a network, and owners, as short lists.

The page counts loads and volume itself, on every stroke of the brush, so it needs to know who reads which map. The maps
of a tensor are read in few ways: all by the same filters, or map by map by a filter (or a window of filters) of the
same number. Both are a *segment* [first map, maps, first filter, end filter, slope]: map first + i is read by the
filters from first filter + slope * i up to, and without, end filter + slope * i.
"""

from collections.abc import Iterator
from itertools import groupby

import numpy as np

from labkit.errors import LabError
from labkit.network import Network
from labkit.partition.plan import NOBODY, Plan, Slice
from labkit.partition.tasks import Join, Read, TaskLayer, Tasks, Tensor
from labkit.partition.weights import Weights, layer_work

BLOCKS = ("input", "dense")  # kinds of layers that are drawn and painted as one block, as the thesis cuts them


def structure(tasks: Tasks, weights: Weights) -> dict:
    """Layers and tensors of a network as plain lists.

    layers: {name, kind, filters, work, block}. tensors: {made: runs [layer, first filter, maps, elements per map],
    readers: [layer, segments]}. Raises LabError if the weights are those of another network.
    """
    layers = [
        {"name": one.name, "kind": one.kind, "filters": one.filters, "work": float(work), "block": one.kind in BLOCKS}
        for one, work in zip(tasks.layers, layer_work(tasks, weights), strict=True)
    ]
    return {"layers": layers, "tensors": [_tensor(tensor, tasks) for tensor in tasks.tensors]}


def _tensor(tensor: Tensor, tasks: Tasks) -> dict:
    readers = [[one.layer, segments(_ranges(one, tasks.layers[one.layer]))] for one in tensor.readers]
    return {"made": _made(tensor), "readers": readers}


def _made(tensor: Tensor) -> list[list[int]]:
    """Runs of maps with neighbouring filters of one layer, and as many elements each."""
    rows = zip(tensor.layer.tolist(), tensor.filter.tolist(), tensor.elements.tolist(), strict=True)
    runs = []
    for layer, filter_, elements in rows:
        last = runs[-1] if runs else None
        if last and (layer, filter_, elements) == (last[0], last[1] + last[2], last[3]):
            last[2] += 1
        else:
            runs.append([layer, filter_, 1, elements])
    return runs


def _ranges(reader: Read | Join, layer: TaskLayer) -> Iterator[list[tuple[int, int]]]:
    """For each map of a tensor the filters of a layer that read it, as ranges (first, end)."""
    if isinstance(reader, Join):
        for c in range(len(reader.starts) - 1):
            yield _runs_of(np.unique(reader.filters[reader.starts[c] : reader.starts[c + 1]]))
        return
    for channel in reader.channel:
        if channel == NOBODY:
            yield []
        else:
            yield [(0, layer.filters)] if layer.links is None else _runs_of(np.flatnonzero(layer.links[:, channel]))


def _runs_of(numbers: np.ndarray) -> list[tuple[int, int]]:
    pieces = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    return [(int(piece[0]), int(piece[-1]) + 1) for piece in pieces if len(piece)]


def segments(ranges: Iterator[list[tuple[int, int]]]) -> list[list[int]]:
    """Ranges of filters per map, joined over neighbouring maps: [first map, maps, first filter, end filter, slope]."""
    done, growing = [], []
    for c, wanted in enumerate(ranges):
        kept = []
        for first, end in wanted:
            match = next((one for one in growing if _follows(one, first, end)), None)
            if match is None:
                match = [c, 0, first, end, 0]
                done.append(match)
            else:
                growing.remove(match)
                match[4] = first - match[2] if match[1] == 1 else match[4]
            match[1] += 1
            kept.append(match)
        growing = kept
    return done


def _follows(segment: list[int], first: int, end: int) -> bool:
    """Whether the next map of a segment would be read by the filters first to end; one map alone has any slope."""
    _, maps, low, high, slope = segment
    slopes = (0, 1) if maps == 1 else (slope,)
    return any((low + s * maps, high + s * maps) == (first, end) for s in slopes)


def pack(plan: Plan) -> str:
    """Owners as text: '0:64.1:64-2' is a layer with 64 filters of part 0 and 64 of part 1, then one of part 2 alone."""
    if plan.grain != "coarse":
        raise LabError("a fine-grain plan in the partition studio", "give a coarse plan: its tasks are filters")
    return "-".join(".".join(_run(*run) for run in _owner_runs(piece.owner)) for piece in plan.slices)


def _owner_runs(owner: np.ndarray) -> list[tuple[int, int]]:
    return [(part, len(list(run))) for part, run in groupby(owner.tolist())]


def _run(part: int, count: int) -> str:
    return f"{part}:{count}" if count > 1 else str(part)


def unpack(network: Network, parts: int, text: str, method: str, made: dict) -> Plan:
    """The plan that `pack` has written. Raises LabError for text that is not of this network."""
    from labkit.partition.trace import tasks_of

    names, rows = tasks_of(network).names, text.split("-")
    try:
        owners = [np.concatenate([_filled(*run.split(":")) for run in row.split(".")]) for row in rows]
        slices = tuple(Slice(name, owner) for name, owner in zip(names, owners, strict=True))
    except (ValueError, TypeError):
        raise LabError(f"owners={text[:40]!r} of {network.name}", "give what pack(plan) has written") from None
    return Plan(network, parts, slices, method, made)


def _filled(part: str, count: str = "1") -> np.ndarray:
    if not 1 <= int(count) <= 2**20:
        raise ValueError(count)
    return np.full(int(count), int(part))
