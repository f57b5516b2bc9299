"""The paper's experiments on this machine: the tables of `labkit.kernels.experiments`, in sizes that fit the time."""

from collections.abc import Iterator

from labkit.kernels.executors import Executor
from labkit.kernels.experiments import sweeps, training
from labkit.kernels.experiments.meter import counter
from labkit.kernels.experiments.sources import Measured

QUICK_BATCHES = (1, 4)
# Around multiples of the 132 multiprocessors of an H100 or H200, where steps are to be expected.
FINE_BATCHES = (1, 2, 8, 16, 32, 64, 96, 128, 131, 132, 133, 160, 200, 256, 263, 264, 265, 320, 396, 397, 512, 528, 529)
CHANNELS = (1, 4, 16, 32, 64, 96, 128, 132, 133, 160, 192, 224, 256, 264, 265, 320, 384, 396, 397, 448, 512, 528, 529)


def batch_sweep(executor: Executor, quick: bool) -> Iterator[dict]:
    """Figures 11-13; LeNet-5 first, because it is the quickest, and the mappings side by side."""
    networks = ("lenet5",) if quick else sweeps.NETWORKS
    source = Measured(executor, budget_s=0.1 if quick else 0.25)
    return sweeps.batch_sweep(source, networks, batches=QUICK_BATCHES if quick else sweeps.BATCHES)


def forward_vs_batch(executor: Executor, quick: bool) -> Iterator[dict]:
    """Figure 18 on this machine: labkit's own blocks, then blocks of 512 threads, of which one fills an SM."""
    source = Measured(executor, budget_s=0.05)
    small = {"network": "lenet5", "layer": "conv1", "batches": QUICK_BATCHES} if quick else {"batches": FINE_BATCHES}
    for threads in (None, 512):
        yield from sweeps.forward_vs_batch([source], **small, threads=threads)


def forward_vs_channels(executor: Executor, quick: bool) -> Iterator[dict]:
    """Figure 19 on this machine."""
    small = {"network": "lenet5", "layer": "conv2", "channels": (1, 3), "batch": 2} if quick else {"channels": CHANNELS}
    return sweeps.forward_vs_channels([Measured(executor, budget_s=0.05)], **small)


def profile(executor: Executor, quick: bool) -> Iterator[dict]:
    """Figure 15."""
    return training.profile(Measured(executor), "lenet5" if quick else "alexnet_star", batch=2 if quick else 64)


def image_size(executor: Executor, quick: bool) -> Iterator[dict]:
    """Section VIII: the first convolutions of AlexNet* and of ResNet-18 (a 3x3 one) on larger images."""
    source = Measured(executor, budget_s=0.05 if quick else 0.1)
    sizes = (8, 16) if quick else sweeps.IMAGES
    for network, layer in (("alexnet_star", "conv1"), ("resnet18_32", "s1b1_conv1")):
        yield from sweeps.image_size(source, network, layer, sizes=sizes, batch=1 if quick else 8)


def footprint(executor: Executor, quick: bool) -> Iterator[dict]:
    """Memory against batch size: computed."""
    return training.footprint()


def energy(executor: Executor, quick: bool) -> Iterator[dict]:
    """Figure 16 and table III; LabError where no GPU has a counter."""
    return training.energy(Measured(executor), counter(), stretches=1 if quick else 2)
