"""A launch explained: the cases of the course, worked out by hand."""

from math import ceil

import pytest

from labkit.errors import LabError
from labkit.kernels.explain import explain
from labkit.kernels.launch import Launch, Work, choose
from labkit.machine import gpus

H200 = gpus.find("h200")


def conv(what, samples, channels, pixels, filter_values):
    threads = {"data": channels * pixels, "model": samples * pixels, "hybrid": pixels}
    return Work(what, samples, channels, threads, {"model": filter_values, "hybrid": filter_values})


def test_data_mapping_of_128_samples_leaves_4_of_132_sms_idle():
    found = explain(choose("data", conv("c", 128, 64, 1024, 576)), 60, H200, "s1b1_conv1", "data")
    assert (found.blocks, found.busy_sms, found.blocks_per_sm) == (128, 128, 4)
    assert found.waves == 128 / (132 * 4) == found.tail_efficiency
    assert "4 of its 132 SMs get no block at all" in str(found)


def test_model_mapping_of_lenets_conv1_uses_6_sms():
    found = explain(choose("model", conv("c", 64, 6, 784, 25)), 60, H200, "conv1", "model")
    assert (found.grid, found.busy_sms) == ((6, 1, 1), 6)
    assert "126 of its 132 SMs" in str(found)


def test_hybrid_has_many_waves_and_a_short_tail():
    found = explain(choose("hybrid", conv("c", 128, 64, 1024, 576)), 60, H200, "s1b1_conv1", "hybrid")
    assert (found.grid, found.block, found.shared_bytes) == ((128, 64, 1), 256, 2304)
    assert found.waves == pytest.approx(8192 / 528) and found.tail_efficiency == pytest.approx(8192 / 528 / 16)
    assert "16 waves, the last 52% full: 97% of all places" in str(found)


def test_all_blocks_at_once_is_part_of_a_wave():
    found = explain(Launch((264, 1, 1), 256), 60, H200, "c")
    assert found.waves == 0.5 and "0.50 of a wave" in str(found) and "50% of the places stay empty" in str(found)


def test_a_full_last_wave_wastes_nothing():
    found = explain(Launch((1056, 1, 1), 256), 60, H200)
    assert found.waves == 2 and found.tail_efficiency == 1 and "2 waves, the last 100% full" in str(found)


@pytest.mark.parametrize("blocks", [1, 131, 132, 527, 528, 529, 10_000])
def test_tail_efficiency_is_the_share_of_places_used(blocks):
    found = explain(Launch((blocks, 1, 1), 256), 60, H200)
    room = found.blocks_per_sm * H200.multiprocessors
    assert found.tail_efficiency == pytest.approx(blocks / (ceil(blocks / room) * room))
    assert 0 < found.tail_efficiency <= 1 and len(found.sentences) == 3


def test_static_shared_memory_counts():
    few = explain(Launch((1, 1, 1), 32, 20_000), 16, H200)
    less = explain(Launch((1, 1, 1), 32, 20_000), 16, H200, static_shared_bytes=20_000)
    assert (few.blocks_per_sm, less.blocks_per_sm, less.shared_bytes) == (11, 5, 40_000)
    assert less.limited_by == "shared memory"


def test_a_launch_that_never_fits_is_refused():
    with pytest.raises(LabError, match="registers run out"):
        explain(Launch((1, 1, 1), 1024), 100, H200)
