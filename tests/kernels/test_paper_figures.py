"""What the modelled times give of krishna-gupta-nayak's figures 11, 12, 13, 15 and 17, and what they do not.

Not given: on AlexNet* data does not overtake model between 32 and 64 (it comes within a third there and within a tenth
at 128), because labkit's blocks of model work on all samples at once, where the paper's take one after the other: its
line is horizontal, ours falls. And hybrid is not the fastest at every batch: on maps of 3x3 its blocks have work for 9
of 32 threads, and copy a filter for 9 uses. That is the paper's own finding of figure 15, and it weighs more here.
"""

import pytest

from labkit.kernels.experiments import sweeps, training
from labkit.kernels.experiments.sources import Modelled
from labkit.machine import gpus

BATCHES = (1, 8, 32, 64, 128)
K40 = Modelled(gpus.find("k40"))


def epochs(network: str, source: Modelled = K40, batches: tuple[int, ...] = BATCHES) -> dict[str, dict[int, float]]:
    """Mapping -> batch -> seconds per epoch."""
    found: dict[str, dict[int, float]] = {}
    for row in sweeps.batch_sweep(source, [network], batches=batches):
        found.setdefault(row["mapping"], {})[row["batch"]] = row["epoch_s"]
    return found


@pytest.fixture(scope="module")
def alexnet():
    return epochs("alexnet_star")


def test_figure_11_data_falls_sharply_and_then_saturates(alexnet):
    data = alexnet["data"]
    assert data[1] > 6 * data[8] and data[8] > 2 * data[32]
    assert data[64] < 1.3 * data[128]


def test_figure_11_model_is_far_ahead_of_data_at_small_batches_and_not_at_large_ones(alexnet):
    lead = {batch: alexnet["data"][batch] / alexnet["model"][batch] for batch in BATCHES}
    assert lead[1] > 1.4 and lead[8] > 1.3
    assert lead[64] < 1.35 and lead[128] < 1.15


def test_figure_11_hybrid_is_saturated_at_batch_8_and_the_fastest_until_then(alexnet):
    hybrid = alexnet["hybrid"]
    assert hybrid[8] < 1.05 * hybrid[128]
    assert all(hybrid[batch] < min(alexnet["data"][batch], alexnet["model"][batch]) for batch in (1, 8))


def test_figure_12_on_lenet_data_overtakes_model_below_16():
    lenet = epochs("lenet5", batches=(4, 16))
    assert lenet["data"][4] > lenet["model"][4] and lenet["data"][16] < lenet["model"][16]


def test_figure_13_resnet_has_the_trend_of_alexnet():
    resnet = epochs("resnet18_32", batches=(1, 8, 128))
    assert resnet["data"][1] > 6 * resnet["data"][8] > 12 * resnet["data"][128]
    assert resnet["hybrid"][8] < 1.05 * resnet["hybrid"][128]


def test_figure_15_shared_filters_gain_on_large_maps_and_lose_on_small_ones():
    seconds = {
        (row["layer"], row["mapping"]): row["seconds"]
        for row in training.profile(K40, "alexnet_star", batch=64)
        if row["phase"] == "fp" and row["kernel"].startswith("forward")
    }
    for layer in ("conv1", "conv2"):
        assert seconds[layer, "hybrid"] < seconds[layer, "data"]
    for layer in ("conv3", "conv4", "conv5"):
        assert seconds[layer, "hybrid"] > 2 * seconds[layer, "data"]


@pytest.mark.parametrize("key", gpus.TABLE_2)
def test_figure_17_hybrid_saturates_at_a_smaller_batch_than_data(key):
    found = epochs("alexnet_star", Modelled(gpus.find(key)))

    def saturated(mapping: str) -> int:
        """The smallest batch that is within a tenth of the best."""
        best = min(found[mapping].values())
        return next(batch for batch in BATCHES if found[mapping][batch] < 1.1 * best)

    assert saturated("hybrid") <= 8 < saturated("data")


def test_a_larger_gpu_needs_larger_batches_in_data_mapping():
    """Section VII.E.1: the crossing of data and model moves with the number of multiprocessors."""
    lead = {}
    for key in ("k40", "h200"):
        found = epochs("lenet5", Modelled(gpus.find(key)), (16,))
        lead[key] = found["data"][16] / found["hybrid"][16]
    assert lead["k40"] < 1 < lead["h200"]
