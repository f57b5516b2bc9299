"""Real inputs: data sets by name, splits, the batches of an epoch, and each rank's share of them.

`load("digits", shape=(1, 32, 32))` needs no download. Importing this package reads no data and opens no connection.
"""

from labkit.data.download import download
from labkit.data.loading import load
from labkit.data.split import Dataset, Split, batches, shard, split_indices
from labkit.data.status import catalogue, status

__all__ = ["Dataset", "Split", "batches", "catalogue", "download", "load", "shard", "split_indices", "status"]
