"""How long each layer takes on this machine: a few training steps with a stopwatch around every layer.

The thesis weighs its tasks by a profile of one processor (eserol-2019 section 5.1). What follows a filter map by map
(activation, pooling, BatchNorm) counts to the filter's layer, because the filter's owner does it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import numpy as np

from labkit.errors import LabError
from labkit.network import FLOAT_BYTES, Network, Softmax, activation_bytes
from labkit.network.sizes import check_batch
from labkit.partition.tasks import Tasks

WARM_UP = 1
REPEATS = 3
MOST_BATCH = 32
MOST_ACTIVATION_BYTES = 256 * 2**20  # of the batch that is chosen; the layers' workspaces come on top


def layer_seconds(
    tasks: Tasks,
    batch: int | None = None,
    repeats: int = REPEATS,
    threads: int | None = None,
    progress: Callable[[float, str], None] | None = None,
) -> np.ndarray:
    """Seconds per sample that each task layer takes in FP, BP and KU (without the update): float64 [layers].

    Medians of `repeats` steps of the cpu engine after a first one that compiles. The input takes none. Where the maps
    of a node are made by several task layers (after a concatenation), its time is shared by their number of maps.

    batch: None for `profile_batch`; more samples at once make small layers faster per sample. threads: cores to use,
    None for all. Takes 1 + repeats steps: under a second for LeNet-5 and a few for ResNet-18 at 32 x 32, once loops are
    compiled; about 20 seconds and 2 GB for VGG16 on two cores. progress is called after every step. Raises LabError for
    a bad batch, repeats or threads.
    """
    network = tasks.network
    batch = profile_batch(network) if batch is None else batch
    check_batch(batch)
    if not isinstance(repeats, int) or repeats < 1:
        raise LabError(f"repeats={repeats!r}", "give a whole number from 1 up")
    rows = _steps(network, batch, repeats, threads, progress)
    found = np.zeros(len(tasks.layers))
    for name in rows[0]:
        makers = np.bincount(tasks.homes[name].layer, minlength=len(found))
        found += median(row[name] for row in rows) / batch * makers / makers.sum()
    found[0] = 0
    return found


def profile_batch(network: Network) -> int:
    """The largest batch, up to the 32 of the thesis, whose activations fit into 256 MiB: 4 samples of VGG16."""
    return max(1, min(MOST_BATCH, MOST_ACTIVATION_BYTES // max(FLOAT_BYTES, activation_bytes(network, 1))))


def _steps(network: Network, batch: int, repeats: int, threads: int | None, progress) -> list[dict[str, float]]:
    """Seconds of every node in each of `repeats` training steps on random samples."""
    from labkit.engine import Model, ops  # it compiles loops, which only those who measure should wait for

    clock = _TimedBackend(ops.start("cpu", network), {})
    model = Model(network, clock, batch=batch, threads=threads)
    rng = np.random.default_rng(0)
    x = rng.random((batch, *network.input_shape), dtype=np.float32)
    labels = rng.integers(0, network.output_shape[0], batch)
    loss = "categorical_crossentropy" if isinstance(network.nodes[-1].layer, Softmax) else "mse"
    rows = []
    for number in range(WARM_UP + repeats):
        clock.seconds.clear()
        model.gradients_of(x, labels, loss, step=number)
        rows.append(dict(clock.seconds))
        if progress is not None:
            progress((number + 1) / (WARM_UP + repeats), f"timing the layers of {network.name}")
    return rows[WARM_UP:]


@dataclass(frozen=True)
class _TimedBackend:
    """A started backend whose layers add the time of every call to `seconds`, by the name of the node."""

    backend: object
    seconds: dict[str, float]

    @property
    def arrays(self):
        return self.backend.arrays

    @property
    def mapping(self):
        return self.backend.mapping

    def prepare(self, name, layer, input_shapes, batch, dtype):
        return _TimedLayer(name, self.backend.prepare(name, layer, input_shapes, batch, dtype), self.seconds)


@dataclass(frozen=True)
class _TimedLayer:
    """One layer (`engine.ops.LayerOps`) with a stopwatch around each phase; its work has ended when a call returns."""

    name: str
    layer: object
    seconds: dict[str, float]

    @property
    def workspace_bytes(self) -> int:
        return self.layer.workspace_bytes

    def forward(self, *given):
        return self._timed(self.layer.forward, given)

    def backward_data(self, *given):
        return self._timed(self.layer.backward_data, given)

    def backward_weights(self, *given):
        return self._timed(self.layer.backward_weights, given)

    def _timed(self, phase, given):
        start = perf_counter()
        result = phase(*given)
        self.seconds[self.name] = self.seconds.get(self.name, 0.0) + perf_counter() - start
        return result
