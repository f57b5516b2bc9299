"""What the instructions of a schedule cost in seconds: measured by a calibration, or worked out from FLOPs.

    {"format": "labkit-costs", "version": 1, "network": "lenet5", "origin": "measured here",
     "loss_s": 2e-05, "update_s_per_value": 1e-09, "reduce_bytes_per_s": null, "overhead_s": 2e-05, "slowed_s": [],
     "link": {"name": "emulated:500,100", "latency_s": 0.0005, "bytes_per_s": 1e8, "ports": 1, "emulated": true},
     "layers": [{"fp": [1e-05, 2e-06], "bp": [0, 0], "ku": [1e-05, 2e-06]}, ...]}

A pair is [seconds of any call, more for each sample]: small batches do not pay in proportion, because weights are read
once however few samples they meet (keuper-pfreundt-2016 section III.B). `null` stands for "no limit".
"""

from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path
from typing import NamedTuple

from labkit.errors import LabError
from labkit.machine.disk import read_json, write_json
from labkit.machine.links import Link
from labkit.machine.origin import MODELLED
from labkit.network import Network
from labkit.network.graph import FLOAT_BYTES
from labkit.network.sizes import table

FORMAT = "labkit-costs"
VERSION = 1
FLOPS_PER_MAC = 2
PHASES = ("fp", "bp", "ku")


class Seconds(NamedTuple):
    """fixed_s + samples * per_sample_s; nothing for no samples, which nobody computes."""

    fixed_s: float = 0.0
    per_sample_s: float = 0.0

    def of(self, samples: int) -> float:
        return self.fixed_s + samples * self.per_sample_s if samples else 0.0


class LayerSeconds(NamedTuple):
    """One layer: forward propagation, gradients of its inputs (BP), gradients of its weights (KU)."""

    fp: Seconds = Seconds()
    bp: Seconds = Seconds()
    ku: Seconds = Seconds()


@dataclass(frozen=True)
class Compute:
    """Seconds of computing on one rank.

    layers: in the order of the network's. update_s_per_value: of the optimiser, for each weight. loss_s: error and its
    gradient, with every back-propagation that begins at the last layer. network: which one. origin: where the figures
    come from (`machine.origin`).

    Raises LabError for a negative or infinite number of seconds.
    """

    layers: tuple[LayerSeconds, ...]
    update_s_per_value: float = 0.0
    loss_s: float = 0.0
    network: str = ""
    origin: str = MODELLED

    def __post_init__(self) -> None:
        figures = [figure for layer in self.layers for pair in layer for figure in pair]
        for figure in (*figures, self.update_s_per_value, self.loss_s):
            if not (isfinite(figure) and figure >= 0):
                raise LabError(f"a cost of {figure} seconds", "give numbers of seconds from 0 up")


@dataclass(frozen=True)
class Costs:
    """What a simulation needs besides the schedule.

    compute: of every rank. link: between any two ranks. reduce_bytes_per_s: at which received values are added to those
    there. overhead_s: seconds of the process itself for every instruction, and for every message of a collective.
    slowed_s: more seconds of each rank for every forward pass from the first layer, () for none; as in a run's job.

    Raises LabError for values out of range.
    """

    compute: Compute
    link: Link
    reduce_bytes_per_s: float = inf
    overhead_s: float = 0.0
    slowed_s: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not (self.reduce_bytes_per_s > 0 and isfinite(self.overhead_s) and self.overhead_s >= 0):
            what = f"additions at {self.reduce_bytes_per_s} bytes/s with an overhead of {self.overhead_s} s"
            raise LabError(what, "give a rate above 0 and an overhead from 0 up")
        if not all(isfinite(seconds) and seconds >= 0 for seconds in self.slowed_s):
            raise LabError(f"slowed_s={self.slowed_s!r}", "give seconds from 0 up, for each rank")


def no_compute(network: Network) -> Compute:
    """Computing that takes no time: what remains is communication."""
    return Compute((LayerSeconds(),) * len(network), network=network.name)


