"""Recipes for FP, BP and KU of a convolution. What is not given is planned for an H200."""

from math import ceil

from labkit.errors import LabError, suggest
from labkit.kernels.sizes import ConvSizes
from labkit.kernels.tuned import channel_sums, few_channels, implicit, maps, pack, parts, weights, weights_few
from labkit.kernels.tuned.maps import Maps
from labkit.kernels.tuned.plan import H200, plan
from labkit.kernels.tuned.recipe import Pick, Recipe, Step

BLOCKS_WANTED = 2 * H200.multiprocessors  # of a sum over a whole map, whose parts are cheap


def forward(sizes: ConvSizes, pick: Pick | None = None, function: int = 0) -> Recipe:
    """y = f(x * weight + bias) from arrays x, weight, bias, y. function: an index into `activate.FUNCTIONS`.

    Workspace: packed (weights in another order), and parts where the pick has several. Raises LabError for a pick of a
    kernel that cannot do it.
    """
    pick, job = pick or plan(sizes, "FP"), maps.forward(sizes)
    if pick.kernel == "implicit":
        return _implicit(job, ("x", "bias", "y"), pick, function)
    _check(pick, ("implicit", "few_channels"))
    packing, packing_launch = pack.make(job, pick.tile.BK, taps_first=False)
    kernel, launch = few_channels.make(sizes, pick.tile, function, pick.asynchronous)
    rows = ceil(job.summed * job.R * job.S / pick.tile.BK) * pick.tile.BK
    return Recipe(
        steps=(Step(kernel, launch, ("x", "packed", "bias", "y")),),
        prepare=(Step(packing, packing_launch, ("weight", "packed")),),
        workspace={"packed": job.groups * rows * job.made_padded},
        why=pick.why,
    )


def backward_data(sizes: ConvSizes, pick: Pick | None = None) -> Recipe:
    """dx from arrays dy, weight, dx. Workspace as in `forward`; `packed` is another order than that of `forward`."""
    pick = pick or plan(sizes, "BP")
    _check(pick, ("implicit",))
    return _implicit(maps.backward(sizes), ("dy", None, "dx"), pick, 0)


def backward_weights(sizes: ConvSizes, pick: Pick | None = None, bias: bool = True) -> Recipe:
    """dweight, and dbias if `bias`, from arrays x, dy, dweight, dbias. Workspace: parts, and bias_parts if `bias`.

    Neither gradient has to begin at a 16-byte boundary.
    """
    pick, values, C = pick or plan(sizes, "KU"), sizes.K * (sizes.C // sizes.groups) * sizes.R * sizes.S, sizes.C
    _check(pick, ("weights", "weights_few"))
    workspace, split = {"parts": pick.split * values}, pick.split
    if pick.kernel == "weights":
        kernel, launch = weights.make(sizes, pick.tile, split, pick.asynchronous)
        adding = parts.make_turned(values, split, sizes.R * sizes.S, C // sizes.groups)
        steps = [Step(kernel, launch, ("x", "dy", "parts")), Step(*adding, ("parts", "dweight"))]
    else:
        kernel, launch = weights_few.make(sizes, pick.tile, split, pick.asynchronous)
        steps = [Step(kernel, launch, ("x", "dy", "parts" if split > 1 else "dweight"))]
        if split > 1:
            steps.append(Step(*parts.make(values, split, aligned=False), ("parts", "parts", "dweight")))
        else:
            workspace = {}
    if bias:
        extra, more = bias_gradient(sizes.N, sizes.K, sizes.P * sizes.Q)
        steps, workspace = [*steps, *extra], workspace | more
    return Recipe(tuple(steps), (), workspace, pick.why)


def bias_gradient(N: int, channels: int, plane: int) -> tuple[list[Step], dict[str, int]]:
    """Steps from dy [N, channels, plane] to dbias [channels], and their workspace."""
    split = 1 if plane == 1 else min(N, ceil(BLOCKS_WANTED / channels))
    if split == 1:
        return [Step(*channel_sums.make(N, channels, plane), ("dy", "dbias"))], {}
    summing, adding = channel_sums.make(N, channels, plane, split), parts.make(channels, split, aligned=False)
    steps = [Step(*summing, ("dy", "bias_parts")), Step(*adding, ("bias_parts", "bias_parts", "dbias"))]
    return steps, {"bias_parts": split * channels}


def _implicit(job: Maps, names: tuple[str, str | None, str], pick: Pick, function: int) -> Recipe:
    (image, bias, out), tile, split = names, pick.tile, pick.split
    whole = split == 1
    kernel, launch = implicit.make(
        job, tile, split, function if whole else 0, whole and bias is not None, pick.asynchronous
    )
    workspace = {"packed": job.packed_values(tile.BK)}
    steps = [Step(kernel, launch, (image, "packed", bias or "packed", out if whole else "parts"))]
    if not whole:
        workspace["parts"] = split * job.out_values
        channels, plane = job.groups * job.made, job.out_h * job.out_w
        adding = parts.make(job.out_values, split, plane, channels, function, bias is not None)
        steps.append(Step(*adding, ("parts", bias or "packed", out)))
    packing = Step(*pack.make(job, tile.BK), ("weight", "packed"))
    return Recipe(tuple(steps), (packing,), workspace, pick.why)


def _check(pick: Pick, known: tuple[str, ...]) -> None:
    if pick.kernel not in known:
        raise LabError(f"kernel {pick.kernel!r} cannot do this", suggest(pick.kernel, known))
