"""A calibration of this machine as a value, as a file, and as what predicts how long schedules take.

{"format": "labkit-calibration", "version": 1, "network": "lenet5", "backend": "cpu", "threads": 1,
 "dtype": "float32", "machine": "AMD EPYC (2 cores usable, 8.2 GB)", "communicator": "threads of one process",
 "curve": [[4, 0.0005], ...], "batches": [4, 32], "flops_per_s": 1.1e11, "load_average": 0.1, "spread": 0.02,
 "cores": 2, "costs": {...}}
"""

from dataclasses import dataclass, replace
from pathlib import Path

from labkit.errors import LabError
from labkit.machine.disk import read_json, write_json
from labkit.machine.links import Link
from labkit.schedule import Schedule
from labkit.schedule.costs import Compute, Costs, LayerSeconds, Seconds, costs_document, costs_from
from labkit.schedule.forecast import forecast

FORMAT, VERSION = "labkit-calibration", 1
MOST_LOAD = 0.3  # of each core, by others, before the measurement
MOST_SPREAD = 0.1


@dataclass(frozen=True)
class Calibration:
    """What was measured, and what it was measured with (a calibration holds for that, and for nothing else).

    costs: for `simulate`. curve: (bytes, seconds one way) of single messages. batches: the two that
    compute was measured at. flops_per_s: of a matrix product, 2 for each multiply-accumulate. load_average: before.
    spread: largest relative difference between two halves of the same measurement. cores: that the ranks could use.
    """

    network: str
    backend: str
    threads: int
    dtype: str
    machine: str
    communicator: str
    costs: Costs
    curve: tuple[tuple[int, float], ...]
    batches: tuple[int, int]
    flops_per_s: float
    load_average: float
    spread: float
    cores: int

    @property
    def busy(self) -> bool:
        """Whether others were at work on this machine, so that its times are not to be trusted."""
        return self.load_average > MOST_LOAD * self.cores or self.spread > MOST_SPREAD


def predict(schedule: Schedule, calibration: Calibration, steps: int = 1, cores: int | None = None) -> dict:
    """{'seconds', 'messages', 'bytes'} of so many steps of a schedule.

    cores: that the ranks share, None for those of the calibration; where ranks need more, all computing takes longer in
    proportion. Raises LabError if the calibration is of another network.
    """
    told = forecast(schedule, costs_for(calibration, schedule, cores=cores), steps)
    return {"seconds": told.seconds, "messages": told.messages, "bytes": told.bytes}


def costs_for(
    calibration: Calibration, schedule: Schedule, link: Link | None = None, cores: int | None = None
) -> Costs:
    """The costs of a schedule's ranks on the machine of a calibration. link: an emulated one instead of that measured.

    cores: as for `predict`; raises as that does.
    """
    if schedule.network.name != calibration.network:
        what = f"a calibration of {calibration.network!r} for {schedule.network.name!r}"
        raise LabError(what, f"type: calibrate(zoo.get({schedule.network.name!r}))")
    wanted = len(schedule.workers) * calibration.threads
    times = max(1.0, wanted / (calibration.cores if cores is None else cores))
    measured = calibration.costs
    return replace(measured, compute=slowed(measured.compute, times), link=link or measured.link)


def slowed(compute: Compute, times: float) -> Compute:
    """The same computing on cores that take `times` as long."""

    def pair(seconds: Seconds) -> Seconds:
        return Seconds(seconds.fixed_s * times, seconds.per_sample_s * times)

    layers = tuple(LayerSeconds(*map(pair, layer)) for layer in compute.layers)
    update_s = compute.update_s_per_value * times
    return replace(compute, layers=layers, update_s_per_value=update_s, loss_s=compute.loss_s * times)


def document(calibration: Calibration) -> dict:
    """The JSON document of a calibration."""
    plain = {name: value for name, value in vars(calibration).items() if name != "costs"}
    return {"format": FORMAT, "version": VERSION} | plain | {"costs": costs_document(calibration.costs)}


def from_document(found: object) -> Calibration:
    """The calibration that a document describes. Raises LabError saying what is wrong with it."""
    if not isinstance(found, dict) or found.get("format") != FORMAT or found.get("version") != VERSION:
        raise LabError("this is no calibration of this version of labkit", "measure anew: calibrate(network)")
    try:
        plain = {name: found[name] for name in Calibration.__dataclass_fields__}
        plain["costs"] = costs_from(plain["costs"])
        plain["curve"] = tuple((int(size), float(seconds)) for size, seconds in plain["curve"])
        plain["batches"] = tuple(map(int, plain["batches"]))
        return Calibration(**plain)
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, LabError):
            raise
        what = f"a calibration with a fault: {type(error).__name__} {error}"
        raise LabError(what, "measure anew: calibrate(network)") from None


def save(calibration: Calibration, path: str | Path) -> None:
    """Write the document to a file."""
    write_json(document(calibration), path)


def load(path: str | Path) -> Calibration:
    """Read it back. Raises LabError where the file cannot be read or holds something else."""
    return from_document(read_json(path, "the calibration", "measure one and `save` it"))
