"""The settings of a training run: everything besides the model and the data that decides what comes out."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from labkit.engine import losses
from labkit.engine.augment import Augmentation, describe
from labkit.engine.optimizers import SGD, Optimizer
from labkit.engine.regularize import EarlyStopping
from labkit.engine.schedules import Schedule
from labkit.errors import LabError


@dataclass(frozen=True)
class Training:
    """How to train.

    epochs: passes over the training samples. batch: samples per step. optimizer: a record of `optimizers`, with the
    learning rate; `schedule` changes that rate as the run goes on. loss: a name known to `losses.get`.
    l1, l2: penalties on weights, see `regularize`. augment: records of `augment`, applied in turn to every batch.
    early_stopping: an `EarlyStopping`, or None for all the epochs. seed: order of the samples and augmentation (the
    weights have the model's own seed). evaluate_every_epoch: run the test set after each epoch, not only the last.
    checkpoint_folder: where to keep the last checkpoint, written after each epoch, after every `checkpoint_every`
    steps if that is not 0, and when the run is closed early. norms_every: take gradient norms at every so manieth step
    (0: never); they read all gradients once more.

    Raises LabError for a setting out of range.
    """

    epochs: int = 1
    batch: int = 32
    optimizer: Optimizer = field(default_factory=SGD)
    loss: str = "categorical_crossentropy"
    l1: float = 0.0
    l2: float = 0.0
    augment: tuple[Augmentation, ...] = ()
    schedule: Schedule = field(default_factory=Schedule)
    early_stopping: EarlyStopping | None = None
    seed: int = 0
    evaluate_every_epoch: bool = True
    checkpoint_folder: str | Path | None = None
    checkpoint_every: int = 0
    norms_every: int = 1

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch", 1), ("seed", 0), ("checkpoint_every", 0), ("norms_every", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise LabError(f"training with {name}={value!r}", f"give a whole number of at least {least}")
        for name in ("l1", "l2"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not 0 <= value < float("inf"):
                raise LabError(f"training with {name}={value!r}", "give a finite number of at least 0")
        object.__setattr__(self, "augment", tuple(self.augment))
        self._check_records()
        losses.get(self.loss)

    def _check_records(self) -> None:
        wanted = [("optimizer", self.optimizer, Optimizer, "optimizers.get('adam', lr=0.001)")]
        wanted += [("schedule", self.schedule, Schedule, "Schedule('cosine')")]
        wanted += [("augment", a, Augmentation, "(Shift(2), Flip())") for a in self.augment]
        if self.early_stopping is not None:
            wanted += [("early_stopping", self.early_stopping, EarlyStopping, "EarlyStopping(patience=5)")]
        for name, value, kind, example in wanted:
            if not isinstance(value, kind):
                raise LabError(f"training with {name}={value!r}", f"give a record such as {example}")

    def document(self) -> dict:
        """What decides the outcome, as a JSON object: two runs with equal documents do the same, step by step."""
        left_out = ("evaluate_every_epoch", "checkpoint_folder", "checkpoint_every", "norms_every")
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in left_out}
        return plain | {
            "optimizer": {"name": self.optimizer.name} | asdict(self.optimizer),
            "augment": [describe(a) for a in self.augment],
            "schedule": asdict(self.schedule),
            "early_stopping": None if self.early_stopping is None else asdict(self.early_stopping),
        }


def differences(asked: dict, stored: dict, ignore: Callable[[str], bool]) -> list[str]:
    """'key is A in the checkpoint, B now' for every key in which two documents differ, in order."""
    keys = [key for key in asked | stored if not ignore(key) and asked.get(key) != stored.get(key)]
    return [f"{key} is {stored.get(key)!r} there and {asked.get(key)!r} now" for key in keys]
