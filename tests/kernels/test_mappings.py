"""Mappings by name, per layer, and as they are typed."""

import pytest

from labkit.errors import LabError
from labkit.kernels.mappings import mappings_of, parse
from labkit.network import zoo

LENET = zoo.get("lenet5")


def test_one_for_all_and_the_default():
    assert set(mappings_of(LENET).values()) == {"hybrid"}
    assert set(mappings_of(LENET, "model").values()) == {"model"}
    assert list(mappings_of(LENET)) == [node.name for node in LENET.nodes]


def test_a_few_layers_differ():
    found = mappings_of(LENET, parse("tuned, fc1=data,fc2 = model"))
    assert (found["fc1"], found["fc2"], found["conv1"]) == ("data", "model", "tuned")
    assert mappings_of(LENET, parse("fc1=data"))["conv1"] == "hybrid"


@pytest.mark.parametrize(
    ("typed", "named"),
    [("hibrid", "hibrid.*hybrid"), ("fc9=data", "fc9"), ("data,fc1", "LAYER=MAPPING"), ("data,=x", "LAYER=MAPPING")],
)
def test_refusals(typed, named):
    with pytest.raises(LabError, match=named):
        mappings_of(LENET, parse(typed))
