"""Where the times of an experiment come from: a model of a GPU, or an executor on which the kernels run.

Both answer the same two questions: how long does one convolution's FP take, and how long a training step, phase by
phase and launch by launch. A recording answers them too, but only for the sizes that were recorded.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from time import perf_counter
from typing import Any, Protocol

import numpy as np

from labkit.engine.model import Model
from labkit.engine.optimizers import Momentum
from labkit.engine.threads import limit
from labkit.kernels.backend import KernelBackend
from labkit.kernels.conv.forward import FORWARD
from labkit.kernels.conv.work import forward_work
from labkit.kernels.costs import modelled
from labkit.kernels.executors import Executor
from labkit.kernels.executors.here import executor as here
from labkit.kernels.executors.rehearsal import Rehearsal, Started
from labkit.kernels.experiments.measure import measure
from labkit.kernels.launch import Launch, choose
from labkit.kernels.sizes import ConvSizes
from labkit.machine.gpus import GpuData, find, this_gpu
from labkit.machine.origin import MEASURED_HERE, MODELLED
from labkit.machine.processor import cpu_name
from labkit.network import Network

BUDGET_S = 0.3  # of one measurement after its warm-up
MOST_STEPS = 20
USUAL_MOST = 256  # samples for which a network is made ready once, to be rehearsed with any batch up to it


@dataclass(frozen=True)
class Part:
    """One launch of a step: which layer and phase ('fp', 'bp', 'ku') it belongs to, and its seconds on the device."""

    layer: str
    phase: str
    kernel: str
    launch: Launch
    seconds: float


class Source(Protocol):
    """`device`: what the times are of; `origin`: where they come from."""

    device: str
    origin: str

    def forward(self, sizes: ConvSizes, mapping: str, threads: int | None = None) -> float:
        """Seconds of FP of one convolution; in blocks of `threads` threads where that is given."""

    def step(self, network: Network, batch: int, mapping: str) -> dict[str, float]:
        """Seconds of one training step: of 'fp', 'bp', 'ku' and of the whole 'step'."""

    def parts(self, network: Network, batch: int, mapping: str) -> list[Part]:
        """Every launch of one training step."""


def phase_of(kernel: str) -> str:
    """The phase that a kernel belongs to, from its name: 'bp' for gradients of inputs, 'ku' for those of weights."""
    if "weights" in kernel or "update" in kernel or kernel in ("momentum", "sgd"):
        return "ku"
    return "bp" if "backward" in kernel else "fp"


def conv_launch(sizes: ConvSizes, mapping: str, threads: int | None = None) -> Launch:
    """The launch of FP of a convolution; with `threads` threads per block where that is given."""
    launch = choose(mapping, forward_work("conv", sizes))
    return replace(launch, block=threads) if threads else launch


class Modelled:
    """Times as `timing_model` gives them for a GPU that need not be here; see `Source`."""

    origin = MODELLED

    def __init__(self, gpu: GpuData):
        self.gpu, self.device = gpu, gpu.name

    def forward(self, sizes: ConvSizes, mapping: str, threads: int | None = None) -> float:
        """See `Source`."""
        arrays = conv_arrays(Rehearsal(), sizes)
        return modelled(FORWARD[mapping], conv_launch(sizes, mapping, threads), arrays, self.gpu).seconds

    def step(self, network: Network, batch: int, mapping: str) -> dict[str, float]:
        """See `Source`. The times of all launches added up: the GPU is taken never to wait for the host."""
        seconds = dict.fromkeys(("fp", "bp", "ku"), 0.0)
        for part in self.parts(network, batch, mapping):
            seconds[part.phase] += part.seconds
        return seconds | {"step": sum(seconds.values())}

    def parts(self, network: Network, batch: int, mapping: str) -> list[Part]:
        """See `Source`."""
        return [_modelled_part(one, self.gpu) for one in rehearse(network, batch, mapping)]


class Measured:
    """Times of kernels that run on an executor of this machine; see `Source`. budget_s: for each measurement."""

    origin = MEASURED_HERE

    def __init__(self, executor: Executor, budget_s: float = BUDGET_S):
        self.executor, self.budget_s = executor, budget_s
        gpu = this_gpu() if executor.name == "gpu" else None
        self.device = gpu.name if gpu else f"{cpu_name()} ({executor.name})"

    def forward(self, sizes: ConvSizes, mapping: str, threads: int | None = None) -> float:
        """See `Source`."""
        on, launch = self.executor, conv_launch(sizes, mapping, threads)
        arrays = conv_arrays(on, sizes)
        with limit():  # on a CPU: all of its cores
            return measure(on, lambda: on.launch(FORWARD[mapping], launch, *arrays), self.budget_s).seconds

    def step(self, network: Network, batch: int, mapping: str) -> dict[str, float]:
        """See `Source`. Medians over as many steps as the budget allows, after one step that compiles."""
        one = self.stepper(network, batch, mapping)
        one()
        rows, end = [], perf_counter() + self.budget_s
        while not rows or (perf_counter() < end and len(rows) < MOST_STEPS):
            start = perf_counter()
            seconds = one()
            rows.append({name: seconds[name] for name in ("fp", "bp", "ku")} | {"step": perf_counter() - start})
        return {name: float(np.median([row[name] for row in rows])) for name in rows[0]}

    def parts(self, network: Network, batch: int, mapping: str) -> list[Part]:
        """See `Source`."""
        one = self.stepper(network, batch, mapping)
        one()
        with self.executor.profile() as ran:
            one()
        return [Part(r.launch.layer, phase_of(r.kernel), r.kernel, r.launch, r.seconds) for r in ran]

    def stepper(self, network: Network, batch: int, mapping: str) -> Callable[[], dict[str, float]]:
        """A function that does one training step, waits for its end, and returns its seconds by phase."""
        return steps_of(Model(network, KernelBackend(self.executor, network, mapping), batch), batch)


def source(device: str | None = None, budget_s: float = BUDGET_S) -> Source:
    """The model of the GPU called `device`; without a name this machine's GPU or, where it has none, its cores.

    Raises LabError for an unknown name, and for a GPU that cannot be used.
    """
    return Modelled(find(device)) if device else Measured(here(), budget_s)


def steps_of(model: Model, batch: int, seed: int = 0) -> Callable[[], dict[str, float]]:
    """A function that does one training step of `model` on a random batch, at a rate that leaves the weights alone."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((batch, *model.network.input_shape), np.float32)
    labels = rng.integers(0, model.network.output_shape[0], batch)
    optimizer = Momentum(lr=1e-30)
    slots = model.slots(optimizer)

    def one() -> dict[str, float]:
        with limit():
            step = model.gradients_of(x, labels)
            start = perf_counter()
            model.update(optimizer, slots)
            model.wait()
            return step.seconds | {"ku": step.seconds["ku"] + perf_counter() - start}

    return one


