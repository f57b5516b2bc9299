"""The tuned kernels against cuDNN, kernels that only move data against a copy, whole steps against PyTorch eager."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from math import prod
from time import perf_counter

import numpy as np
from gpu_parts import counters, peers

from labkit.engine.ops import Draw
from labkit.errors import LabError
from labkit.kernels.backend import KernelBackend
from labkit.kernels.conv.forward import FORWARD
from labkit.kernels.executors import Executor
from labkit.kernels.experiments.load_counts import loads as count_loads
from labkit.kernels.experiments.measure import measure
from labkit.kernels.experiments.sources import Measured
from labkit.kernels.launch import MOST_THREADS, Launch
from labkit.kernels.occupancy import blocks_by_resource
from labkit.kernels.sizes import ConvSizes
from labkit.kernels.source import cuda, jit
from labkit.machine.gpus import this_gpu
from labkit.network import BatchNorm, Conv, Network, ReLU, Shape, chain, zoo
from labkit.network.layer import Layer

BUDGET_S = 0.15
FLOATS = 2**26  # of the largest arrays that are only moved: 256 MiB, four times the L2 of an H200


class OneLayer:
    """A layer by itself on an executor, with random inputs that are the same in every mapping."""

    def __init__(self, executor: Executor, layer: Layer, shape: Shape, batch: int, mapping: str):
        first = Conv(shape[0], 1)  # with weights, so that the layer behind it needs the gradient of its input
        network = chain("one", shape, {"first": first, "layer": layer})
        backend = KernelBackend(executor, network, mapping)
        self.executor = executor
        self.ops = backend.prepare("layer", layer, (shape,), batch, np.dtype(np.float32))
        make = partial(_random, executor, np.random.default_rng(0))
        self.x, self.dy = make((batch, *shape)), make((batch, *layer.output_shape(shape)))
        self.weights = {name: make(size) for name, size in layer.weights(shape).items()}
        self.gradients = {name: make(size) for name, size in layer.weights(shape).items()}
        self.state = {name: executor.put(np.ones(size, np.float32)) for name, size in layer.state(shape).items()}
        for phase in ("fp", "ku", "bp"):  # in the order of a step: each keeps what the next one needs
            self.run(phase)

    def run(self, phase: str):
        """Start one phase, 'fp', 'ku' or 'bp'; returns the array that it writes (the gradient of the first weight)."""
        if phase == "fp":
            return self.ops.forward((self.x,), self.weights, self.state, True, Draw())
        if phase == "bp":
            return self.ops.backward_data(self.dy, self.weights)[0]
        self.ops.backward_weights(self.dy, self.weights, self.gradients)
        return next(iter(self.gradients.values()), None)

    def result(self, phase: str) -> np.ndarray:
        """What one phase computes, on the host."""
        return np.array(self.executor.get(self.run(phase)))

    def seconds(self, phase: str) -> float:
        """Median seconds of one phase; its launches are recorded as a graph where the executor can."""
        again = partial(self.run, phase)
        if hasattr(self.executor, "record"):
            with suppress(LabError):  # a driver that cannot record: timed launch by launch
                _, again = self.executor.record(again)
        return measure(self.executor, again, BUDGET_S).seconds


def _random(executor: Executor, rng: np.random.Generator, shape: Shape):
    return executor.put(rng.standard_normal(shape, np.float32))


def convolutions(network: Network) -> dict[str, tuple[Conv, Shape]]:
    """The convolutions of a network that differ, by the name of the first of each kind, with their input shapes."""
    found: dict[tuple, str] = {}
    for node in network.nodes:
        if isinstance(node.layer, Conv):
            found.setdefault((node.layer, network.input_shapes(node)[0]), node.name)
    return {name: case for case, name in found.items()}


def tuned(executor: Executor, quick: bool) -> Iterator[dict]:
    """FP, BP and KU of every kind of convolution in ResNet-18 at batch 128 and AlexNet*: ours, cuDNN's, the ratio.

    difference: from what the hybrid mapping computes, over its largest value. A layer that fails has an error instead.
    """
    cases = [("lenet5", 2, 1)] if quick else [("resnet18_32", 128, None), ("alexnet_star", 128, None)]
    for name, batch, most in cases:
        for layer, (conv, shape) in list(convolutions(zoo.get(name)).items())[:most]:
            where = {"network": name, "layer": layer, "mapping": "tuned", "batch": batch}
            try:
                for row in _tuned_layer(executor, conv, shape, batch):
                    yield where | row
            except Exception as error:  # the other layers are still worth having
                yield where | {"phase": None, "error": f"{type(error).__name__}: {error}"[:300]}


def _tuned_layer(executor: Executor, conv: Conv, shape: Shape, batch: int) -> Iterator[dict]:
    sizes = ConvSizes.of(conv, shape, batch)
    theirs = list(_cudnn(sizes)) if peers.available() and executor.name == "gpu" else []
    ours, hybrid = (OneLayer(executor, conv, shape, batch, mapping) for mapping in ("tuned", "hybrid"))
    for phase in ("fp", "bp", "ku"):
        expected = hybrid.result(phase)
        difference = np.abs(ours.result(phase) - expected).max() / np.abs(expected).max()
        seconds = ours.seconds(phase)
        row = {"phase": phase, "seconds": seconds, "TFLOP_per_s": 2 * sizes.macs / seconds / 1e12}
        row |= {"hybrid_s": hybrid.seconds(phase), "difference": float(difference)}
        for peer in theirs:
            if peer["phase"] == phase:
                row[f"cudnn_{peer['precision']}_s"] = peer["seconds"]
                row[f"cudnn_{peer['precision']}_algorithm"] = peer["algorithm"]
                row[f"ratio_{peer['precision']}"] = peer["seconds"] / seconds
        yield row


def _cudnn(sizes: ConvSizes) -> Iterator[dict]:
    for precision in peers.PRECISIONS:
        yield from peers.convolution(sizes, precision)


def copy(a, b):
    """b = a, each thread of the grid striding through."""
    for i in range(cuda.grid(1), a.size, cuda.gridsize(1)):
        b[i] = a[i]


def bandwidth(executor: Executor, quick: bool) -> Iterator[dict]:
    """GB/s of kernels that only move data, each byte of input and output counted once, against copies."""
    values = 2**16 if quick else FLOATS
    yield from _copies(executor, values)
    shape = (64, 32, 32)
    batch = 1 if quick else values // prod(shape)
    bytes_of = {"batchnorm": {"fp": 2, "bp": 3}, "relu": {"fp": 2, "bp": 3}}  # arrays read and written, at the least
    for layer in (BatchNorm(), ReLU()):
        for mapping in ("hybrid", "tuned"):
            one = OneLayer(executor, layer, shape, batch, mapping)
            for phase, arrays in bytes_of[layer.kind].items():
                seconds = one.seconds(phase)
                row = {"kernel": layer.kind, "phase": phase, "mapping": mapping, "values": batch * prod(shape)}
                yield row | {"seconds": seconds, "GB_per_s": 4 * arrays * batch * prod(shape) / seconds / 1e9}


def _copies(executor: Executor, values: int) -> Iterator[dict]:
    a, b = executor.put(np.zeros(values, np.float32)), executor.empty(values)
    launch = Launch((-(-values // MOST_THREADS // 4), 1, 1), MOST_THREADS)
    seconds = measure(executor, lambda: executor.launch(copy, launch, a, b), BUDGET_S).seconds
    row = {"phase": None, "mapping": None, "values": values}
    yield row | {"kernel": "copy", "seconds": seconds, "GB_per_s": 8 * values / seconds / 1e9}
    if peers.available() and executor.name == "gpu":
        GB_per_s = peers.copy_GB_per_s(values)
        yield row | {"kernel": "PyTorch's copy", "seconds": 8 * values / GB_per_s / 1e9, "GB_per_s": GB_per_s}


def steps(executor: Executor, quick: bool) -> Iterator[dict]:
    """Whole training steps: tuned and hybrid against PyTorch eager in float32."""
    cases = [("lenet5", 2)] if quick else [("lenet5", 8), ("lenet5", 64), ("resnet18_32", 128), ("alexnet_star", 128)]
    source = Measured(executor, budget_s=0.1 if quick else 1.0)
    for name, batch in cases:
        network = zoo.get(name)
        eager = _eager(network, batch) if peers.available() and executor.name == "gpu" else None
        for mapping in ("hybrid",) if quick else ("tuned", "hybrid"):
            seconds = source.step(network, batch, mapping)["step"]
            row = {"network": name, "mapping": mapping, "batch": batch, "seconds": seconds, "eager_s": eager}
            yield row | {"ratio": eager / seconds if eager else None}


def _eager(network: Network, batch: int) -> float:
    """Seconds of PyTorch's step by the clock of the host, as ours are: waiting for the end of each."""
    import torch

    step = peers.step(network, batch)

    def finished() -> None:
        step()
        torch.cuda.synchronize()

    return wall(finished)


