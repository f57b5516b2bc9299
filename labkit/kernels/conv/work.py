"""What the launches of a convolution's three phases depend on, from its sizes; `name` is that of the layer."""

from labkit.kernels.launch import Work
from labkit.kernels.sizes import ConvSizes


def forward_work(name: str, sizes: ConvSizes) -> Work:
    """FP: threads compute outputs; a block of model and hybrid holds one filter, C / groups * R * S values."""
    maps = sizes.P * sizes.Q
    threads = {"data": sizes.K * maps, "model": sizes.N * maps, "hybrid": maps}
    held = sizes.C // sizes.groups * sizes.R * sizes.S
    return Work(name, sizes.N, sizes.K, threads, {"model": held, "hybrid": held})


def backward_data_work(name: str, sizes: ConvSizes) -> Work:
    """BP: threads compute gradients of inputs; a block of model and hybrid holds what the filters have for its input
    channel, K / groups * R * S values.
    """
    maps = sizes.H * sizes.W
    threads = {"data": sizes.C * maps, "model": sizes.N * maps, "hybrid": maps}
    held = sizes.K // sizes.groups * sizes.R * sizes.S
    return Work(name, sizes.N, sizes.C, threads, {"model": held, "hybrid": held})


def backward_weights_work(name: str, sizes: ConvSizes) -> Work:
    """KU: threads compute gradients of weights, of which a filter has C / groups * R * S and its bias."""
    weights = sizes.C // sizes.groups * sizes.R * sizes.S + 1
    return Work(name, sizes.N, sizes.K, {"data": sizes.K * weights, "model": weights, "hybrid": weights}, {})
