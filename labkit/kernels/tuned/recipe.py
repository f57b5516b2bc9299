"""What it takes to run one tuned operation: kernels in order, what each is given, and the memory in between."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from labkit.kernels.launch import Launch
from labkit.kernels.tuned.tiles import Tile


@dataclass(frozen=True)
class Pick:
    """Which kernel does an operation, with which tile, in how many parts; `plan` finds the best one.

    asynchronous: False for GPUs before compute capability 8.0, which have no asynchronous copies.
    """

    kernel: str
    tile: Tile
    split: int = 1
    asynchronous: bool = True

    @property
    def why(self) -> str:
        """Why this one; `plan` has more to say."""
        return f"{self.kernel} with tiles of {self.tile.name} in {self.split} parts, as it was asked for"


@dataclass(frozen=True)
class Step:
    """One launch. arguments: names of arrays, all flat (`reshape(-1)`); a number among them is passed as it is.

    Arrays begin at 16-byte boundaries, but weights, biases and their gradients, which may be pieces of one long vector,
    need not (of dense layers: see `aligned` there).
    """

    kernel: Callable
    launch: Launch
    arguments: tuple[str | int, ...]


@dataclass(frozen=True)
class Recipe:
    """One operation on one layer.

    prepare: steps that only turn weights into another order, to be run before `steps` whenever weights have changed.
    workspace: name -> float32 values of arrays that the caller provides; what `prepare` fills must stay until the
    weights change, all others hold nothing between two runs and can be shared with other layers.
    why: what was chosen and for which reason, to be shown.
    """

    steps: tuple[Step, ...]
    prepare: tuple[Step, ...] = ()
    workspace: dict[str, int] = field(default_factory=dict)
    why: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The arrays that the caller provides beside the workspace, in the order of their first use."""
        used = dict.fromkeys(name for step in (*self.prepare, *self.steps) for name in step.arguments)
        return tuple(name for name in used if isinstance(name, str) and name not in self.workspace)


def run(recipe: Recipe, executor: Any, arrays: dict[str, Any], prepare: bool = True, layer: str = "") -> None:
    """Launch the steps on `executor` (see `labkit.kernels.executors.Executor`). arrays: for every name, workspace too.

    prepare: False where the weights are those of the run before. layer: what the launches are for, to be noted in them.
    """
    for step in (*recipe.prepare, *recipe.steps) if prepare else recipe.steps:
        arguments = (arrays[name] if isinstance(name, str) else name for name in step.arguments)
        executor.launch(step.kernel, replace(step.launch, layer=layer, mapping="tuned"), *arguments)
