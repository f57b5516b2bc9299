"""Trains the lab's networks on real images and records the accuracy on held-out samples.

    python benchmarks/accuracy.py [NAME ...] [--data ../shared/data] [--threads 1] [--seed 0] [--checkpoints DIR]

Without names: every goal whose data set is here. Results go to benchmarks/results/accuracy.json, one entry per goal; an
entry is replaced when its goal is run again. The MNIST and CIFAR-10 goals use the 10,000 images of the test files only
(8,000 to learn from, 2,000 held out), so that they can be repeated without a large download. Exit status 1 if a goal is
missed.
"""

import argparse
import json
import os
import sys
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from labkit.data import load
from labkit.engine.augment import Flip, Shift
from labkit.engine.model import Model
from labkit.engine.optimizers import Adam, Momentum
from labkit.engine.schedules import Schedule
from labkit.engine.train import train
from labkit.engine.training import Training
from labkit.machine import recorded_on, this_machine
from labkit.network import zoo

RESULTS = Path(__file__).parent / "results" / "accuracy.json"
KEPT = ("epoch", "train_loss", "train_accuracy", "test_accuracy", "elapsed_s")  # of the last event of each epoch
PACKAGES = ("labkit", "numpy", "numba", "scipy")


@dataclass(frozen=True)
class Goal:
    """A network, a data set, how to train, and the least accuracy on held-out samples."""

    name: str
    network: str
    data: str
    samples: int | None
    at_least: float
    training: Training


GOALS = (
    Goal(
        "lenet5_digits",
        "lenet5",
        "digits",
        None,
        0.97,
        Training(epochs=10, batch=32, optimizer=Adam(0.002), schedule=Schedule("cosine"), norms_every=0),
    ),
    Goal(
        "lenet5_mnist_10k",
        "lenet5",
        "mnist",
        10_000,
        0.975,
        Training(
            epochs=10,
            batch=32,
            optimizer=Adam(0.002),
            schedule=Schedule("cosine"),
            augment=(Shift(1),),
            norms_every=0,
        ),
    ),
    Goal(
        "resnet18_32_cifar10_10k",
        "resnet18_32",
        "cifar10",
        10_000,
        0.55,
        Training(
            epochs=8,
            batch=32,
            optimizer=Momentum(0.03),
            schedule=Schedule("cosine", warmup=1),
            l2=5e-4,
            augment=(Shift(3), Flip()),
            norms_every=0,
        ),
    ),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(goal.name for goal in GOALS))
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoints", type=Path, help="folder for a checkpoint per goal; goes on from one there")
    options = parser.parse_args()
    known = {goal.name: goal for goal in GOALS}
    unknown = [name for name in options.names if name not in known]
    if unknown:
        parser.error(f"unknown goal {unknown[0]!r}; choose from {', '.join(known)}")
    missed = 0
    for goal in [known[name] for name in options.names] or GOALS:
        entry = measure(goal, options)
        record(goal.name, entry)
        missed += not entry["reached"]
        print(f"{goal.name}: {entry['test_accuracy']:.2%} (goal {goal.at_least:.1%}) in {entry['seconds']:.0f} s")
    return 1 if missed else 0


def measure(goal: Goal, options: argparse.Namespace) -> dict:
    """Train once; the entry for the results file."""
    network = zoo.get(goal.network)
    root = options.data if options.data.is_dir() else None
    data = load(goal.data, shape=network.input_shape, root=root, samples=goal.samples)
    folder = options.checkpoints and options.checkpoints / goal.name
    training = replace(goal.training, seed=options.seed, checkpoint_folder=folder)
    model = Model(network, "cpu", training.batch, options.seed, threads=options.threads)
    epochs = []
    for event in train(model, data, training, resume=folder if folder and folder.is_dir() else None):
        if event.epoch_end:
            print(f"  epoch {event.epoch + 1}: {event.test_accuracy:.2%}, {event.elapsed_s:.0f} s", flush=True)
            epochs.append({key: getattr(event, key) for key in KEPT})
    return {
        "network": goal.network,
        "data": goal.data,
        "samples": {"train": len(data.train), "held_out": len(data.test)},
        "training": training.document(),
        "threads": options.threads,
        "at_least": goal.at_least,
        "test_accuracy": epochs[-1]["test_accuracy"],
        "reached": epochs[-1]["test_accuracy"] >= goal.at_least,
        "seconds": epochs[-1]["elapsed_s"],
        "epochs": epochs,
    }


def record(name: str, entry: dict) -> None:
    """Put the entry into the results file, with the machine, the versions and the date it belongs to."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    machine = this_machine()
    about = {
        "origin": recorded_on(machine),
        "machine": asdict(machine),
        "versions": {package: version(package) for package in PACKAGES},
        "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "date": datetime.now(UTC).date().isoformat(),
    }
    results[name] = entry | about
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
