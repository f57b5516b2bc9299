"""Where the weights start: one full array per (seed, layer, name), whatever else the network holds.

Every array is drawn from a counter-based generator (Philox, Salmon et al. 2011) whose key is a hash of the seed and of
"layer.name". So a layer starts from the same numbers in whatever network, backend, float type or process it stands, and
a rank that owns a slice of it draws the array and keeps its slice.
"""

from hashlib import blake2b
from math import prod, sqrt

import numpy as np

from labkit.engine.tensors import Tensors
from labkit.errors import LabError
from labkit.network import (
    Add,
    BatchNorm,
    Conv,
    Dense,
    LeakyReLU,
    Logistic,
    Network,
    Node,
    ReLU,
    Shape,
    Softmax,
    Subsample,
    Tanh,
)

CHUNK = 1 << 20  # values drawn at a time, so that a network of 10^8 weights needs no second copy of itself


def fill(network: Network, parameters: Tensors, state: Tensors, seed: int = 0) -> None:
    """Write the initial weights and states of `network` into `parameters` and `state`, in place.

    Conv and Dense weights: normal, mean 0, standard deviation `weight_std`; every bias 0. BatchNorm: weight 1, bias 0,
    running mean 0, running variance 1. Subsample: weight 1/(R*S), bias 0, which is a mean over the window.
    Raises LabError for a seed that is not a whole number >= 0.
    """
    _check(seed)
    for name, array in parameters.items():
        layer, _, short = name.rpartition(".")
        node = network[layer]
        if short == "bias":
            array.fill(0)
        elif isinstance(node.layer, BatchNorm):
            array.fill(1)
        elif isinstance(node.layer, Subsample):
            array.fill(1 / (node.layer.R * node.layer.S))
        else:
            normal(seed, name, array)
            array *= _column(weight_std(network, node), array)
    for name, array in state.items():
        array.fill(1 if name.endswith(".variance") else 0)


def normal(seed: int, name: str, out: np.ndarray) -> None:
    """Fill the C-contiguous `out` with standard normal numbers (drawn in float32) that depend on (seed, name) only."""
    key = int.from_bytes(blake2b(f"{seed}:{name}".encode(), digest_size=16).digest(), "little")
    draw = np.random.Generator(np.random.Philox(key=key))
    flat = out.reshape(-1)
    for start in range(0, flat.size, CHUNK):
        part = flat[start : start + CHUNK]
        part[...] = draw.standard_normal(len(part), np.float32)


def weight_std(network: Network, node: Node) -> np.ndarray | float:
    """Standard deviation of the weights of a Conv or Dense layer: gain / sqrt(fan-in), where fan-in is what one output
    value sums over. For a Conv with `connections` it is one number per row of weights, as filters differ in fan-in.

    gain: sqrt(2) before ReLU, sqrt(2 / (1 + slope^2)) before LeakyReLU (He et al. 2015, equations (10) and (15)), and
    1 before everything else (LeCun et al. 1998, Efficient BackProp, section 4.6). Pools, BatchNorm, Add and other
    layers between the weights and their activation are looked through.

    Without BatchNorm each residual block adds the variance of its branch to that of its input, so the last convolution
    of each of L branches is divided by sqrt(L): then the variance grows by (1 + 1/L)^L < e over the whole network
    instead of 2^L. (Zhang et al. 2019, Fixup, section 2, show the growth and scale branches by a power of L for it.)
    """
    gain = _gain(network, node.name)
    if _ends_branch(network, node):
        gain /= sqrt(sum(isinstance(n.layer, Add) for n in network.nodes))
    return gain / np.sqrt(_fan_in(node.layer, network.input_shapes(node)))


def _fan_in(layer: Conv | Dense, inputs: tuple[Shape, ...]) -> np.ndarray | int:
    if isinstance(layer, Conv) and layer.connections is not None:
        return np.concatenate([np.full(len(row), len(row) * layer.R * layer.S) for row in layer.connections])
    return prod(layer.weights(*inputs)["weight"][1:])


def _gain(network: Network, name: str) -> float:
    """Gain of the first activation that the output of layer `name` meets before other weights; 1 if there is none."""
    for reader in network.consumers(name):
        layer = network[reader].layer
        if isinstance(layer, ReLU):
            return sqrt(2)
        if isinstance(layer, LeakyReLU):
            return sqrt(2 / (1 + layer.slope**2))
        if not isinstance(layer, Conv | Dense | Tanh | Logistic | Softmax):
            return _gain(network, reader)
    return 1.0


def _ends_branch(network: Network, node: Node) -> bool:
    """Whether this is the first Conv or Dense that feeds an Add directly (a projection beside it is the shortcut)."""
    for reader in network.consumers(node.name):
        if isinstance(network[reader].layer, Add):
            weighted = [s for s in network[reader].inputs if s != "input" and _has_weights(network[s])]
            return weighted[:1] == [node.name]
    return False


def _has_weights(node: Node) -> bool:
    return isinstance(node.layer, Conv | Dense)


def _column(std: np.ndarray | float, array: np.ndarray) -> np.ndarray:
    """`std` as an array of the same type that multiplies `array` row by row."""
    return np.asarray(std, array.dtype).reshape(-1, *(1,) * (array.ndim - 1))


def _check(seed: int) -> None:
    if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or seed < 0:
        raise LabError(f"seed={seed!r}", "give a whole number from 0 up")
