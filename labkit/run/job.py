"""What is asked of a run besides its schedule: data, numbers of steps, the link, and what to keep."""

from dataclasses import dataclass, field
from pathlib import Path

from labkit.data.loading import is_path
from labkit.engine.optimizers import SGD, Optimizer
from labkit.errors import LabError, suggest
from labkit.machine.links import Link
from labkit.machine.origin import MEASURED_HERE, SLEPT
from labkit.schedule.costs import Compute

EXCHANGES = ("auto", "host", "nccl")


@dataclass(frozen=True)
class Job:
    """Settings that all ranks of a run share.

    data: a data set by name (`labkit data list`), a folder, or 'synthetic'; data_root: where downloaded sets lie.
    Paths become absolute ones.
    steps: of training; epochs begin anew as often as they must. seed: of weights and order. backend: as for a `Model`.
    dtype: 'float32', or 'float64' on the reference backend. threads: BLAS threads of each rank. loss: a name of
    `engine.losses`. timeout_s: longest time that any one wait may take. link: the emulated network, None for the real
    one. compute: seconds that computing takes, which is then slept through (`run.rank.virtual`); None for computing.
    slowed_s: seconds that each rank sleeps in every forward pass, on top of what it computes: processors that are
    slowed down on purpose as the network is, and unequally if you like; () for none. checkpoint_folder: where
    checkpoints go, None for none; checkpoint_every: steps between them. resume: go on from the last complete one there.
    record: keep the events. exchange: how the library's own all-reduce (`mpi`) of ranks on GPUs goes: 'nccl', from GPU
    to GPU; 'host', as all other messages; 'auto', by NCCL where ranks have a GPU each and it can be started (and the
    environment variable LABKIT_EXCHANGE says nothing else).

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
    compute: Compute | None = None
    slowed_s: tuple[float, ...] = ()
    checkpoint_folder: str | Path | None = None
    checkpoint_every: int = 0
    resume: bool = False
    record: bool = True
    exchange: str = "auto"

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("threads", 1), ("seed", 0), ("checkpoint_every", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise LabError(f"{name}={value!r}", f"give a whole number of at least {least}")
        if self.exchange not in EXCHANGES:
            raise LabError(f"exchange={self.exchange!r}", suggest(self.exchange, EXCHANGES))
        if not 0 < self.timeout_s < float("inf"):
            raise LabError(f"timeout_s={self.timeout_s!r}", "give a number of seconds above 0")
        if (self.checkpoint_every or self.resume) and self.checkpoint_folder is None:
            raise LabError("checkpoints without a folder", "give checkpoint_folder")
        if not all(0 <= seconds < float("inf") for seconds in self.slowed_s):
            raise LabError(f"slowed_s={self.slowed_s!r}", "give seconds from 0 up, for each rank")
        if self.slowed_s and self.link is None:  # its times would pass for real ones
            what = "ranks that are slowed down on a network that is not"
            raise LabError(what, "give an emulated link as well: such a run as a whole is emulated")
        if self.compute is not None and (self.link is None or self.checkpoint_folder is not None):
            what = "on a real network" if self.link is None else "with checkpoints of what is not learned"
            raise LabError(f"computing that is slept through {what}", "give an emulated link, and no checkpoint folder")
        self._make_absolute()

    def _make_absolute(self) -> None:
        """Paths as the ranks can use them too, which may be in another folder than whoever asks."""
        for name in ("data", "data_root", "checkpoint_folder"):
            path = getattr(self, name)
            if path is not None and (name != "data" or is_path(path)):
                object.__setattr__(self, name, str(Path(path).expanduser().absolute()))

    @property
    def kind(self) -> tuple[str, str, str]:
        """Regime, origin and link of a run's timeline, as in `schedule.events.Timeline`."""
        regime, link = ("emulated", self.link.name) if self.link else ("real", "memory")
        return (regime, MEASURED_HERE, link) if self.compute is None else ("simulated", SLEPT, link)

    def slowed(self, rank: int) -> float:
        """Seconds that `rank` sleeps in every forward pass. LabError if `slowed_s` has nothing about it."""
        if self.slowed_s and rank >= len(self.slowed_s):
            raise LabError(f"slowed_s of {len(self.slowed_s)} ranks for a rank {rank}", "give seconds for each rank")
        return self.slowed_s[rank] if self.slowed_s else 0.0
