"""Table 5.14 of eserol-2019 in one unit, and any plan against data parallelism."""

from statistics import mean

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.network import zoo
from labkit.partition import coarse, flops, tasks_of, volume
from labkit.partition.plan import Plan, Slice
from labkit.partition.thesis.chapter5_network import MEAN_REDUCTION_PERCENT_IN_TEXT
from labkit.partition.thesis.data_parallelism import (
    VOLUMES_5_10,
    against_data_parallelism,
    break_even_batch,
    break_even_of,
    break_even_of_table_5_14,
    table_5_14,
    values_per_sample,
)
from labkit.partition.thesis.tables import figures

# N, batch; data parallelism GiB, hypergraph as printed, reduction printed %, hypergraph in bytes, reduction in bytes %
HEADLINE = """
    2 16  4123.4  107.7 97  430.7 90
    2 32  2061.7  107.7 95  430.7 79
    2 64  1030.8  107.7 90  430.7 58
    4 16 12370.1  239.3 98  957.0 92
    4 32  6185.1  239.3 96  957.0 85
    4 64  3092.5  239.3 92  957.0 69
    8 16 28863.6 1167.2 96 4668.8 84
    8 32 14431.8 1167.2 92 4668.8 68
    8 64  7215.9 1167.2 84 4668.8 35
"""


@pytest.fixture(scope="module")
def halves() -> Plan:
    """VGG16 cut after its sixth convolution, the thesis's layer-wise partition in two parts."""
    network = zoo.get("vgg16")
    tasks = tasks_of(network)
    slices = [Slice(layer.name, np.full(layer.filters, i > 6)) for i, layer in enumerate(tasks.layers)]
    return Plan(network, 2, tuple(Slice(s.layer, s.owner.astype(int)) for s in slices))


def test_the_headline_in_the_printed_units_and_in_one():
    lines = table_5_14()
    found = [
        (
            *(line.printed.parts, line.printed.batch, round(line.data_parallel_gib, 1), round(line.plan_gi_values, 1)),
            *(round(100 * line.mixed_reduction), round(line.plan_gib, 1), round(100 * line.reduction)),
        )
        for line in lines
    ]
    assert found == [tuple(map(float, text.split())) for text in HEADLINE.strip().splitlines()]
    assert mean(line.mixed_reduction for line in lines) == pytest.approx(0.933, abs=5e-4)
    assert mean(line.reduction for line in lines) == pytest.approx(0.733, abs=5e-4)
    assert 100 * mean(line.mixed_reduction for line in lines) == pytest.approx(MEAN_REDUCTION_PERCENT_IN_TEXT, abs=0.01)


def test_what_is_printed_are_these_numbers_with_their_digits_cut_off():
    for line in table_5_14():
        row = line.printed
        assert (int(line.data_parallel_gib), int(line.plan_gi_values)) == (row.data_parallel, row.hypergraph)
        assert int(100 * line.mixed_reduction) == row.reduction_percent


@pytest.mark.parametrize("parts", VOLUMES_5_10)
def test_the_volumes_are_those_of_table_5_10_with_more_digits(parts):
    printed = figures("coarse", parts, 0.1)
    low, high = printed.between("volume")
    average_low, average_high = printed.between("avg_comm")
    assert low <= VOLUMES_5_10[parts] < high
    assert average_low <= VOLUMES_5_10[parts] / parts < average_high


def test_break_even_batches():
    assert {n: round(batch) for n, batch in break_even_of_table_5_14().items()} == {2: 153, 4: 207, 8: 99}


def test_a_plan_of_a_large_network_by_hand(halves):
    """24.5 * 2^20 values per 32 images go over the cut after conv6, and as many gradients come back."""
    per_sample = 56 * 56 * 256
    assert volume(halves, 32).elements == 24.5 * 2**20
    (epoch,) = against_data_parallelism(halves, [50], 64_000)
    assert epoch.plan_bytes == 64_000 * 2 * per_sample * 4
    assert epoch.data_parallel_bytes == 2 * 138_357_544 * 4 * 1280
    assert epoch.reduction == pytest.approx(1 - 2 * per_sample * 50 / (2 * 138_357_544))


def test_below_the_break_even_batch_the_plan_sends_less_and_above_it_more(halves):
    batch = break_even_of(halves)
    assert batch == break_even_batch(halves.network.parameters, 2, values_per_sample(halves))
    assert round(batch) == 172
    below, above = against_data_parallelism(halves, [int(batch), int(batch) + 1], samples=int(batch) * (int(batch) + 1))
    assert below.reduction > 0 > above.reduction


def test_gradients_of_the_images_are_not_sent_unless_all_is_doubled():
    network = zoo.get("resnet18_32")
    tasks = tasks_of(network)
    problem = coarse(tasks, flops(tasks))
    plan = problem.plan(np.arange(problem.vertices.count) % 3, 3)
    images = next(row.elements for row in volume(plan, 1).rows if row.name == "input")
    assert images > 0
    assert values_per_sample(plan, "doubled") - values_per_sample(plan, "exact") == images
    doubled, exact = (against_data_parallelism(plan, [8], 80, kind)[0] for kind in ("doubled", "exact"))
    assert doubled.plan_bytes - exact.plan_bytes == 80 * 4 * images
    assert doubled.data_parallel_bytes == exact.data_parallel_bytes == 2 * 2 * network.parameters * 4 * 10


def test_a_last_smaller_batch_is_a_step_too():
    network = zoo.get("mlp")
    tasks = tasks_of(network)
    plan = Plan(network, 2, tuple(Slice(layer.name, np.zeros(layer.filters, int)) for layer in tasks.layers))
    (epoch,) = against_data_parallelism(plan, [32], 33)
    assert epoch.data_parallel_bytes == 2 * network.parameters * 4 * 2
    assert epoch.plan_bytes == 0 and epoch.reduction == 1
    assert break_even_batch(network.parameters, 2, 0) == float("inf")


def test_in_one_part_nothing_is_sent_and_nothing_saved():
    network = zoo.get("mlp")
    whole = Plan(network, 1, tuple(Slice(r.name, np.zeros(r.filters, int)) for r in tasks_of(network).layers))
    assert against_data_parallelism(whole, [32])[0].reduction == 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"batches": [0]}, "batch=0"),
        ({"samples": 0}, "samples=0"),
        ({"samples": 1.5}, "samples=1.5"),
        ({"gradients": "all"}, "gradients='all'"),
    ],
)
def test_bad_input_is_named(halves, wrong, message):
    with pytest.raises(LabError, match=message):
        against_data_parallelism(halves, **{"batches": [32], "samples": 10} | wrong)
