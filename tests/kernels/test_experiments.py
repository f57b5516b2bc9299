"""The experiments as tables: their rows with times that a made-up source gives, and with those of the model."""

import doctest
from itertools import islice
from math import ceil

import pytest

from labkit.errors import LabError
from labkit.kernels.experiments import sweeps, training
from labkit.kernels.experiments.launches import explain_layer
from labkit.kernels.experiments.load_counts import loads
from labkit.kernels.experiments.sources import Measured, Modelled, Part, conv_launch, phase_of, rehearse
from labkit.kernels.launch import TEACHING, Launch
from labkit.machine import gpus
from labkit.network import load, training_bytes

K40, H200 = gpus.find("k40"), gpus.find("h200")
COMMON = {"network", "layer", "mapping", "batch", "device", "origin"}


class Clock:
    """A source on which a sample takes a second in data mapping, half of one in the others."""

    device, origin = "a clock", "made up"

    def forward(self, sizes, mapping, threads=None):
        return sizes.N * (1.0 if mapping == "data" else 0.5) * (2 if threads else 1)

    def step(self, network, batch, mapping):
        seconds = batch * (1.0 if mapping == "data" else 0.5)
        return {"fp": seconds / 4, "bp": seconds / 4, "ku": seconds / 2, "step": seconds}

    def parts(self, network, batch, mapping):
        launch = Launch((1, 1, 1), 32, layer="conv1")
        kernels = ("forward", "fill", "backward_weights", "backward_weights")
        return [Part("conv1", phase_of(kernel), kernel, launch, 0.5) for kernel in kernels]


def test_a_sweep_is_steps_of_an_epoch_times_seconds_of_a_step():
    rows = list(sweeps.batch_sweep(Clock(), ["lenet5", "resnet18_32"], ["data", "hybrid"], [7, 64]))
    assert len(rows) == 8 and all(row.keys() >= COMMON for row in rows)
    first, last = rows[0], rows[-1]
    assert (first["network"], first["mapping"], first["batch"], first["origin"]) == ("lenet5", "data", 7, "made up")
    assert first["steps"] == ceil(60_000 / 7) and first["epoch_s"] == first["steps"] * 7.0
    assert last["steps"] == ceil(50_000 / 64) and last["step_s"] == 32.0
    assert first["fp_s"] + first["bp_s"] + first["ku_s"] == first["step_s"]


def test_an_experiment_can_be_stopped_after_any_row():
    asked = []

    class Counting(Clock):
        def step(self, network, batch, mapping):
            asked.append(batch)
            return super().step(network, batch, mapping)

    assert len(list(islice(sweeps.batch_sweep(Counting()), 2))) == 2 and len(asked) == 2


def test_forward_against_batch_and_channels():
    rows = list(sweeps.forward_vs_batch([Clock(), Clock()], batches=[1, 3]))
    assert [row["seconds"] for row in rows] == [1.0, 3.0, 1.0, 3.0] and rows[0].keys() >= COMMON
    rows = list(sweeps.forward_vs_channels([Clock()], channels=[1, 5], batch=4))
    assert [(row["K"], row["seconds"]) for row in rows] == [(1, 2.0), (5, 2.0)]


def test_reuse_is_counted_in_pixels_of_the_output():
    rows = list(sweeps.image_size(Clock(), "alexnet_star", "conv1", ["hybrid"], [32, 224], batch=2))
    assert [(row["H"], row["reuse"], row["per_sample_s"]) for row in rows] == [(32, 1024, 0.5), (224, 224**2, 0.5)]


def test_profile_adds_up_the_launches_of_a_kernel():
    rows = list(training.profile(Clock(), "lenet5", ["model"], batch=60))
    assert [(r["phase"], r["kernel"], r["launches"], r["seconds"]) for r in rows] == [
        ("fp", "forward", 1, 0.5),
        ("fp", "fill", 1, 0.5),
        ("ku", "backward_weights", 2, 1.0),
    ]
    assert rows[2]["epoch_s"] == 1000.0


def test_loads_are_exact_and_sectors_are_left_out_where_a_block_is_large():
    rows = {(r["mapping"], r["level"]): r["loads"] for r in loads("lenet5", "conv1", batch=2, most_traced=130_000)}
    taps, outputs, filters = 2 * 6 * 25 * 784, 2 * 6 * 784, 6 * 25
    assert rows["data", "global"] == 2 * taps + outputs and rows["data", "shared"] == 0
    assert rows["model", "global"] == taps + filters + outputs and rows["model", "shared"] == taps
    assert rows["hybrid", "global"] == taps + 2 * filters + outputs
    assert {r["level"] for r in loads("lenet5", "conv1", batch=2, phase="ku")} == {"global", "shared"}
    assert ("data", "sectors") not in rows and rows["hybrid", "sectors"] < rows["hybrid", "global"] / 4


def test_footprint_is_that_of_the_sizes_and_grows_with_the_batch():
    rows = list(training.footprint(["lenet5"], [1, 100]))
    network = load("lenet5")
    for row in rows:
        assert row["total_bytes"] == sum(training_bytes(network, row["batch"], 1).values())
    assert rows[0]["weights_bytes"] == rows[1]["weights_bytes"] == 4 * network.parameters
    assert rows[1]["activations_bytes"] == 100 * rows[0]["activations_bytes"]


