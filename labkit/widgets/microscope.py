"""Thread-block microscope: which thread of a block reads and writes which cell, step by step, as a trace recorded it.

Marked are the 32-byte sectors that a warp's request touches in global memory, the banks in shared memory, the barriers,
and what `labkit.kernels.trace.findings` has found.
"""

from typing import Any

import anywidget
import traitlets

from labkit.errors import LabError
from labkit.widgets._base import css, decode, encode, esm, one_of, within

KIND = "block_microscope"
LAYOUTS = ("array", "memory")
DEFAULTS = {"block": 0, "step": 0, "thread": 0, "layout": "array", "speed": 4}
LIMITS = (("step", 0, 1_000_000), ("thread", 0, 1023), ("speed", 1, 30))


class BlockMicroscope(anywidget.AnyWidget):
    """Threads, source and memory of a block; make one with `block_microscope`.

    trace: kernel, threads, arrays, sources, blocks, findings; data: steps and accesses, see `_frames`. state: block
    (which of the blocks that are shown), step, thread (the one that is followed), layout ("array": by its axes,
    "memory": 32 values a row), speed (steps per second).
    """

    _esm = esm("choice.js", "player.js", "microscope.js")
    _css = css()
    title = traitlets.Unicode().tag(sync=True)
    trace = traitlets.Dict().tag(sync=True)
    data = traitlets.Bytes().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)

    def state_string(self) -> str:
        """The settings as a line; `block_microscope(trace, from_state=line)` shows the same step of the same trace."""
        return encode(KIND, self.state)


def block_microscope(
    what: Any,
    launch: Any = None,
    *arguments: Any,
    block: int = 0,
    step: int = 0,
    thread: int = 0,
    layout: str = "array",
    from_state: str | None = None,
) -> BlockMicroscope:
    """Look at a trace, or at a kernel that is traced now.

    what: a `Trace`; or a kernel, followed by its `Launch`, NumPy arrays (they are written to) and numbers. block: which
    of the recorded blocks to begin with, counted from 0. step, thread: likewise. layout: "array" or "memory".
    from_state: a line of `state_string()`; it overrides the rest. Raises LabError for a trace without accesses, for
    one that is too large, and for settings that do not exist.
    """
    from labkit.kernels.trace import Trace, trace
    from labkit.widgets._frames import frames

    if not isinstance(what, Trace) and launch is None:
        raise LabError(
            "block_microscope() of a kernel without its launch", "give block_microscope(kernel, launch, x, y)"
        )
    shown = frames(what if isinstance(what, Trace) else trace(what, launch, *arguments))
    state = DEFAULTS | {"block": block, "step": step, "thread": thread, "layout": layout}
    if from_state is not None:
        state = decode(KIND, from_state, state)
    one_of("layout", state["layout"], LAYOUTS)
    for key, low, high in (("block", 0, len(shown.meta["blocks"]) - 1), *LIMITS):
        state[key] = within(key, state[key], low, high, whole=True)
    title = f"Kernel {shown.meta['kernel']} under the microscope"
    return BlockMicroscope(title=title, trace=shown.meta, data=shown.data, state=state)
