"""What the CUDA driver reports, as one sentence that says what to do: errors of launches, copies and allocations."""

from collections.abc import Iterator
from contextlib import contextmanager

from labkit.errors import LabError
from labkit.kernels.source import cuda

# After one of these the driver refuses every further call of this process.
FAULTS = ("ILLEGAL_ADDRESS", "LAUNCH_FAILED", "MISALIGNED", "ILLEGAL_INSTRUCTION", "ASSERT", "LAUNCH_TIMEOUT")
FAULTS += ("INVALID_ADDRESS_SPACE", "INVALID_PC", "HARDWARE_STACK_ERROR", "ECC_UNCORRECTABLE")
# Classes by name, because their modules need a driver or differ from version to version: Numba's own, then those of
# cuda-core and cuda-bindings, which load and link what Numba has compiled and start its kernels.
KINDS = {"CudaDriverError", "CudaSupportError", "NvvmError", "NvvmSupportError", "NvrtcError", "NvrtcSupportError"}
KINDS |= {"CCSupportError", "LinkerError", "CUDAError", "nvJitLinkError", "nvvmError", "DynamicLibNotFoundError"}


@contextmanager
def understood(what: str, wanted_bytes: int = 0) -> Iterator[None]:
    """Turn an error of the driver in the `with` block into a LabError; all others pass.

    what: what was tried, for the message. wanted_bytes: of memory, if it is known.
    """
    try:
        yield
    except LabError:
        raise
    except Exception as error:
        text = " ".join(str(error).split())
        if "OUT_OF_MEMORY" in text:
            raise out_of_memory(what, wanted_bytes) from error
        if "CUDA_ERROR" in text or KINDS & {kind.__name__ for kind in type(error).__mro__}:
            raise LabError(f"{what} failed on the GPU: {text}", advice(text)) from error
        raise


def out_of_memory(what: str, wanted_bytes: int) -> LabError:
    """The error for memory that was not there: how much was wanted and how much is free."""
    free = cuda.current_context().get_memory_info().free
    size = f"{wanted_bytes:,} bytes were wanted, " if wanted_bytes else ""
    return LabError(f"the GPU has no memory left for {what}: {size}{free:,} bytes are free", "take a smaller batch")


def advice(text: str) -> str:
    """What helps after the driver's error `text`."""
    if "UNSUPPORTED_PTX_VERSION" in text:
        return "the CUDA toolkit is newer than the driver takes: see `labkit doctor`"
    if any(fault in text for fault in FAULTS):
        return "this process can no longer use the GPU: restart it (in a notebook: Kernel, Restart)"
    if "LAUNCH_OUT_OF_RESOURCES" in text or "INVALID_VALUE" in text:
        return "take fewer threads per block or less shared memory; the GPU can still be used"
    return "see `labkit doctor`"
