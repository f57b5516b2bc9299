"""Checkpoints of a run on ranks: one file (a *shard*) from each rank, and a manifest that makes them one checkpoint.

    FOLDER/step-00000020/shard-0000.safetensors   what rank 0 answers for: weights, optimiser slots, states
                         shard-0001.safetensors
                         manifest.json            which shards, with their digests; written last, by one rank

A checkpoint is complete when it has a manifest. Every file appears whole or not at all (`machine.disk.appear`),
and the manifest only after all the shards, so a crash at any moment leaves the complete checkpoints that were there.
The last two are kept: should a file of the newest one be damaged later, `restore` falls back to the one before and
says so.

The number in a folder's name counts the steps that are done; it decides which samples come next.
"""

import json
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from labkit.engine import checkpoint
from labkit.engine.training import differences
from labkit.errors import LabError
from labkit.machine.disk import appear
from labkit.network import from_document

MANIFEST = "manifest.json"
FORMAT = 1
KEPT = 2  # complete checkpoints: the newest, and one to fall back to
_STEP = re.compile(r"step-(\d{8,})$")


@dataclass(frozen=True, eq=False)
class Shard:
    """What one rank has written: its arrays by name, and the document that says what they are."""

    rank: int
    arrays: dict[str, np.ndarray]
    document: dict


@dataclass(frozen=True, eq=False)
class Restored:
    """A complete checkpoint whose every digest is right. step: steps done. ranks: of the run that wrote it.

    document: of that run. shards: by rank. notes: one sentence for each newer checkpoint that could not be used.
    """

    step: int
    ranks: int
    document: dict
    shards: tuple[Shard, ...]
    notes: tuple[str, ...]


def write(
    folder: str | Path, rank: int, ranks: int, step: int, arrays: dict[str, np.ndarray], document: dict | None = None
) -> Path:
    """Write what `rank` of `ranks` answers for after `step` steps; returns the shard's path.

    arrays: by name, any shapes. document: JSON, what the arrays are. The shard carries a digest of both.
    Raises LabError where it cannot be written.
    """
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    stored = {"step": step, "rank": rank, "ranks": ranks, "holds": document or {}}
    stored["digest"] = digest(arrays, stored)
    return checkpoint.write(_shard(place(folder, step), rank), arrays, stored)


def commit(folder: str | Path, ranks: int, step: int, writers: tuple[int, ...], document: dict) -> Path:
    """Make the shards of `writers` a checkpoint; one rank calls it when all of them have been written.

    document: JSON, of the run. Afterwards all but the last KEPT checkpoints are removed, and so is what lies beyond
    this step. Returns the manifest's path. Raises LabError for a shard that is missing or belongs to something else.
    """
    here = place(folder, step)
    shards = []
    for rank in writers:
        stored = checkpoint.read(_shard(here, rank))
        if [stored.get(key) for key in ("step", "rank", "ranks")] != [step, rank, ranks]:
            what = f"{_shard(here, rank)} is not of step {step}, rank {rank} of {ranks}"
            raise LabError(what, "keep one run to a folder")
        shards.append({"rank": rank, "digest": stored["digest"]})
    manifest = {"format": FORMAT, "step": step, "ranks": ranks, "shards": shards, "run": document}
    text = json.dumps(manifest, allow_nan=False, indent=1)
    path = appear(here / MANIFEST, lambda part: part.write_text(text, encoding="utf-8"))
    _tidy(Path(folder), step)
    return path


def complete(folder: str | Path) -> tuple[int, ...]:
    """Steps of the complete checkpoints in `folder`, newest first; none where there is no such folder."""
    return tuple(sorted((s for s, f in _steps(Path(folder)) if (f / MANIFEST).is_file()), reverse=True))


def latest(folder: str | Path) -> int | None:
    """Steps done at the newest complete checkpoint in `folder`, or None. Its shards are not opened."""
    return next(iter(complete(folder)), None)


