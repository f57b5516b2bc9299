"""The CUDA driver, asked directly: no toolkit is needed, and it tells what this process sees, not what the machine has.

The first question starts it, and from then on CUDA_VISIBLE_DEVICES says nothing to this process any more.
"""

import ctypes
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from labkit.errors import LabError

_NAME_BYTES, _UUID_BYTES = 256, 16


@dataclass(frozen=True)
class Card:
    """The GPU that this process uses. uuid: as `nvidia-smi -L` shows it, the same in every process that uses this GPU
    (or this part of one). visible: how many GPUs this process sees; it uses the first.
    """

    uuid: str
    name: str
    visible: int


def load():
    """The driver's library, started; None where there is no driver, or no GPU for it."""
    try:
        library = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return None
    device = ctypes.c_int()
    return None if library.cuInit(0) or library.cuDeviceGet(ctypes.byref(device), 0) else library


def attributes() -> Callable[[int], int] | None:
    """A function that tells an attribute of the GPU by its number (CUdevice_attribute); None without a driver."""
    library = load()
    if library is None:
        return None
    device = _first(library)

    def attribute(number: int) -> int:
        value = ctypes.c_int()
        if library.cuDeviceGetAttribute(ctypes.byref(value), number, device):
            raise LabError(f"the driver does not know attribute {number} of the GPU", "update the driver")
        return value.value

    return attribute


def card() -> Card | None:
    """The GPU that this process uses, or None without a driver."""
    library = load()
    if library is None:
        return None
    device, visible = _first(library), ctypes.c_int()
    name, number = ctypes.create_string_buffer(_NAME_BYTES), ctypes.create_string_buffer(_UUID_BYTES)
    refused = library.cuDeviceGetCount(ctypes.byref(visible))
    refused = refused or library.cuDeviceGetName(name, _NAME_BYTES, device)
    if refused or library.cuDeviceGetUuid_v2(number, device):
        raise LabError("the driver does not tell which GPU this is", "update the driver")
    return Card(f"GPU-{uuid.UUID(bytes=number.raw)}", name.value.decode(), visible.value)


def _first(library) -> ctypes.c_int:
    device = ctypes.c_int()
    library.cuDeviceGet(ctypes.byref(device), 0)
    return device
