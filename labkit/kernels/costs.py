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
PASSING_REGISTERS = 32  # of kernels that only pass over their arrays: they wait for memory, whatever they hold


def modelled(kernel: Callable, launch: Launch, arguments: tuple[Any, ...], gpu: GpuData) -> Timing:
    """The modelled time of one launch of a teaching kernel; LabError for a tuned one.

    A GPU that today's compilers do not know (Kepler, Pascal) is taken to need the same instructions as the oldest that
    they know.
    """
    return seconds_of(launch, work_of(kernel, launch, arguments), code_of(kernel, gpu), gpu)


def code_of(kernel: Callable, gpu: GpuData) -> Code:
    """What is known of the machine code of `kernel` for `gpu`."""
    capability = gpu.capability
    if kernel_name(kernel).rpartition("_")[0] not in COSTS:
        return Code(PASSING_REGISTERS, PER_TAP, PER_TAP)
    per_tap = per_ffma_of(kernel, capability) or PER_TAP
    short = per_ffma_of(kernel, capability, short=True) or per_tap
    return Code(registers_of(kernel, capability), per_tap, short, shared_bytes_of(kernel, capability))


def work_of(kernel: Callable, launch: Launch, arguments: tuple[Any, ...]) -> BlockWork:
    """What one block of `kernel` does in this launch; of the arrays among its arguments only shapes are looked at.

    A kernel without a function of its own here only passes over its arrays: every value once, shared among all blocks.
    Raises LabError for the tuned kernels, whose blocks do something else.
    """
    what, _, mapping = kernel_name(kernel).rpartition("_")
    if what.startswith("tuned.") or mapping.startswith("tuned."):
        raise LabError(f"tuned kernel {kernel.__name__} has no modelled time", "take mapping data, model or hybrid")
    if what in COSTS:
        return COSTS[what](mapping, launch, *arguments)
    arrays = [a for a in arguments if hasattr(a, "shape")]
    longest = max((prod(a.shape) for a in arrays), default=1)
    return BlockWork(-(-longest // launch.blocks), taps=1, passes=len(arrays), bytes_once=_bytes(*arrays))


def _bytes(*arrays: Any) -> int:
    return FLOAT_BYTES * sum(prod(array.shape) for array in arrays)


def _conv_forward(mapping: str, launch: Launch, x, weight, bias, y, *_) -> BlockWork:
    """An item is an output, a tap one product; model and hybrid copy their filter first."""
    N, K, P, Q = y.shape
    taps = prod(weight.shape[1:])
    items = {"data": K * P * Q, "model": N * P * Q, "hybrid": P * Q}[mapping]
    copies = 0 if mapping == "data" else taps
    per_wave = {"data": _bytes(weight), "model": _bytes(x), "hybrid": 0}[mapping]
    once = _bytes(x, weight, bias, y)
    return BlockWork(items, taps, copies, row=weight.shape[3], bytes_once=once, bytes_per_wave=per_wave)


def _conv_backward_data(mapping: str, launch: Launch, dy, weight, dx, stride_h, stride_w, *_) -> BlockWork:
    """An item is a value of the input's gradient; with a stride only some taps of the window meet it."""
    N, C, H, W = dx.shape
    copies = prod(weight.shape) // weight.shape[1] // max(1, C // weight.shape[1])
    items = {"data": C * H * W, "model": N * H * W, "hybrid": H * W}[mapping]
    per_wave = {"data": _bytes(weight), "model": _bytes(dy), "hybrid": 0}[mapping]
    return BlockWork(
        items,
        copies / (stride_h * stride_w),
        0 if mapping == "data" else copies,
        row=-(-weight.shape[3] // stride_w),
        bytes_once=_bytes(dy, weight, dx),
        bytes_per_wave=per_wave,
    )


def _conv_backward_weights(mapping: str, launch: Launch, x, dy, dweight, dbias, *_) -> BlockWork:
    """An item is a weight (the bias is one), a tap an output pixel; lanes read a row of the window each."""
    N, K, P, Q = dy.shape
    filter_size = prod(dweight.shape[1:]) + 1
    return BlockWork(
        items=K * filter_size if mapping == "data" else filter_size,
        taps=P * Q * (N if mapping == "model" else 1),
        atomics=0 if mapping == "model" else 1,
        passes=1 + WARP / dweight.shape[3],
        row=Q,
        bytes_once=_bytes(x, dy, dweight, dbias),
        bytes_per_wave=_bytes(x) if mapping == "model" else 0,
    )


def _dense_forward(mapping: str, launch: Launch, x, weight, bias, y, *_) -> BlockWork:
    """An item is an output, or in hybrid a thread's share of one. Threads that own a row of weights (data) or of inputs
    (model) read 32 rows at once.
    """
    (N, F), K = x.shape, weight.shape[0]
    once = _bytes(x, weight, bias, y)
    if mapping == "data":
        return BlockWork(K, F, passes=1 + WARP, bytes_once=once, bytes_per_wave=_bytes(weight))
    if mapping == "model":
        return BlockWork(N, F, copies=F, passes=1 + min(N, WARP), bytes_once=once, bytes_per_wave=_bytes(x))
    return BlockWork(launch.block, F / launch.block, row=-(-F // launch.block), bytes_once=once)


def _dense_backward_data(mapping: str, launch: Launch, dy, weight, dx) -> BlockWork:
    """As FP with K and F exchanged: now neighbours read neighbouring weights in data, and distant ones in hybrid."""
    (N, K), F = dy.shape, weight.shape[1]
    once = _bytes(dy, weight, dx)
    if mapping == "data":
        return BlockWork(F, K, bytes_once=once, bytes_per_wave=_bytes(weight))
    if mapping == "model":
        return BlockWork(N, K, copies=K, passes=1 + min(N, WARP), bytes_once=once, bytes_per_wave=_bytes(dy))
    return BlockWork(launch.block, K / launch.block, passes=1 + WARP, row=-(-K // launch.block), bytes_once=once)


def _dense_backward_weights(mapping: str, launch: Launch, x, dy, dweight, dbias) -> BlockWork:
    """An item is a weight; data and hybrid add to all of them once per sample."""
    (N, F), K = x.shape, dy.shape[1]
    items, taps, atomics = {
        "data": (K * (F + 1), 1, 1),
        "model": (F + 1, N, 0),
        "hybrid": (F + 1, 1, 1),
    }[mapping]
    per_wave = _bytes(dweight) if mapping == "data" else 0
    once = _bytes(x, dy, dweight, dbias)
    return BlockWork(items, taps, atomics=atomics, row=taps, bytes_once=once, bytes_per_wave=per_wave)


COSTS: dict[str, Callable[..., BlockWork]] = {
    "conv.forward.forward": _conv_forward,
    "conv.backward_data.backward_data": _conv_backward_data,
    "conv.backward_weights.backward_weights": _conv_backward_weights,
    "dense.forward": _dense_forward,
    "dense.backward_data": _dense_backward_data,
    "dense.backward_weights": _dense_backward_weights,
}
