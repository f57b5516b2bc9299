"""Sharded checkpoints as files: complete or not there, whatever is interrupted, and refused where they do not fit."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from labkit.engine import checkpoint
from labkit.errors import LabError
from labkit.network import to_document, zoo
from labkit.run.checkpoint import files as checkpoints

RANKS = 3


def values(rank: int, step: int, ranks: int = RANKS) -> dict[str, np.ndarray]:
    weights = np.arange(4, dtype=np.float32) + 100 * step + 10 * rank + ranks
    return {"weights": weights, "none": np.zeros(0, np.float32)}


def save(folder: Path, step: int, document: dict | None = None, ranks: int = RANKS) -> None:
    for rank in range(ranks):
        checkpoints.write(folder, rank, ranks, step, values(rank, step, ranks), {"of": rank})
    checkpoints.commit(folder, ranks, step, tuple(range(ranks)), document or {})


def assert_holds(found: checkpoints.Restored, step: int, ranks: int = RANKS) -> None:
    assert (found.step, found.ranks) == (step, ranks)
    assert [shard.rank for shard in found.shards] == list(range(ranks))
    for shard in found.shards:
        assert shard.document == {"of": shard.rank}
        assert shard.arrays.keys() == {"weights", "none"}
        np.testing.assert_array_equal(shard.arrays["weights"], values(shard.rank, step, ranks)["weights"])


def test_what_is_written_comes_back(tmp_path):
    save(tmp_path, 5, {"seed": 3})
    found = checkpoints.restore(tmp_path)
    assert_holds(found, 5)
    assert found.document == {"seed": 3} and found.notes == ()
    assert checkpoints.latest(tmp_path) == 5


def test_shards_alone_are_no_checkpoint(tmp_path):
    save(tmp_path, 5)
    checkpoints.write(tmp_path, 0, RANKS, 10, values(0, 10))
    assert checkpoints.latest(tmp_path) == 5
    with pytest.raises(LabError, match=r"no checkpoint .*step-00000010.shard-0001"):
        checkpoints.commit(tmp_path, RANKS, 10, (0, 1, 2), {})
    assert_holds(checkpoints.restore(tmp_path), 5)


def test_a_shard_of_another_run_is_not_committed(tmp_path):
    checkpoints.write(tmp_path, 0, 2, 5, values(0, 5))
    with pytest.raises(LabError, match="not of step 5, rank 0 of 1"):
        checkpoints.commit(tmp_path, 1, 5, (0,), {})
    assert checkpoints.latest(tmp_path) is None


def test_the_last_two_are_kept(tmp_path):
    for step in (5, 10, 15):
        save(tmp_path, step)
    assert checkpoints.complete(tmp_path) == (15, 10)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000010", "step-00000015"]


def test_what_lies_beyond_a_new_checkpoint_goes(tmp_path):
    for step in (5, 20):
        save(tmp_path, step)
    save(tmp_path, 10)  # as after a return to step 5
    assert checkpoints.complete(tmp_path) == (10, 5)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("harm", [truncate, flip, Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_damaged_shard_falls_back_and_says_so(tmp_path, harm):
    for step in (5, 10):
        save(tmp_path, step)
    harm(tmp_path / "step-00000010" / "shard-0001.safetensors")
    found = checkpoints.restore(tmp_path)
    assert_holds(found, 5)
    assert len(found.notes) == 1
    assert found.notes[0].startswith("the checkpoint of step 10 cannot be used: ") and "shard-0001" in found.notes[0]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 2, "run": {}, "ranks": 3, "shards": []}', '{"format": 1}'])
def test_a_damaged_manifest_falls_back(tmp_path, text):
    for step in (5, 10):
        save(tmp_path, step)
    (tmp_path / "step-00000010" / "manifest.json").write_text(text)
    found = checkpoints.restore(tmp_path)
    assert_holds(found, 5)
    assert "manifest.json" in found.notes[0]


def test_nothing_sound_left_names_every_damage(tmp_path):
    for step in (5, 10):
        save(tmp_path, step)
        flip(tmp_path / f"step-{step:08d}" / "shard-0002.safetensors")
    with pytest.raises(LabError, match=r"no complete checkpoint .*step 10 cannot .*step 5 cannot"):
        checkpoints.restore(tmp_path)
    with pytest.raises(LabError, match="no complete checkpoint"):
        checkpoints.restore(tmp_path / "nowhere")


RUN = {"network": to_document(zoo.get("lenet5")), "optimizer": {"name": "sgd", "lr": 0.01}, "seed": 0, "batch": 32}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 1}, "seed is 0 there and 1 now"),
        ({"batch": 33}, "batch is 32 there and 33 now"),
        ({"optimizer": {"name": "adam", "lr": 0.01}}, "optimizer is .*sgd.* there and .*adam.* now"),
        ({"network": to_document(zoo.get("mlp"))}, "network is 'lenet5' with 61,706 parameters there and 'mlp'"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused_by_name(tmp_path, change, named):
    save(tmp_path, 5, RUN)
    assert checkpoints.restore(tmp_path, RUN).step == 5
    with pytest.raises(LabError, match=named):
        checkpoints.restore(tmp_path, RUN | change)


def test_the_name_of_a_network_does_not_matter(tmp_path):
    save(tmp_path, 5, RUN)
    assert checkpoints.restore(tmp_path, RUN | {"network": RUN["network"] | {"name": "mine"}}).step == 5


class Crash(BaseException):
    """The power goes: nothing that would touch the disk afterwards happens any more."""


class Disk:
    """Counts what is done to the disk, and goes dead before the operation with number `fatal`."""

    def __init__(self, monkeypatch, fatal: int | None = None):
        self.count, self.fatal = 0, fatal
        places = [(os, "replace"), (os, "fsync"), (checkpoint, "save_file"), (Path, "write_text"), (Path, "unlink")]
        for owner, name in (*places, (Path, "mkdir"), (shutil, "rmtree")):
            monkeypatch.setattr(owner, name, self._counted(getattr(owner, name)))

    def _counted(self, function):
        def operation(*arguments, **options):
            self.count += 1
            if self.fatal is not None and self.count >= self.fatal:
                raise Crash
            return function(*arguments, **options)

        return operation


def operations_of_one_checkpoint(folder: Path, monkeypatch) -> int:
    with monkeypatch.context() as patch:
        disk = Disk(patch)
        save(folder, 15)
        return disk.count


def test_a_crash_at_any_operation_leaves_the_last_complete_checkpoint(tmp_path, monkeypatch):
    for step in (5, 10):
        save(tmp_path / "rehearsal", step)
    operations = operations_of_one_checkpoint(tmp_path / "rehearsal", monkeypatch)
    assert operations > 20
    seen = set()
    for fatal in range(1, operations + 1):
        folder = tmp_path / f"at-{fatal}"
        for step in (5, 10):
            save(folder, step)
        with monkeypatch.context() as patch:
            Disk(patch, fatal)
            with pytest.raises(Crash):
                save(folder, 15)
        found = checkpoints.restore(folder)
        assert found.notes == (), "what a crash leaves behind is no damage"
        assert_holds(found, found.step)
        seen.add(found.step)
        save(folder, 15)  # and the next attempt is not in its way
        assert_holds(checkpoints.restore(folder), 15)
        assert checkpoints.complete(folder) == (15, 10)
    assert seen == {10, 15}


def test_a_crash_while_a_checkpoint_is_written_again_loses_nothing(tmp_path, monkeypatch):
    save(tmp_path / "rehearsal", 10)
    operations = operations_of_one_checkpoint(tmp_path / "rehearsal", monkeypatch)
    for fatal in range(1, operations + 1):
        folder = tmp_path / f"at-{fatal}"
        save(folder, 10)
        save(folder, 15, ranks=2)  # of another number of ranks, so that its shards differ
        with monkeypatch.context() as patch:
            Disk(patch, fatal)
            with pytest.raises(Crash):
                save(folder, 15)
        found = checkpoints.restore(folder)
        assert_holds(found, found.step, found.ranks)


def test_a_full_disk_is_said_and_the_old_checkpoint_stays(tmp_path, monkeypatch):
    save(tmp_path, 5)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(LabError, match=r"cannot write .*No space left"):
            save(tmp_path, 10)
    assert_holds(checkpoints.restore(tmp_path), 5)
    assert not list(tmp_path.rglob("*.part"))


def test_the_manifest_is_plain_json(tmp_path):
    path = tmp_path / "run"
    save(path, 5, RUN)
    manifest = json.loads((path / "step-00000005" / "manifest.json").read_text())
    assert (manifest["step"], manifest["ranks"], len(manifest["shards"])) == (5, 3, 3)
    assert manifest["run"]["seed"] == 0


def test_an_old_checkpoint_that_is_only_half_removed_counts_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints.shutil, "rmtree", lambda *_, **__: None)
    for step in (1, 2, 3):
        save(tmp_path, step)
    assert checkpoints.complete(tmp_path) == (3, 2)
