"""Cutting a network: pure functions (network, parts, ...) -> Plan, the Plan, and what it costs.

>>> from labkit.network import zoo
>>> from labkit.partition import loads, flops, partition, tasks_of, volume
>>> network = zoo.get("lenet5")
>>> plan = partition(network, 2, "layer")
>>> plan
Plan of lenet5 in 2 parts (layer, coarse grain)
layer  tasks  part 0  part 1
input      1       1       ·
conv1      6       6       ·
conv2     16       ·      16
conv3    120       ·     120
fc1       84       ·      84
fc2       10       ·      10
>>> volume(plan, batch=32).elements  # 32 samples, six maps of 14 x 14
37632
>>> round(loads(plan, flops(tasks_of(network))).max_over_avg, 3)
1.435

`methods` has the partitioners, `engines` what cuts a hypergraph, `grains` the hypergraphs of a network, `volume` and
`hypergraph` the two definitions of the same cost, `thesis` the tables of eserol-2019 and how to remake them.
"""

from labkit.partition.by_hand import plan_by_hand
from labkit.partition.document import from_document, load_plan, save, to_document
from labkit.partition.engines.registry import ENGINES, engine
from labkit.partition.figure import figure_network, lenet5_head, residual_block, small_network
from labkit.partition.grains import NetworkHypergraph, Vertices, coarse, fine
from labkit.partition.hypergraph import Hypergraph, connectivity, contract, cut, part_weights
from labkit.partition.limits import Limits, limits
from labkit.partition.loads import Loads, loads, task_counts
from labkit.partition.memory import Memory, memory
from labkit.partition.methods import METHODS, partition
from labkit.partition.names import Names, names, vertex_names
from labkit.partition.plan import Plan, Slice
from labkit.partition.report import report
from labkit.partition.stages import EdgeCut, StageGraph, edge_cut, stage_graph
from labkit.partition.tasks import Home, Join, Read, TaskLayer, Tasks, Tensor
from labkit.partition.trace import tasks_of
from labkit.partition.volume import Traffic, Volume, volume
from labkit.partition.weights import Weights, eserol, flops, mix, profile, weights_named

__all__ = [
    "ENGINES",
    "METHODS",
    "EdgeCut",
    "Home",
    "Hypergraph",
    "Join",
    "Limits",
    "Loads",
    "Memory",
    "Names",
    "NetworkHypergraph",
    "Plan",
    "Read",
    "Slice",
    "StageGraph",
    "TaskLayer",
    "Tasks",
    "Tensor",
    "Traffic",
    "Vertices",
    "Volume",
    "Weights",
    "coarse",
    "connectivity",
    "contract",
    "cut",
    "edge_cut",
    "engine",
    "eserol",
    "figure_network",
    "fine",
    "flops",
    "from_document",
    "lenet5_head",
    "limits",
    "load_plan",
    "loads",
    "memory",
    "mix",
    "names",
    "part_weights",
    "partition",
    "plan_by_hand",
    "profile",
    "report",
    "residual_block",
    "save",
    "small_network",
    "stage_graph",
    "task_counts",
    "tasks_of",
    "to_document",
    "vertex_names",
    "volume",
    "weights_named",
]