def wall(run: Callable[[], None], repeats: int = 20) -> float:
    """Median seconds of `run` after a warm-up."""
    found = []
    for _ in range(repeats + 3):
        start = perf_counter()
        run()
        found.append(perf_counter() - start)
    return float(np.median(found[3:]))


def occupancy(executor: Executor, quick: bool) -> Iterator[dict]:
    """Blocks per SM by labkit's formula and by the driver, for kernels of several sizes."""
    arrays = [cuda.to_device(np.zeros(s, np.float32)) for s in ((1, 2, 6, 6), (3, 2, 3, 3), (3,), (1, 3, 6, 6))]
    ask = cuda.current_context().get_active_blocks_per_multiprocessor
    for mapping, kernel in FORWARD.items():
        compiled = jit(kernel)
        compiled[(1, 3), 32, 0, 72](*arrays, 1, 1, 1, 1, 1, 0)
        overload = next(iter(compiled.overloads.values()))
        for threads in (32, 64, 128, 256, 512):
            for shared in (0, 2304, 18432):
                limits = blocks_by_resource(this_gpu().sm, threads, overload.regs_per_thread, shared)
                told = ask(overload._codelibrary.get_cufunc(), threads, shared)
                row = {"mapping": mapping, "threads": threads, "shared_bytes": shared}
                yield row | {"registers": overload.regs_per_thread, "formula": min(limits.values()), "driver": told}


def loads(executor: Executor, quick: bool) -> Iterator[dict]:
    """Loads by level of the three mappings: exact, and counted by the GPU where ncu may (figure 14)."""
    if quick:
        yield from count_loads("lenet5", "conv1", batch=1)
    else:
        yield from count_loads("lenet5", batch=32)
        yield from count_loads("alexnet_star", batch=32)
    if executor.name == "gpu":
        yield from counters.loads("alexnet_star", "conv2", 32)
