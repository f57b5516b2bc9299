"""What is trained: layer records, the graph of a network, its sizes, and the zoo.

A `Network` is named layers in topological order. Everything else follows from it and is computed, never typed in:

>>> from labkit.network import zoo, table, phase_macs
>>> network = zoo.get("lenet5")
>>> network.parameters, network.macs
(61706, 416520)
>>> table(network, batch=32)[0].name
'conv1'
"""

from labkit.network.build import Builder, chain
from labkit.network.document import from_document, load, to_document
from labkit.network.graph import FLOAT_BYTES, INPUT, Network, Node
from labkit.network.layer import Layer, Shape
from labkit.network.layers import LRN, AvgPool, BatchNorm, Conv, Dense, MaxPool, Subsample
from labkit.network.sizes import (
    LayerSize,
    activation_bytes,
    describe,
    inference_bytes,
    phase_macs,
    table,
    training_bytes,
    training_macs,
)
from labkit.network.weightless import (
    Add,
    Concat,
    Dropout,
    Flatten,
    LeakyReLU,
    Logistic,
    PadShortcut,
    ReLU,
    Softmax,
    Tanh,
)

__all__ = [
    "FLOAT_BYTES",
    "INPUT",
    "LRN",
    "Add",
    "AvgPool",
    "BatchNorm",
    "Builder",
    "Concat",
    "Conv",
    "Dense",
    "Dropout",
    "Flatten",
    "Layer",
    "LayerSize",
    "LeakyReLU",
    "Logistic",
    "MaxPool",
    "Network",
    "Node",
    "PadShortcut",
    "ReLU",
    "Shape",
    "Softmax",
    "Subsample",
    "Tanh",
    "activation_bytes",
    "chain",
    "describe",
    "from_document",
    "inference_bytes",
    "load",
    "phase_macs",
    "table",
    "to_document",
    "training_bytes",
    "training_macs",
]
