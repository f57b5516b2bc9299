"""The one file of this package that touches Numba's insides: what it asks of a GPU while it compiles, answered here.

`cuda.compile_ptx` needs no GPU by itself, yet on the way three questions reach a driver or libNVRTC (a compiler of CUDA
C++, 90 MB, that compiles none of our kernels):

    the dispatcher of a `@device_function`   which GPU is current?             one of capability `cc`
    `nvrtc.get_supported_ccs`                which GPUs can be compiled for?   `cc`; ptxas has the last word
    `nvvm.get_libdevice`, `open_libdevice`   where is libdevice? (looks for    the file that tools.py found
                                             all of the toolkit, NVRTC too)

The answers are given within `answers(...)` only. What stays behind is code that Numba keeps of device functions: it is
the same for every capability from 7.5 on, so that a later launch on a GPU may use it.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from labkit.errors import LabError


@contextmanager
def replaced(module: Any, name: str, value: Any) -> Iterator[None]:
    """`module.name` is `value` within the block, and what it was before afterwards, whatever happens."""
    if not hasattr(module, name):
        has = f"numba-cuda {version('numba-cuda')} has no {module.__name__}.{name}, which 0.30 has"
        raise LabError(has, "pip install 'numba-cuda==0.30.*'")
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


@contextmanager
def answers(cc: tuple[int, int], libdevice: Path) -> Iterator[None]:
    """Within the block Numba compiles for capability `cc`. Other threads that compile wait until it is over."""
    from numba.cuda import dispatcher
    from numba.cuda.core.compiler_lock import global_compiler_lock
    from numba.cuda.cudadrv import nvrtc, nvvm

    device = SimpleNamespace(compute_capability=cc)
    with global_compiler_lock, ExitStack() as stack:
        stack.enter_context(replaced(dispatcher, "get_current_device", lambda: device))
        stack.enter_context(replaced(nvrtc, "get_supported_ccs", lambda: [cc]))
        stack.enter_context(replaced(nvvm, "get_libdevice", lambda: str(libdevice)))
        stack.enter_context(replaced(nvvm, "open_libdevice", libdevice.read_bytes))
        yield


def type_of(value: Any) -> Any:
    """The Numba type that a launch would give an argument: arrays with their layout, a Python int as int64."""
    from numba.cuda.typing.typeof import Purpose, typeof

    return typeof(value, Purpose.argument)
