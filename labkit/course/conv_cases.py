"""Small and real convolutions for the kernel exercises: stride 1, no padding, one group.

    x [N, C, H, W]   weight [K, C, R, S]   bias [K]   y [N, K, P, Q], P = H - R + 1, Q = W - S + 1

No two sizes of a small one are equal where a mistake could hide, a block has fewer or more threads than it has work,
and there is more than one block.
"""

from collections.abc import Sequence

import numpy as np

from labkit.course.exercise import Case
from labkit.course.kernel_runs import CLEAN, Runner, blank, values
from labkit.kernels.launch import Launch

RUN = Runner(("x", "weight", "bias", "y"), ("y",))
PARTS = ("memory", "y")
SMALL = (  # N, C, H, W, K, R, S, threads per block
    (2, 3, 7, 5, 4, 3, 2, 8),
    (3, 2, 5, 8, 2, 2, 3, 32),
    (2, 2, 4, 3, 3, 2, 2, 64),
    (4, 1, 3, 9, 5, 1, 4, 4),
)
REAL = (32, 6, 14, 14, 16, 5, 5, 256)  # the second convolution of LeNet-5


def cases(rng: np.random.Generator, mapping: str) -> Sequence[Case]:
    """The small ones, traced, and the real one, compiled, with the grid and the shared memory of a mapping."""
    return [*(case(rng, mapping, *sizes) for sizes in SMALL), case(rng, mapping, *REAL, real=True)]


def case(
    rng: np.random.Generator,
    mapping: str,
    N: int,
    C: int,
    H: int,
    W: int,
    K: int,
    R: int,
    S: int,
    threads: int,
    real: bool = False,
) -> Case:
    """One convolution, ready for a kernel."""
    blocks = {"data": (N, 1, 1), "model": (K, 1, 1), "hybrid": (N, K, 1)}[mapping]
    launch = Launch(blocks, threads, 0 if mapping == "data" else 4 * C * R * S)
    arrays = values(rng, N, C, H, W), values(rng, K, C, R, S), values(rng, K), blank((N, K, H - R + 1, W - S + 1))
    label = f"x {N}x{C}x{H}x{W}, weight {K}x{C}x{R}x{S}, blocks of {threads} threads"
    return Case((real, launch, *arrays), label, late=real)


def expected(real: bool, launch: Launch, x: np.ndarray, weight: np.ndarray, bias: np.ndarray, y: np.ndarray) -> tuple:
    """What memory and outputs have to look like, in float64."""
    windows = np.lib.stride_tricks.sliding_window_view(x.astype(np.float64), weight.shape[2:], axis=(2, 3))
    out = np.einsum("ncpqrs,kcrs->nkpq", windows, weight.astype(np.float64), optimize=True)
    return CLEAN, out + bias[:, None, None]
