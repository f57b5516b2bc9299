"""Recipes for FP and BP of batch normalisation, fused with a ReLU and a residual addition if the sizes say so.

`kept` [2 * C] is among the arrays that the caller provides: FP writes it, BP reads it.
"""

from labkit.kernels.tuned import norm, norm_backward
from labkit.kernels.tuned.norm import NormSizes
from labkit.kernels.tuned.recipe import Recipe, Step


def forward(sizes: NormSizes, momentum: float = 0.1) -> Recipe:
    """y from arrays x, weight, bias, running_mean, running_variance (moved in training), kept, y, and other if `add`.

    Workspace: parts, in training.
    """
    applying = Step(*norm.make_apply(sizes), ("x", "other" if sizes.add else "x", "kept", "weight", "bias", "y"))
    if not sizes.training:
        keeping = Step(*norm.make_keep(sizes), ("running_mean", "running_variance", "kept"))
        return Recipe((keeping, applying), why=_why(sizes))
    summing = Step(*norm.make_statistics(sizes), ("x", "parts"))
    moved = ("x", "parts", "running_mean", "running_variance", "kept")
    finishing = Step(*norm.make_finish(sizes, momentum), moved)
    return Recipe((summing, finishing, applying), (), {"parts": sizes.parts_values}, _why(sizes))


def backward(sizes: NormSizes) -> Recipe:
    """dx, dweight, dbias (and dother if `add`) from arrays x, dy, kept, weight, bias (and y if `add` and `relu`).

    Workspace: parts. dx or dother may be dy itself.
    """
    y = "y" if sizes.add and sizes.relu else "x"
    summing = Step(*norm_backward.make_sums(sizes), ("x", y, "dy", "kept", "weight", "bias", "parts"))
    adding = Step(*norm_backward.make_gradients(sizes), ("parts", "dweight", "dbias"))
    other = "dother" if sizes.add else "dx"
    given = ("x", y, "dy", "kept", "weight", "bias", "dweight", "dbias", "dx", other)
    applying = Step(*norm_backward.make_apply(sizes), given)
    return Recipe((summing, adding, applying), (), {"parts": sizes.parts_values}, _why(sizes))


def _why(sizes: NormSizes) -> str:
    fused = " + add" * sizes.add + " + ReLU" * sizes.relu
    return f"BatchNorm{fused}, {4 * sizes.lanes} bytes at a time, a channel's sums in {sizes.split} shares"
