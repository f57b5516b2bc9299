"""The training loop of one process, as a generator: it does a step whenever somebody asks for the next event."""

from collections.abc import Iterator
from dataclasses import replace
from math import isfinite
from pathlib import Path
from time import perf_counter

import numpy as np

from labkit.data import Dataset, Split, batches
from labkit.engine import diagnose, regularize
from labkit.engine.augment import augment
from labkit.engine.events import TrainEvent
from labkit.engine.model import Model
from labkit.engine.progress import Run, resume_run, save, start_run
from labkit.engine.threads import limit
from labkit.engine.training import Training
from labkit.errors import LabError
from labkit.network import INPUT


def train(
    model: Model, dataset: Dataset, training: Training | None = None, resume: str | Path | None = None
) -> Iterator[TrainEvent]:
    """Train `model` on `dataset.train` as `training` says; yields a `TrainEvent` after each step.

    resume: a checkpoint (file or folder) of the same network, data and settings to go on from; `epochs` may be larger
    than it was. What follows is bit for bit what would have followed without the interruption, if backend and threads
    are the same. The generator may be closed after any event: it then writes a checkpoint if there is a folder for it.

    Raises LabError at once for settings that do not fit the model, the data or the checkpoint, and while running when a
    loss or gradient is not finite, naming the step, the layer and the likely cause.
    """
    training = training or Training()
    _check(model, dataset, training)
    run = start_run(model, dataset, training)
    if resume is not None:
        resume_run(run, resume)
    return _events(run)


def _events(run: Run) -> Iterator[TrainEvent]:
    run.started = perf_counter()
    training, progress = run.training, run.progress
    while progress.epoch < training.epochs and progress.stopped is None:
        order = {"seed": training.seed, "epoch": progress.epoch, "skip": progress.batch}
        for x, labels in batches(run.samples, training.batch, **order):
            event = _step(run, x, labels)
            if progress.batch == run.steps_per_epoch:
                event = _end_epoch(run, event)
            if event.epoch_end or (training.checkpoint_every and progress.step % training.checkpoint_every == 0):
                save(run)
            try:
                yield replace(event, elapsed_s=perf_counter() - run.started)
            except GeneratorExit:
                save(run)
                raise


def _step(run: Run, x: np.ndarray, labels: np.ndarray) -> TrainEvent:
    """FP, BP, KU and the update for one batch; counts it in `run.progress`."""
    model, training, progress = run.model, run.training, run.progress
    step, epoch = progress.step, progress.epoch
    lr = training.schedule.rate(training.optimizer.lr, step, run.steps, run.steps_per_epoch)
    x = augment(x, training.augment, training.seed, epoch, step)
    # Numbers that overflow give no warning here: the loss shows them, and `diagnose` says where they began.
    with limit(model.threads), np.errstate(all="ignore"):
        result = model.gradients_of(x, labels, training.loss, step)
        if not np.isfinite(result.loss):
            raise diagnose.not_finite(model, x, result.loss, step, epoch, lr)
        norms = gradient_norms(model) if training.norms_every and step % training.norms_every == 0 else {}
        if not all(map(isfinite, norms.values())):
            raise diagnose.bad_gradients(norms, step, epoch, lr)
        ku = result.seconds["ku"] + _update(run, step, lr)
    progress.count(result)
    seconds, accuracy = {**result.seconds, "ku": ku}, result.correct / result.samples
    return TrainEvent(step, epoch, result.loss, accuracy, seconds, run.bytes_held, norms, lr, result.samples, run.steps)


def _update(run: Run, step: int, lr: float) -> float:
    """Penalties and the optimiser's update of all weights; returns the seconds it took."""
    model, training = run.model, run.training
    stopwatch = model.arrays.stopwatch()
    if training.l1 or training.l2:
        w, g = model.parameters.flat, model.gradients.flat
        regularize.add_penalty(w, g, run.penalised, training.l1, training.l2, model.arrays)
    model.update(training.optimizer, run.slots, step, lr)
    stopwatch.lap("ku")
    return stopwatch.seconds()["ku"]


def _end_epoch(run: Run, event: TrainEvent) -> TrainEvent:
    """Means over the epoch, the validation and test sets where they are due, and whether to go on."""
    model, training, progress = run.model, run.training, run.progress
    progress.end_epoch()
    validation = None
    if run.validation is not None:
        validation = _evaluate(run, run.validation, event)["loss"]
        vectors = model.parameters.host().flat, model.state.host().flat
        if progress.best.judge(validation, training.early_stopping, *vectors):
            progress.stopped = f"no better validation loss for {training.early_stopping.patience} epochs"
        if progress.stopped or progress.epoch == training.epochs:
            progress.best.restore(model.arrays, model.parameters.flat, model.state.flat)
    test = {"loss": None, "accuracy": None}
    if training.evaluate_every_epoch or progress.stopped or progress.epoch == training.epochs:
        test = _evaluate(run, run.test, event)
        progress.test_loss, progress.test_accuracy = test["loss"], test["accuracy"]
    return replace(
        event,
        epoch_end=True,
        train_loss=progress.train_loss,
        train_accuracy=progress.train_accuracy,
        validation_loss=validation,
        test_loss=test["loss"],
        test_accuracy=test["accuracy"],
        stopped=progress.stopped,
    )


def _evaluate(run: Run, split: Split, event: TrainEvent) -> dict:
    """Loss and accuracy over `split`; raises LabError if the step of `event` has left weights that give no number."""
    with np.errstate(all="ignore"):
        found = run.model.evaluate(split, run.training.loss)
    if not isfinite(found["loss"]):
        x = run.model.arrays.get(run.model.outputs[INPUT])
        raise diagnose.not_finite(run.model, x, found["loss"], event.step, event.epoch, event.learning_rate)
    return found


def gradient_norms(model: Model) -> dict[str, float]:
    """Euclidean norm of all gradients of each layer that has weights, in the order of the layers."""
    return model.arrays.norms(model.gradients.flat, layer_parts(model))


def layer_parts(model: Model) -> dict[str, slice]:
    """For each layer with weights, its part of the flat vectors."""
    parts: dict[str, slice] = {}
    for name, part in model.gradients.slices.items():
        layer = name.rpartition(".")[0]
        parts[layer] = slice(parts[layer].start if layer in parts else part.start, part.stop)
    return parts


def _check(model: Model, dataset: Dataset, training: Training) -> None:
    network, train_split = model.network, dataset.train
    if train_split.shape != network.input_shape:
        raise LabError(
            f"samples of {dataset.name!r} have shape {train_split.shape}, network {network.name!r} takes "
            f"{network.input_shape}",
            f"load the data with shape={network.input_shape}",
        )
    if network.output_shape != (len(dataset.classes),):
        raise LabError(
            f"{dataset.name!r} has {len(dataset.classes)} classes, the output of network {network.name!r} has shape "
            f"{network.output_shape}",
            f"build the network with classes={len(dataset.classes)}",
        )
    if training.batch > model.batch:
        raise LabError(
            f"batches of {training.batch} samples, but the model is prepared for {model.batch}",
            f"make the model with batch={training.batch}",
        )
