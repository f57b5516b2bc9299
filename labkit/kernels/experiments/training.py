"""What training costs beside the time of a step: time by layer, energy, memory (figures 15, 16 and table III)."""

from collections.abc import Callable, Iterable, Iterator
from math import ceil

from labkit.kernels.experiments.meter import Energy, energy_of
from labkit.kernels.experiments.recording import Row
from labkit.kernels.experiments.sources import Measured, Source
from labkit.kernels.experiments.sweeps import NETWORKS, samples_of
from labkit.kernels.launch import TEACHING
from labkit.machine.origin import CLAIMED, MODELLED
from labkit.network import load, training_bytes

FOOTPRINT_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
# Joules per epoch on the paper's K40 (krishna-gupta-nayak table III), by mapping.
TABLE_3 = {
    "lenet5": {"data": 966.94, "model": 1190.231, "hybrid": 906.87},
    "alexnet_star": {"data": 139866.4, "model": 145218.5, "hybrid": 135866.2},
    "resnet18_star": {"data": 62754.9, "model": 65928.98, "hybrid": 58754.9},
}


def profile(
    source: Source, network: str = "alexnet_star", mappings: Iterable[str] = TEACHING, batch: int = 32
) -> Iterator[Row]:
    """Time of every layer in every phase (figure 15): one row per layer, phase and kernel of a training step.

    seconds: on the device, in one step. epoch_s: in one epoch. A layer that is launched for several things in one phase
    (the zeros that come before an atomic sum) has one row for each kernel.
    """
    net = load(network)
    steps = ceil(samples_of(net) / batch)
    for mapping in mappings:
        sums: dict[tuple[str, str, str], list[float]] = {}
        for part in source.parts(net, batch, mapping):
            sums.setdefault((part.layer, part.phase, part.kernel), []).append(part.seconds)
        for (layer, phase, kernel), seconds in sums.items():
            yield {
                "network": net.name,
                "layer": layer or "(whole network)",
                "mapping": mapping,
                "batch": batch,
                "device": source.device,
                "phase": phase,
                "kernel": kernel,
                "launches": len(seconds),
                "seconds": sum(seconds),
                "epoch_s": steps * sum(seconds),
                "origin": source.origin,
            }


def energy(
    source: Measured,
    joules: Callable[[], float],
    networks: Iterable[str] = NETWORKS,
    mappings: Iterable[str] = TEACHING,
    batch: int = 64,
    stretch_s: float = 2.0,
    stretches: int = 3,
) -> Iterator[Row]:
    """Energy per epoch of every network and mapping (figure 16, table III; the paper's batch of 64).

    joules: the counter of `meter.counter()`, which raises LabError where no GPU has one. Energy is never modelled here:
    power times a modelled time would be a guess times a guess.
    """
    for network in map(load, networks):
        steps = ceil(samples_of(network) / batch)
        for mapping in mappings:
            found: Energy = energy_of(
                source.stepper(network, batch, mapping), joules, stretch_s=stretch_s, stretches=stretches
            )
            yield {
                "network": network.name,
                "layer": None,
                "mapping": mapping,
                "batch": batch,
                "device": source.device,
                "step_J": found.joules,
                "low_J": found.low_J,
                "high_J": found.high_J,
                "epoch_J": steps * found.joules,
                "watts": found.watts,
                "idle_watts": found.idle_watts,
                "step_s": found.seconds / found.runs,
                "steps_measured": found.runs,
                "origin": source.origin,
            }


def claimed_energy() -> list[Row]:
    """Table III of the paper as rows, origin `claimed`."""
    return [
        {
            "network": network,
            "layer": None,
            "mapping": mapping,
            "batch": 64,
            "device": "Tesla K40s",
            "epoch_J": value,
            "origin": CLAIMED,
        }
        for network, by_mapping in TABLE_3.items()
        for mapping, value in by_mapping.items()
    ]


def footprint(
    networks: Iterable[str] = NETWORKS, batches: Iterable[int] = FOOTPRINT_BATCHES, optimizer_slots: int = 1
) -> Iterator[Row]:
    """Memory of one training process against batch size, by what it holds; computed from the sizes of the layers.

    It does not depend on the mapping: all of them work on the same arrays. What the paper means by hybrid's smaller
    footprint is that it is as fast at a smaller batch.
    """
    batches = tuple(batches)
    for network in map(load, networks):
        for batch in batches:
            held = training_bytes(network, batch, optimizer_slots)
            row = {"network": network.name, "layer": None, "mapping": None, "batch": batch, "device": None}
            row |= {f"{what}_bytes": size for what, size in held.items()}
            yield row | {"total_bytes": sum(held.values()), "origin": MODELLED}
