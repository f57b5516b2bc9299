"""The share of the cores that a run takes, and waking up on time."""

import os

import pytest

from labkit.run.calibration.cpu_use import CpuUse, Meter, cpu_share, share_remark
from labkit.run.rank import clock


def test_processes_add_up_and_threads_of_one_count_once():
    threads = [CpuUse(1, 0.5, 0.9), CpuUse(1, 0.6, 1.0)]  # the longer one holds the other
    assert cpu_share(threads, 2) == pytest.approx(0.3)
    assert cpu_share([*threads, CpuUse(2, 1.0, 1.0)], 2) == pytest.approx(0.8)
    assert cpu_share([], 2) == 0.0


def test_a_busy_run_is_told_of():
    assert share_remark(0.7) == ""
    assert "84%" in share_remark(0.84)


def test_the_meter_counts_this_process():
    meter = Meter()
    while meter.read().cpu_s == 0:
        sum(range(1000))
    use = meter.read()
    assert use.process == os.getpid() and use.cpu_s > 0 and use.wall_s > 0


def test_nobody_wakes_before_the_time():
    deadline = clock.now_ns() + 300_000
    clock.sleep_until(deadline)
    assert clock.now_ns() >= deadline
    clock.sleep_until(deadline)  # in the past: returns


def test_fine_timers_may_be_asked_for_again():
    assert clock.fine_timers() == clock.fine_timers()
