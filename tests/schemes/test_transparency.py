"""Transparency: every synchronous scheme, with every option, gives the weights of one process after three steps.

float64 on the NumPy reference; odd batches and numbers of ranks, fewer samples than ranks, images that are not square.
The reference is written here, on the model alone: no schedule, no interpreter.
"""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from labkit.data import batches, load
from labkit.engine.model import Model
from labkit.engine.optimizers import Momentum
from labkit.network import Network
from labkit.network.build import Builder, chain
from labkit.network.layers import BatchNorm, Conv, Dense, MaxPool
from labkit.network.weightless import Add, Dropout, Flatten, ReLU, Softmax, Tanh
from labkit.run.job import Job
from labkit.run.local import run_on_threads
from labkit.schedule import equal_shares
from labkit.schedule.traffic import traffic
from labkit.schemes import build

STEPS = 3
JOB = Job(steps=STEPS, seed=5, backend="reference", dtype="float64", optimizer=Momentum(lr=0.05, mu=0.9), timeout_s=20)


def plain() -> Network:
    """A small network for images of 9 x 7, whose sizes share no divisor with the numbers of ranks."""
    layers = {
        "conv1": Conv(3, 3),
        "tanh1": Tanh(),
        "pool1": MaxPool(2, 2),
        "flatten": Flatten(),
        "fc1": Dense(11),
        "relu1": ReLU(),
        "drop1": Dropout(0.3),
        "fc2": Dense(10),
        "softmax": Softmax(),
    }
    return chain("plain", (1, 9, 7), layers)


def branched() -> Network:
    """Two branches that meet again, and layers that look at the other samples of the share (BatchNorm)."""
    b = Builder()
    b.add("conv1", Conv(4, 3, padding=1))
    start = b.add("norm1", BatchNorm())
    b.add("conv2", Conv(4, 3, padding=1, bias=False))
    end = b.add("norm2", BatchNorm())
    b.add("sum", Add(), start, end)
    b.add("relu", ReLU())
    b.add("pool", MaxPool(3, 2))
    b.add("flatten", Flatten())
    b.add("fc", Dense(10))
    b.add("softmax", Softmax())
    return b.network("branched", (1, 8, 7))


def reference(network: Network, batch: int, shares: tuple[int, ...] = ()) -> np.ndarray:
    """Weights of one process after STEPS steps; with `shares` it computes these one after the other and adds up."""
    model = Model(network, "reference", batch, JOB.seed, np.float64)
    data = load(JOB.data, network.input_shape, network.output_shape[0], JOB.seed)
    slots = model.slots(JOB.optimizer)
    for step, (x, labels) in zip(range(STEPS), batches(data.train, batch, seed=JOB.seed), strict=False):
        total, first = np.zeros_like(model.gradients.flat), 0
        for samples in shares or (batch,):
            part = slice(first, first + samples)
            if samples:
                model.gradients_of(x[part], labels[part], step=step, first=first)
                total += model.gradients.flat * (samples / batch)
            first += samples
        model.gradients.flat[:] = total
        model.update(JOB.optimizer, slots, step)
    return model.parameters.flat.copy()


PLAIN = plain()
OPTIONS = [
    *[("allreduce", {"algorithm": how, "bucket_bytes": 0}) for how in ("ring", "tree", "doubling", "halving", "mpi")],
    ("allreduce", {"algorithm": "ring", "bucket_bytes": 500}),
    ("allreduce", {"overlap": False}),
    ("allreduce", {"micro_batches": 3, "bucket_bytes": 0}),
    ("allreduce", {"micro_batches": 2, "overlap": False, "algorithm": "halving"}),
    ("master", {}),
    *[("chunked", {"chunks": K}) for K in (1, 4, 16)],
    *[("parameter-server", {"overlap": overlap}) for overlap in (True, False)],
    *[
        ("parameter-server", {"servers": "sharded", "placement": how, "overlap": overlap})
        for how in ("round-robin", "greedy")
        for overlap in (True, False)
    ],
]
NAMES = [f"{name} {' '.join(map(str, options.values()))}" for name, options in OPTIONS]


