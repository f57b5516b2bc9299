"""The ladder as notebook 05 shows it: what is recorded, the sources, the results on the CPU."""

import json

import numpy as np
import pytest

from labkit.course import bank, rungs
from labkit.course.bank.nb05_blocks_held import blocks_held
from labkit.course.bank.nb05_loop_bounds import loop_bounds
from labkit.course.checks import examine
from labkit.course.verdict import OVER_PAR
from labkit.errors import LabError
from labkit.kernels.executors.cpu import Cpu
from labkit.kernels.occupancy import occupancy
from labkit.kernels.sizes import ConvSizes
from labkit.kernels.source import cuda, float32
from labkit.kernels.tuned.ladder import LADDER
from labkit.kernels.tuned.tiles import LARGE
from labkit.machine.gpus import find
from labkit.widgets.roofline import bounds

TINY = ConvSizes(1, 3, 4, 5, 2, 3, 3, 1, 1, 1, 1)


def test_every_rung_is_recorded_with_its_own_change():
    read = rungs.recorded().rungs
    assert [(one.number, one.name) for one in read[:-1]] == [(rung.number, rung.name) for rung in LADDER]
    assert [one.change for one in read[:-1]] == [rung.change for rung in LADDER]
    assert read[-1].name == "in use"
    assert {one.origin for one in read} == {"modelled"}


def test_recorded_bounds_follow_from_the_recorded_instructions():
    """As learners compute them in exercise loop-bounds; asynchronous copies pass twice, which it leaves out."""
    for one in rungs.recorded().rungs[:5]:
        wide = sum(count for name, count in one.mix.items() if name.endswith(".128"))
        narrow = sum(one.mix.get(name, 0) for name in ("LDG", "LDS", "STS", "STG"))
        other = sum(one.mix.values()) - one.mix["FFMA"] - narrow - wide
        assert loop_bounds(one.mix["FFMA"], narrow, wide, other) == pytest.approx((one.issue, one.loads), abs=1e-3)


def test_points_have_the_recorded_roofs():
    ladder = rungs.recorded()
    for point, one in zip(ladder.points, ladder.rungs, strict=True):
        found = bounds(point, find("h200"))
        assert min(found, key=found.get) == ("issue" if one.issue < one.loads else "loads")
        assert min(found.values()) / found["peak"] == pytest.approx(one.roof, abs=1e-3)


def test_the_story_of_the_notebook_still_holds():
    """Its text says which ceiling stops which rung, that rung 5's bound falls, and how much was won in all."""
    read = rungs.recorded().rungs
    assert [one.issue < one.loads for one in read] == [True, True, False, True, True, True, True, True]
    assert read[5].issue < read[4].issue
    assert round(read[7].roof / read[0].roof) == 40
    assert round(read[0].per_fma / read[2].per_fma, 1) == 7.5
    assert sum(read[4].mix.values()) == 611
    assert round(rungs.recorded().flops_per_byte) == 144
    held = [occupancy(find("h200"), 256, read[number].registers, read[number].shared_bytes) for number in (0, 4)]
    assert held[0].occupancy == held[1].occupancy
    assert 2 * rungs.recorded().sizes.K == LARGE.BM


def one_pixel_at_a_time(x, weight, y):
    n = cuda.blockIdx.x
    for q in range(cuda.threadIdx.x, y.shape[1], cuda.blockDim.x):
        total = float32(0)
        for s in range(weight.shape[0]):
            total += weight[s] * x[n, q + s]
        y[n, q] = total


def test_rows_without_coarsening_are_right_but_over_par():
    verdict = examine(bank.exercise("coarse-rows"), one_pixel_at_a_time)
    assert verdict.status == OVER_PAR
    assert "loads" in verdict.came


def test_the_newest_recording_counts_and_none_is_told(tmp_path):
    with pytest.raises(LabError, match="no ladder"):
        rungs.recorded(tmp_path)
    document = json.loads(next((rungs.checkout() / "benchmarks" / "results").glob(rungs.PATTERN)).read_text())
    for date in ("2027-01-02", "2027-01-01"):
        (tmp_path / f"ladder-sm_90-{date}.json").write_text(json.dumps(document | {"date": date}))
    assert rungs.recorded(tmp_path).date == "2027-01-02"


def test_sources_and_changes():
    assert "def forward_hybrid(" in rungs.source(0)
    assert "+                        total += ld(x, " in rungs.changes(2)
    assert "-                        total += x[n, c, h, w]" in rungs.changes(2)
    assert "def split_sum(" in rungs.source(6)
    assert '"""' in rungs.source(0)
    assert '"""' not in rungs.changes(1)
    assert "-def forward_hybrid(" in rungs.changes(1)
    for number, function in ((7, rungs.source), (0, rungs.changes), (-1, rungs.source), (7, rungs.changes)):
        with pytest.raises(LabError, match="there is no rung"):
            function(number)


def test_every_rung_agrees_with_the_reference_and_a_broken_one_would_not(monkeypatch):
    found = rungs.differences(Cpu(), TINY)
    assert [row[:2] for row in found] == [(rung.number, rung.name) for rung in LADDER]
    assert max(row[4] for row in found) < 1e-5
    monkeypatch.setattr(rungs.conv, "forward", lambda layer, x, weight, bias: np.ones((1, 2, 4, 5)))
    monkeypatch.setattr(rungs, "LADDER", LADDER[:1])
    assert rungs.differences(Cpu(), TINY)[0][4] > 0.1


def test_every_rung_can_be_timed():
    """On the cores, which says nothing about a GPU: only that the cell for one would run."""
    timed = rungs.times(Cpu(), TINY, 1e-3)
    assert [row[:2] for row in timed] == [(rung.number, rung.name) for rung in LADDER]
    assert all(ms > 0 and rate == pytest.approx(2 * TINY.macs / ms / 1e9) for _, _, ms, rate in timed)


def test_blocks_held_is_what_the_lab_computes():
    for threads in (128, 256, 640, 1024):
        for registers in (17, 32, 57, 64, 65, 127):
            for shared_bytes in (0, 1024, 24576, 114 * 1024):
                try:
                    held = occupancy(find("h200"), threads, registers, shared_bytes).blocks_per_sm
                except LabError:
                    held = 0
                assert blocks_held(threads, registers, shared_bytes) == held
