"""Recipes for FP, BP and KU of a dense layer. What is not given is planned for an H200."""

from labkit.kernels.sizes import DenseSizes
from labkit.kernels.tuned import gemm, parts
from labkit.kernels.tuned.convolution import bias_gradient
from labkit.kernels.tuned.plan import plan, product
from labkit.kernels.tuned.recipe import Pick, Recipe, Step


def forward(sizes: DenseSizes, pick: Pick | None = None, function: int = 0) -> Recipe:
    """y = f(x . weight + bias) from arrays x [N, F], weight [K, F], bias [K], y [N, K].

    function: an index into `activate.FUNCTIONS`. Workspace: parts where the pick has several.
    """
    return _recipe(sizes, "FP", ("x", "weight", "bias", "y"), pick, function)


def backward_data(sizes: DenseSizes, pick: Pick | None = None, aligned: bool = True) -> Recipe:
    """dx [N, F] from arrays dy [N, K], weight, dx. Workspace as in `forward`.

    aligned: False where weight does not begin at a 16-byte boundary.
    """
    return _recipe(sizes, "BP", ("dy", "weight", None, "dx"), pick, 0, aligned)


def backward_weights(sizes: DenseSizes, pick: Pick | None = None, bias: bool = True, aligned: bool = True) -> Recipe:
    """dweight [K, F], and dbias [K] if `bias`, from arrays x, dy, dweight, dbias. Workspace as in `forward`.

    aligned: False where dweight does not begin at a 16-byte boundary.
    """
    main = _recipe(sizes, "KU", ("dy", "x", None, "dweight"), pick, 0, aligned)
    steps, workspace = bias_gradient(sizes.N, sizes.K, 1) if bias else ([], {})
    return Recipe((*main.steps, *steps), (), main.workspace | workspace, main.why)


def _recipe(
    sizes: DenseSizes,
    direction: str,
    names: tuple[str, str, str | None, str],
    pick: Pick | None,
    function: int,
    aligned: bool = True,
) -> Recipe:
    a, b, bias, out = names
    pick, job = pick or plan(sizes, direction), product(sizes, direction)
    tile, split, add_bias, later = pick.tile, pick.split, bias is not None, pick.asynchronous
    if split == 1:
        made = gemm.make(job, tile, 1, function, add_bias, later, aligned)
        return Recipe((Step(*made, (a, b, bias or b, out)),), why=pick.why)
    values = job.rows * job.columns
    parts_aligned = aligned or direction == "KU"  # there it is the sum of the parts that is not
    made = gemm.make(job, tile, split, asynchronous=later, aligned=parts_aligned)
    adding = parts.make(values, split, 1, job.columns, function, add_bias, aligned or direction != "KU")
    steps = Step(*made, (a, b, b, "parts")), Step(*adding, ("parts", bias or b, out))
    return Recipe(steps, workspace={"parts": split * values}, why=pick.why)
