"""Downloads against a server on this machine: resumed, checked, tried again, and never half a file in place."""

import functools
import gzip
import hashlib
import http.server
import io
import tarfile
import threading
from collections import namedtuple
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from labkit.data import download, load, records, status
from labkit.data.fetch import fetch
from labkit.data.records import FileRecord
from labkit.errors import LabError

DATA = np.random.default_rng(0).bytes(300_000)


@dataclass
class Site:
    """What the server has, how it misbehaves, and what it was asked for."""

    files: dict[str, bytes] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)  # the next answers end after so many bytes
    ranges: bool = True
    answer_from: int | None = None  # a wrong first byte to continue from
    states: list[int] = field(default_factory=list)  # the next answers are these errors
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    address: str = ""


class Handler(http.server.BaseHTTPRequestHandler):
    def __init__(self, site: Site, *args):
        self.site = site
        super().__init__(*args)

    def do_GET(self):
        site, wanted = self.site, self.headers.get("Range")
        site.asked.append((self.path, wanted))
        data = site.files.get(self.path)
        if data is None or site.states:
            return self.send_error(site.states.pop(0) if site.states else 404)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and site.ranges else 0
        if start >= len(data):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        if start:
            told = start if site.answer_from is None else site.answer_from
            self.send_header("Content-Range", f"bytes {told}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.wfile.write(data[start:][: site.cuts.pop(0) if site.cuts else None])
        return None

    def log_message(self, *args):
        pass


@pytest.fixture
def site(monkeypatch):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.delenv("LABKIT_MIRROR", raising=False)
    monkeypatch.setattr("labkit.data.fetch.time.sleep", lambda _: None)
    here = Site({"/digits.bin": DATA})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, here))
    here.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield here
    server.shutdown()
    server.server_close()
    thread.join(timeout=5)


def record(site: Site, *mirrors: str, **changes) -> FileRecord:
    urls = tuple(mirror if "://" in mirror else site.address + mirror for mirror in mirrors or ("/digits.bin",))
    known = FileRecord("digits.bin", len(DATA), hashlib.sha256(DATA).hexdigest(), urls)
    return replace(known, **changes)


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_once(site, tmp_path, capfd):
    path = fetch(record(site), tmp_path / "new" / "folder", progress=False)
    assert path.read_bytes() == DATA
    assert names(path.parent) == ["digits.bin"]
    assert fetch(record(site), path.parent, progress=False) == path
    assert len(site.asked) == 1
    assert capfd.readouterr() == ("", "")


def test_progress_goes_to_stderr(site, tmp_path, capfd):
    fetch(record(site), tmp_path)
    out, err = capfd.readouterr()
    assert out == ""
    assert "digits.bin: 100%" in err


def test_a_broken_transfer_goes_on_where_it_stopped(site, tmp_path):
    site.cuts = [100_000, 50_000]
    path = fetch(record(site), tmp_path, progress=False)
    assert path.read_bytes() == DATA
    assert [wanted for _, wanted in site.asked] == [None, "bytes=100000-", "bytes=150000-"]
    assert names(tmp_path) == ["digits.bin"]


def test_what_came_stays_beside_and_is_used_by_the_next_call(site, tmp_path):
    site.cuts = [100_000, 0, 0]
    with pytest.raises(LabError, match=r"ended after 100,000 of 300,000 bytes.*goes on from where it stopped"):
        fetch(record(site), tmp_path, progress=False)
    assert names(tmp_path) == ["digits.bin.part"]
    assert (tmp_path / "digits.bin.part").read_bytes() == DATA[:100_000]
    assert fetch(record(site), tmp_path, progress=False).read_bytes() == DATA
    assert site.asked[-1] == ("/digits.bin", "bytes=100000-")


def test_a_part_that_is_whole_needs_no_request(site, tmp_path):
    (tmp_path / "digits.bin.part").write_bytes(DATA)
    assert fetch(record(site), tmp_path, progress=False).read_bytes() == DATA
    assert site.asked == []


def test_a_server_that_cannot_resume_sends_all_again(site, tmp_path):
    site.ranges, site.cuts = False, [100_000]
    assert fetch(record(site), tmp_path, progress=False).read_bytes() == DATA
    assert len(site.asked) == 2


