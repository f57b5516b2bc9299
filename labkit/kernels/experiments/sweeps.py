"""Times against a size that is swept: figures 11-13 and 17-19 of krishna-gupta-nayak, and its closing conjecture.

Every experiment is a generator of rows (dicts with the same keys): it can be stopped after any of them, and be shown
while it runs; `list(...)` gives the table. `source` says where times come from: `sources.Modelled` or `Measured`.
"""

from collections.abc import Iterable, Iterator
from math import ceil

from labkit.errors import LabError, suggest
from labkit.kernels.experiments.recording import Row
from labkit.kernels.experiments.sources import Source
from labkit.kernels.launch import TEACHING
from labkit.kernels.sizes import ConvSizes
from labkit.network import Conv, Network, load

NETWORKS = ("lenet5", "alexnet_star", "resnet18_32")
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
CHANNELS = (1, 2, 4, 8, 15, 16, 28, 30, 31, 32, 56, 57, 64, 96, 112, 113, 128, 192, 256, 384)
IMAGES = (32, 64, 96, 128, 160, 192, 224)
# Training samples of the data set that the paper trains a network on: MNIST, or CIFAR-10 for three channels.
MNIST_SAMPLES, CIFAR_SAMPLES = 60_000, 50_000


def samples_of(network: Network) -> int:
    """Samples of one epoch: CIFAR-10's for images with three channels, else MNIST's."""
    return CIFAR_SAMPLES if network.input_shape[0] == 3 else MNIST_SAMPLES


def batch_sweep(
    source: Source,
    networks: Iterable[str] = NETWORKS,
    mappings: Iterable[str] = TEACHING,
    batches: Iterable[int] = BATCHES,
) -> Iterator[Row]:
    """Time per epoch against batch size (figures 11, 12, 13): steps of an epoch times the time of one step."""
    for network in map(load, networks):
        for batch in batches:
            steps = ceil(samples_of(network) / batch)
            for mapping in mappings:
                seconds = source.step(network, batch, mapping)
                yield _row(source, network.name, None, mapping, batch) | {
                    "steps": steps,
                    "step_s": seconds["step"],
                    "fp_s": seconds["fp"],
                    "bp_s": seconds["bp"],
                    "ku_s": seconds["ku"],
                    "epoch_s": steps * seconds["step"],
                    "origin": source.origin,
                }


def three_gpus(
    sources: Iterable[Source], network: str = "alexnet_star", batches: Iterable[int] = (1, 8, 32, 64, 128)
) -> Iterator[Row]:
    """The batch sweep of one network on several GPUs (figure 17)."""
    batches = tuple(batches)
    for source in sources:
        yield from batch_sweep(source, (network,), batches=batches)


def forward_vs_batch(
    sources: Iterable[Source],
    network: str = "alexnet_star",
    layer: str = "conv2",
    mapping: str = "data",
    batches: Iterable[int] = (*range(1, 16), 16, 20, 28, 29, 30, 31, 32, 48, 56, 57, 60, 64, 96, 112, 113, 128),
    threads: int | None = None,
) -> Iterator[Row]:
    """FP of one convolution against batch size (figure 18): flat until every multiprocessor has a block.

    threads: of a block; labkit's own number where it is None. In blocks that fill a multiprocessor, as the paper's must
    have, the time steps at the number of multiprocessors; where two or more fit, it stays flat for longer.
    """
    conv, shape = conv_of(load(network), layer)
    batches = tuple(batches)
    for source in sources:
        for batch in batches:
            seconds = source.forward(ConvSizes.of(conv, shape, batch), mapping, threads)
            row = _row(source, network, layer, mapping, batch) | {"threads": threads}
            yield row | {"seconds": seconds, "origin": source.origin}


def forward_vs_channels(
    sources: Iterable[Source],
    network: str = "alexnet_star",
    layer: str = "conv2",
    mapping: str = "model",
    channels: Iterable[int] = CHANNELS,
    batch: int = 32,
) -> Iterator[Row]:
    """FP of one convolution against its output channels K (figure 19): a step each time another wave is needed.

    The layer keeps everything but K, and reads all channels (groups = 1), so that every K is possible.
    """
    conv, shape = conv_of(load(network), layer)
    channels = tuple(channels)
    for source in sources:
        for K in channels:
            sizes = ConvSizes.of(Conv(K, conv.R, conv.S, conv.stride, conv.padding), shape, batch)
            seconds = source.forward(sizes, mapping)
            yield _row(source, network, layer, mapping, batch) | {"K": K, "seconds": seconds, "origin": source.origin}


def image_size(
    source: Source,
    network: str = "alexnet_star",
    layer: str = "conv1",
    mappings: Iterable[str] = TEACHING,
    sizes: Iterable[int] = IMAGES,
    batch: int = 8,
) -> Iterator[Row]:
    """FP of an early convolution against the size of the images, H = W (section VIII: 32x32 to 224x224).

    reuse: how often a block of model or hybrid uses each value of its filter once it is in shared memory, per sample.
    The conjecture: reuse grows with the image, and with it the lead of hybrid over data.
    """
    conv, shape = conv_of(load(network), layer)
    mappings = tuple(mappings)
    for H in sizes:
        z = ConvSizes.of(conv, (shape[0], H, H), batch)
        for mapping in mappings:
            seconds = source.forward(z, mapping)
            yield _row(source, network, layer, mapping, batch) | {
                "H": H,
                "reuse": z.P * z.Q,
                "seconds": seconds,
                "per_sample_s": seconds / batch,
                "origin": source.origin,
            }


def conv_of(network: Network, layer: str) -> tuple[Conv, tuple[int, int, int]]:
    """The convolution called `layer` and the shape of its input; LabError for a layer that is none."""
    known = [node for node in network.nodes if isinstance(node.layer, Conv)]
    for node in known:
        if node.name == layer:
            return node.layer, network.input_shapes(node)[0]
    what = f"{layer!r} is no convolution of {network.name!r}"
    raise LabError(what, suggest(layer, [node.name for node in known]) if known else "take a network that has one")


def _row(source: Source, network: str, layer: str | None, mapping: str, batch: int) -> Row:
    return {"network": network, "layer": layer, "mapping": mapping, "batch": batch, "device": source.device}
