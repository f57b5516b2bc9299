"""`catalogue` and `status`: which data sets there are, which of them lie here, and whether they are sound."""

import os
from pathlib import Path

from labkit.data import records
from labkit.data.checksums import judge
from labkit.data.cifar import batch_files
from labkit.data.found import Found
from labkit.data.idx import part_files
from labkit.data.images import ImageSource, decode
from labkit.data.loading import find
from labkit.data.places import Places, places
from labkit.data.records import Record
from labkit.errors import LabError


def catalogue(root: str | os.PathLike | None = None) -> list[dict]:
    """`status` of every data set, without decoding pictures: what `labkit data list` shows."""
    return [status(name, root, decode_all=False) for name in records.names()]


def status(name: str, root: str | os.PathLike | None = None, decode_all: bool = True, progress: bool = False) -> dict:
    """What lies here of one data set (or of an image folder, by its path), as a dict that JSON can hold.

    Keys: name, title, licence, origin; present (it can be loaded); files, a list of {path, bytes, sha256, ok, note};
    samples (those that lie here, else those of the full set), shape [C, H, W], classes (how many); problem (why it
    cannot be loaded, or what is wrong with it; None if nothing is). A folder of pictures counts as one file without a
    SHA-256. `decode_all` decodes every picture and lists the ones that do not decode, each as a file of its own;
    `progress` shows a bar on stderr meanwhile. Raises LabError for a name that does not exist.
    """
    record = records.RECORDS.get(name) or _path_record(name, root)
    found, problem = None, None
    if name != "synthetic":
        try:
            found = find(name, root, any_shape=True)
        except LabError as error:
            problem = str(error)
    rows = _rows(record, places(record, root), found)
    if found and decode_all and isinstance(found.source, ImageSource):
        rows += _undecodable(found, progress)
    for row in rows:
        if problem and problem.startswith(row["path"]):
            row.update(ok=False, note=problem)
    bad = [row for row in rows if not row["ok"]]
    return {
        "name": record.name,
        "title": record.title,
        "licence": record.licence,
        "origin": record.origin,
        "present": problem is None,
        "files": rows,
        "samples": len(found.labels) if found else record.train + record.test,
        "shape": list(record.shape),
        "classes": len(found.classes) if found else record.classes,
        "problem": problem or (f"{bad[0]['path']}: {bad[0]['note']}" if bad else None),
    }


def _path_record(name: str, root: str | os.PathLike | None) -> Record:
    """A record for an image folder that was named by its path; the error of `find` if there is no such thing."""
    found = find(name, root, any_shape=True)
    text = f"image folder {found.where}"
    return Record(
        str(name), text, "the owner's", found.where, found.shape, len(found.classes), len(found.labels), 0,
        found.mean, found.std, "ImageNet's, as commonly published", found.classes,
    )  # fmt: skip


def _rows(record: Record, where: Places, found: Found | None) -> list[dict]:
    """One row per file of the set that lies here, whether or not it can be read."""
    if found and isinstance(found.source, ImageSource):
        path = found.source.tree.path
        return [_folder_row(found)] if path.is_dir() else [_row(record, path)]
    return [_row(record, path) for path in _lying(record, where)]


def _lying(record: Record, where: Places) -> list[Path]:
    if record.name in ("mnist", "fashion_mnist"):
        return part_files(where)
    names = [file.name for file in record.files]
    found = list(batch_files(where).values()) if record.name == "cifar10" else []
    return [*found, *filter(None, map(where.find, names))]


def _row(record: Record, path: Path) -> dict:
    digest, ok, note = judge(record, path)
    return {"path": str(path), "bytes": path.stat().st_size, "sha256": digest, "ok": ok, "note": note}


def _folder_row(found: Found) -> dict:
    source = found.source
    size = sum(os.path.getsize(source.tree.where(name)) for name in source.names)
    note = f"a folder of {len(source.names):,} pictures; checksums are published for archives only"
    return {"path": str(source.tree.path), "bytes": size, "sha256": None, "ok": True, "note": note}


def _undecodable(found: Found, progress: bool) -> list[dict]:
    from tqdm import tqdm

    rows = []
    for name in tqdm(found.source.names, desc=found.name, unit=" pictures", disable=not progress):
        where = found.source.tree.where(name)
        data = b""
        try:
            data = found.source.tree.read(name)
            decode(data, where, found.shape)
        except LabError as error:
            rows.append({"path": where, "bytes": len(data), "sha256": None, "ok": False, "note": str(error)})
    return rows
