"""`labkit train`: train one network in one process."""

import signal
from contextlib import contextmanager
from typing import Annotated

import typer

from labkit.cli_run import INTERRUPTED
from labkit.cli_show import note, show, show_json
from labkit.errors import LabError

Network = Annotated[str, typer.Argument(metavar="NETWORK", help="A network of the zoo, or a .json file.")]
Data = Annotated[str, typer.Option(help="A data set of `labkit data list`, or the path of an image folder.")]
Root = Annotated[str, typer.Option(metavar="FOLDER", help="Where data sets lie. Default: datasets/ of the checkout.")]
Epochs = Annotated[int, typer.Option(help="Passes over the training samples.")]
Batch = Annotated[int, typer.Option(help="Samples per step.")]
Rate = Annotated[float, typer.Option(help="Learning rate. Default: the optimiser's own.")]
Optimizer = Annotated[str, typer.Option(help="sgd, momentum, adagrad, adadelta or adam.")]
Seed = Annotated[int, typer.Option(help="Of weights, order and dropout; not of the test set.")]
Threads = Annotated[int, typer.Option(help="Cores to use. Default: all.")]
Backend = Annotated[
    str,
    typer.Option(help="cpu (fast), reference (plain NumPy), cuda (a GPU) or cuda-cpu (its kernels on the cores)."),
]
Mapping = Annotated[
    str,
    typer.Option(
        metavar="MAPPING[,LAYER=MAPPING...]",
        help="For cuda and cuda-cpu: data, model, hybrid or tuned; after it, layers that differ.",
    ),
]
Checkpoint = Annotated[str, typer.Option(metavar="DIR", help="Keep a checkpoint here after every epoch and on Ctrl-C.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in --checkpoint DIR.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")]


def train(
    network: Network,
    data: Data = "digits",
    epochs: Epochs = 5,
    batch: Batch = 32,
    lr: Rate = None,
    optimizer: Optimizer = "momentum",
    seed: Seed = 0,
    threads: Threads = None,
    backend: Backend = "cpu",
    mapping: Mapping = None,
    checkpoint: Checkpoint = None,
    resume: Resume = False,
    root: Root = None,
    json: Json = False,
) -> int:
    """Train a network and report its accuracy on samples it has not seen."""
    from labkit.engine.train import train as steps_of

    settings = _settings(epochs, batch, optimizer, lr, seed, checkpoint, resume)
    before = _done_before(checkpoint) if resume else {}
    model, dataset = _prepare(network, data, root, settings, (backend, threads, _parsed(mapping)))
    events = steps_of(model, dataset, settings, resume=checkpoint if resume else None)
    tally = Tally(before)
    if not _follow(events, tally, model.network.name):
        return _interrupted(tally, checkpoint)
    result = _result(model, dataset, settings, tally)
    if json:
        show_json(result)
    else:
        show(_sentence(result, len(dataset.test)))
    return 0


class Tally:
    """What adds up over the events of a run. `before`: the progress that a checkpoint says was made already."""

    def __init__(self, before: dict):
        self.steps = before.get("step", 0)
        self.epochs = before.get("epoch", 0)
        self.last = {key: before.get(key) for key in ("train_loss", "train_accuracy", "test_accuracy")}
        self.seconds = 0.0
        self.phases = {"fp": 0.0, "bp": 0.0, "ku": 0.0}

    def add(self, event) -> None:
        """Take one more event into account."""
        self.steps, self.seconds = event.step + 1, event.elapsed_s
        for phase, seconds in event.seconds.items():
            self.phases[phase] += seconds
        if event.epoch_end:
            self.epochs = event.epoch + 1
            self.last = {key: getattr(event, key) for key in self.last}


def _settings(epochs, batch, optimizer, lr, seed, checkpoint, resume):
    """The `Training` that the options ask for; LabError for values out of range."""
    from labkit.engine import optimizers
    from labkit.engine.checkpoint import locate
    from labkit.engine.training import Training

    chosen = optimizers.get(optimizer, **({} if lr is None else {"lr": lr}))
    if resume and not checkpoint:
        raise LabError("--resume needs the folder of a checkpoint", "add --checkpoint DIR")
    if checkpoint and not resume and locate(checkpoint).exists():
        raise LabError(f"{checkpoint} holds the checkpoint of an earlier run", "add --resume, or give another folder")
    return Training(
        epochs=epochs, batch=batch, optimizer=chosen, seed=seed, checkpoint_folder=checkpoint, norms_every=0
    )


