"""The result of a rank as a file, from which the launcher makes the run's: safetensors, with the records as JSON."""

import json
from dataclasses import astuple
from pathlib import Path

import numpy as np
from safetensors.numpy import load, save

from labkit.run.calibration.cpu_use import CpuUse
from labkit.run.rank.result import RankResult
from labkit.run.result import Stale
from labkit.schedule import Event, Schedule
from labkit.schedule.traffic import Sent

ARRAYS = ("losses", "parameters", "state")
_RECORDS = "records"  # JSON as bytes: a safetensors header has a limit, and there may be many events


def pack(result: RankResult) -> bytes:
    """A rank's result as bytes. Parameters that `merge` does not look at are left out."""
    plain = {name: value for name, value in vars(result).items() if name not in ARRAYS}
    plain["events"] = list(map(event_row, result.events))
    plain["cpu"] = result.cpu and astuple(result.cpu)
    arrays = {name: np.ascontiguousarray(getattr(result, name)) for name in ARRAYS}
    if result.rank and not result.served:
        arrays["parameters"] = arrays["parameters"][:0]
    arrays[_RECORDS] = np.frombuffer(json.dumps(plain).encode(), np.uint8)
    return save(arrays)


def unpack(content: bytes, schedule: Schedule) -> RankResult:
    """What `pack` was given."""
    arrays = load(content)
    plain = json.loads(arrays.pop(_RECORDS).tobytes())
    for name in ("served", "shares_gpu_with", "remarks"):
        plain[name] = tuple(plain[name])
    plain["cpu"] = CpuUse(*plain["cpu"]) if plain["cpu"] else None
    plain["stale"] = tuple(Stale(*row) for row in plain["stale"])
    plain["sent"] = tuple(Sent(*row) for row in plain["sent"])
    plain["events"] = tuple(event_from(plain["rank"], row, schedule) for row in plain["events"])
    return RankResult(**plain, **arrays)


def file_of(folder: Path, rank: int) -> Path:
    """Where a rank's result lies in the folder of a run."""
    return folder / f"result-{rank}.safetensors"


def event_row(event: Event) -> list:
    """An event as JSON, without what its rank's list says anyway."""
    e = event
    numbers = e.start_s, e.end_s, e.bytes_sent, e.bytes_received, e.messages
    return [e.step, e.position, e.lane, e.kind, *numbers, e.peers]


def event_from(rank: int, row: list, schedule: Schedule, zero_s: float = 0.0) -> Event:
    """The event of `rank` that `event_row` wrote, with times counted from `zero_s`."""
    step, position, lane, kind, start_s, end_s, *counts, peers = row
    spelling = str(schedule.ranks[rank][position])
    place = rank, step, position, lane, spelling, kind
    return Event(*place, start_s - zero_s, end_s - zero_s, *counts, tuple(peers))