def restore(folder: str | Path, document: dict | None = None) -> Restored:
    """The newest complete checkpoint whose files are all sound.

    document: of the run that wants to go on (None: any run's). Raises LabError where there is none that can be used,
    and for a checkpoint of a run with another document, naming what differs.
    """
    notes: list[str] = []
    for step in complete(folder):
        try:
            manifest = _manifest(place(folder, step))
            shards = tuple(_open(place(folder, step), entry) for entry in manifest["shards"])
        except LabError as error:
            notes.append(f"the checkpoint of step {step} cannot be used: {error.what}")
            continue
        if document is not None:
            check(place(folder, step), document, manifest["run"])
        return Restored(step, manifest["ranks"], manifest["run"], shards, tuple(notes))
    what = "; ".join([f"there is no complete checkpoint in {folder}", *notes])
    raise LabError(what, "give the folder that a run wrote its checkpoints to, or start without resuming")


def check(place: Path, asked: dict, stored: dict) -> None:
    """Refuse the checkpoint of a run with other settings than `asked`; the network's name does not matter."""
    differing = differences(asked, stored, lambda key: key == "network" or key not in asked)
    if "network" in asked:
        wanted, found = from_document(asked["network"]), from_document(stored.get("network"))
        if (wanted.input_shape, wanted.nodes) != (found.input_shape, found.nodes):
            sizes = [f"{n.name!r} with {n.parameters:,} parameters" for n in (found, wanted)]
            differing.insert(0, f"network is {sizes[0]} there and {sizes[1]} now")
    if differing:
        instead = "go on with the settings it was written with, or give another folder"
        raise LabError(f"{place} is of another run: {'; '.join(differing)}", instead)


def digest(arrays: dict[str, np.ndarray], document: dict) -> str:
    """SHA-256 over a document, and names, types, shapes and values of the arrays."""
    found = sha256(json.dumps(document, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        found.update(f"{name} {array.dtype.str} {array.shape};".encode())
        found.update(array.reshape(-1).view(np.uint8).data)
    return found.hexdigest()


def place(folder: str | Path, step: int) -> Path:
    """Folder of the checkpoint of one step."""
    return Path(folder) / f"step-{step:08d}"


def _shard(place: Path, rank: int) -> Path:
    return place / f"shard-{rank:04d}.safetensors"


def _steps(folder: Path) -> list[tuple[int, Path]]:
    """(step, its folder) of every checkpoint, complete or not."""
    if not folder.is_dir():
        return []
    return [(int(m[1]), path) for path in folder.iterdir() if (m := _STEP.match(path.name)) and path.is_dir()]


def _manifest(place: Path) -> dict:
    path = place / MANIFEST
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        sound = found["format"] == FORMAT and isinstance(found["run"], dict) and isinstance(found["ranks"], int)
        sound = sound and all(isinstance(e["rank"], int) and isinstance(e["digest"], str) for e in found["shards"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LabError(f"{path} cannot be read ({error})", "use another checkpoint") from None
    if not sound:
        raise LabError(f"{path} is no manifest of format {FORMAT}", "use another checkpoint")
    return found


def _open(place: Path, entry: dict) -> Shard:
    path = _shard(place, entry["rank"])
    document, arrays = checkpoint.read_all(path)
    written = {key: document.get(key) for key in ("step", "rank", "ranks", "holds")}
    if digest(arrays, written) != entry["digest"]:
        raise LabError(f"{path} is not what was written (its digest differs)", "use another checkpoint")
    return Shard(entry["rank"], arrays, document["holds"])


def _tidy(folder: Path, step: int) -> None:
    """Remove all checkpoints but this one and the complete ones just before it; the manifests go first."""
    kept = [s for s in complete(folder) if s <= step][:KEPT]
    for other, path in _steps(folder):
        if other not in kept:
            with suppress(OSError):
                (path / MANIFEST).unlink(missing_ok=True)
            shutil.rmtree(path, ignore_errors=True)
