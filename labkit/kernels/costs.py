"""What a block of each teaching kernel does, from the shapes of the kernel's arguments: the input of `timing_model.py`.

One function per kind of kernel; each says for its three mappings how many values a block computes (`items`), how many
products each takes (`taps`), and what it copies into shared memory first. See the contracts in the kernels' docstrings.
"""

from collections.abc import Callable
from math import prod
from typing import Any

from labkit.errors import LabError
from labkit.kernels.launch import WARP, Launch
from labkit.kernels.registers import kernel_name, per_ffma_of, registers_of, shared_bytes_of
from labkit.kernels.timing_model import BlockWork, Code, Timing, seconds_of
from labkit.machine.gpus import GpuData

FLOAT_BYTES = 4
PER_TAP = 35.0  # instructions, of a kernel whose machine code has no multiply-add to count them by


def modelled(kernel: Callable, launch: Launch, arguments: tuple[Any, ...], gpu: GpuData) -> Timing:
    """The modelled time of one launch of a teaching kernel; LabError for a kernel that has none.

    A GPU that today's compilers do not know (Kepler, Pascal) is taken to need the same instructions as the oldest that
    they know.
    """
    return seconds_of(launch, work_of(kernel, arguments), code_of(kernel, gpu), gpu)


def code_of(kernel: Callable, gpu: GpuData) -> Code:
    """What is known of the machine code of `kernel` for `gpu`."""
    capability = gpu.capability
    per_tap = per_ffma_of(kernel, capability) or PER_TAP
    return Code(registers_of(kernel, capability), per_tap, shared_bytes_of(kernel, capability))


def work_of(kernel: Callable, arguments: tuple[Any, ...]) -> BlockWork:
    """What one block of `kernel` does with these arguments, those of its launch; of arrays only shapes are looked at.

    Raises LabError for a kernel that is not one of the teaching kernels.
    """
    what, _, mapping = kernel_name(kernel).rpartition("_")
    if what not in COSTS:
        raise LabError(f"kernel {kernel.__name__} has no modelled time", "take a teaching kernel, or measure it")
    return COSTS[what](mapping, *arguments)


def _bytes(*arrays: Any) -> int:
    return FLOAT_BYTES * sum(prod(array.shape) for array in arrays)


def _conv_forward(mapping: str, x, weight, bias, y, *_) -> BlockWork:
    """An item is an output, a tap one product; model and hybrid copy their filter first."""
    N, K, P, Q = y.shape
    taps = prod(weight.shape[1:])
    items = {"data": K * P * Q, "model": N * P * Q, "hybrid": P * Q}[mapping]
    copies = 0 if mapping == "data" else taps
    per_wave = {"data": _bytes(weight), "model": _bytes(x), "hybrid": 0}[mapping]
    return BlockWork(items, taps, copies, bytes_once=_bytes(x, weight, bias, y), bytes_per_wave=per_wave)


def _conv_backward_data(mapping: str, dy, weight, dx, stride_h, stride_w, *_) -> BlockWork:
    """An item is a value of the input's gradient; with a stride only some taps of the window meet it."""
    N, C, H, W = dx.shape
    copies = prod(weight.shape) // weight.shape[1] // max(1, C // weight.shape[1])
    items = {"data": C * H * W, "model": N * H * W, "hybrid": H * W}[mapping]
    per_wave = {"data": _bytes(weight), "model": _bytes(dy), "hybrid": 0}[mapping]
    return BlockWork(
        items,
        copies / (stride_h * stride_w),
        0 if mapping == "data" else copies,
        bytes_once=_bytes(dy, weight, dx),
        bytes_per_wave=per_wave,
    )


def _conv_backward_weights(mapping: str, x, dy, dweight, dbias, *_) -> BlockWork:
    """An item is a weight (the bias is one), a tap an output pixel; lanes read a row of the window each."""
    N, K, P, Q = dy.shape
    filter_size = prod(dweight.shape[1:]) + 1
    return BlockWork(
        items=K * filter_size if mapping == "data" else filter_size,
        taps=P * Q * (N if mapping == "model" else 1),
        atomics=0 if mapping == "model" else 1,
        passes=1 + WARP / dweight.shape[3],
        bytes_once=_bytes(x, dy, dweight, dbias),
        bytes_per_wave=_bytes(x) if mapping == "model" else 0,
    )


COSTS: dict[str, Callable[..., BlockWork]] = {
    "conv.forward.forward": _conv_forward,
    "conv.backward_data.backward_data": _conv_backward_data,
    "conv.backward_weights.backward_weights": _conv_backward_weights,
}
