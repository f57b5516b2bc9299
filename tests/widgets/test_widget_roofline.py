"""Roofline: the limits in Python against the published ladder and against its JavaScript, its input, its string."""

import json
from dataclasses import asdict

import pytest

from labkit.errors import LabError
from labkit.machine.gpus import find
from labkit.widgets import KernelPoint, roofline
from labkit.widgets.roofline import YOURS, Roofline, bounds

MODULE = str(Roofline._esm)
TEXTBOOK = KernelPoint("textbook", 144.0, 49.0, 0.5)
UNCHECKED = KernelPoint("unchecked", 144.0, 5.9, 2.0)
TILED = KernelPoint("tiled", 144.0, 1.26, 0.2, 4e13, "measured here")
RELU = KernelPoint("relu", 0.125, 8.0, 2.0)


def test_limits_of_the_h200():
    """Numbers worked out by hand: 132 SMs x 128 lanes x 2 FLOP x 1.98 GHz, 4.8 TB/s."""
    gpu = find("h200")
    assert bounds(TEXTBOOK, gpu)["peak"] == pytest.approx(66.9e12, rel=1e-3)
    assert bounds(TEXTBOOK, gpu)["issue"] == pytest.approx(66.9e12 / 49, rel=1e-3)
    assert bounds(UNCHECKED, gpu)["loads"] == pytest.approx(66.9e12 / 8, rel=1e-3)  # two passes, four lanes' worth each
    assert bounds(RELU, gpu)["memory"] == pytest.approx(0.6e12)
    tight = KernelPoint("tight", 1e6, 1.0, 0.0)
    assert set(bounds(tight, gpu).values()) == {bounds(tight, gpu)["peak"], 1e6 * 4.8e12}


def test_half_as_many_lanes_leave_issue_slots_free():
    """T4 and A100 start four warp instructions per clock and end two of multiply-adds."""
    a100, t4 = find("a100"), find("t4")
    assert bounds(KernelPoint("a", 1e9, 4.0), a100)["issue"] == pytest.approx(a100.float32_flops_per_s / 2)
    assert bounds(KernelPoint("a", 1e9, 1.5), a100)["issue"] == pytest.approx(a100.float32_flops_per_s)
    assert bounds(UNCHECKED, a100)["loads"] == pytest.approx(a100.float32_flops_per_s / 4)
    assert bounds(UNCHECKED, t4)["loads"] == pytest.approx(t4.float32_flops_per_s / 8)


@pytest.mark.parametrize("key", ["t4", "a100", "rtx4090", "h200"])
def test_the_page_computes_the_same_limits(key, run_js):
    view = roofline([TEXTBOOK, UNCHECKED, TILED, RELU], key)
    given = f"{json.dumps(view.kernels)}, g = {json.dumps(view.gpus[key])}"
    got = run_js(MODULE, f"(m) => {{ const k = {given}; return k.map((one) => m.bounds(one, g)); }}")
    for mine, point in zip(got, (TEXTBOOK, UNCHECKED, TILED, RELU), strict=True):
        assert mine == pytest.approx(bounds(point, find(key)))


def test_what_limits_a_kernel_is_said_in_words(run_js):
    view = roofline([TEXTBOOK, UNCHECKED, TILED, RELU])
    gpu = json.dumps(view.gpus["h200"])
    body = f"const g = {gpu}, all = {json.dumps(view.kernels)}.map((k) => m.place(k, g))"
    said = {n: run_js(MODULE, f"(m) => {{ {body}; return m.sentence(g, all, '{n}'); }}") for n in ("textbook", "tiled")}
    assert "Roof: 1.37 TFLOP/s, 2.04 % of the peak, set by issue slots" in said["textbook"]
    assert "It reached 40 TFLOP/s (measured here), 75.3 % of its roof" in said["tiled"]
    nobody = run_js(MODULE, f"(m) => {{ {body}; return m.sentence(g, all, ''); }}")
    assert "float32 peak 66.9 TFLOP/s" in nobody and "meet at 13.9 FLOP per byte" in nobody


def test_origins_have_different_signs(run_js):
    points = [TILED, TEXTBOOK, KernelPoint("r", 1, flops_per_s=1e12, origin="recorded on H200")]
    points += [KernelPoint("c", 1, flops_per_s=1e12, origin="claimed"), KernelPoint("m", 1, flops_per_s=1e12)]
    given = json.dumps([*map(asdict, points), {"name": YOURS}])
    signs = run_js(MODULE, f"(m) => {given}.map((k) => m.originOf(k)[0])")
    assert signs == ["●", "◇", "■", "▲", "◆", "★"]


def test_every_kernel_is_inside_the_window(run_js):
    view = roofline([KernelPoint("slow", 1e-3, 40.0, 5.0, 1e6, "measured here"), KernelPoint("far", 1e5)])
    gpu = json.dumps(view.gpus["h200"])
    body = f"const g = {gpu}, all = {json.dumps(view.kernels)}.map((k) => m.place(k, g))"
    box = run_js(MODULE, f"(m) => {{ {body}; return m.windowOf(g, all); }}")
    assert box["x"][0] < 1e-3 and box["x"][1] > 1e5 and box["y"][0] < 1e6 and box["y"][1] > 66.9e12


def test_the_string_of_the_state_goes_there_and_back():
    view = roofline([TILED], "a100", own=(12.0, 16.4, 1.5))
    assert (view.state["own"], view.state["kernel"]) == (True, YOURS)
    view.state = view.state | {"kernel": "tiled", "gpu": "t4"}
    assert roofline([TILED], from_state=view.state_string()).state == view.state


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: KernelPoint("a", 0.0), "flops_per_byte of 'a'"),
        (lambda: KernelPoint("a", 1.0, 0.5), "instructions_per_fma"),
        (lambda: KernelPoint("a", 1.0, flops_per_s=-1.0), "flops_per_s"),
        (lambda: KernelPoint("a", 1.0, origin="somewhere"), "origin"),
        (lambda: roofline([TILED, TILED]), "its own name"),
        (lambda: roofline([KernelPoint(YOURS, 1.0)]), "its own name"),
        (lambda: roofline([], "k40"), "Tesla K40s"),
        (lambda: roofline([], "h20"), "h200"),
        (lambda: roofline([], own=(12.0, 0.5, 1.0)), "instructions"),
        (lambda: roofline([TILED], from_state="roofline?kernel=%22tile%22"), "tiled"),
    ],
)
def test_bad_input_is_refused(make, word):
    with pytest.raises(LabError, match=word):
        make()
