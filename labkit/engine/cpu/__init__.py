"""The fast backend: layers as compiled loops over samples, float32 above all, on as many cores as `threads` allows.

One module per kind of layer. Each has a class that holds the layer's workspaces, allocated once for the largest batch,
and the loops that it runs. What every layer computes stands, readable, in `labkit.engine.reference`.
"""

import numpy as np

from labkit.engine.cpu.activations import LeakyReLUOps, LogisticOps, ReLUOps, SoftmaxOps, TanhOps
from labkit.engine.cpu.convolution import ConvOps, DenseConvOps, is_dense
from labkit.engine.cpu.dense import DenseOps
from labkit.engine.cpu.dropout import DropoutOps
from labkit.engine.cpu.normalize import BatchNormOps
from labkit.engine.cpu.pooling import AvgPoolOps, MaxPoolOps
from labkit.engine.cpu.response import LRNOps
from labkit.engine.cpu.structure import AddOps, ConcatOps, FlattenOps, PadShortcutOps
from labkit.engine.cpu.subsample import SubsampleOps
from labkit.engine.ops import Mapping, host_backend
from labkit.errors import LabError
from labkit.network import Layer, Network, Shape, layers, weightless

NAME = "cpu"

_OPS = {
    layers.Conv: ConvOps,
    layers.MaxPool: MaxPoolOps,
    layers.AvgPool: AvgPoolOps,
    layers.Subsample: SubsampleOps,
    layers.Dense: DenseOps,
    layers.BatchNorm: BatchNormOps,
    layers.LRN: LRNOps,
    weightless.Logistic: LogisticOps,
    weightless.Tanh: TanhOps,
    weightless.ReLU: ReLUOps,
    weightless.LeakyReLU: LeakyReLUOps,
    weightless.Dropout: DropoutOps,
    weightless.Softmax: SoftmaxOps,
    weightless.Flatten: FlattenOps,
    weightless.Add: AddOps,
    weightless.Concat: ConcatOps,
    weightless.PadShortcut: PadShortcutOps,
}


def prepare(layer: Layer, input_shapes: tuple[Shape, ...], batch: int, dtype: np.dtype):
    """`layer` with workspaces for up to `batch` samples of `input_shapes`; see `labkit.engine.ops.LayerOps`.

    Raises LabError for a float type that is neither float32 nor float64.
    """
    if dtype not in (np.float32, np.float64):
        raise LabError(f"the cpu backend was asked for {np.dtype(dtype).name}", "take float32 or float64")
    ops = DenseConvOps if is_dense(layer, input_shapes) else _OPS[type(layer)]
    return ops(layer, input_shapes, batch, np.dtype(dtype))


def start(network: Network, mapping: Mapping = None):
    """See `labkit.engine.ops.start`."""
    return host_backend(NAME, prepare, mapping)
