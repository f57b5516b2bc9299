"""What a block of each teaching kernel does, from the shapes of the kernel's arguments: the input of `timing_model.py`.

One function per kind of kernel; each says for its three mappings how many values a block computes (`items`), how many
products each takes (`taps`), and what it copies into shared memory first. See the contracts in the kernels' docstrings.
"""

from collections.abc import Callable
from math import prod
from typing import Any

from labkit.errors import LabError
from labkit.kernels.launch import Launch
from labkit.kernels.registers import kernel_name, registers_of, shared_bytes_of
from labkit.kernels.timing_model import BlockWork, Code, Timing, seconds_of
from labkit.machine.gpus import GpuData

FLOAT_BYTES = 4
# Instructions per multiply-add in the innermost loop of the convolution's FP, compiled for sm_90. On a GPU that today's
# compilers do not know (Kepler, Pascal) the same number is assumed.
INSTRUCTIONS_PER_TAP = {"data": 35.0, "model": 32.0, "hybrid": 32.0}


def modelled(kernel: Callable, launch: Launch, arguments: tuple[Any, ...], gpu: GpuData) -> Timing:
    """The modelled time of one launch of a teaching kernel; LabError for a kernel that has none."""
    return seconds_of(launch, work_of(kernel, arguments), code_of(kernel, gpu), gpu)


def code_of(kernel: Callable, gpu: GpuData) -> Code:
    """What is known of the machine code of `kernel` for `gpu`."""
    mapping = kernel.__name__.rpartition("_")[2]
    per_tap = INSTRUCTIONS_PER_TAP.get(mapping, INSTRUCTIONS_PER_TAP["data"])
    return Code(registers_of(kernel, gpu.capability), per_tap, shared_bytes_of(kernel, gpu.capability))


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


COSTS: dict[str, Callable[..., BlockWork]] = {"conv.forward.forward": _conv_forward}
