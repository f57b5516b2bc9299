"""The numbers of ranks at which keuper-pfreundt-2016 becomes bound by communication."""

import pytest

from labkit.errors import LabError
from labkit.limits.collectives import seconds
from labkit.limits.crossing import CURVES, KEUPER, KEUPER_LINK, communicating, crossing
from labkit.machine.links import Link


def found(network: str, device: str) -> dict[str, float]:
    row = next(one for one in KEUPER if (one.network, one.device) == (network, device))
    return {name: crossing(name, row.compute_s, row.model_bytes, KEUPER_LINK) for name in CURVES}


@pytest.mark.parametrize(
    ("network", "device", "server", "tree", "ring"),
    [
        ("AlexNet", "K80", 4.05, 5.2, 13.3),
        ("AlexNet", "TitanX", 2.3, 2.3, 3.8),
        ("AlexNet", "CPU", 5.8, 8.8, 28),
        ("AlexNet", "KNL", 3.4, 4.1, 9.2),
        ("GoogLeNet", "K80", 5.5, 8.2, 25.5),
        ("GoogLeNet", "KNL", 5.2, 7.5, 22.8),
        ("GoogLeNet", "CPU", 10, 20, 89),
    ],
)
def test_four_to_eight_nodes_are_the_trees_limit(network, device, server, tree, ring):
    """Field notes of this project, from tables I and II of the paper, FDR InfiniBand and no overlap."""
    assert found(network, device) == pytest.approx({"server": server, "tree": tree, "ring": ring}, rel=0.04)


def test_the_two_that_the_paper_speaks_of():
    assert found("AlexNet", "K80") == pytest.approx({"server": 4.05, "tree": 5.2, "ring": 13.3}, rel=0.01)
    assert found("GoogLeNet", "K80") == pytest.approx({"server": 5.5, "tree": 8.2, "ring": 25.5}, rel=0.012)


@pytest.mark.parametrize("ranks", [2, 4, 8, 16])
def test_curves_go_through_the_closed_forms(ranks):
    link = Link("any", 1e-3, 1e8)
    assert communicating("ring", ranks, 1e6, link) == pytest.approx(seconds("allreduce", "ring", ranks, 1e6, link))
    assert communicating("tree", ranks, 1e6, link) == pytest.approx(seconds("allreduce", "tree", ranks, 1e6, link))
    assert communicating("server", ranks, 1e6, link) == pytest.approx(seconds("server", "1", ranks, 1e6, link))


def test_the_times_meet_there():
    ranks = crossing("tree", 0.9, 250e6, Link("any", 1e-3, 1e9))
    assert communicating("tree", ranks, 250e6, Link("any", 1e-3, 1e9)) == pytest.approx(0.9 / ranks)


def test_faster_devices_make_it_worse():
    times = sorted((row for row in KEUPER if row.network == "AlexNet"), key=lambda row: row.compute_s)
    limits = [crossing("tree", row.compute_s, row.model_bytes, KEUPER_LINK) for row in times]
    assert limits == sorted(limits) and limits[0] < 3 < 8 < limits[-1]


def test_bad_arguments():
    for arguments in (("rings", 1.0, 1e6), ("ring", 0.0, 1e6), ("ring", 1.0, -1)):
        with pytest.raises(LabError):
            crossing(*arguments, KEUPER_LINK)
