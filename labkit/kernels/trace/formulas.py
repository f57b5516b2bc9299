"""How often the convolution's kernels read and write memory, from its sizes alone.

All three phases multiply the same pairs: each tap of each window that falls on the image, for every sample, filter and
channel. There are T = N K (C / groups) times the taps on the image along both axes; taps on the padding are not read.

         FP                                BP                                KU
data     x T, weight T, bias O; y O        dy T, weight T; dx I              x T, dy T + O; N (F + K) atomic additions
model    x T, weight F, bias O; y O        dy T, weight F; dx I              x T, dy T + O; F + K stores
hybrid   x T, weight N F, bias O; y O      dy T, weight N F; dx I            as data

with O = N K P Q outputs, I = N C H W inputs, F = K (C / groups) R S weights of filters. In FP and BP, model and hybrid
store the weights that they read in shared memory, once, and read them there T times.
"""

from labkit.errors import LabError, suggest
from labkit.kernels.launch import TEACHING
from labkit.kernels.sizes import ConvSizes

PHASES = ("fp", "bp", "ku")


def taps_inside(size: int, filter_size: int, stride: int, padding: int) -> int:
    """Along one axis, over all windows: how many taps of the filter fall on the image rather than on the padding."""
    windows = (size + 2 * padding - filter_size) // stride + 1
    firsts = (window * stride - padding for window in range(windows))
    return sum(max(0, min(filter_size, size - first) - max(0, -first)) for first in firsts)


def conv_loads(sizes: ConvSizes, mapping: str, phase: str = "fp") -> dict[str, int]:
    """Loads and stores of values by all threads of a convolution's teaching kernel (`labkit.kernels.conv`), exactly.

    Keys: global_loads, global_stores, shared_loads, shared_stores, and of the global loads those of each array that is
    read: x_loads, weight_loads, bias_loads (fp); dy_loads, weight_loads (bp); x_loads, dy_loads (ku, with `atomics`: an
    atomic addition is a load and a store). Raises LabError for another mapping or phase.
    """
    for what, value, known in (("mapping", mapping, TEACHING), ("phase", phase, PHASES)):
        if value not in known:
            raise LabError(f"loads of {what} {value!r}", suggest(str(value), known))
    down = taps_inside(sizes.H, sizes.R, sizes.stride_h, sizes.pad_h)
    across = taps_inside(sizes.W, sizes.S, sizes.stride_w, sizes.pad_w)
    taps = sizes.N * sizes.K * (sizes.C // sizes.groups) * down * across
    outputs = sizes.N * sizes.K * sizes.P * sizes.Q
    filters = sizes.K * (sizes.C // sizes.groups) * sizes.R * sizes.S
    weights = {"data": taps, "model": filters, "hybrid": sizes.N * filters}[mapping]
    held = 0 if mapping == "data" else weights
    if phase == "fp":
        return _counts({"x": taps, "weight": weights, "bias": outputs}, outputs, taps, held)
    if phase == "bp":
        return _counts({"dy": taps, "weight": weights}, sizes.N * sizes.C * sizes.H * sizes.W, taps, held)
    stores = (filters + sizes.K) * (1 if mapping == "model" else sizes.N)
    atomics = 0 if mapping == "model" else stores
    counts = _counts({"x": taps, "dy": taps + outputs}, stores, 0, 0)
    return counts | {"global_loads": counts["global_loads"] + atomics, "atomics": atomics}


def _counts(reads: dict[str, int], stores: int, taps: int, held: int) -> dict[str, int]:
    """held: values that are put into shared memory; 0 where the filters stay in global memory."""
    return {
        "global_loads": sum(reads.values()),
        "global_stores": stores,
        "shared_loads": taps if held else 0,
        "shared_stores": held,
        **{f"{name}_loads": count for name, count in reads.items()},
    }
