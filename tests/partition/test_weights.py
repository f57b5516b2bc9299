"""Work models: what they count, what they measure, and what they refuse."""

from importlib import import_module

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.machine.origin import MEASURED_HERE, MODELLED
from labkit.network import Add, Builder, Concat, Conv, Dense, Flatten, ReLU, Subsample, activation_bytes, chain, zoo
from labkit.partition import Weights, flops, tasks_of
from labkit.partition.weights import ESEROL, MODELS, eserol, layer_work, mix, profile, weights_named

profiler = import_module("labkit.partition.profile")  # the package has a function of that name
LENET = tasks_of(zoo.get("lenet5"))
VGG = tasks_of(zoo.get("vgg16"))


def small():
    b = Builder()
    stem = b.add("stem", Conv(4, 3, padding=1))
    a = b.add("a", Conv(4, 3, padding=1), stem)
    b.add("add", Add(), a, stem)
    c = b.add("relu", ReLU())
    d = b.add("d", Conv(12, 1), c)
    b.add("cat", Concat(), c, d)
    b.add("act", ReLU())
    b.add("flatten", Flatten())
    b.add("fc", Dense(3))
    return b.network("small", (2, 6, 6))


@pytest.fixture
def a_clock_that_counts(monkeypatch):
    """Every look at the clock is one second later, so each phase of each layer takes exactly one second."""
    ticks = iter(range(10**6))
    monkeypatch.setattr(profiler, "perf_counter", lambda: next(ticks))


def test_profile_counts_every_phase_to_the_layer_that_does_it(a_clock_that_counts):
    """With one second per phase: FP of each node, BP where the gradient is needed, KU where there are weights."""
    found = profile(tasks_of(small()), batch=2)
    stem = 1 + 1  # FP and KU; nobody needs its BP
    a = 3 + 2 + 2  # its own three phases; the addition and the activation, FP and BP, are done by its owners
    joined = 2 + 2  # FP and BP of the concatenation and of the activation after it: 4 maps of a's and 12 of d's
    flat = 2  # so is flattening
    share = np.array([0, 0, 4, 12, 0]) / 16
    expected = np.array([0, stem, a, 3, 3]) + share * (joined + flat)
    assert found.work.tolist() == (expected / 2).tolist(), "per sample of a batch of 2"
    assert (found.name, found.origin) == ("profile", MEASURED_HERE)
    assert found.unit == "seconds per sample of FP, BP and KU in batches of 2"


def test_profile_is_the_median_of_the_repetitions(monkeypatch):
    rows = [{"conv1": t, "pool1": 1.0} for t in (5.0, 90.0, 7.0)]
    monkeypatch.setattr(profiler, "_steps", lambda *given: rows)
    found = profiler.layer_seconds(LENET, batch=1)
    assert found.tolist() == [0, 8, 0, 0, 0, 0]


def test_profile_measures_something_in_every_layer_and_reports_progress():
    seen = []
    found = weights_named("profile", LENET, lambda done, what: seen.append((done, what)), repeats=3)
    assert found.work[0] == 0 and (found.work[1:] > 0).all()
    assert [done for done, _ in seen] == [0.25, 0.5, 0.75, 1.0]
    assert all("lenet5" in what for _, what in seen)


def test_profile_can_be_stopped():
    class Stop(Exception):
        pass

    def progress(done, what):
        raise Stop

    with pytest.raises(Stop):
        profile(LENET, progress=progress)


@pytest.mark.parametrize("name", zoo.names())
def test_batch_of_the_profile_keeps_activations_small(name):
    network = zoo.get(name)
    batch = profiler.profile_batch(network)
    assert 1 <= batch <= 32
    assert activation_bytes(network, batch) <= 256 * 2**20
    assert batch == 32 or activation_bytes(network, batch + 1) > 256 * 2**20


def test_mix_is_the_geometric_mean_of_the_shares(monkeypatch):
    monkeypatch.setattr("labkit.partition.weights.layer_seconds", lambda *given: np.array([0, 3.0, 1, 2, 2, 8]))
    found = mix(LENET)
    time = np.array([0, 3, 1, 2, 2, 8]) / 16
    operations = flops(LENET).work / flops(LENET).total
    mean = np.sqrt(time * operations)
    assert found.work == pytest.approx(mean / mean.sum())
    assert found.total == pytest.approx(1)
    assert (found.name, found.origin) == ("mix", MEASURED_HERE)


def test_weights_by_name():
    assert weights_named("flops", LENET).work.tolist() == [layer.macs for layer in LENET.layers]
    assert weights_named("flops", LENET).origin == MODELLED
    assert tuple(MODELS) == ("flops", "profile", "mix", "eserol")


def test_operations_of_what_follows_a_filter_count_to_its_layer():
    """Subsampling multiplies too: 28 x 28 values of each of six maps, and 10 x 10 of each of sixteen."""
    network = zoo.get("lenet5_1998")
    tasks = tasks_of(network)
    work = dict(zip(tasks.names, flops(tasks).work.tolist(), strict=True))
    assert sum(work.values()) == network.macs
    macs = dict(zip(tasks.names, (layer.macs for layer in tasks.layers), strict=True))
    more = {name: work[name] - macs[name] for name in work if work[name] != macs[name]}
    assert list(more.values()) == [6 * 28 * 28, 16 * 10 * 10] and list(more) == list(tasks.names[1:3])


def test_the_input_has_no_work():
    tasks = tasks_of(chain("early", (2, 4, 4), {"sub": Subsample(2), "flatten": Flatten(), "fc": Dense(3)}))
    assert flops(tasks).work.tolist() == [0, 3 * 8]


def test_a_network_without_anything_to_divide():
    with pytest.raises(LabError, match="only has no layer with filters or neurons to divide"):
        flops(tasks_of(chain("only", (2, 4, 4), {"relu": ReLU(), "flatten": Flatten()})))


def test_eserol_weights_are_inferred_and_say_so():
    found = eserol(VGG)
    assert found.work.tolist() == [0, *ESEROL]
    assert found.total == pytest.approx(43_021, rel=1e-4)
    assert found.origin == "inferred from tables 5.5-5.8 of eserol-2019"


@pytest.mark.parametrize(
    "network",
    [zoo.get("lenet5"), zoo.get("vgg16", input_shape=(3, 64, 64)), zoo.get("vgg16", classes=10)],
    ids=["lenet5", "vgg16 at 64 x 64", "vgg16 in 10 classes"],
)
def test_eserol_weights_are_for_vgg16_only(network):
    with pytest.raises(LabError, match=r"'eserol' for .*VGG16 at 224 x 224.*take weights 'flops'"):
        eserol(tasks_of(network))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: weights_named("flop", LENET), "unknown weights 'flop'.*'flops'"),
        (lambda: weights_named("flops", LENET, batch=3), "'flops' with batch"),
        (lambda: weights_named("profile", LENET, batch=0), "batch=0"),
        (lambda: weights_named("mix", LENET, repeats=0), "repeats=0"),
        (lambda: profile(LENET, threads=0), "threads=0"),
        (lambda: layer_work(LENET, flops(VGG)), "'flops' are for 17 layers, lenet5 has 6"),
        (lambda: Weights("mine", np.array([0, -1]), "", ""), "numbers >= 0"),
        (lambda: Weights("mine", np.zeros(3), "", ""), "not all 0"),
    ],
)
def test_errors(call, message):
    with pytest.raises(LabError, match=message):
        call()
