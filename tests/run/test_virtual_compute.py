"""Computing that is slept through: the same messages with the same bits, on a clock; and what cannot be had with it."""

import json
import threading

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.machine.links import Link
from labkit.machine.origin import SLEPT
from labkit.network import Dense, Flatten, Softmax, chain, zoo
from labkit.run.job import Job
from labkit.run.job_file import from_document, to_document
from labkit.run.local import run_on_threads
from labkit.run.mpi import library as mpi_library
from labkit.run.mpi.run import run_on_mpi
from labkit.run.rank import virtual
from labkit.run.rank.hooks import Hooks
from labkit.run.rank.virtual import Sleeper, SleptOptimizer
from labkit.schedule.costs import Compute, LayerSeconds, Seconds, flops_costs
from labkit.schedule.traffic import traffic
from labkit.schemes import build

NETWORK = zoo.get("lenet5")
FAST = flops_costs(NETWORK, 1e12)
SLOW = Link("slow", 2e-4, 2e8, emulated=True)
STEPS = 3
EIGHT = [
    ("allreduce", {"algorithm": "ring"}),
    ("allreduce", {"algorithm": "halving", "bucket_bytes": 0}),
    ("master", {}),
    ("chunked", {"chunks": 5}),
    ("parameter-server", {"mode": "async"}),
    ("parameter-server", {"mode": "ssp", "bound": 1, "servers": "sharded"}),
]


def job(**more):
    return Job(**{"steps": STEPS, "link": SLOW, "compute": FAST, "backend": "reference", "timeout_s": 20.0, **more})


@pytest.mark.parametrize(("name", "options"), EIGHT, ids=lambda value: value if isinstance(value, str) else "")
def test_eight_ranks_send_what_the_schedule_says_and_learn_nothing(name, options):
    schedule = build(name, NETWORK, 8, 20, **options)
    result = run_on_threads(schedule, job())
    assert result.traffic == traffic(schedule).times(STEPS)
    assert (result.timeline.regime, result.timeline.origin, result.timeline.oversubscribed) == (
        "simulated",
        SLEPT,
        False,
    )
    assert result.losses == () and result.steps == STEPS
    one = run_on_threads(build("single", NETWORK, 1, 20), job(steps=1))
    assert np.array_equal(result.parameters, one.parameters)
    updates = 7 * 10 if options.get("mode") == "async" else 8 * 10 if options.get("mode") == "ssp" else 0
    assert len(result.staleness) == updates * STEPS


TWO_WEIGHTS = chain("two weights", (1, 1, 1), {"flat": Flatten(), "dense": Dense(2, bias=False), "soft": Softmax()})


@pytest.mark.parametrize("network", [NETWORK, TWO_WEIGHTS], ids=lambda network: network.name)
@pytest.mark.parametrize("algorithm", ["ring", "tree", "doubling", "halving"])
def test_what_is_summed_is_what_was_there_bit_by_bit(algorithm, network):
    """Whole numbers as gradients: the sum of five ranks' is exact in whatever order it is taken. Two weights are fewer
    than there are ranks, so that some have nothing to send.
    """
    schedule = build("allreduce", network, 5, 10, algorithm=algorithm)
    given = [np.random.default_rng(rank).integers(0, 1000, network.parameters) for rank in range(5)]
    found = {}

    def hooks(rank: int) -> Hooks:
        def prepare(state) -> int:
            state.model.gradients.flat[:] = given[rank]
            return 0

        def at_step_end(step, state) -> None:
            state.settle()
            found[rank] = state.model.gradients.flat.copy()

        return Hooks(prepare=prepare, at_step_end=at_step_end)

    run_on_threads(schedule, job(steps=1, compute=flops_costs(network, 1e12)), hooks=hooks)
    assert all(np.array_equal(found[rank], sum(given)) for rank in range(5))


def test_samples_are_not_needed():
    result = run_on_threads(build("master", NETWORK, 2, 4), job(data="no such data"))
    assert result.steps == STEPS


class Bench:
    """A clock that moves only in sleeps, and oversleeps `late_ns` each time; a network with a lane's time."""

    def __init__(self, monkeypatch, late_ns=0):
        self.now, self.late_ns, self.behind, self.checks = 10**12, late_ns, 0, 0
        monkeypatch.setattr(virtual, "now_ns", lambda: self.now)
        monkeypatch.setattr(virtual, "sleep_until", self.sleep_until)

    def sleep_until(self, due_ns):
        self.now = due_ns + self.late_ns

    def punctual_ns(self):
        return self.now - self.behind

    def go_on_from(self, due_ns):
        self.behind = self.now - due_ns

    def check(self):
        self.checks += 1


