"""The sizes of a convolution and of a dense layer as kernels take them: whole numbers, with what follows from them."""

from dataclasses import dataclass

from labkit.errors import LabError
from labkit.network import Conv, Dense, Shape
from labkit.network.layer import count, pair


@dataclass(frozen=True)
class ConvSizes:
    """In[N, C, H, W] * W[K, C / groups, R, S] -> Out[N, K, P, Q], in the order of the paper's primitives.

    Raises LabError for numbers that make no convolution.
    """

    N: int
    C: int
    H: int
    W: int
    K: int
    R: int
    S: int
    stride_h: int = 1
    stride_w: int = 1
    pad_h: int = 0
    pad_w: int = 0
    groups: int = 1

    def __post_init__(self) -> None:
        for name in ("N", "C", "H", "W", "K", "R", "S", "stride_h", "stride_w", "groups"):
            count(name, getattr(self, name))
        pair("padding", (self.pad_h, self.pad_w), least=0)
        self.layer.output_shape((self.C, self.H, self.W))

    @property
    def layer(self) -> Conv:
        """The layer record with these sizes."""
        stride, padding = (self.stride_h, self.stride_w), (self.pad_h, self.pad_w)
        return Conv(self.K, self.R, self.S, stride, padding, self.groups)

    @property
    def P(self) -> int:
        """Output height."""
        return (self.H + 2 * self.pad_h - self.R) // self.stride_h + 1

    @property
    def Q(self) -> int:
        """Output width."""
        return (self.W + 2 * self.pad_w - self.S) // self.stride_w + 1

    @property
    def macs(self) -> int:
        """Multiply-accumulates of FP, taps on the padding counted in, as the field counts them."""
        return self.N * self.K * self.P * self.Q * (self.C // self.groups) * self.R * self.S

    @classmethod
    def of(cls, layer: Conv, input_shape: Shape, batch: int) -> "ConvSizes":
        """The sizes of `layer` on `batch` samples of `input_shape` (C, H, W).

        Raises LabError for filters that read chosen channels (`connections`), whose weights are stored otherwise.
        """
        if layer.connections is not None:
            raise LabError(
                "a convolution with `connections` has no dense filters for a kernel to share",
                "use the backend cpu or reference, or a network such as lenet5 whose filters read every channel",
            )
        return cls(batch, *input_shape, layer.K, layer.R, layer.S, *layer.stride, *layer.padding, layer.groups)


@dataclass(frozen=True)
class DenseSizes:
    """In[N, F] * W[K, F] -> Out[N, K]: a convolution on maps of one pixel with F channels."""

    N: int
    F: int
    K: int

    def __post_init__(self) -> None:
        for name in ("N", "F", "K"):
            count(name, getattr(self, name))

    @property
    def macs(self) -> int:
        """Multiply-accumulates of FP."""
        return self.N * self.F * self.K

    @classmethod
    def of(cls, layer: Dense, input_shape: Shape, batch: int) -> "DenseSizes":
        """The sizes of `layer` on `batch` samples of `input_shape` (F,)."""
        return cls(batch, input_shape[0], layer.K)
