"""What is asked of a run besides its schedule: data, numbers of steps, the link, and what to keep."""

from dataclasses import dataclass, field
from pathlib import Path

from labkit.engine.optimizers import SGD, Optimizer
from labkit.errors import LabError
from labkit.machine.links import Link


@dataclass(frozen=True)
class Job:
    """Settings that all ranks of a run share.

    data: a data set by name (`labkit data list`), a folder, or 'synthetic'; data_root: where downloaded sets lie.
    steps: of training; epochs begin anew as often as they must. seed: of weights and order. backend: as for a `Model`.
    dtype: 'float32', or 'float64' on the reference backend. threads: BLAS threads of each rank. loss: a name of
    `engine.losses`. timeout_s: longest time that any one wait may take. link: the emulated network, None for the real
    one. checkpoint_folder: where checkpoints go, None for none; checkpoint_every: steps between them. resume: go on
    from the last complete one there. record: keep the events.

    Raises LabError for values out of range.
    """

    data: str = "digits"
    data_root: str | None = None
    steps: int = 10
    seed: int = 0
    backend: str = "cpu"
    mapping: object = None
    dtype: str = "float32"
    threads: int = 1
    optimizer: Optimizer = field(default_factory=lambda: SGD(lr=0.01))
    loss: str = "categorical_crossentropy"
    timeout_s: float = 60.0
    link: Link | None = None
    checkpoint_folder: str | Path | None = None
    checkpoint_every: int = 0
    resume: bool = False
    record: bool = True

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("threads", 1), ("seed", 0), ("checkpoint_every", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise LabError(f"{name}={value!r}", f"give a whole number of at least {least}")
        if not 0 < self.timeout_s < float("inf"):
            raise LabError(f"timeout_s={self.timeout_s!r}", "give a number of seconds above 0")
        if (self.checkpoint_every or self.resume) and self.checkpoint_folder is None:
            raise LabError("checkpoints without a folder", "give checkpoint_folder")
