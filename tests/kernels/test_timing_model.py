"""The modelled time of a launch: its bounds by hand, and what it gives of the paper's figures 18 and 19."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from labkit.kernels.conv.forward import FORWARD
from labkit.kernels.costs import modelled
from labkit.kernels.launch import Launch, Work, choose
from labkit.kernels.timing_model import START_S, BlockWork, Code, seconds_of
from labkit.machine import gpus

H200, K40 = gpus.find("h200"), gpus.find("k40")
CODE = Code(registers=60, per_tap=40, per_tap_short=50)


def array(*shape):
    return SimpleNamespace(shape=shape)


def conv(mapping, gpu, N=64, C=96, H=14, K=256, R=5, threads=None):
    """Seconds of FP of a padded convolution in one mapping; blocks of `threads` threads if given."""
    pixels, taps = H * H, C * R * R
    wide = {"data": K * pixels, "model": N * pixels, "hybrid": pixels}
    launch = choose(mapping, Work("c", N, K, wide, {"model": taps, "hybrid": taps}))
    arguments = (array(N, C, H, H), array(K, C, R, R), array(K), array(N, K, H, H), 1, 1, R // 2, R // 2, 1, 0)
    return modelled(FORWARD[mapping], replace(launch, block=threads or launch.block), arguments, gpu)


def test_the_issue_bound_by_hand():
    work = BlockWork(items=1024, taps=100)
    found = seconds_of(Launch((132 * 8, 1, 1), 256), work, CODE, H200)
    clocks = 8 * (100 * 40 + 60) * 32 / 4  # 8 blocks of 32 warps of items per SM, four instructions per clock
    assert found.bounds_s["issue"] == pytest.approx(clocks / 1980e6)
    assert found.seconds == pytest.approx(clocks / 1980e6 + START_S) and found.bound == "issue"
    assert found.waves == 2 and found.origin == "modelled"


def test_scattered_loads_are_bound_by_the_load_path():
    work = BlockWork(items=1024, taps=100, passes=33)
    found = seconds_of(Launch((1320, 1, 1), 256), work, CODE, H200)
    assert found.bound == "loads" and found.bounds_s["loads"] == pytest.approx(10 * 100 * 33 * 32 / 1980e6)


def test_one_block_waits_for_its_own_chain():
    work = BlockWork(items=256, taps=1000)
    few, full = (seconds_of(Launch((n, 1, 1), 256), work, CODE, H200) for n in (1, 132))
    assert few.bound == "latency" and few.seconds == full.seconds
    assert few.bounds_s["latency"] == pytest.approx((1000 * (40 * 4 / 2 + 40 / 4) + 60 * 4 / 2) / 1980e6)


def test_what_is_left_of_an_unrolled_row_takes_other_instructions():
    """Of a row of 7 taps four are unrolled; a row of 3 is not, and waits for each of its loads."""
    times = {row: seconds_of(Launch((1056, 1, 1), 256), BlockWork(256, 84, row=row), CODE, H200) for row in (3, 4, 7)}
    issue = {row: timing.bounds_s["issue"] * 1980e6 for row, timing in times.items()}
    assert issue[4] == pytest.approx(8 * 8 * (84 * 40 + 60) / 4)
    assert issue[3] == pytest.approx(8 * 8 * (84 * 50 + 60) / 4)
    assert issue[7] == pytest.approx(8 * 8 * (12 * (4 * 40 + 3 * 50) + 60) / 4)
    waits = {row: timing.bounds_s["latency"] * 1980e6 / 2 for row, timing in times.items()}  # two waves
    assert waits[3] == pytest.approx(84 * (50 * 2 + 40) + 60 * 2)


def test_a_kernel_that_only_moves_data_is_bound_by_memory():
    work = BlockWork(items=256, taps=1, bytes_once=4_800_000_000_000)
    found = seconds_of(Launch((132, 1, 1), 256), work, CODE, H200)
    assert found.bound == "memory" and found.seconds == pytest.approx(1 + START_S)


def test_what_does_not_fit_the_l2_is_read_once_per_wave():
    work = BlockWork(items=256, taps=10, bytes_once=0, bytes_per_wave=100 * 2**20)
    one, three = (seconds_of(Launch((132 * 4 * n, 1, 1), 256), work, CODE, H200) for n in (1, 3))
    assert one.bounds_s["memory"] == 0
    assert three.bounds_s["memory"] == pytest.approx(2 * 100 * 2**20 / 4.8e12)
    fits = replace(work, bytes_per_wave=50 * 2**20)
    assert seconds_of(Launch((132 * 12, 1, 1), 256), fits, CODE, H200).bounds_s["memory"] == 0


def test_more_work_never_takes_less_time():
    for gpu in gpus.GPUS.values():
        for mapping in FORWARD:
            times = [conv(mapping, gpu, N=N).seconds for N in (1, 2, 3, 8, 15, 16, 64, 100)]
            assert times == sorted(times), (gpu.key, mapping)


@pytest.mark.parametrize(("key", "rises_at"), [("k40", 16), ("gtx1080ti", 29), ("p100", 57), ("h200", 133)])
def test_figure_18_data_mapping_is_flat_until_every_sm_has_a_block(key, rises_at):
    """The paper's statement for blocks that fill an SM; with 512 threads and 96 registers they do."""
    gpu = gpus.find(key)
    times = {N: conv("data", gpu, N=N, threads=512).seconds for N in (1, rises_at // 2, rises_at - 1, rises_at)}
    assert rises_at - 1 == gpu.multiprocessors
    flat = [times[N] for N in (1, rises_at // 2, rises_at - 1)]
    assert max(flat) == pytest.approx(min(flat), rel=0.01)
    assert times[rises_at] > 1.9 * flat[0]


def test_figure_18_with_blocks_of_256_threads_is_flat_for_longer():
    """labkit's blocks leave room for a second one on each SM: a K40 stays flat until 30 samples, not 15."""
    assert conv("data", K40, N=30).seconds == pytest.approx(conv("data", K40, N=1).seconds, rel=0.01)
    assert conv("data", K40, N=31).seconds > 1.9 * conv("data", K40, N=30).seconds


@pytest.mark.parametrize("key", gpus.TABLE_2)
def test_figure_19_model_mapping_steps_with_the_output_channels(key):
    """Flat while the last wave has room, a step where it has not; the larger GPU needs more channels to be full."""
    gpu = gpus.find(key)
    SMs = gpu.multiprocessors
    room = 2 * SMs  # blocks of 256 threads with 94 registers: two per SM
    time = {K: conv("model", gpu, K=K).seconds for K in (1, SMs, room, room + 1, room + SMs)}
    assert time[1] == pytest.approx(time[SMs], rel=0.01) and time[room + 1] == pytest.approx(time[room + SMs], rel=0.01)
    assert time[room + 1] > 1.4 * time[room]


def test_model_mapping_does_not_need_samples_where_the_maps_are_large():
    """Figure 11's horizontal line: time per sample hardly depends on the batch where one sample employs a block."""
    per_sample = [conv("model", K40, N=N, C=1, H=28, K=96, R=7).seconds / N for N in (1, 8, 64)]
    assert max(per_sample) < 1.5 * min(per_sample)


def test_model_mapping_does_need_samples_where_the_maps_are_small():
    """Where the figure's line is not horizontal here: 9 outputs per channel and sample employ 9 threads of 32."""
    one, many = (conv("model", K40, N=N, C=256, H=3, K=384, R=3).seconds / N for N in (1, 64))
    assert one > 5 * many


def test_hybrid_is_saturated_at_batch_8_on_a_k40():
    per_sample = {N: conv("hybrid", K40, N=N).seconds / N for N in (1, 8, 128)}
    assert per_sample[8] < 1.05 * per_sample[128]
    data = {N: conv("data", K40, N=N).seconds / N for N in (8, 128)}
    assert data[8] > 3 * data[128]


def test_hybrid_at_batch_1_is_model_at_batch_1():
    assert conv("hybrid", K40, N=1).seconds == conv("model", K40, N=1).seconds
