"""Every kernel against the reference: one step of networks with all kinds of layers and odd sizes, in every mapping."""

from collections.abc import Iterator

import numpy as np

from labkit.engine.model import Model
from labkit.kernels.backend import KernelBackend
from labkit.kernels.executors import Executor
from labkit.kernels.launch import MAPPINGS, TEACHING
from labkit.network import (
    Add,
    AvgPool,
    BatchNorm,
    Builder,
    Conv,
    Dense,
    Flatten,
    Logistic,
    MaxPool,
    Network,
    ReLU,
    Softmax,
    Tanh,
    zoo,
)

TOLERANCE = 2e-3  # of the largest value of an array; TF32 anywhere would show as 1e-2 and more
SAMPLES = 3
STEPS = 3  # of a small network: tuned kernels are first started, then recorded as a graph, then replayed
MOST_PARAMETERS = 10**6  # of a network whose tuned kernels are compiled here: half a minute


def mixed() -> Network:
    """Groups, strides, paddings that differ both ways, maps that are not square, every activation, both pools."""
    b = Builder()
    b.add("conv1", Conv(6, 3, 5, stride=(2, 1), padding=(1, 2)))
    b.add("logistic", Logistic())
    b.add("max", MaxPool(3, 2, stride=(1, 2), padding=(1, 0)))
    b.add("conv2", Conv(9, 3, 1, padding=(1, 0), groups=3, bias=False))
    b.add("norm", BatchNorm())
    b.add("relu", ReLU())
    side = b.last
    b.add("conv3", Conv(9, 1, bias=False))
    b.add("tanh", Tanh())
    b.add("add", Add(), "tanh", side)
    b.add("average", AvgPool(2, 3, stride=1))
    b.add("flatten", Flatten())
    b.add("fc1", Dense(13))
    b.add("relu2", ReLU())
    b.add("fc2", Dense(5, bias=False))
    b.add("softmax", Softmax())
    return b.network("mixed", (4, 11, 14))


def rows(executor: Executor, quick: bool) -> Iterator[dict]:
    """One row per network, mapping and array: the largest difference over the array's largest value.

    The mapping tuned, which is compiled for each layer, is run on the small networks only (and not at all if `quick`);
    on the large ones `speed.tuned` compares it. Raises ValueError after the last row if one of them is wrong, so that
    the part counts as failed.
    """
    wrong = 0
    networks = [mixed()] + ([] if quick else [zoo.get(name) for name in ("lenet5", "alexnet_star", "resnet18_32")])
    for network in networks:
        small = network.parameters < MOST_PARAMETERS and not quick
        steps = STEPS if small else 1
        wanted = _step(Model(network, "reference", SAMPLES), steps)
        for mapping in MAPPINGS if small else TEACHING:
            try:
                found = _step(Model(network, KernelBackend(executor, network, mapping), SAMPLES), steps)
            except Exception as error:  # one mapping that fails must not hide the others
                wrong += 1
                row = {"array": None, "difference": None, "ok": False}
                yield {"network": network.name, "mapping": mapping} | row | {"error": f"{error}"[:300]}
                continue
            for name, expected in wanted.items():
                difference = float(np.abs(found[name] - expected).max() / max(np.abs(expected).max(), 1e-6))
                ok = difference <= TOLERANCE  # False for not-a-number too
                wrong += not ok
                row = {"array": name, "difference": difference, "ok": ok, "error": None}
                yield {"network": network.name, "mapping": mapping} | row
    if wrong:
        raise ValueError(f"{wrong} results differ from the reference by more than {TOLERANCE:g}")


def _step(model: Model, steps: int) -> dict[str, np.ndarray]:
    """Output, gradients and running statistics after `steps` passes over a fixed random batch, without an update."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((SAMPLES, *model.network.input_shape), np.float32)
    labels = rng.integers(0, model.network.output_shape[0], SAMPLES)
    output = model.forward(x).copy()
    for _ in range(steps):
        model.gradients_of(x, labels)
    arrays = {**dict(model.gradients.host().items()), **dict(model.state.host().items())}
    return {"output": output} | {name: np.array(values) for name, values in arrays.items()}