def _parsed(mapping: str | None):
    from labkit.kernels.mappings import parse

    return None if mapping is None else parse(mapping)


def _prepare(name, data, root, settings, how):
    """The model and the data set, each fitted to the other: the set's classes, the network's input shape.

    how: backend, threads and mapping of the model.
    """
    from labkit.data import load as load_data
    from labkit.engine import ops
    from labkit.engine.model import Model
    from labkit.engine.progress import check_batch
    from labkit.network import load, zoo

    backend, threads, mapping = how
    network = load(name)
    ops.backend(backend)
    if len(network.input_shape) != 3:
        what = f"network {network.name!r} takes {network.input_shape[0]} values, but data sets hold images"
        raise LabError(what, "give it an input_shape [C, H, W] and begin with a flatten layer")
    dataset = load_data(data, shape=network.input_shape, root=root)
    check_batch(settings.batch, dataset.train, dataset.name)
    if name in zoo.names():
        network = zoo.get(name, classes=len(dataset.classes))
    return Model(network, backend, settings.batch, settings.seed, threads=threads, mapping=mapping), dataset


def _done_before(checkpoint: str) -> dict:
    from labkit.engine.checkpoint import read

    return read(checkpoint).get("progress", {})


def _follow(events, tally: Tally, name: str) -> bool:
    """Run to the end behind a progress bar; False if Ctrl-C ended it (after the step under way, which is kept)."""
    from tqdm import tqdm

    with _ctrl_c() as pressed, tqdm(desc=name, unit="step", initial=tally.steps, disable=None, leave=False) as bar:
        bar.set_postfix_str("the first step compiles, once on each machine")  # ten seconds in which nothing moves
        for event in events:
            tally.add(event)
            bar.total = event.steps
            bar.set_postfix_str(f"epoch {event.epoch + 1}, loss {event.loss:.3g}", refresh=False)
            bar.update()
            if event.epoch_end:
                bar.clear()
                note(_epoch_line(event))
            if pressed and event.step + 1 < event.steps:
                events.close()
                return False
    return True


@contextmanager
def _ctrl_c():
    """A list that gets an entry when Ctrl-C is pressed; a second Ctrl-C interrupts at once."""
    pressed: list[int] = []

    def first(number, frame) -> None:
        pressed.append(number)
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, first)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


def _interrupted(tally: Tally, checkpoint: str | None) -> int:
    kept = f"the checkpoint is in {checkpoint} — go on with the same command and --resume"
    lost = "nothing was kept — add --checkpoint DIR to keep what is done"
    note(f"labkit: stopped by Ctrl-C after step {tally.steps}; {kept if checkpoint else lost}")
    return INTERRUPTED


def _epoch_line(event) -> str:
    return (
        f"epoch {event.epoch + 1}: loss {event.train_loss:.4g}, accuracy {event.train_accuracy:.1%} in training, "
        f"{event.test_accuracy:.1%} on held-out samples; {event.elapsed_s:.1f} s"
    )


def _result(model, dataset, settings, tally: Tally) -> dict:
    """The keys of the contract; `seconds` and phases are those of this session, without what a resumed run had had."""
    from labkit.machine import MEASURED_HERE

    return {
        "network": model.network.name,
        "data": dataset.name,
        "backend": model.backend,
        "mapping": model.mapping,
        "epochs": tally.epochs,
        "steps": tally.steps,
        "batch": settings.batch,
        "seconds": tally.seconds,
        "seconds_per_phase": tally.phases,
        **tally.last,
        "seed": settings.seed,
        "origin": MEASURED_HERE,
    }


def _sentence(result: dict, held_out: int) -> str:
    phases = ", ".join(f"{name.upper()} {seconds:.2f}" for name, seconds in result["seconds_per_phase"].items())
    epochs = "1 epoch" if result["epochs"] == 1 else f"{result['epochs']} epochs"
    return (
        f"{result['network']} on {result['data']}: test accuracy {result['test_accuracy']:.2%} ({held_out:,} held-out "
        f"samples) after {epochs}, {result['steps']} steps of {result['batch']}, "
        f"in {result['seconds']:.2f} s ({phases}); {result['origin']}"
    )
