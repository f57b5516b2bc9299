"""Block-to-SM scheduler: the blocks of a launch are dealt to the multiprocessors (SMs) of a GPU, wave after wave.

Time is counted in units: one unit is the work of one block of the hybrid mapping, one channel of one sample. So a block
of the data mapping takes K units (all channels of its sample), one of the model mapping N units (its channel of all
samples), and the three mappings can be compared on one axis. Each SM has places for some blocks at once; a block takes
the place that is free first. What is left out, on purpose: blocks that share an SM also share its instruction slots,
so on a GPU a wave of full SMs may take longer than one of SMs with a single block each.
"""

import anywidget
import traitlets

from labkit.errors import LabError
from labkit.kernels.explain import Explanation
from labkit.kernels.launch import TEACHING, WARP, Launch
from labkit.machine.gpus import GPUS, GpuData, find
from labkit.widgets._base import css, decode, encode, esm, one_of, within

KIND = "block_scheduler"
OWN = "a GPU of your own"
SWEEPS = ("batch", "channels", "sms")
DEFAULTS = {
    "mapping": "hybrid",
    "batch": 32,
    "channels": 16,
    "gpu": "h200",
    "sms": 132,
    "per_sm": 4,
    "threads": 256,
    "spread": 0,
    "sweep": "batch",
    "replay": 6,
    "at": -1,
}
LIMITS = (
    ("batch", 1, 512, True),
    ("channels", 1, 512, True),
    ("sms", 1, 160, True),
    ("per_sm", 1, 32, True),
    ("threads", 32, 1024, True),
    ("spread", 0, 90, True),
    ("replay", 1, 60, True),
    ("at", -1, 1e9, False),
)


class BlockScheduler(anywidget.AnyWidget):
    """SMs against time, and time per sample against a size; make one with `block_scheduler`.

    gpus: key -> [name, SMs, places for warps of an SM, most blocks of an SM]. about: a sentence on the launch that it
    was made from. state: mapping, batch, channels, gpu, sms, per_sm (most blocks of an SM at once), threads (of a
    block), spread (of the times of blocks, per cent), sweep, replay (seconds), at (units passed; -1: all is over).
    """

    _esm = esm("choice.js", "player.js", "axes.js", "scheduler_math.js", "scheduler.js")
    _css = css()
    title = traitlets.Unicode("Blocks on multiprocessors").tag(sync=True)
    gpus = traitlets.Dict().tag(sync=True)
    about = traitlets.Unicode().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)

    def state_string(self) -> str:
        """The settings as a line; `from_state=line` shows the same view."""
        return encode(KIND, self.state)


def block_scheduler(
    what: Explanation | Launch | None = None,
    *,
    mapping: str | None = None,
    batch: int | None = None,
    channels: int | None = None,
    gpu: GpuData | str | None = None,
    blocks_per_sm: int | None = None,
    threads: int | None = None,
    spread: int = 0,
    from_state: str | None = None,
) -> BlockScheduler:
    """Deal blocks to SMs; everything is computed in the page.

    what: an `Explanation` (of `explain` or `explain_layer`), from which grid, block, GPU and blocks per SM are taken,
    or a `Launch`, which gives grid and block. Other arguments override it. mapping: "data" (a block per sample),
    "model" (per channel) or "hybrid" (per sample and channel). batch, channels: 1 to 512. gpu: a record or a name of
    labkit.machine.gpus. blocks_per_sm: 1 to 32, what registers and shared memory allow; places for warps and blocks
    are looked after in the page. threads: of a block, 32 to 1024. spread: 0 to 90, by how many per cent the times of
    blocks differ at most from their mean. from_state: a line of `state_string()`; it overrides the rest.
    Raises LabError for anything else.
    """
    given = {"mapping": mapping, "batch": batch, "channels": channels, "per_sm": blocks_per_sm, "threads": threads}
    state = DEFAULTS | {"spread": spread} | _taken(what)
    state |= {key: value for key, value in given.items() if value is not None}
    known = {one.key: _record(one) for one in GPUS.values()}
    if gpu is not None:
        record = gpu if isinstance(gpu, GpuData) else find(gpu)
        known[record.key] = _record(record)
        state |= {"gpu": record.key, "sms": record.multiprocessors}
    if from_state is not None:
        state = decode(KIND, from_state, state)
    one_of("mapping", state["mapping"], TEACHING)
    one_of("sweep", state["sweep"], SWEEPS)
    one_of("gpu", state["gpu"], (*known, OWN))
    for key, low, high, whole in LIMITS:
        state[key] = within(key, state[key], low, high, whole)
    about = str(what) if isinstance(what, Explanation) else ""
    return BlockScheduler(gpus=known, about=about, state=state)


def _record(gpu: GpuData) -> list:
    return [gpu.name, gpu.multiprocessors, gpu.sm.warps, gpu.sm.blocks]


def _taken(what: Explanation | Launch | None) -> dict:
    """What an explanation or a launch says about the settings. LabError for a launch of another form."""
    if what is None:
        return {}
    if not isinstance(what, (Explanation, Launch)):
        raise LabError(f"block_scheduler({type(what).__name__})", "give what explain(...) returns, or a Launch")
    if what.mapping not in TEACHING:
        named = f"a launch in mapping {what.mapping!r}" if what.mapping else "a launch whose mapping is not known"
        raise LabError(named, f"give one of a teaching kernel ({', '.join(TEACHING)})")
    x, y, _ = what.grid
    sizes = {"data": {"batch": x}, "model": {"channels": x}, "hybrid": {"batch": x, "channels": y}}[what.mapping]
    state = {"mapping": what.mapping, "threads": -(-what.block // WARP) * WARP, **sizes}
    if isinstance(what, Explanation):
        state |= {"gpu": _key_of(what.device), "sms": what.multiprocessors, "per_sm": what.blocks_per_sm}
    return state


def _key_of(device: str) -> str:
    try:
        return find(device).key
    except LabError:
        return OWN
