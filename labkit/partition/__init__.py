"""Cutting a network: pure functions (network, parts, ...) -> Plan, the Plan, and what it costs.

>>> from labkit.network import zoo
>>> from labkit.partition import coarse, flops, tasks_of
>>> tasks = tasks_of(zoo.get("vgg16"))
>>> hypergraph = coarse(tasks, flops(tasks)).hypergraph
>>> hypergraph.vertices, hypergraph.nets, len(hypergraph.pins)
(4228, 4227, 1639109)
"""

from labkit.partition.grains import NetworkHypergraph, Vertices, coarse, fine
from labkit.partition.hypergraph import Hypergraph, connectivity, contract, cut, part_weights
from labkit.partition.limits import Limits, limits
from labkit.partition.loads import Loads, loads, task_counts
from labkit.partition.plan import Plan, Slice
from labkit.partition.tasks import Home, Join, Read, TaskLayer, Tasks, Tensor
from labkit.partition.trace import tasks_of
from labkit.partition.volume import Traffic, Volume, volume
from labkit.partition.weights import Weights, flops

__all__ = [
    "Home",
    "Hypergraph",
    "Join",
    "Limits",
    "Loads",
    "NetworkHypergraph",
    "Plan",
    "Read",
    "Slice",
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
    "fine",
    "flops",
    "limits",
    "loads",
    "part_weights",
    "task_counts",
    "tasks_of",
    "volume",
]
