"""The ladder from the textbook's hybrid kernel to a tuned one: FP of a convolution, one group, rung by rung.

Each rung is a file of its own and a small step from the one before. `implicit`, which layers really use, is rung 6 with
groups, BP, 128-bit stores, f, and indices that advance by additions.
"""

from collections.abc import Callable
from dataclasses import dataclass

from labkit.errors import LabError
from labkit.kernels.launch import Launch
from labkit.kernels.sizes import ConvSizes
from labkit.kernels.tuned import (
    maps,
    pack,
    parts,
    rung_0_textbook,
    rung_1_shapes,
    rung_2_unchecked,
    rung_3_coarse,
    rung_4_tiled,
    rung_5_asynchronous,
    rung_6_split,
)
from labkit.kernels.tuned.plan import plan
from labkit.kernels.tuned.recipe import Pick, Recipe, Step
from labkit.kernels.tuned.tiles import LARGE, Tile


@dataclass(frozen=True)
class Rung:
    """One kernel of the ladder. make(sizes) -> (kernel, launch), both of the step that multiplies.

    change: what is different from the rung before. shaped: arrays keep their four axes; later rungs take them flat.
    packed: the weights come in another order, made by `pack` beforehand.
    """

    number: int
    name: str
    change: str
    make: Callable[..., tuple[Callable, Launch]]
    shaped: bool = False
    packed: bool = False


def split_and_tile(sizes: ConvSizes, tile: Tile | None = None, split: int | None = None) -> tuple[Callable, Launch]:
    """Rung 6 with the tile and the parts that `plan` finds best, unless they are given."""
    pick = _pick(sizes, tile, split)
    return rung_6_split.make(sizes, pick.tile, pick.split)


LADDER = (
    Rung(
        0,
        "textbook",
        "The teaching kernel: any shape, arrays of four axes.",
        rung_0_textbook.make,
        shaped=True,
    ),
    Rung(1, "shapes", "All sizes are constants of the compiler.", rung_1_shapes.make, shaped=True),
    Rung(2, "unchecked", "Flat arrays, and indices promised to be inside.", rung_2_unchecked.make),
    Rung(3, "coarse", "A thread computes 8 pixels of 4 channels in registers.", rung_3_coarse.make),
    Rung(4, "tiled", "A tiled matrix product with 128-bit loads from shared memory.", rung_4_tiled.make, packed=True),
    Rung(5, "asynchronous", "A chunk is copied while one is multiplied.", rung_5_asynchronous.make, packed=True),
    Rung(6, "split", "A tile for each layer, and the sum divided among blocks.", split_and_tile, packed=True),
)


def recipe(rung: Rung, sizes: ConvSizes, tile: Tile | None = None, split: int | None = None) -> Recipe:
    """How to run a rung on arrays x, weight, bias, y: all flat, or with their axes where the rung is `shaped`.

    tile, split: instead of the rung's own, where it has them. Raises LabError for a layer with groups.
    """
    if sizes.groups != 1:
        raise LabError(f"the ladder's kernels know no groups, and {sizes} has {sizes.groups}", "use mapping 'tuned'")
    numbers = () if rung.number else (sizes.stride_h, sizes.stride_w, sizes.pad_h, sizes.pad_w, 1, 0)
    if not rung.packed:
        return Recipe((Step(*rung.make(sizes), ("x", "weight", "bias", "y", *numbers)),), why=rung.change)
    pick = _pick(sizes, tile, split) if rung.number == 6 else Pick("tiled", tile or LARGE)
    job, several = maps.forward(sizes), pick.split > 1
    made = rung_6_split.make(sizes, pick.tile, pick.split) if rung.number == 6 else rung.make(sizes, pick.tile)
    steps, workspace = [Step(*made, ("x", "packed", "bias", "parts" if several else "y"))], {}
    if several:
        workspace["parts"] = pick.split * job.out_values
        adding = parts.make(job.out_values, pick.split, sizes.P * sizes.Q, sizes.K, add_bias=True)
        steps.append(Step(*adding, ("parts", "bias", "y")))
    workspace["packed"] = job.packed_values(pick.tile.BK)
    packing = Step(*pack.make(job, pick.tile.BK), ("weight", "packed"))
    return Recipe(tuple(steps), (packing,), workspace, rung.change)


def _pick(sizes: ConvSizes, tile: Tile | None, split: int | None) -> Pick:
    """What `plan` finds best, with what is given instead; 64 x 64 for a tile so low that threads idle."""
    best = plan(sizes, "FP")
    return Pick("split", tile or (best.tile if best.tile.all_copy else Tile(64, 64)), split or best.split)
