"""The layers of a network on kernels: `labkit.engine.ops.LayerOps` over any executor, in any mapping."""

from labkit.kernels.ops.activations import ActivationOps, DropoutOps, SoftmaxOps
from labkit.kernels.ops.maps_tuned import TunedActivationOps, TunedAddOps, TunedPoolOps
from labkit.kernels.ops.neighbours import LRNOps, SubsampleOps
from labkit.kernels.ops.norm import NormOps
from labkit.kernels.ops.norm_tuned import TunedNormOps
from labkit.kernels.ops.pool import PoolOps
from labkit.kernels.ops.structure import AddOps, ConcatOps, FlattenOps, PadShortcutOps
from labkit.kernels.ops.weighted import WeightedOps
from labkit.kernels.ops.weighted_tuned import TunedWeightedOps
from labkit.network import layers, weightless

OPS = {
    layers.Conv: WeightedOps,
    layers.MaxPool: PoolOps,
    layers.AvgPool: PoolOps,
    layers.Subsample: SubsampleOps,
    layers.Dense: WeightedOps,
    layers.BatchNorm: NormOps,
    layers.LRN: LRNOps,
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
"""Kind of layer -> its operations in the three teaching mappings."""

TUNED_OPS = {
    layers.Conv: TunedWeightedOps,
    layers.MaxPool: TunedPoolOps,
    layers.AvgPool: TunedPoolOps,
    layers.Dense: TunedWeightedOps,
    layers.BatchNorm: TunedNormOps,
    weightless.Logistic: TunedActivationOps,
    weightless.Tanh: TunedActivationOps,
    weightless.ReLU: TunedActivationOps,
    weightless.Add: TunedAddOps,
}
"""Kind of layer -> its operations in the mapping `tuned`; the others have nothing to gain, and run as in hybrid."""
