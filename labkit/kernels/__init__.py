"""The mathematics of `labkit.engine` as kernels of a GPU, in three mappings that can be read, and one tuned for speed.

A mapping says which block of threads works on what (krishna-gupta-nayak sections IV and V): `data` gives a block one
sample, `model` one channel, `hybrid` one channel of one sample. The kernels are plain functions in `conv`, `dense`,
`pool`, `norm`, `elementwise`, `loss` and `update`; the same source runs on a GPU, on the cores of this machine, and
thread by thread in `trace`. `primitives` has every layer as single functions with the paper's arguments; `explain` and
`timing_model` tell what to expect of a launch; `tuned` has the kernels of the mapping `tuned`, and how they came about.

>>> import numpy as np
>>> from labkit.kernels import define, executor
>>> from labkit.network import Dense
>>> layer = define(Dense(2), (3,), batch=4, mapping="hybrid", on=executor("cpu"))
>>> weights = {"weight": np.ones((2, 3), np.float32), "bias": np.zeros(2, np.float32)}
>>> layer.forward(np.ones((4, 3), np.float32), **weights).tolist()[0]
[3.0, 3.0]
>>> [(started.phase, started.launch.blocks) for started in layer.launches if started.kernel.startswith("dense")]
[('FP', 8), ('KU', 8), ('BP', 12)]

A whole network is run on kernels by `labkit.engine.Model(network, backend="cuda", mapping="hybrid")`; the backend
`cuda-cpu` needs no GPU.
"""

from importlib import import_module
from typing import Any

# Name -> where it is. Looked up when it is asked for, because the kernels need Numba, which takes a second to import.
_OFFERED = {
    "MAPPINGS": "labkit.kernels.launch",
    "Launch": "labkit.kernels.launch",
    "Work": "labkit.kernels.launch",
    "choose": "labkit.kernels.launch",
    "define": "labkit.kernels.primitives.define",
    "executor": "labkit.kernels.executors.here",
}
__all__ = ["MAPPINGS", "Launch", "Work", "choose", "define", "executor"]


def __getattr__(name: str) -> Any:
    """One of the names above."""
    if name not in _OFFERED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_OFFERED[name]), name)


def __dir__() -> list[str]:
    """What is offered, and what has been imported of the room."""
    return sorted({*globals(), *_OFFERED})