def test_being_woken_late_does_not_add_up(monkeypatch):
    """100 times 3 ms, each woken 0.1 ms late: 300 ms, and 0.1 once."""
    bench = Bench(monkeypatch, late_ns=100_000)
    sleep, start = Sleeper(bench, bench.check), bench.now
    for _ in range(100):
        sleep(3e-3)
    assert bench.now - start == 300_000_000 + 100_000
    assert bench.checks == 100


def test_a_long_sleep_can_be_ended(monkeypatch):
    bench = Bench(monkeypatch)
    Sleeper(bench, bench.check)(10.0)
    assert bench.checks == 500


def test_a_server_sleeps_for_each_weight_and_changes_none():
    slept, weights = [], np.ones(500, np.float32)
    optimizer = SleptOptimizer(1e-6, slept.append)
    assert optimizer.start(weights) == ()
    optimizer.update(weights, weights, (), 0)
    assert slept == [pytest.approx(5e-4)] and (weights == 1).all()


def test_every_instruction_sleeps_for_what_the_model_says(monkeypatch):
    """F, B, U of one rank: 2 s and 1 ms for each of 5 samples; 3 s; 1 us for each weight. A slowed rank: 7 s more."""
    slept = []
    monkeypatch.setattr(virtual.Sleeper, "__call__", lambda self, seconds: slept.append(seconds))
    layer = LayerSeconds(Seconds(2.0, 1e-3), Seconds(1.0), Seconds(2.0))
    compute = Compute((layer, *(LayerSeconds(),) * (len(NETWORK) - 1)), update_s_per_value=1e-6)
    run_on_threads(build("single", NETWORK, 1, 5), job(compute=compute, steps=1, slowed_s=(7.0,)))
    assert slept == pytest.approx([2.005 + 7.0, 3.0, 1e-6 * NETWORK.parameters])


def test_stop_ends_a_rank_that_sleeps():
    stop = threading.Event()
    forever = Compute((LayerSeconds(Seconds(1e6)),) * len(NETWORK))
    threading.Timer(0.2, stop.set).start()
    with pytest.raises(LabError, match="was stopped"):
        run_on_threads(build("single", NETWORK, 1, 5), job(compute=forever), stop=stop)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"link": None}, "emulated link"),
        ({"checkpoint_folder": "here", "checkpoint_every": 1}, "no checkpoint folder"),
    ],
)
def test_refusals(more, said):
    with pytest.raises(LabError, match=said):
        job(**more)


def test_a_model_of_another_network_is_refused():
    with pytest.raises(LabError, match="layers for 'lenet5'"):
        run_on_threads(build("master", NETWORK, 2, 4), job(compute=flops_costs(zoo.get("mlp"), 1e12)))


def test_a_network_that_is_not_emulated_is_refused():
    with pytest.raises(LabError, match="slept through over threads"):
        run_on_threads(build("master", NETWORK, 2, 4), job(), wrap=lambda communicator: communicator)


def test_a_job_is_the_same_after_a_file():
    schedule, given = build("master", NETWORK, 2, 4), job(slowed_s=(1.0, 2.0))
    back, again = from_document(json.loads(json.dumps(to_document(schedule, given))))
    assert (back, again) == (schedule, given)


def test_processes_sleep_too(require):
    try:
        mpi_library.launcher()
    except LabError as error:
        require(False, str(error))
    schedule, done, losses = build("parameter-server", NETWORK, 4, 6, mode="async"), [], []
    result = run_on_mpi(
        schedule, job(), progress=lambda *how: done.append(how), on_loss=lambda *how: losses.append(how)
    )
    assert result.traffic == traffic(schedule).times(STEPS) and result.timeline.regime == "simulated"
    assert losses == [] and done[-1] == (1.0, "step 3 of 3")


@pytest.mark.parametrize(("cores", "told"), [(1, True), (2, False)])
def test_ranks_that_share_busy_cores_say_so(monkeypatch, cores, told):
    """Only where the network alone should have kept them waiting."""
    monkeypatch.setattr("labkit.run.rank.result.usable_cores", lambda: cores)
    monkeypatch.setattr("labkit.run.rank.result.cpu_share", lambda uses, cores: 0.9)
    result = run_on_threads(build("master", NETWORK, 2, 4), job(steps=1))
    assert result.cpu_share == 0.9
    assert [("90%" in remark) for remark in result.remarks] == [True] * told


def test_processors_time_is_that_of_the_steps():
    result = run_on_threads(build("master", NETWORK, 2, 4), job(steps=1))
    assert result.cpu_share > 0
