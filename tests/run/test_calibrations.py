"""Calibrations that are kept: each is found by what it holds for, and by nothing else."""

import pytest

from labkit.machine.links import Link
from labkit.network import zoo
from labkit.run.calibration import kept as calibrations
from labkit.run.calibration.kept import ALONE, TOGETHER, Kept, kind_for
from labkit.run.calibration.value import Calibration
from labkit.run.communicators.threads import connect
from labkit.schedule.costs import Costs, flops_costs

NETWORK = zoo.get("lenet5")
LINK = Link("slow", 1e-3, 1e8, emulated=True)


@pytest.fixture(autouse=True)
def measured(monkeypatch, tmp_path):
    """What would have been measured; a model takes its place."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    calls = []

    def calibrate(network, backend, threads, *how, **settings):
        calls.append((how, settings))
        about = (network.name, backend, threads, "float32", "a machine", "a communicator")
        costs = Costs(flops_costs(network, 1e9), Link("memory", 1e-5, 1e9))
        return Calibration(*about, costs, ((4, 1e-5),), (4, 32), 1e9, 0.0, float(len(calls)), 2)

    monkeypatch.setattr(calibrations, "calibrate", calibrate)
    monkeypatch.setattr(calibrations, "calibrate_on_mpi", calibrate)
    return calls


def kept(**other):
    return Kept(**{"network": NETWORK, "backend": "cpu", "threads": 1, "mapping": None, "kind": ALONE} | other)


def test_what_was_measured_is_kept():
    assert kept().read() is None
    found = kept().measure()
    assert kept().read() == found
    again = kept().measure()
    assert again != found and kept().read() == again


@pytest.mark.parametrize(
    "other",
    [
        {"network": zoo.get("lenet5", classes=9)},
        {"backend": "reference"},
        {"threads": 2},
        {"mapping": {"conv1": "data"}},
        {"kind": TOGETHER},
        {"link": LINK},
    ],
    ids=lambda other: next(iter(other)),
)
def test_it_holds_for_nothing_else(other):
    kept().measure()
    assert kept(**other).read() is None


def test_emulated_links_share_one():
    found = kept(link=LINK).measure()
    assert kept(link=Link("slower", 1e-2, 1e7, emulated=True)).read() == found


def test_ranks_that_are_there_measure_and_only_the_first_keeps(measured):
    zero, one = connect(2)
    kept(kind=TOGETHER).measure(communicator=one)
    assert kept(kind=TOGETHER).read() is None
    found = kept(kind=TOGETHER).measure(communicator=zero)
    assert kept(kind=TOGETHER).read() == found
    assert [how[0] for how, _ in measured] == [one, zero]


def test_pairs_are_started_for_it(measured):
    kept(kind=TOGETHER, link=LINK, mapping="data").measure()
    assert measured == [((2,), {"mapping": "data", "link": LINK})]


@pytest.mark.parametrize("content", ["", "{}", '{"format": "labkit-calibration"}'])
def test_a_file_that_cannot_be_read_counts_as_none(content):
    kept().measure()
    kept().path.write_text(content, "utf-8")
    assert kept().read() is None


def test_a_folder_that_cannot_be_written_is_no_fault(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("", "utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert kept().measure().network == "lenet5"
    assert kept().read() is None


@pytest.mark.parametrize(
    ("ranks", "threads", "processes", "cores", "kind"),
    [
        (2, 1, True, 2, TOGETHER),
        (8, 1, True, 2, TOGETHER),
        (1, 1, True, 2, ALONE),
        (2, 1, False, 2, ALONE),
        (2, 1, True, 1, ALONE),
        (2, 2, True, 2, ALONE),
    ],
)
def test_ranks_that_compute_at_the_same_time_are_measured_so(monkeypatch, ranks, threads, processes, cores, kind):
    monkeypatch.setattr(calibrations, "usable_cores", lambda: cores)
    assert kind_for(ranks, threads, processes) == kind
