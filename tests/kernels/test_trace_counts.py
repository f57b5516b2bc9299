"""Loads and stores: what a trace counts, and the formulas for the convolution, agree exactly."""

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.kernels.conv.backward_data import BACKWARD_DATA
from labkit.kernels.conv.backward_weights import BACKWARD_WEIGHTS
from labkit.kernels.conv.forward import FORWARD
from labkit.kernels.conv.work import backward_data_work, backward_weights_work, forward_work
from labkit.kernels.intrinsics import ld, ld4, st4
from labkit.kernels.launch import TEACHING, WARP, Launch, choose
from labkit.kernels.sizes import ConvSizes
from labkit.kernels.source import cuda, float32
from labkit.kernels.trace import conv_loads, loads, trace
from labkit.kernels.trace.formulas import PHASES, taps_inside

NOTES = ConvSizes(2, 3, 8, 8, 4, 3, 3, 1, 1, 1, 1)
SHAPES = {
    "the field notes' example": NOTES,
    "odd, strided, grouped": ConvSizes(3, 4, 5, 7, 6, 3, 2, 2, 1, 1, 0, 2),
    "one value": ConvSizes(1, 1, 1, 1, 1, 1, 1),
    "filter larger than the image": ConvSizes(1, 2, 3, 2, 2, 5, 4, 1, 2, 2, 1),
    "a stride over pixels that are never read": ConvSizes(2, 3, 4, 6, 2, 1, 1, 3, 2),
    "padding wider than the filter": ConvSizes(1, 1, 2, 3, 1, 2, 1, 1, 1, 3, 2),
    "depthwise": ConvSizes(1, 3, 4, 4, 3, 3, 3, 1, 1, 1, 1, 3),
    "a column": ConvSizes(2, 1, 9, 1, 2, 4, 1, 3, 1, 2, 0),
}


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def counted(z: ConvSizes, mapping: str, phase: str):
    x, weight, bias = numbers(z.N, z.C, z.H, z.W), numbers(z.K, z.C // z.groups, z.R, z.S), numbers(z.K)
    dy = numbers(z.N, z.K, z.P, z.Q)
    kernels, work, given = {
        "fp": (FORWARD, forward_work, (x, weight, bias, dy)),
        "bp": (BACKWARD_DATA, backward_data_work, (dy, weight, x)),
        "ku": (BACKWARD_WEIGHTS, backward_weights_work, (x, dy, weight, bias)),
    }[phase]
    geometry = (z.stride_h, z.stride_w, z.pad_h, z.pad_w, z.groups)
    rest = (0,) if phase == "fp" else ()
    return loads(trace(kernels[mapping], choose(mapping, work("c", z)), *given, *geometry, *rest))


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("mapping", TEACHING)
@pytest.mark.parametrize("phase", PHASES)
def test_formula_and_trace_agree(phase, mapping, name):
    formula, found = conv_loads(SHAPES[name], mapping, phase), counted(SHAPES[name], mapping, phase)
    assert {key: formula[key] for key in found.totals} == found.totals
    arrays = {"fp": ("x", "weight", "bias"), "bp": ("dy", "weight"), "ku": ("x", "dy")}[phase]
    assert [formula[f"{array}_loads"] for array in arrays] == [found[array].loads for array in arrays]
    assert formula.get("atomics", 0) == sum(one.atomics for one in found.arrays)


def test_the_field_notes_example_and_what_the_bias_adds():
    """The notes' kernels have no bias: 23,232 global loads (data), 11,832 and 11,616 shared ones (hybrid).

    Ours read the bias once for each of the 512 outputs.
    """
    data, hybrid = conv_loads(NOTES, "data"), conv_loads(NOTES, "hybrid")
    assert data["global_loads"] - data["bias_loads"] == 23_232
    assert hybrid["global_loads"] - hybrid["bias_loads"] == 11_832
    assert (hybrid["shared_loads"], data["shared_loads"]) == (11_616, 0)
    assert data["global_stores"] == hybrid["global_stores"] == data["bias_loads"] == 512


def test_taps_are_counted_one_by_one():
    for size, filter_size, stride, padding in [(5, 3, 2, 1), (1, 4, 1, 2), (7, 2, 3, 0), (2, 2, 1, 3)]:
        firsts = range(-padding, size + padding - filter_size + 1, stride)
        inside = sum(0 <= first + tap < size for first in firsts for tap in range(filter_size))
        assert taps_inside(size, filter_size, stride, padding) == inside


def test_an_unknown_mapping_or_phase_is_refused():
    with pytest.raises(LabError, match="'hybrid'"):
        conv_loads(NOTES, "hybird")
    with pytest.raises(LabError, match="fp, bp, ku"):
        conv_loads(NOTES, "data", "forward")


def strided(x, y, stride):
    i = cuda.threadIdx.x
    y[i] = x[i * stride]


@pytest.mark.parametrize(("stride", "sectors"), [(0, 1), (1, 4), (2, 8), (8, 32), (33, 32)])
def test_sectors_of_a_warp_request(stride, sectors):
    x, y = np.zeros(33 * WARP, np.float32), np.zeros(WARP, np.float32)
    found = loads(trace(strided, Launch((1, 1, 1), WARP), x, y, stride))
    assert (found["x"].sectors, found["x"].least_sectors) == (sectors, 1 if stride == 0 else 4)
    assert (found["x"].requests, found["y"].sectors, found["y"].stores) == (1, 4, 32)
    assert found["x"].reuse == (32 if stride == 0 else 1)


def columns(y, stride):
    part = cuda.shared.array(0, float32)
    part[cuda.threadIdx.x * stride] = float32(1)
    cuda.syncthreads()
    y[cuda.threadIdx.x] = part[cuda.threadIdx.x * stride]


@pytest.mark.parametrize(("stride", "passes"), [(0, 1), (1, 1), (2, 2), (32, 32), (33, 1), (16, 16)])
def test_bank_conflicts(stride, passes):
    y = np.zeros(WARP, np.float32)
    found = loads(trace(columns, Launch((1, 1, 1), WARP, 4 * 33 * WARP), y, stride))["part"]
    assert (found.wavefronts, found.least_wavefronts) == (2 * passes, 2)
    assert found.extra_wavefronts == 2 * (passes - 1)


def wide(x, y):
    part = cuda.shared.array(0, float32)
    i = 4 * cuda.threadIdx.x
    a, b, c, d = ld4(x, i)
    st4(part, i, a, b, c, d)
    cuda.syncthreads()
    a, b, c, d = ld4(part, i)
    st4(y, i, a, b, c, d + ld(x, 0))


def test_wide_accesses_are_served_a_quarter_of_a_warp_at_a_time():
    x, y = np.arange(4 * WARP, dtype=np.float32), np.zeros(4 * WARP, np.float32)
    found = loads(trace(wide, Launch((1, 1, 1), WARP, 16 * WARP), x, y))
    assert (found["x"].loads, found["x"].requests, found["x"].sectors) == (5 * WARP, 2, 17)
    assert (found["part"].wavefronts, found["part"].least_wavefronts, found["part"].requests) == (8, 8, 2)
    assert found["y"].sectors == found["y"].least_sectors == 16


def counting(x, count):
    for i in range(cuda.threadIdx.x, x.size, cuda.blockDim.x):
        cuda.atomic.add(count, x[i], 1)


def test_an_atomic_access_is_a_load_and_a_store():
    x, count = np.array([0, 1, 1, 3, 3, 3], np.int32), np.zeros(4, np.int32)
    found = loads(trace(counting, Launch((1, 1, 1), 2), x, count))
    assert count.tolist() == [1, 2, 0, 3]
    assert found.totals == {"global_loads": 12, "global_stores": 6, "shared_loads": 0, "shared_stores": 0}
    assert (found["count"].atomics, found["count"].cells_written) == (6, 3)
    with pytest.raises(LabError, match="did you mean 'count'"):
        found["counts"]
