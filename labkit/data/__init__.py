"""Real inputs: data sets by name, splits, the batches of an epoch, and each rank's share of them.

`load("digits", shape=(1, 32, 32))` needs no download. Importing this package reads nothing and imports only NumPy.
"""

from labkit.data.loading import load
from labkit.data.split import Dataset, Split, batches, shard, split_indices

__all__ = ["Dataset", "Split", "batches", "load", "shard", "split_indices"]
