"""Random numbers of layers with chance in them: the same in every backend, on every rank, in any order of execution."""

from hashlib import blake2b
from math import prod

import numpy as np

from labkit.engine.ops import Draw
from labkit.network import Shape

_VALUES_PER_BLOCK = 8  # one count of Philox4x64 gives four 64-bit words, which are eight numbers of 32 bits


def dropout_mask(draw: Draw, n: int, shape: Shape, rate: float, dtype: np.dtype | type) -> np.ndarray:
    """What Dropout multiplies n samples by: [n, *shape] of `dtype`, 0 with probability `rate` and 1 / (1 - rate) else.

    The generator is counter-based (Philox, Salmon et al. 2011): its key is a hash of the seed, the layer's name and the
    step, and sample i of the global batch owns a range of its counter. So a process that holds the samples from
    `draw.first` on starts counting there, and gets those rows of the whole batch's mask without drawing the others.
    32 bits decide about each value: the probability is `rate` to within 2^-32.
    """
    size = prod(shape)
    blocks = -(-size // _VALUES_PER_BLOCK)
    key = blake2b(f"dropout:{draw.seed}:{draw.layer}:{draw.step}".encode(), digest_size=16).digest()
    generator = np.random.Philox(key=int.from_bytes(key, "little"), counter=draw.first * blocks)
    bits = generator.random_raw(n * blocks * 4).astype("<u8", copy=False).view("<u4")
    bits = bits.reshape(n, blocks * _VALUES_PER_BLOCK)[:, :size].reshape(n, *shape)
    threshold = min(round(rate * 2**32), 2**32 - 1)
    return (bits >= np.uint32(threshold)) * np.dtype(dtype).type(1 / (1 - rate))
