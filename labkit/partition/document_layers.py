"""One row of a plan's document: who owns what of a layer. Three spellings, the shortest that fits is written.

    {"layer": "fc1", "part": 3}
    {"layer": "conv1", "filters": {"0": "0-31", "1": "32-63"}}
    {"layer": "conv2", "blocks": [
        {"filters": "0-15", "channels": {"0": "0-31", "2": "32-63"}, "reduces": 0},
        {"filters": "16-127", "part": 1}]}

A block is filters that are divided in the same way: channel by channel (then `reduces` names the part that adds up the
sums and owns the filter), or not at all. Channels that a filter does not read are not listed.
"""

import numpy as np

from labkit.errors import LabError, suggest
from labkit.partition.plan import NOBODY, Slice
from labkit.partition.ranges import Runs, spell, spell_numbers
from labkit.partition.tasks import TaskLayer

WAYS = ("part", "filters", "blocks")


def layer_row(piece: Slice) -> dict:
    """The row of one slice."""
    if piece.channels is not None:
        return {"layer": piece.layer, "blocks": _blocks(piece)}
    if (piece.owner == piece.owner[0]).all():
        return {"layer": piece.layer, "part": int(piece.owner[0])}
    return {"layer": piece.layer, "filters": spell(piece.owner)}


def _blocks(piece: Slice) -> list[dict]:
    """Filters with equal owners of all their channels and of their sum together, in the order of their first."""
    rows = np.column_stack((piece.channels, piece.owner))
    members: dict[bytes, list[int]] = {}
    for f, row in enumerate(rows):
        members.setdefault(row.tobytes(), []).append(f)
    blocks = []
    for filters in members.values():
        block = {"filters": spell_numbers(np.array(filters))}
        channels, owner = piece.channels[filters[0]], int(piece.owner[filters[0]])
        if (channels[channels != NOBODY] == owner).all():
            block["part"] = owner
        else:
            block |= {"channels": spell(channels), "reduces": owner}
        blocks.append(block)
    return blocks


def read_row(row: dict, layer: TaskLayer, parts: int) -> Slice:
    """The slice that a row describes; what nobody owns is NOBODY there, and the Plan's to refuse.

    Raises LabError naming the layer and what is wrong: keys, types, numbers, a task with two owners.
    """
    where = f"layer {layer.name!r} of the plan"
    check_keys(row, ("layer",), WAYS, where)
    ways = [key for key in WAYS if key in row]
    if len(ways) != 1:
        said = " and ".join(map(repr, ways)) or "nothing"
        raise LabError(f"{where} says {said}", "say who owns it in one of the ways 'part', 'filters' and 'blocks'")
    if "part" in row:
        return Slice(layer.name, np.full(layer.filters, check_part(row["part"], parts, where)))
    if "filters" in row:
        return Slice(layer.name, _by_filters(row["filters"], layer, parts, where))
    return _by_blocks(row["blocks"], layer, parts, where)


def _by_filters(owners: object, layer: TaskLayer, parts: int, where: str) -> np.ndarray:
    def twice(_row: int, number: int, one: int, other: int) -> LabError:
        return _twice(f"filter {number} of layer {layer.name!r}", one, other)

    runs = Runs(layer.filters, "filter", where)
    _add(runs, 0, owners, parts)
    return runs.table(1, twice)[0]


def _by_blocks(blocks: object, layer: TaskLayer, parts: int, where: str) -> Slice:
    if not layer.fine:
        raise LabError(f"{where} ({layer.kind}) is divided by channels", "divide it by filters")
    if not isinstance(blocks, list):
        raise LabError(f"'blocks' of {where} are {type(blocks).__name__}", "give a list of blocks")
    filters, channels = Runs(layer.filters, "filter", where), Runs(layer.channels, "channel", where)
    reduces = [_read_block(block, b, filters, channels, parts) for b, block in enumerate(blocks)]

    def in_two_blocks(_row: int, number: int, one: int, other: int) -> LabError:
        name = f"filter {number} of layer {layer.name!r} stands in block {one + 1} and in block {other + 1}, and"
        return _twice(name, reduces[one], reduces[other])

    def twice(row: int, number: int, one: int, other: int) -> LabError:
        first = int(np.flatnonzero(block_of == row)[0])
        return _twice(f"channel {number} of filter {first} of layer {layer.name!r}", one, other)

    block_of = filters.table(1, in_two_blocks)[0]
    table = np.vstack((channels.table(len(blocks), twice), np.full(layer.channels, NOBODY)))  # the last: in no block
    owner = np.array([*reduces, NOBODY])[block_of]
    divided = np.isin(np.arange(len(blocks) + 1), channels.row)
    each = np.where(divided[block_of, None], table[block_of], owner[:, None])
    if layer.links is not None:
        each = np.where(layer.links | divided[block_of, None], each, NOBODY)
    return Slice(layer.name, owner, each)


def _read_block(block: object, number: int, filters: Runs, channels: Runs, parts: int) -> int:
    """Note what block `number` holds, and return the part that owns its filters."""
    where = f"block {number + 1} of {filters.where}"
    if isinstance(block, dict) and "part" in block:
        check_keys(block, ("filters", "part"), (), where)
        owner = check_part(block["part"], parts, where)
    else:
        check_keys(block, ("filters", "channels", "reduces"), (), where)
        owner = check_part(block["reduces"], parts, where)
        _add(channels, number, block["channels"], parts)
    filters.add(0, number, block["filters"])
    return owner


def _add(runs: Runs, row: int, owners: object, parts: int) -> None:
    """Read {"0": "0-31", "1": "32-63"}."""
    if not isinstance(owners, dict) or not owners:
        raise LabError(
            f"{runs.where} gives away {runs.what}s by {_kind(owners)}",
            f'write the {runs.what}s of each part, such as {{"0": "0-{runs.size - 1}"}}',
        )
    for key, text in owners.items():
        if not isinstance(key, str) or not (key.isascii() and key.isdigit()) or (key != "0" and key[0] == "0"):
            raise LabError(f"{runs.where} names a part {key!r}", 'write its number in a string, such as "0"')
        runs.add(row, check_part(int(key[:9]), parts, runs.where), text)


def check_part(part: object, parts: int, where: str) -> int:
    """`part` if it is the number of a part, else LabError."""
    if not isinstance(part, int) or isinstance(part, bool) or not 0 <= part < parts:
        raise LabError(f"{where} names part {_kind(part)}", f"give a whole number from 0 to {parts - 1}")
    return part


def check_keys(row: object, needed: tuple[str, ...], optional: tuple[str, ...], where: str) -> None:
    """Refuse what is no object with exactly these keys."""
    if not isinstance(row, dict):
        raise LabError(f"{where} is {_kind(row)}", f"write an object with the keys {', '.join(needed + optional)}")
    for key in row:
        if key not in needed + optional:
            raise LabError(f"{where} has a key {key!r}", suggest(key, needed + optional))
    for key in needed:
        if key not in row:
            raise LabError(f"{where} has no {key!r}", "add it")


def _kind(value: object) -> str:
    """A number as it is, anything else by what it is, for an error: an object may be pages long."""
    spoken = {dict: "an object", list: "a list", str: "a string", type(None): "null"}
    return spoken.get(type(value), str(value)[:20])


def _twice(task: str, one: int, other: int) -> LabError:
    if one == other:
        return LabError(f"{task} is given to part {one} twice", "list it once")
    return LabError(f"{task} is given to part {one} and to part {other}", "leave it to one of them")
