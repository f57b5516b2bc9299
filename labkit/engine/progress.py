"""How far a run has come: everything a checkpoint must hold besides the weights so that the run can go on."""

from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np

from labkit.data import Dataset, Split, split_indices
from labkit.engine import checkpoint
from labkit.engine.model import Model, Step
from labkit.engine.regularize import Best, penalised
from labkit.engine.training import Training, differences
from labkit.errors import LabError


@dataclass
class Progress:
    """Counts and sums of a run. step: steps done. epoch: epochs completed. batch: steps done in the current one.

    loss_sum, correct, samples: over the current epoch so far. train_loss, train_accuracy: of the last complete epoch;
    test_loss, test_accuracy: of the last time the test set was run; None before. stopped: why it ended early, or None.
    best: what early stopping remembers.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    loss_sum: float = 0.0
    correct: int = 0
    samples: int = 0
    train_loss: float | None = None
    train_accuracy: float | None = None
    test_loss: float | None = None
    test_accuracy: float | None = None
    stopped: str | None = None
    best: Best = field(default_factory=Best)

    def count(self, result: Step) -> None:
        """Take one more step into account."""
        self.step += 1
        self.batch += 1
        self.loss_sum += result.loss * result.samples
        self.correct += result.correct
        self.samples += result.samples

    def end_epoch(self) -> None:
        """Turn the sums into means and start those of the next epoch."""
        self.train_loss, self.train_accuracy = self.loss_sum / self.samples, self.correct / self.samples
        self.epoch += 1
        self.batch, self.loss_sum, self.correct, self.samples = 0, 0.0, 0, 0


@dataclass
class Run:
    """A training run: what it was asked for, what it works on, and how far it is."""

    model: Model
    training: Training
    samples: Split
    validation: Split | None
    test: Split
    data: dict
    slots: tuple[np.ndarray, ...]
    penalised: tuple[slice, ...]
    bytes_held: dict[str, int]
    progress: Progress = field(default_factory=Progress)
    saved_step: int = 0
    started: float = 0.0

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self.samples) // self.training.batch)

    @property
    def steps(self) -> int:
        """Steps of the whole run, if nothing stops it early."""
        return self.steps_per_epoch * self.training.epochs


def start_run(model: Model, dataset: Dataset, training: Training) -> Run:
    """A run at its first step: slots allocated, validation samples set aside."""
    samples, validation = dataset.train, None
    if training.early_stopping is not None:
        held, kept = split_indices(len(samples), training.early_stopping.held_out, training.seed)
        samples, validation = samples.subset(kept), samples.subset(held)
    check_batch(training.batch, samples, dataset.name)
    slots = model.slots(training.optimizer)
    bytes_held = model.bytes_held() | {"optimizer": sum(s.nbytes for s in slots)}
    data = {"name": dataset.name, "samples": len(samples), "shape": list(samples.shape), "source": dataset.source}
    parts = penalised(model.network, model.parameters)
    return Run(model, training, samples, validation, dataset.test, data, slots, parts, bytes_held)


def check_batch(batch: int, samples: Split, name: str) -> None:
    """Refuse a batch larger than the training samples of data set `name`."""
    if batch > len(samples):
        raise LabError(
            f"a batch of {batch} is more than the {len(samples)} training samples of {name!r}",
            f"give a batch of at most {len(samples)}",
        )


def save(run: Run) -> Path | None:
    """Write the run's checkpoint if it has a folder and has moved since the last one; returns the path.

    Weights that are not finite are not written: the last good checkpoint stays, and the next step says what is wrong.
    """
    if run.training.checkpoint_folder is None or run.progress.step == run.saved_step:
        return None
    if not np.isfinite(run.model.parameters.host().flat).all():
        return None
    path = checkpoint.write(run.training.checkpoint_folder, _host_arrays(run), document(run))
    run.saved_step = run.progress.step
    return path


def document(run: Run) -> dict:
    """The JSON document of the run's checkpoint."""
    best = run.progress.best
    progress = {f.name: getattr(run.progress, f.name) for f in fields(run.progress)}
    # None before the first epoch was judged: JSON has no infinity.
    progress["best"] = {"loss": best.loss if best.vectors else None, "epochs_since": best.epochs_since}
    about = {"backend": run.model.backend, "data": run.data, "training": run.training.document(), "progress": progress}
    return checkpoint.describe(run.model) | about


def resume_run(run: Run, path: str | Path) -> None:
    """Put `run`, fresh from `start_run`, where the checkpoint at `path` was: weights, states, slots and counts.

    Raises LabError if the checkpoint belongs to another network, data set or settings, saying which differ.
    """
    stored = checkpoint.read(path)
    checkpoint.check_network(path, stored, run.model)
    differ = _differences(document(run), stored)
    if differ:
        raise LabError(
            f"{checkpoint.locate(path)} belongs to another run: {'; '.join(differ)}",
            "repeat the settings of that run, or start anew in another folder",
        )
    progress = _progress(path, stored)
    if np.isfinite(progress.best.loss):
        flats = run.model.parameters.host().flat, run.model.state.host().flat
        progress.best.vectors = tuple(map(np.empty_like, flats))
    run.progress = progress
    arrays = _host_arrays(run)
    checkpoint.read(path, arrays)
    _take(run, arrays)
    run.saved_step = progress.step


def _host_arrays(run: Run) -> dict[str, np.ndarray]:
    """All arrays of a run's checkpoint by name; views where they lie on the host, else copies."""
    get = run.model.arrays.get
    slots = {f"optimizer.{n}": get(s) for n, s in zip(run.training.optimizer.slots, run.slots, strict=True)}
    best = {f"best.{i}": vector for i, vector in enumerate(run.progress.best.vectors)}
    return checkpoint.host_arrays(run.model) | slots | best


def _take(run: Run, arrays: dict[str, np.ndarray]) -> None:
    """Put what `_host_arrays` gave, and a checkpoint filled, back to where the run's own arrays live."""
    checkpoint.take(run.model, arrays)
    for name, slot in zip(run.training.optimizer.slots, run.slots, strict=True):
        run.model.arrays.put(arrays[f"optimizer.{name}"], slot)


def _differences(asked: dict, stored: dict) -> list[str]:
    """What would make the rest of the run another one. More epochs do so only where the run looks ahead to its end."""
    looks_ahead = asked["training"]["schedule"]["kind"] == "cosine" or asked["training"]["early_stopping"]
    free = () if looks_ahead else ("epochs",)
    top = {"network", "backend", "data", "training", "progress", "format"}
    lines = differences(asked, stored, top.__contains__)
    lines += differences(asked["data"], stored.get("data", {}), lambda key: key == "source")
    return lines + differences(asked["training"], stored.get("training", {}), free.__contains__)


def _progress(path: str | Path, stored: dict) -> Progress:
    try:
        values = dict(stored["progress"])
        best = values.pop("best")
        return Progress(**values, best=Best() if best["loss"] is None else Best(**best))
    except (KeyError, TypeError) as error:
        raise LabError(f"{checkpoint.locate(path)} does not say how far its run was: {error}", "start anew") from None
