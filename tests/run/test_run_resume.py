"""A run that goes on from a checkpoint gives what one gives that was never interrupted."""

import time
from dataclasses import replace

import numpy as np
import pytest

from labkit.engine.optimizers import Adam, Momentum
from labkit.errors import LabError
from labkit.network import BatchNorm, Conv, Dense, Flatten, ReLU, Softmax, zoo
from labkit.network.build import chain
from labkit.run.checkpoint import files as checkpoints
from labkit.run.checkpoint import resume
from labkit.run.checkpoint.shards import gather
from labkit.run.job import Job
from labkit.run.local import run_on_threads
from labkit.run.rank.hooks import Hooks
from labkit.schemes.registry import build

NETWORK = zoo.get("mlp", (1, 8, 8))
NORMED = chain(
    "normed",
    (1, 8, 8),
    {"conv": Conv(3, 3), "norm": BatchNorm(), "relu": ReLU(), "flat": Flatten(), "fc": Dense(10), "softmax": Softmax()},
)
BATCH = 7  # which no number of ranks here divides
SYNC = [
    ("single", 1, {}),
    ("allreduce", 2, {"algorithm": "ring"}),
    ("allreduce", 3, {"algorithm": "halving"}),
    ("master", 3, {}),
    ("chunked", 3, {"chunks": 4}),
    ("parameter-server", 3, {"servers": 1, "mode": "sync"}),
    ("parameter-server", 2, {"servers": "sharded", "mode": "sync"}),
]
ASYNC = [
    ("parameter-server", 3, {"servers": 1, "mode": "async"}),
    ("parameter-server", 3, {"servers": "sharded", "mode": "ssp", "bound": 1}),
]


def make(name: str, ranks: int, options: dict, network=NETWORK, batch: int = BATCH):
    return build(name, network, ranks, batch, **options)


def job(folder=None, steps: int = 6, every: int = 0, **more) -> Job:
    more = {"optimizer": Adam(lr=0.003), "timeout_s": 20.0, "record": False} | more
    return Job(steps=steps, checkpoint_folder=folder, checkpoint_every=every, **more)


@pytest.mark.parametrize(("name", "ranks", "options"), SYNC)
def test_a_synchronous_run_goes_on_bit_for_bit(tmp_path, name, ranks, options):
    schedule = make(name, ranks, options)
    whole = run_on_threads(schedule, job())
    run_on_threads(schedule, job(tmp_path, steps=4, every=2))
    assert checkpoints.complete(tmp_path) == (4, 2)
    again = run_on_threads(schedule, job(tmp_path, resume=True))
    np.testing.assert_array_equal(again.parameters, whole.parameters)
    assert again.losses == whole.losses[4:]


@pytest.mark.parametrize(("name", "ranks", "options"), SYNC)
def test_with_other_ranks_or_another_scheme_within_rounding(tmp_path, name, ranks, options):
    whole = run_on_threads(make("single", 1, {}), job(dtype="float64", backend="reference"))
    made = make("allreduce", 3, {"algorithm": "ring"})
    run_on_threads(made, job(tmp_path, steps=3, every=3, dtype="float64", backend="reference"))
    again = run_on_threads(make(name, ranks, options), job(tmp_path, resume=True, dtype="float64", backend="reference"))
    np.testing.assert_allclose(again.parameters, whole.parameters, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("name", "ranks", "options"), ASYNC)
def test_an_asynchronous_server_loses_no_gradient(tmp_path, name, ranks, options):
    schedule = make(name, ranks, options)
    workers = len(schedule.workers)
    done = run_on_threads(schedule, job(tmp_path, steps=4, every=4))
    found = checkpoints.restore(tmp_path)
    whole = gather(found, NETWORK.parameters, Adam.slots)
    np.testing.assert_array_equal(whole.weights, done.parameters)
    assert (whole.updates == 4 * workers).all()
    again = run_on_threads(schedule, job(tmp_path, steps=5, resume=True))
    assert {s.version for s in again.staleness if s.step == 4} == {4 * workers}, "all begin with the servers' weights"
    assert all(np.isfinite(again.losses)) and len(again.losses) == 1


def test_a_server_waits_for_a_checkpoint_as_long_as_its_steps_take(tmp_path):
    schedule = make("parameter-server", 2, {"servers": 1, "mode": "async"})

    def slow(rank: int) -> Hooks:
        return Hooks(at_step_end=lambda step, state: time.sleep(0.05 if rank else 0))

    settings = {"steps": 20, "every": 20, "timeout_s": 0.5}
    run_on_threads(schedule, job(tmp_path, **settings), hooks=slow)
    assert checkpoints.latest(tmp_path) == 20


