"""What eserol-2019 prints about partitions of VGG16, as data; whether it agrees with itself; and all of it remade.

>>> from labkit.partition.thesis import contradictions, figures
>>> str(figures("fine", 16, 0.15).volume)
'426.2'
>>> [c.says for c in contradictions() if (c.table, c.parts) == ("A.11", 16)]
["volume 426.2 is not 16 times the average 35.0; the ratio is the average's"]
"""

from labkit.partition.thesis.best_found import best_found, target_with_flops
from labkit.partition.thesis.consistency import Contradiction, contradictions, doubtful_volumes
from labkit.partition.thesis.data_parallelism import (
    Epoch,
    Headline,
    against_data_parallelism,
    break_even_batch,
    break_even_of,
    break_even_of_table_5_14,
    data_parallel_bytes,
    table_5_14,
    values_per_sample,
)
from labkit.partition.thesis.races import RACES
from labkit.partition.thesis.reproduction import reproduce
from labkit.partition.thesis.tables import (
    EpochRow,
    Figures,
    LayerRow,
    all_figures,
    epoch_rows,
    figures,
    layer_rows,
)

__all__ = [
    "RACES",
    "Contradiction",
    "Epoch",
    "EpochRow",
    "Figures",
    "Headline",
    "LayerRow",
    "against_data_parallelism",
    "all_figures",
    "best_found",
    "break_even_batch",
    "break_even_of",
    "break_even_of_table_5_14",
    "contradictions",
    "data_parallel_bytes",
    "doubtful_volumes",
    "epoch_rows",
    "figures",
    "layer_rows",
    "reproduce",
    "table_5_14",
    "target_with_flops",
    "values_per_sample",
]