@lru_cache(maxsize=4)
def _rehearsed(network: Network, mapping: str, most: int) -> tuple[Rehearsal, Model]:
    rehearsal = Rehearsal()
    return rehearsal, Model(network, KernelBackend(rehearsal, network, mapping), most)


def rehearse(network: Network, batch: int, mapping: str) -> list[Started]:
    """Every launch of one training step of `network`, in order; nothing runs."""
    most = batch if mapping == "tuned" else max(batch, USUAL_MOST)  # tuned is compiled for one batch, the rest for any
    rehearsal, model = _rehearsed(network, mapping, most)
    rehearsal.started.clear()
    steps_of(model, batch)()
    return list(rehearsal.started)


def _modelled_part(one: Started, gpu: GpuData) -> Part:
    name, launch = one.kernel.__name__, one.launch
    return Part(launch.layer, phase_of(name), name, launch, modelled(one.kernel, launch, one.arguments, gpu).seconds)


def conv_arrays(executor: Executor, z: ConvSizes, seed: int = 0) -> tuple[Any, ...]:
    """Arguments of FP of a convolution on `executor`: random values, and the identity as its activation."""
    rng = np.random.default_rng(seed)
    shapes = (z.N, z.C, z.H, z.W), (z.K, z.C // z.groups, z.R, z.S), (z.K,)
    blank = isinstance(executor, Rehearsal)
    arrays = [executor.empty(s) if blank else executor.put(rng.standard_normal(s, np.float32)) for s in shapes]
    y = executor.empty((z.N, z.K, z.P, z.Q))
    return (*arrays, y, z.stride_h, z.stride_w, z.pad_h, z.pad_w, z.groups, 0)