def test_table_3_is_claimed_and_hybrid_takes_least():
    rows = training.claimed_energy()
    assert len(rows) == 9 and {row["origin"] for row in rows} == {"claimed"}
    for network in {row["network"] for row in rows}:
        found = {row["mapping"]: row["epoch_J"] for row in rows if row["network"] == network}
        assert found["hybrid"] < found["data"] < found["model"]


@pytest.mark.parametrize("mapping", TEACHING)
def test_a_step_is_rehearsed_without_running(mapping):
    network = load("lenet5")
    started = rehearse(network, 8, mapping)
    layers = [node.name for node in network.nodes if node.layer.weights(*network.input_shapes(node))]
    for layer in layers:
        phases = {phase_of(s.kernel.__name__) for s in started if s.launch.layer == layer}
        assert phases >= ({"fp", "ku"} if layer == "conv1" else {"fp", "bp", "ku"}), layer
    blocks = {
        s.launch.blocks for s in started if s.launch.layer == "conv2" and s.kernel.__name__ == f"forward_{mapping}"
    }
    assert blocks == {{"data": 8, "model": 16, "hybrid": 128}[mapping]}
    again = rehearse(network, 8, mapping)
    assert [(s.kernel, s.launch) for s in again] == [(s.kernel, s.launch) for s in started]


@pytest.mark.parametrize("gpu", gpus.TABLE_2)
def test_every_step_has_a_modelled_time(gpu):
    source = Modelled(gpus.find(gpu))
    for mapping in TEACHING:
        seconds = source.step(load("lenet5"), 16, mapping)
        assert seconds["step"] == pytest.approx(seconds["fp"] + seconds["bp"] + seconds["ku"])
        assert min(seconds.values()) > 1e-5
    assert source.origin == "modelled" and source.device == gpus.find(gpu).name


def test_a_convolution_is_measured_here(on):
    source = Measured(on, budget_s=0.02)
    assert (source.origin == "measured here" and on.name in source.device) or source.device
    for mapping in TEACHING:
        row = next(sweeps.forward_vs_batch([source], "lenet5", "conv1", mapping, [2]))
        assert 0 < row["seconds"] < 60 and row["origin"] == "measured here"


def test_a_step_is_measured_here_phase_by_phase(on):
    source = Measured(on, budget_s=0.02)
    row = next(sweeps.batch_sweep(source, ["lenet5"], ["hybrid"], [2]))
    assert row["steps"] == 30_000 and min(row["fp_s"], row["bp_s"], row["ku_s"]) > 0
    assert row["step_s"] >= row["fp_s"]
    kernels = {part["kernel"] for part in training.profile(source, "lenet5", ["hybrid"], batch=2)}
    assert {"forward_hybrid", "backward_data_hybrid", "backward_weights_hybrid"} <= kernels


def test_a_layer_is_explained_for_a_gpu_that_is_not_here():
    found = explain_layer("lenet5", "conv1", "model", 64, H200)
    assert (found.blocks, found.busy_sms, found.kernel) == (6, 6, "conv.forward.forward_model")
    assert "126 of its 132 SMs" in str(found)
    assert explain_layer("lenet5", None, "data", 8, K40).layer == "conv1"
    assert explain_layer("lenet5", "conv2", "hybrid", 8, K40, "bp").grid == (8, 6, 1)
    assert explain_layer("lenet5", "conv2", "hybrid", 8, K40, "ku").grid == (8, 16, 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("lenet5", "conv9", "data", 8, H200), "no layer 'conv9'"),
        (("lenet5", "conv1", "date", 8, H200), "did you mean 'data'"),
        (("lenet5", "conv1", "data", 8, H200, "pf"), "unknown phase 'pf'"),
        (("lenet5", "conv1", "data", 8, H200, "bp"), "'conv1' of 'lenet5' does nothing in phase 'bp' — it has: fp, ku"),
    ],
)
def test_what_cannot_be_explained_is_refused(arguments, words):
    with pytest.raises(LabError, match=words):
        explain_layer(*arguments)


def test_a_layer_that_is_no_convolution_is_refused():
    with pytest.raises(LabError, match="'fc1' is no convolution of 'lenet5' — "):
        sweeps.conv_of(load("lenet5"), "fc1")
    with pytest.raises(LabError, match="take a network that has one"):
        sweeps.conv_of(load("mlp"), "fc1")


def test_the_example_of_the_package_is_right():
    import labkit.kernels.experiments

    assert doctest.testmod(labkit.kernels.experiments) == (0, 3)


def test_blocks_may_be_given():
    from labkit.kernels.sizes import ConvSizes

    conv, shape = sweeps.conv_of(load("alexnet_star"), "conv2")
    sizes = ConvSizes.of(conv, shape, 4)
    assert conv_launch(sizes, "data").block == 256 and conv_launch(sizes, "data", 512).block == 512