def flops_costs(
    network: Network, flops_per_s: float, bytes_per_s: float = inf, *, optimizer_slots: int = 0, call_s: float = 0.0
) -> Compute:
    """Seconds by the roofline: of arithmetic or of moving data, whichever is longer.

    flops_per_s: 2 for each multiply-accumulate; BP and KU cost what FP does (krishna-gupta-nayak section II), and BP is
    left out where nobody needs the gradient of the inputs. bytes_per_s: of the memory; a sample's output is written
    once and read once, a layer's weights are read once per call, which is the part that a small batch cannot spread.
    An update reads gradient and weight, writes the weight, and reads and writes `optimizer_slots` values more.
    call_s: added to every call of a layer.

    Raises LabError for rates that are not positive.
    """
    if not (flops_per_s > 0 and bytes_per_s > 0):
        raise LabError(f"{flops_per_s} FLOP/s and {bytes_per_s} bytes/s", "give rates above 0")
    layers = []
    for node, row in zip(network.nodes, table(network), strict=True):
        arithmetic_s, moving_s = row.macs * FLOPS_PER_MAC / flops_per_s, 2 * row.activation_bytes / bytes_per_s
        pair = Seconds(call_s + row.weight_bytes / bytes_per_s, max(arithmetic_s, moving_s))
        bp = pair if network.needs_input_gradient(node.name) else Seconds()
        layers.append(LayerSeconds(pair, bp, pair if row.parameters else Seconds()))
    update_s = max(FLOPS_PER_MAC / flops_per_s, (3 + 2 * optimizer_slots) * FLOAT_BYTES / bytes_per_s)
    return Compute(tuple(layers), update_s_per_value=update_s, network=network.name)


def costs_document(costs: Costs) -> dict:
    """The JSON document of some costs."""
    link, compute = costs.link, costs.compute
    return {
        "format": FORMAT,
        "version": VERSION,
        "network": compute.network,
        "origin": compute.origin,
        "loss_s": compute.loss_s,
        "update_s_per_value": compute.update_s_per_value,
        "reduce_bytes_per_s": costs.reduce_bytes_per_s if isfinite(costs.reduce_bytes_per_s) else None,
        "overhead_s": costs.overhead_s,
        "slowed_s": list(costs.slowed_s),
        "link": {name: getattr(link, name) for name in ("name", "latency_s", "bytes_per_s", "ports", "emulated")},
        "layers": [{phase: list(getattr(layer, phase)) for phase in PHASES} for layer in compute.layers],
    }


def costs_from(document: object) -> Costs:
    """The costs that a document describes. Raises LabError saying what is wrong with it."""
    if not isinstance(document, dict) or document.get("format") != FORMAT or document.get("version") != VERSION:
        found = document.get("format") if isinstance(document, dict) else type(document).__name__
        raise LabError(
            f"no document of costs: its format is {str(found)[:40]!r}", f"give {FORMAT!r}, version {VERSION}"
        )
    try:
        layers = tuple(
            LayerSeconds(*(Seconds(*map(float, row[phase])) for phase in PHASES)) for row in document["layers"]
        )
        numbers = [float(document[name]) for name in ("update_s_per_value", "loss_s")]
        rate = document["reduce_bytes_per_s"]
        return Costs(
            Compute(layers, *numbers, str(document["network"]), str(document["origin"])),
            Link(**document["link"]),
            inf if rate is None else float(rate),
            float(document["overhead_s"]),
            tuple(map(float, document.get("slowed_s", ()))),
        )
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, LabError):
            raise
        what = f"a document of costs with a fault: {type(error).__name__} {error}"
        raise LabError(what, "see labkit/schedule/costs.py for what belongs in it") from None


def save_costs(costs: Costs, path: str | Path) -> None:
    """Write the document to a file."""
    write_json(costs_document(costs), path)


def load_costs(path: str | Path) -> Costs:
    """Read it back. Raises LabError where the file cannot be read or holds something else."""
    return costs_from(read_json(path, "costs in", "write them with `save_costs`"))