def assert_transparent(name: str, network: Network, ranks: int, batch: int, options: dict, shares=()) -> None:
    """Weights as the reference's, within round-off, and the traffic that the schedule has."""
    schedule = build(name, network, ranks, batch, **options)
    result = run_on_threads(schedule, JOB)
    np.testing.assert_allclose(result.parameters, reference(network, batch, shares), rtol=0, atol=1e-10)
    assert result.traffic == traffic(schedule).times(STEPS)


@pytest.mark.parametrize("ranks", [2, 3, 5])
@pytest.mark.parametrize(("name", "options"), OPTIONS, ids=NAMES)
def test_synchronous_schemes_give_the_weights_of_one_process(name, options, ranks):
    assert_transparent(name, PLAIN, ranks, 13, options)


@pytest.mark.parametrize(("name", "options"), OPTIONS, ids=NAMES)
def test_fewer_samples_than_ranks(name, options):
    """Some ranks have nothing to compute: they take part all the same, with gradients of zero."""
    assert_transparent(name, PLAIN, 4, 2, options)


@pytest.mark.parametrize(("name", "options"), OPTIONS, ids=NAMES)
def test_layers_that_look_at_their_share_only(name, options):
    """BatchNorm: equal to one process that computes the same shares one after the other."""
    schedule = build(name, branched(), 3, 13, **options)
    shares = tuple(samples for share in schedule.shares for samples in share)
    assert_transparent(name, branched(), 3, 13, options, shares)


def test_a_single_process_is_the_reference():
    assert_transparent("single", PLAIN, 1, 13, {})
    shares = equal_shares(13, 1, 4)[0]
    assert_transparent("single", branched(), 1, 13, {"micro_batches": 4}, shares)


def test_averaging_errors_is_not_sgd():
    """The shortcut of convnet-strategies-mpi runs, and its weights are not those of SGD by far more than round-off."""
    found = run_on_threads(build("error-average", PLAIN, 3, 13), JOB).parameters
    right = reference(PLAIN, 13)
    moved = np.linalg.norm(right - Model(PLAIN, "reference", 13, JOB.seed, np.float64).parameters.flat)
    assert np.linalg.norm(found - right) > 0.1 * moved


@pytest.mark.parametrize("servers", ["1", "sharded"])
@pytest.mark.parametrize("bound", [0, 1])
def test_a_bound_is_kept(servers, bound):
    """Between reading and updating, each other worker adds at most 2 s + 1 updates, although one has the most to do."""
    steps, workers = 8, 3
    schedule = build(
        "parameter-server", PLAIN, workers + (servers == "1"), 13, servers=servers, mode="ssp", bound=bound
    )
    uneven = replace(schedule, shares=(*schedule.shares[:-workers], (1,), (1,), (11,)))
    result = run_on_threads(uneven, replace(JOB, steps=steps))
    assert len(result.staleness) == steps * workers * len(schedule.pieces)
    assert max(s.staleness for s in result.staleness) <= (workers - 1) * (2 * bound + 1)


@pytest.mark.parametrize("servers", ["1", "sharded"])
def test_an_asynchronous_server_updates_at_every_push(servers):
    """No order is promised, so no weights are; but every push is one update, and it all stays finite."""
    schedule = build("parameter-server", PLAIN, 4, 13, servers=servers, mode="async")
    result = run_on_threads(schedule, JOB)
    assert len(result.staleness) == STEPS * len(schedule.workers) * len(schedule.pieces)
    done = {(s.rank, s.step, s.piece) for s in result.staleness}
    assert done == set(product(schedule.workers, range(STEPS), range(len(schedule.pieces))))
    assert all(0 <= s.staleness <= STEPS * len(schedule.workers) for s in result.staleness)
    assert np.isfinite(result.parameters).all() and result.traffic == traffic(schedule).times(STEPS)


def test_one_asynchronous_worker_is_sgd():
    """With a server and one worker nothing can be stale."""
    schedule = build("parameter-server", PLAIN, 2, 13, mode="async")
    result = run_on_threads(schedule, JOB)
    np.testing.assert_allclose(result.parameters, reference(PLAIN, 13), rtol=0, atol=1e-10)
    assert {s.staleness for s in result.staleness} == {0}
