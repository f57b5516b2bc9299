"""Partition studio: what it refuses, and in which words."""

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.network import zoo
from labkit.partition import Plan, Slice, partition, tasks_of
from labkit.widgets.studio import studio


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"network": "lenet6"}, "lenet5"),
        ({"method": "corse"}, "coarse"),
        ({"parts": 129}, "128"),
        ({"parts": 2.5}, "integer"),
        ({"batch": 0}, "batch"),
        ({"imbalance": -1}, "from 0 to 10"),
        ({"network": "alexnet", "plans": [partition(zoo.get("lenet5"), 2, "layer")]}, "plans of one network"),
        ({"from_state": "partition_studio?rows=1"}, "row"),
        ({"weights": "flop"}, "flops"),
    ],
)
def test_bad_input_is_refused(arguments, word):
    with pytest.raises(LabError, match=word):
        studio(**({"network": "lenet5", "parts": 2} | arguments))


def test_a_fine_plan_is_refused():
    network = zoo.get("lenet5")
    slices = [Slice(layer.name, np.zeros(layer.filters, int)) for layer in tasks_of(network).layers]
    slices[2] = Slice("conv2", np.zeros(16, int), np.arange(16 * 6).reshape(16, 6) % 2)
    fine = Plan(network, 2, tuple(slices))
    with pytest.raises(LabError, match="fine-grain"):
        studio("lenet5", plans=[fine])
