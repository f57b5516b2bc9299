"""What this project found out about the tables of eserol-2019, computed from the network and from the tables."""

from math import prod

import numpy as np
import pytest

from labkit.network import zoo
from labkit.network.layers import Conv, MaxPool
from labkit.partition.thesis.tables import BATCH, IMBALANCES, PARTS, VOLUME_UNIT, all_figures, figures
from labkit.partition.trace import tasks_of
from labkit.partition.weights import eserol, flops


@pytest.fixture(scope="module")
def network():
    return zoo.get("vgg16")


def volumes(network, *kinds) -> dict[str, float]:
    """2^20 values that every node of some kinds makes for 32 images."""
    nodes = [node for node in network.nodes if not kinds or isinstance(node.layer, kinds)]
    return {node.name: prod(network.shape(node.name)) * BATCH / VOLUME_UNIT for node in nodes}


def sent(network) -> list[float]:
    """What each of the 16 layers with weights sends, after pooling."""
    values, found = volumes(network), []
    for node in network.nodes:
        if node.layer.kind in ("conv", "dense"):
            found.append(values[node.name])
        elif isinstance(node.layer, MaxPool):
            found[-1] = values[node.name]
    return found


def test_the_unit_is_values_not_bytes(network):
    """Layer-wise in two parts cuts behind the sixth convolution, in sixteen everywhere, and MB are 2^20 values."""
    maps = sent(network)
    assert len(maps) == 16
    for parts, cut_behind in ((2, [6]), (4, [3, 6, 9]), (8, [2, 3, 4, 6, 7, 9, 10]), (16, range(1, 16))):
        low, high = figures("layer", parts).between("volume")
        assert low <= sum(maps[number - 1] for number in cut_behind) < high
    assert maps[5] == 24.5


def test_horizontal_volumes_are_a_formula(network):
    """Maps before pooling go to one part, pooled maps from there to all: A (N - 1) + C (1 - 1/N)."""
    maps, before = sent(network), list(volumes(network, Conv).values())
    images = prod(network.input_shape) * BATCH / VOLUME_UNIT
    broadcast = images + sum(maps[:13])
    collected = sum(before) + sum(maps[13:15])
    for parts in PARTS:
        low, high = figures("filter-horizontal", parts).between("volume")
        found = broadcast * (parts - 1) + collected * (1 - 1 / parts)
        assert low - (0.5 if parts == 128 else 0) <= found < high


def test_averages_are_volumes_by_parts_and_largest_layers_are_no_parts():
    """'Max comm' is one layer's boundary: often far above the average of a part, though all parts send alike."""
    for parts in PARTS:
        one = figures("filter-horizontal", parts)
        assert one.between("avg_comm")[0] <= float(one.volume + 1) / parts
        assert float(one.max_comm) == pytest.approx(98 * (parts - 1), abs=1)  # of the first convolution's maps


def test_patoh_missed_the_imbalance_that_it_was_asked_for():
    over = {(f.imbalance, f.parts): f.max_load / float(f.avg_work) for f in all_figures() if f.method == "coarse"}
    assert over[0.03, 16] == pytest.approx(1.18, abs=0.005)
    assert all(over[imbalance, 64] > 1.37 for imbalance in IMBALANCES)
    assert over[0.1, 8] < 1.1


def test_works_of_the_tables_add_up_to_three_totals():
    """Rounded per filter or per channel of a filter: 43,001, 43,021 and 42,739."""
    totals = {"layer": 43_001, "filter-horizontal": 43_001, "filter-incremental": 43_021, "coarse": 43_021}
    totals |= {"channel-incremental": 42_739, "fine": 42_739}
    for one in all_figures():
        low, high = one.between("avg_work")
        parts = one.filled or one.parts
        assert low * parts - 1 <= totals[one.method] <= high * parts + 1, one


def test_the_inferred_weights_bear_the_tables_out_and_flops_do_not(network):
    tasks = tasks_of(network)
    work = eserol(tasks).work
    assert work.sum() == pytest.approx(43_021, abs=0.5)
    assert work.max() / work.sum() == pytest.approx(0.154, abs=0.001)
    assert flops(tasks).work.max() / flops(tasks).total == pytest.approx(0.12, abs=0.005)
    most = figures("layer", 16)
    assert work.max() == pytest.approx(float(most.max_work), rel=0.001)
    assert work[1:].min() == float(most.min_work) == 60
    assert work[tasks.number("fc1")] == float(figures("fine", 128).max_work) == 546
    by_conv = np.cumsum(work)
    for parts, behind in ((2, [6]), (4, [3, 6, 9])):
        loads = np.diff([0, *by_conv[behind], work.sum()])
        assert loads.max() == pytest.approx(float(figures("layer", parts).max_work), rel=0.003)
        assert loads.min() == pytest.approx(float(figures("layer", parts).min_work), rel=0.003)
