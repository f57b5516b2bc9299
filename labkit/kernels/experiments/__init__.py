"""The experiments of krishna-gupta-nayak section VII, as functions that return tables.

>>> from labkit.kernels.experiments import forward_vs_batch, source
>>> rows = list(forward_vs_batch([source("k40")], "lenet5", "conv1", batches=[1, 15, 31]))
>>> rows[0]["origin"], rows[0]["seconds"] == rows[1]["seconds"] < rows[2]["seconds"]
('modelled', True)

Every experiment is a generator of rows: dicts that name network, layer, mapping, batch, device and where the figures
come from. `source()` measures on this machine, `source("k40")` models a GPU, `recorded(...)` reads a recording of one.
`labkit.widgets.kernel_plots` draws the tables.
"""

from labkit.kernels.experiments.launches import explain_layer
from labkit.kernels.experiments.load_counts import loads
from labkit.kernels.experiments.recording import recorded, recordings
from labkit.kernels.experiments.sources import Measured, Modelled, source
from labkit.kernels.experiments.sweeps import batch_sweep, forward_vs_batch, forward_vs_channels, image_size, three_gpus
from labkit.kernels.experiments.training import claimed_energy, energy, footprint, profile

__all__ = [
    "Measured",
    "Modelled",
    "batch_sweep",
    "claimed_energy",
    "energy",
    "explain_layer",
    "footprint",
    "forward_vs_batch",
    "forward_vs_channels",
    "image_size",
    "loads",
    "profile",
    "recorded",
    "recordings",
    "source",
    "three_gpus",
]
