"""Training steps of labkit's cpu backend, for `cpu_engine.py`; see `protocol.py`."""

from collections.abc import Callable
from importlib.metadata import version

import numpy as np
import protocol

from labkit.engine.model import Model
from labkit.engine.optimizers import Momentum
from labkit.network import zoo


def prepare() -> Callable[[], None]:
    name, batch, threads = protocol.arguments()
    network = zoo.get(name)
    model = Model(network, "cpu", batch=batch, seed=protocol.SEED, threads=threads)
    optimizer = Momentum(lr=protocol.LEARNING_RATE, mu=protocol.MOMENTUM)
    slots = model.slots(optimizer)
    rng = np.random.default_rng(protocol.SEED)
    x = rng.normal(size=(batch, *network.input_shape)).astype(np.float32)
    labels = rng.integers(0, network.output_shape[0], batch)

    def step() -> None:
        model.gradients_of(x, labels)
        model.update(optimizer, slots)

    return step


if __name__ == "__main__":
    protocol.serve(prepare, {name: version(name) for name in ("labkit", "numpy", "numba")})
