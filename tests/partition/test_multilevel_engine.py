"""The engine behind the common interface: networks, grains, progress and stopping."""

import pytest

from labkit import __version__
from labkit.network import zoo
from labkit.partition import coarse, cut, flops, limits, part_weights, tasks_of
from labkit.partition.engines.multilevel import ENGINE


def case(name, parts, grain=coarse, **options):
    tasks = tasks_of(zoo.get(name))
    problem = grain(tasks, flops(tasks), **options)
    return problem, limits(problem.hypergraph.weights, parts, 0.1, alone=True)


def test_its_name_and_version():
    assert (ENGINE.name, ENGINE.version) == ("multilevel", __version__)


# The targets of the field notes at imbalance 0.1, in 2^20 elements at batch 32, which other engines reach.
@pytest.mark.parametrize(("name", "parts", "known"), [("vgg16", 2, 24.5), ("vgg16", 8, 160.1)])
def test_vgg16_is_cut_nearly_as_well_as_is_known_to_be_possible(name, parts, known):
    problem, bounds = case(name, parts)
    part = ENGINE(problem, bounds)
    assert cut(problem.hypergraph, part) * 32 / 2**20 <= 1.1 * known
    assert bounds.excess(part_weights(problem.hypergraph, part, parts)) == 0