def test_momentum_is_kept(tmp_path):
    schedule = make("allreduce", 2, {})
    settings = {"optimizer": Momentum(lr=0.05)}
    whole = run_on_threads(schedule, job(steps=4, **settings))
    run_on_threads(schedule, job(tmp_path, steps=2, every=2, **settings))
    again = run_on_threads(schedule, job(tmp_path, steps=4, resume=True, **settings))
    np.testing.assert_array_equal(again.parameters, whole.parameters)


class PowerCut(Exception):
    """Everything ends here."""


@pytest.mark.parametrize("write", range(1, 9))
def test_a_run_that_ends_while_it_writes_a_checkpoint_goes_on_exactly(tmp_path, monkeypatch, write):
    """Of two ranks and four checkpoints, the write with this number never happens, and nothing after it."""
    schedule = make("allreduce", 2, {})
    whole = run_on_threads(schedule, job())
    count, appear = 0, checkpoints.checkpoint.appear

    def cut(path, save):
        nonlocal count
        count += 1
        if count >= write:
            raise PowerCut
        return appear(path, save)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.checkpoint, "appear", cut)
        patch.setattr(checkpoints, "appear", cut)
        with pytest.raises(PowerCut):
            run_on_threads(schedule, job(tmp_path, every=2))
    if checkpoints.latest(tmp_path) is None:
        assert write <= 3, "two shards and a manifest make the first one"
        with pytest.raises(LabError, match="no complete checkpoint"):
            run_on_threads(schedule, job(tmp_path, resume=True))
        return
    again = run_on_threads(schedule, job(tmp_path, resume=True))
    np.testing.assert_array_equal(again.parameters, whole.parameters)


def test_a_damaged_newest_checkpoint_is_said_and_the_one_before_is_used(tmp_path):
    schedule = make("allreduce", 2, {})
    whole = run_on_threads(schedule, job())
    run_on_threads(schedule, job(tmp_path, steps=4, every=2))
    (tmp_path / "step-00000004" / "shard-0001.safetensors").unlink()
    with pytest.warns(UserWarning, match="checkpoint of step 4 cannot be used.*shard-0001.*going on from step 2"):
        again = run_on_threads(schedule, job(tmp_path, resume=True))
    np.testing.assert_array_equal(again.parameters, whole.parameters)
    assert len(again.losses) == 4


def test_what_another_run_has_written_is_refused(tmp_path):
    schedule = make("allreduce", 2, {})
    run_on_threads(schedule, job(tmp_path, steps=2, every=2))
    for changed, named in (
        ({"seed": 1}, "seed is 0 there and 1 now"),
        ({"optimizer": Momentum()}, "optimizer is .*adam.* there and .*momentum"),
    ):
        with pytest.raises(LabError, match=named):
            run_on_threads(schedule, job(tmp_path, resume=True, **changed))
    with pytest.raises(LabError, match="batch is 7 there and 8 now"):
        run_on_threads(make("allreduce", 2, {}, batch=8), job(tmp_path, resume=True))
    with pytest.raises(LabError, match=r"network is 'mlp' .* there and 'normed'"):
        run_on_threads(make("allreduce", 2, {}, NORMED), job(tmp_path, resume=True))
    with pytest.raises(LabError, match=r"checkpoint in .* is of step 2, and the run has 2 steps"):
        run_on_threads(schedule, job(tmp_path, steps=2, resume=True))
    with pytest.raises(LabError, match="holds a checkpoint of step 2 of another run — go on from it with resume"):
        run_on_threads(schedule, job(tmp_path, every=2))


def test_running_statistics_are_kept(tmp_path):
    schedule = make("allreduce", 2, {}, NORMED)
    settings = {"optimizer": Momentum(lr=0.01)}
    whole = run_on_threads(schedule, job(steps=2, **settings))
    run_on_threads(schedule, job(tmp_path, steps=1, every=1, **settings))
    again = run_on_threads(schedule, job(tmp_path, steps=2, resume=True, **settings))
    np.testing.assert_array_equal(again.parameters, whole.parameters)
    np.testing.assert_array_equal(again.state, whole.state)
    alone = run_on_threads(make("single", 1, {}, NORMED), job(tmp_path, steps=2, resume=True, **settings))
    assert alone.state.shape == whole.state.shape and not np.array_equal(alone.state, whole.state)


def test_identity_is_the_course_of_training_not_how_it_is_run():
    a = resume.identity(make("allreduce", 2, {}), job())
    b = resume.identity(make("master", 3, {}), replace(job(), threads=2, steps=9, backend="reference"))
    assert a == b


@pytest.mark.parametrize("scheme", ["master", "allreduce"])
def test_statistics_of_ranks_that_update_nothing_are_kept(tmp_path, scheme):
    schedule = make(scheme, 2, {}, NORMED)
    whole = run_on_threads(schedule, job())
    run_on_threads(schedule, job(tmp_path, steps=4, every=4))
    again = run_on_threads(schedule, job(tmp_path, resume=True))
    np.testing.assert_array_equal(again.parameters, whole.parameters)
    np.testing.assert_array_equal(again.state, whole.state)