@pytest.mark.parametrize(("left", "first"), [(DATA + b"more", None), (b"other" * 1000, "bytes=5000-")])
def test_a_part_of_another_file_does_not_spoil_the_result(site, tmp_path, left, first):
    (tmp_path / "digits.bin.part").write_bytes(left)
    assert fetch(record(site), tmp_path, progress=False).read_bytes() == DATA
    assert names(tmp_path) == ["digits.bin"]
    assert site.asked[0][1] == first  # one that is too long is not continued


@pytest.mark.parametrize("trouble", [{"answer_from": 7}, {"states": [416]}])
def test_a_server_that_cannot_continue_there_is_asked_for_all(site, tmp_path, trouble):
    (tmp_path / "digits.bin.part").write_bytes(DATA[:1000])
    for name, value in trouble.items():
        setattr(site, name, value)
    assert fetch(record(site), tmp_path, progress=False).read_bytes() == DATA
    assert [wanted for _, wanted in site.asked] == ["bytes=1000-", None]


def test_wrong_content_is_never_put_in_place(site, tmp_path):
    site.files["/digits.bin"] = bytes(len(DATA))
    with pytest.raises(LabError, match="not the published file"):
        fetch(record(site), tmp_path, progress=False)
    assert names(tmp_path) == []
    assert len(site.asked) == 3


def test_a_damaged_file_is_replaced_only_by_a_good_one(site, tmp_path):
    (tmp_path / "digits.bin").write_bytes(b"damaged")
    site.states = [500, 500, 500]
    with pytest.raises(LabError, match="HTTP status 500"):
        fetch(record(site), tmp_path, progress=False)
    assert (tmp_path / "digits.bin").read_bytes() == b"damaged"
    assert fetch(record(site), tmp_path, progress=False).read_bytes() == DATA


def test_mirrors_are_tried_in_order(site, tmp_path):
    site.files["/login.html"] = b"<html>please log in</html>"
    path = fetch(record(site, "/gone", "/login.html", "/digits.bin"), tmp_path, progress=False)
    assert path.read_bytes() == DATA
    assert [asked for asked, _ in site.asked] == ["/gone", "/login.html", "/digits.bin"]


def test_what_each_mirror_did_is_told(site, tmp_path):
    site.files["/login.html"] = b"<html>please log in</html>"
    with pytest.raises(LabError, match=r"gone: HTTP status 404.*it offers 26 bytes.*only http"):
        fetch(record(site, "/gone", "/login.html", "ftp://127.0.0.1/x"), tmp_path, progress=False)
    assert len(site.asked) == 2  # what cannot work is not tried again


def test_no_server_at_all(tmp_path, monkeypatch):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    nobody = FileRecord("digits.bin", 10, "0" * 64, ("http://127.0.0.1:9/digits.bin",))
    with pytest.raises(LabError, match=r"could not be downloaded.*put it into"):
        fetch(nobody, tmp_path, progress=False, pause_s=0)


def test_a_file_without_checksum_is_known_by_its_size(site, tmp_path):
    unsure = record(site, sha256=None)
    (tmp_path / "digits.bin").write_bytes(DATA[:10])
    assert fetch(unsure, tmp_path, progress=False).read_bytes() == DATA
    fetch(unsure, tmp_path, progress=False)
    assert len(site.asked) == 1


def test_a_full_disk_is_told_beforehand(site, tmp_path, monkeypatch):
    usage = namedtuple("Usage", "total used free")
    monkeypatch.setattr("labkit.data.fetch.shutil.disk_usage", lambda _: usage(0, 0, 1000))
    with pytest.raises(LabError, match=r"needs 300,000 bytes.*1,000 are free"):
        fetch(record(site), tmp_path, progress=False)
    assert site.asked == []


def test_sets_without_files_need_no_download(tmp_path):
    assert download("digits", root=tmp_path) == download("synthetic", root=tmp_path) == ()
    with pytest.raises(LabError, match="did you mean 'mnist'"):
        download("minst", root=tmp_path)


def small_mnist() -> dict[str, bytes]:
    images = np.random.default_rng(1).integers(0, 256, (30, 28, 28), dtype=np.uint8)
    head = bytes([0, 0, 8, 3, 0, 0, 0, 30, 0, 0, 0, 28, 0, 0, 0, 28])
    labels = bytes([0, 0, 8, 1, 0, 0, 0, 30, *(i % 10 for i in range(30))])
    return {
        "t10k-images-idx3-ubyte.gz": gzip.compress(head + images.tobytes()),
        "t10k-labels-idx1-ubyte.gz": gzip.compress(labels),
    }


