"""The layers of a network on kernels: `labkit.engine.ops.LayerOps` over any executor, in any mapping."""

from labkit.kernels.ops.activations import ActivationOps, DropoutOps, SoftmaxOps
from labkit.kernels.ops.convolution import ConvOps
from labkit.kernels.ops.dense import DenseOps
from labkit.kernels.ops.norm import NormOps
from labkit.kernels.ops.pool import AvgPoolOps, MaxPoolOps
from labkit.kernels.ops.structure import AddOps, ConcatOps, FlattenOps, PadShortcutOps
from labkit.network import layers, weightless

OPS = {
    layers.Conv: ConvOps,
    layers.MaxPool: MaxPoolOps,
    layers.AvgPool: AvgPoolOps,
    layers.Dense: DenseOps,
    layers.BatchNorm: NormOps,
    weightless.Logistic: ActivationOps,
    weightless.Tanh: ActivationOps,
    weightless.ReLU: ActivationOps,
    weightless.LeakyReLU: ActivationOps,
    weightless.Dropout: DropoutOps,
    weightless.Softmax: SoftmaxOps,
    weightless.Flatten: FlattenOps,
    weightless.Add: AddOps,
    weightless.Concat: ConcatOps,
    weightless.PadShortcut: PadShortcutOps,
}
