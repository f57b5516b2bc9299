"""FP and BP of a convolution as one job: what is read, what is written, and which weights meet.

FP gathers: output (p, q) sums over windows of the input, row h = p * stride - pad + r. BP gathers as well, seen from
the input: row h of dL/dX was read by every output row p with h = p * stride - pad + r, that is p = (h + pad - r) /
stride, wherever that is whole. The rows h = kind, kind + stride, kind + 2 * stride, ... share their taps r = first,
first + stride, ... with first = (kind + pad) % stride, so there are stride_h * stride_w kinds of pixels, and within one
kind BP is a convolution of stride 1. With stride 1 there is one kind.
"""

from dataclasses import dataclass
from math import ceil

from labkit.errors import LabError
from labkit.kernels.sizes import ConvSizes

MOST_VALUES = 2**31 - 1  # indices of tuned kernels are int32


@dataclass(frozen=True)
class Maps:
    """In[N, groups * summed, H, W] -> Out[N, groups * made, out_h, out_w], with weights [R * S] x summed x made.

    summed, made: channels per group that are summed over, and written. For pixel (i, j) of kind (a, b) the output is at
    row a + i * out_step_h, and tap r reads row i * in_step_h - pad_h + r (FP) or i + (a + pad_h - r) / out_step_h (BP).
    """

    N: int
    groups: int
    summed: int
    made: int
    H: int
    W: int
    R: int
    S: int
    out_h: int
    out_w: int
    pad_h: int
    pad_w: int
    in_step_h: int = 1
    in_step_w: int = 1
    out_step_h: int = 1
    out_step_w: int = 1
    forward: bool = True

    def __post_init__(self) -> None:
        values = self.N * self.groups * max(self.summed * self.H * self.W, self.made * self.out_h * self.out_w)
        if values > MOST_VALUES:
            raise LabError(f"a map of {values:,} values, and tuned kernels count to 2^31", "take a smaller batch")

    @property
    def rows(self) -> int:
        """Rows of the pixels of one kind; the last may lie outside the output for some kinds."""
        return ceil(self.out_h / self.out_step_h)

    @property
    def columns(self) -> int:
        """Columns of the pixels of one kind."""
        return ceil(self.out_w / self.out_step_w)

    @property
    def pixels(self) -> int:
        """Of one kind, in all samples: the columns of the matrix product."""
        return self.N * self.rows * self.columns

    @property
    def kinds(self) -> int:
        """How many sets of pixels there are that share their taps."""
        return self.out_step_h * self.out_step_w

    @property
    def vectors(self) -> bool:
        """Whether four neighbouring pixels lie at a 16-byte boundary of the output, for all of them."""
        return self.kinds == 1 and self.out_h * self.out_w % 4 == 0

    @property
    def out_values(self) -> int:
        """float32 values of the output."""
        return self.N * self.groups * self.made * self.out_h * self.out_w

    def summed_padded(self, BK: int) -> int:
        """Channels summed over, with zero weights up to a multiple of BK."""
        return ceil(self.summed / BK) * BK

    @property
    def made_padded(self) -> int:
        """Channels written, with zero weights up to a multiple of four: rows of packed weights begin at 16 bytes."""
        return ceil(self.made / 4) * 4

    def packed_values(self, BK: int) -> int:
        """float32 values of the packed weights [groups][R * S][summed_padded][made_padded]."""
        return self.groups * self.R * self.S * self.summed_padded(BK) * self.made_padded


def forward(sizes: ConvSizes) -> Maps:
    """FP: reads the input, writes the output."""
    z = sizes
    channels = (z.groups, z.C // z.groups, z.K // z.groups)
    return Maps(z.N, *channels, z.H, z.W, z.R, z.S, z.P, z.Q, z.pad_h, z.pad_w, z.stride_h, z.stride_w)


def backward(sizes: ConvSizes) -> Maps:
    """BP: reads dL/dOut, writes dL/dIn."""
    z = sizes
    channels, steps = (z.groups, z.K // z.groups, z.C // z.groups), (1, 1, z.stride_h, z.stride_w)
    return Maps(z.N, *channels, z.P, z.Q, z.R, z.S, z.H, z.W, z.pad_h, z.pad_w, *steps, forward=False)
