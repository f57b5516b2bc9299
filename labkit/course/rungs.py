"""The ladder of convolution kernels as notebook 05 shows it: what is recorded of each rung, its source, its result.

What the machine code of a rung allows was read by `benchmarks/ladder.py`, so that no compiler is needed here. Those
numbers are `modelled`: compiled for sm_90, not run. Times come from a GPU only.
"""

import ast
import json
from dataclasses import dataclass, field
from difflib import unified_diff
from inspect import getsource
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np

from labkit.engine.reference import conv
from labkit.errors import LabError
from labkit.kernels.executors import Executor
from labkit.kernels.experiments.measure import measure
from labkit.kernels.offline.sass import Loop
from labkit.kernels.sizes import ConvSizes
from labkit.kernels.tuned.ladder import LADDER, Rung, recipe
from labkit.kernels.tuned.recipe import Recipe, run
from labkit.machine.lab import checkout
from labkit.machine.origin import MODELLED
from labkit.widgets.roofline import KernelPoint

PATTERN = "ladder-sm_90-*.json"
MAKE_ONE = "python benchmarks/ladder.py"
EXAMPLE = ConvSizes(N=2, C=12, H=9, W=11, K=20, R=3, S=3, pad_h=1, pad_w=1)  # small, and a multiple of nothing


@dataclass(frozen=True)
class Read:
    """What the machine code of one rung says. issue, loads: shares of the FP32 peak; mix: instruction -> how often."""

    number: int
    name: str
    change: str
    per_fma: float
    issue: float
    loads: float
    registers: int
    shared_bytes: int
    mix: dict[str, int] = field(repr=False)
    origin: str = MODELLED

    @property
    def roof(self) -> float:
        """The smaller of the two bounds."""
        return min(self.issue, self.loads)


@dataclass(frozen=True)
class Ladder:
    """A recorded ladder: rungs by number, the layer that all of them compute, and when it was compiled."""

    rungs: tuple[Read, ...]
    sizes: ConvSizes
    date: str

    @property
    def flops_per_byte(self) -> float:
        """Of the layer: two for each multiply-add, over inputs, weights, biases and outputs moved once each."""
        z = self.sizes
        values = z.N * z.C * z.H * z.W + z.K * (z.C * z.R * z.S + 1) + z.N * z.K * z.P * z.Q
        return 2 * z.macs / (4 * values)

    @property
    def points(self) -> list[KernelPoint]:
        """The rungs as `roofline` draws them: no times, only where their roofs are."""
        made = []
        for one in self.rungs:
            loop = Loop(0, 0, (), one.mix)
            label, passes = f"{one.number} {one.name}", loop.wavefronts / loop.ffma
            made.append(KernelPoint(label, self.flops_per_byte, loop.per_ffma, passes, origin=one.origin))
        return made


def recorded(folder: Path | None = None) -> Ladder:
    """The newest ladder in `folder` (default: benchmarks/results of the checkout).

    Raises LabError where there is none.
    """
    folder = folder or checkout() / "benchmarks" / "results"
    files = sorted(folder.glob(PATTERN))
    if not files:
        raise LabError(f"no ladder {PATTERN} in {folder}", f"make one: {MAKE_ONE}")
    document = json.loads(files[-1].read_text(encoding="utf-8"))
    names = [rung.name for rung in LADDER]
    rungs = tuple(
        Read(
            row["rung"],
            names[row["rung"]] if row["rung"] < len(names) else "in use",
            row["change"],
            row["instructions_per_ffma"],
            row["issue_bound"],
            row["lsu_bound"],
            row["registers"],
            row["shared_bytes"],
            row["loop"],
            document["origin"],
        )
        for row in document["rows"]
    )
    return Ladder(rungs, ConvSizes(**document["layer"]), document["date"])


def source(number: int) -> str:
    """The kernel of a rung, as it stands in its file. Raises LabError for a number that is none."""
    if not 0 <= number < len(LADDER):
        raise LabError(f"there is no rung {number}", f"give a number from 0 to {len(LADDER) - 1}")
    return dedent(getsource(recipe(LADDER[number], EXAMPLE).steps[0].kernel))


def changes(number: int) -> str:
    """What a rung changes in the kernel of the one before, docstrings apart: lines with - go, those with + come."""
    if number < 1:
        raise LabError(f"there is no rung below {number}", f"give a number from 1 to {len(LADDER) - 1}")
    before, after = _code_lines(source(number - 1)), _code_lines(source(number))
    return "\n".join(line for line in list(unified_diff(before, after, n=0, lineterm=""))[2:] if line[:2] != "@@")


def _code_lines(text: str) -> list[str]:
    """The lines of a function without its docstring."""
    lines, first = text.splitlines(), ast.parse(text).body[0].body[0]
    docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return lines[: first.lineno - 1] + lines[first.end_lineno :] if docstring else lines


def differences(
    executor: Executor, sizes: ConvSizes = EXAMPLE, seed: int = 5
) -> list[tuple[int, str, int, int, float]]:
    """Every rung on random arrays: (number, name, blocks, threads of a block, difference).

    The difference is the largest one from the reference, as a share of the largest output. `sizes` should be small:
    the kernels are compiled first, which takes a second or two for each.
    """
    rng = np.random.default_rng(5)
    host = _arrays(sizes, rng)
    wanted = conv.forward(sizes.layer, host["x"], host["weight"], host["bias"])
    found = []
    for rung in LADDER:
        steps = recipe(rung, sizes)
        arrays = _placed(executor, rung, steps, host)
        run(steps, executor, arrays)
        y = executor.get(arrays["y"]).reshape(wanted.shape)
        launch = steps.steps[0].launch
        off = float(np.abs(y - wanted).max() / np.abs(wanted).max())
        found.append((rung.number, rung.name, launch.blocks, launch.block, off))
    return found


def times(executor: Executor, sizes: ConvSizes, budget_s: float = 0.5) -> list[tuple[int, str, float, float]]:
    """Every rung timed on `executor`: (number, name, milliseconds, TFLOP/s); weights are packed before."""
    host = _arrays(sizes, np.random.default_rng(0))
    found = []
    for rung in LADDER:
        steps = recipe(rung, sizes)
        arrays = _placed(executor, rung, steps, host)
        run(steps, executor, arrays)
        took = measure(
            executor, lambda steps=steps, arrays=arrays: run(steps, executor, arrays, prepare=False), budget_s
        )
        found.append((rung.number, rung.name, 1e3 * took.seconds, 2 * sizes.macs / took.seconds / 1e12))
    return found


def _arrays(sizes: ConvSizes, rng: np.random.Generator) -> dict[str, np.ndarray]:
    z = sizes
    shapes = {"x": (z.N, z.C, z.H, z.W), "weight": (z.K, z.C, z.R, z.S), "bias": (z.K,)}
    made = {name: rng.standard_normal(shape, np.float32) for name, shape in shapes.items()}
    return made | {"y": np.full((z.N, z.K, z.P, z.Q), np.nan, np.float32)}


def _placed(executor: Executor, rung: Rung, steps: Recipe, host: dict[str, np.ndarray]) -> dict[str, Any]:
    """The arrays of a rung on the executor's device: with their axes or flat, and its workspace."""
    given = host if rung.shaped else {name: array.reshape(-1) for name, array in host.items()}
    return {name: executor.put(array) for name, array in given.items()} | {
        name: executor.empty(values) for name, values in steps.workspace.items()
    }
