"""`labkit data`: the keys that scripts rely on, and exit statuses that say whether a set can be used."""

import json

import pytest

from labkit.data import records

KEYS = {"name", "present", "files", "samples", "shape", "classes"}


def test_list_has_every_set_with_its_keys(labkit, tmp_path):
    sets = json.loads(labkit("data", "list", "--root", str(tmp_path), "--json").out)
    assert [s["name"] for s in sets] == list(records.names())
    assert all(s.keys() >= KEYS for s in sets)
    present = {s["name"] for s in sets if s["present"]}
    assert present == {"digits", "synthetic"}, "these two need no download"


def test_list_for_people(labkit, tmp_path):
    ran = labkit("data", "list", "--root", str(tmp_path))
    assert ran.status == 0
    assert "fashion_mnist" in ran.out and "60,000" in ran.out and "labkit data get NAME" in ran.out


def test_check_of_the_digits(labkit):
    ran = labkit("data", "check", "digits", "--json")
    found = json.loads(ran.out)
    assert ran.status == 0 and found.keys() >= KEYS
    assert (found["samples"], found["shape"], found["classes"]) == (1797, [1, 8, 8], 10)
    assert labkit("data", "check", "digits").out == "digits: 1,797 samples of 1 x 8 x 8, 10 classes\n"


def test_a_set_that_is_not_here_ends_with_1_and_says_how_to_get_it(labkit, tmp_path):
    ran = labkit("data", "check", "mnist", "--root", str(tmp_path), "--json")
    assert ran.status == 1 and json.loads(ran.out)["present"] is False
    assert ran.err.startswith("labkit: mnist is not in ") and "labkit data get mnist" in ran.err
    assert labkit("data", "check", "mnist", "--root", str(tmp_path)).out == "mnist: cannot be loaded\n"


def test_a_damaged_file_ends_with_1_and_is_named(labkit, tmp_path):
    for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        (tmp_path / name).write_bytes(b"\x00\x00\x08")
    ran = labkit("data", "check", "mnist", "--root", str(tmp_path), "--json")
    assert ran.status == 1
    wrong = [file["path"] for file in json.loads(ran.out)["files"] if not file["ok"]]
    assert wrong and all(path.startswith(str(tmp_path)) for path in wrong)
    assert "t10k-" in ran.err


@pytest.mark.parametrize("command", ["get", "check"])
def test_a_wrong_name_ends_with_2(labkit, command):
    ran = labkit("data", command, "mnits")
    assert (ran.status, ran.out) == (2, "")
    assert "did you mean 'mnist'" in ran.err


def test_a_group_without_a_command_says_what_to_type(labkit):
    ran = labkit("data")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == "labkit: Missing command — type: labkit data --help\n"


def test_get_downloads_and_reports_what_lies_here(labkit, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr("labkit.data.download", lambda *words, **more: asked.append((words, more)))
    mirror = "http://127.0.0.1:1/data"
    ran = labkit("data", "get", "digits", "--root", str(tmp_path), "--mirror", mirror, "--json")
    assert asked == [(("digits",), {"root": str(tmp_path), "mirror": mirror})]
    assert ran.status == 0 and json.loads(ran.out)["present"] is True
