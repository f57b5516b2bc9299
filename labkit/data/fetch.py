"""Getting one published file over HTTP: resumed where it broke off, checked, and only then put where it belongs.

Pooch checks the SHA-256 and moves the file into place; it cannot resume, so the bytes come through `resume` below. What
has come so far lies beside the target as NAME.part, and never under a name that a reader looks for.
"""

import http.client
import os
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path

from labkit.data.records import FileRecord
from labkit.errors import LabError

ATTEMPTS = 3
TIMEOUT_S = 30
_CHUNK_BYTES = 1 << 18
_ELSEWHERE = "root= (--root) or LABKIT_DATASETS"


class Broken(Exception):
    """A transfer did not work. `final`: nor will it at the next attempt, from this mirror."""

    def __init__(self, why: str, final: bool = False):
        super().__init__(why)
        self.final = final


def fetch(file: FileRecord, folder: Path, progress: bool = True, pause_s: float = 1.0) -> Path:
    """The file in `folder`, downloaded unless it is there already and is the published one.

    Mirrors are tried in order, all of them up to ATTEMPTS times, with a growing pause. Raises LabError that says what
    each mirror did; whatever has come by then stays as NAME.part and is not asked for again.
    """
    _make(folder)
    _check_space(file, folder)
    urls, said = list(file.urls), []
    for attempt in range(ATTEMPTS):
        for url in tuple(urls):
            try:
                return _through_pooch(file, url, folder, progress)
            except Broken as broken:
                said.append(f"{url}: {broken}")
                if broken.final:
                    urls.remove(url)
        if not urls:
            break
        if attempt + 1 < ATTEMPTS:
            time.sleep(pause_s * 2**attempt)
    reasons = "; ".join(dict.fromkeys(said))
    raise LabError(
        f"{file.name} could not be downloaded ({reasons})",
        f"try again later (it goes on from where it stopped), or get it elsewhere and put it into {folder}",
    )


def _through_pooch(file: FileRecord, url: str, folder: Path, progress: bool) -> Path:
    import pooch  # only who downloads pays for its import

    pooch.get_logger().setLevel("WARNING")
    target, part = folder / file.name, folder / f"{file.name}.part"
    if file.sha256 is None and target.is_file() and file.bytes not in (None, target.stat().st_size):
        target.unlink()  # incomplete; without a checksum pooch would keep it

    def downloader(url, output_file, _):
        resume(url, part, file.bytes, progress)
        part.replace(output_file)

    known = file.sha256 and f"sha256:{file.sha256}"
    try:
        return Path(pooch.retrieve(url, known, fname=file.name, path=folder, downloader=downloader))
    except ValueError as error:  # pooch: the hash is not the known one; what came is deleted already
        raise Broken(f"what came is not the published file ({_first_line(error)})") from None


def resume(url: str, part: Path, size: int | None, progress: bool) -> None:
    """Complete the file `part` from `url`, asking only for what is missing where the server can do so.

    `size` is the whole file's length in bytes if known. Raises Broken; what has come stays in `part`, unless the server
    has a file of another length or cannot continue from there.
    """
    start = part.stat().st_size if part.exists() else 0
    if size is not None and start == size:
        return
    if size is not None and start > size:
        part.unlink()
        start = 0
    try:
        with _open(url, start) as response:
            start = _agreed_start(response, start, part)
            length = response.headers.get("Content-Length")
            total = size if length is None else start + int(length)
            if size is not None and total != size:
                raise Broken(f"it offers {total:,} bytes, the published file has {size:,}", final=True)
            _copy(response, part, start, total, progress)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # there is nothing from this byte on: the part is of another file
            part.unlink(missing_ok=True)
        raise Broken(f"HTTP status {error.code} {error.reason}", final=error.code in (401, 403, 404, 410)) from None
    except (OSError, http.client.HTTPException) as error:
        raise Broken(str(getattr(error, "reason", error)) or type(error).__name__) from None


def _open(url: str, start: int):
    if not url.startswith(("http://", "https://")):
        raise Broken("only http:// and https:// addresses are fetched", final=True)
    request = urllib.request.Request(url, headers={"User-Agent": "labkit"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    return urllib.request.urlopen(request, timeout=TIMEOUT_S)


def _agreed_start(response, start: int, part: Path) -> int:
    """From which byte on the server sends: `start` where it honours the range, else 0."""
    if response.status != 206:
        return 0
    if not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        part.unlink(missing_ok=True)
        raise Broken("it continued from another byte than it was asked for")
    return start


def _copy(response, part: Path, start: int, total: int | None, progress: bool) -> None:
    from tqdm import tqdm

    name = part.name.removesuffix(".part")
    bar = tqdm(desc=name, total=total, initial=start, unit="B", unit_scale=True, disable=not progress)
    with bar, open(part, "ab" if start else "wb") as out:
        while chunk := response.read(_CHUNK_BYTES):
            out.write(chunk)
            bar.update(len(chunk))
    have = part.stat().st_size
    if total is not None and have < total:
        raise Broken(f"the connection ended after {have:,} of {total:,} bytes")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        raise LabError(f"{folder} is no folder that can be written to", f"name another one with {_ELSEWHERE}")


def _check_space(file: FileRecord, folder: Path) -> None:
    part = folder / f"{file.name}.part"
    needed = (file.bytes or 0) - (part.stat().st_size if part.exists() else 0)
    free = shutil.disk_usage(folder).free
    if needed > free and not (folder / file.name).exists():
        raise LabError(
            f"{file.name} needs {needed:,} bytes in {folder}, where {free:,} are free",
            f"free some space, or name another folder with {_ELSEWHERE}",
        )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