@pytest.fixture
def published(site, monkeypatch):
    """A catalogue whose MNIST is a small one on the site; `site` serves it at /mirror/mnist too."""
    files = small_mnist()
    site.files = {f"/{name}": data for name, data in files.items()}
    site.files |= {f"/mirror/mnist/{name}": data for name, data in files.items()}
    known = tuple(
        FileRecord(name, len(data), hashlib.sha256(data).hexdigest(), (f"{site.address}/{name}",))
        for name, data in files.items()
    )
    monkeypatch.setitem(records.RECORDS, "mnist", replace(records.MNIST, files=known, unpacked=()))
    return site


def test_download_then_load(published, tmp_path):
    root = tmp_path / "datasets"
    paths = download("mnist", progress=False, root=root)
    assert [path.relative_to(root).as_posix() for path in paths] == [
        "mnist/t10k-images-idx3-ubyte.gz",
        "mnist/t10k-labels-idx1-ubyte.gz",
    ]
    assert len(load("mnist", root=root).train) == 24
    state = status("mnist", root)
    assert (state["present"], state["problem"]) == (True, None)
    assert [row["note"] for row in state["files"]] == ["SHA-256 as published"] * 2


def test_files_that_lie_elsewhere_are_not_fetched_again(published, tmp_path):
    for name, data in small_mnist().items():
        (tmp_path / name).write_bytes(data)
    assert [path.parent for path in download("mnist", progress=False, root=tmp_path)] == [tmp_path] * 2
    assert published.asked == []


@pytest.mark.parametrize("by", ["argument", "environment"])
def test_a_classroom_mirror_comes_first(published, tmp_path, monkeypatch, by):
    address = f"{published.address}/mirror/"
    if by == "environment":
        monkeypatch.setenv("LABKIT_MIRROR", address)
    download("mnist", progress=False, root=tmp_path, mirror=address if by == "argument" else None)
    assert {path for path, _ in published.asked} == {f"/mirror/mnist/{name}" for name in small_mnist()}


def test_cifars_archive_is_unpacked_beside_itself(site, tmp_path, monkeypatch):
    batch = bytes([7, *bytes(3072)] * 5)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        info = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
        info.size = len(batch)
        tar.addfile(info, io.BytesIO(batch))
    site.files = {"/cifar.tar.gz": out.getvalue()}
    packed = record(site, "/cifar.tar.gz", name="cifar-10-binary.tar.gz", bytes=len(out.getvalue()), sha256=None)
    inside = FileRecord("test_batch.bin", len(batch), hashlib.sha256(batch).hexdigest())
    monkeypatch.setitem(records.RECORDS, "cifar10", replace(records.CIFAR10, files=(packed,), unpacked=(inside,)))
    paths = download("cifar10", progress=False, root=tmp_path)
    assert [path.name for path in paths] == ["cifar-10-binary.tar.gz", "test_batch.bin"]
    assert names(tmp_path / "cifar10") == ["cifar-10-binary.tar.gz", "test_batch.bin"]
    assert str(paths[1]) in load("cifar10", root=tmp_path).source
    assert [row["ok"] for row in status("cifar10", tmp_path)["files"]] == [True, True]
    download("cifar10", progress=False, root=tmp_path)
    assert len(site.asked) == 1


def test_real_files_through_a_mirror(site, tmp_path, shared_data, monkeypatch):
    """The published files of MNIST's test part, with the checksums of the catalogue, broken off once on the way."""
    files = tuple(replace(file, urls=()) for file in records.MNIST.files[2:])  # only the mirror is asked
    monkeypatch.setitem(records.RECORDS, "mnist", replace(records.MNIST, files=files))
    for file in files:
        site.files[f"/mnist/{file.name}"] = (shared_data / "mnist" / file.name).read_bytes()
    site.cuts = [1_000_000]
    download("mnist", progress=False, root=tmp_path, mirror=site.address)
    assert site.asked[1] == ("/mnist/t10k-images-idx3-ubyte.gz", "bytes=1000000-")
    assert status("mnist", tmp_path)["problem"] is None
    assert len(load("mnist", root=tmp_path).train) == 8000
