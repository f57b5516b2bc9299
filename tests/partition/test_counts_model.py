"""Counts per class and part say exactly what a plan costs, and can be turned back into one that costs it."""

import numpy as np
import pytest

from labkit.network import LRN, Add, Builder, Concat, Conv, Dense, Flatten, MaxPool, ReLU, zoo
from labkit.partition import coarse, flops, tasks_of, volume
from labkit.partition.engines.counts.expand import expand
from labkit.partition.engines.counts.model import count_model
from labkit.partition.engines.counts.table import change, put, sum_loads, table_of, volume_of


def residual():
    """Three additions in one stage, a projection, a depthwise and a grouped convolution, a concatenation."""
    b = Builder()
    x = b.add("stem", Conv(12, 3, padding=1))
    for i in range(3):
        b.add(f"a{i}", Conv(7 + 2 * i, 3, padding=1), x)
        y = b.add(f"b{i}", Conv(12, 3, padding=1))
        b.add(f"add{i}", Add(), y, x)
        x = b.add(f"relu{i}", ReLU())
    down = b.add("down", Conv(16, 3, padding=1, stride=2), x)
    short = b.add("short", Conv(16, 1, stride=2), x)
    x = b.add("sum", Add(), down, short)
    depth = b.add("depth", Conv(16, 3, padding=1, groups=16), x)
    grouped = b.add("grouped", Conv(10, 3, padding=1, groups=2), depth)
    b.add("cat", Concat(), grouped, x)
    b.add("pool", MaxPool(2))
    b.add("flatten", Flatten())
    b.add("fc1", Dense(20))
    b.add("fc2", Dense(5))
    return b.network("residual", (3, 8, 8))


def normalised():
    b = Builder()
    b.add("conv1", Conv(12, 3, padding=1))
    b.add("norm", LRN(size=3))
    b.add("conv2", Conv(6, 3, padding=1))
    return b.network("normalised", (1, 6, 6))


NETWORKS = {name: zoo.get(name) for name in ("lenet5", "lenet5_1998", "vgg16", "resnet18_32", "alexnet_star")}
NETWORKS["residual"] = residual()


def problem_of(network):
    tasks = tasks_of(network)
    return coarse(tasks, flops(tasks))


def random_counts(units, parts, seed):
    """Tables with few and with many parts per class: int64 [classes, parts]."""
    rng = np.random.default_rng(seed)
    return np.stack([rng.multinomial(n, rng.dirichlet(np.full(parts, 0.3))) for n in units])


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("parts", [1, 2, 5])
def test_the_formula_is_the_counted_volume_of_the_expanded_plan(name, parts):
    problem = problem_of(NETWORKS[name])
    model = count_model(problem)
    for seed in range(4):
        counts = random_counts(model.arrays.units, parts, seed)
        part = expand(model, counts, problem.vertices.count)
        found = [np.bincount(part[members], minlength=parts) for members in model.members]
        assert np.array_equal(found, counts)
        by_model = volume_of(model.arrays, table_of(model.arrays, counts))
        assert by_model == pytest.approx(volume(problem.plan(part, parts), 1).elements, abs=1e-6)


def test_classes_of_a_chain_are_its_layers():
    problem = problem_of(zoo.get("vgg16"))
    model = count_model(problem)
    assert [len(m) for m in model.members] == [len(np.unique(f)) for f in problem.vertices.filters]
    assert model.pairings == ()
    assert all(b.readers == (b.maker + 1,) for b in model.bundles)


def test_a_grouped_convolution_divides_its_layer_and_the_one_before():
    model = count_model(problem_of(NETWORKS["residual"]))
    sizes = [len(members) for members in model.members]
    assert sizes.count(5) == 2  # 'grouped' has 10 filters in two groups
    assert sizes.count(8) == 6  # so have their makers, and what those are paired with: depth, down, short


def test_additions_pair_the_layers_of_a_stage():
    model = count_model(problem_of(zoo.get("resnet18_32")))
    assert len(model.pairings) == 8
    for pairing in model.pairings:
        assert sorted(pairing.match) == list(range(len(model.members[pairing.first])))


def test_partners_lie_together():
    """Two layers that are added and have equal counts send no map for the addition."""
    b = Builder()
    left = b.add("left", Conv(6, 3, padding=1))
    right = b.add("right", Conv(6, 3, padding=1), "input")
    b.add("add", Add(), left, right)
    b.add("flatten", Flatten())
    b.add("fc", Dense(3))
    problem = problem_of(b.network("two", (1, 4, 4)))
    model = count_model(problem)
    part = expand(model, np.array([[1, 0, 0], [1, 3, 2], [1, 3, 2], [0, 0, 1]]), problem.vertices.count)
    plan = problem.plan(part, 3)
    assert [row.elements for row in volume(plan, 1).rows if row.name == "left"] == [0]


@pytest.mark.parametrize("parts", [2, 3])
def test_normalisation_over_neighbouring_maps_is_estimated_for_long_runs(parts):
    problem = problem_of(normalised())
    model = count_model(problem)
    counts = np.stack([np.bincount(np.arange(n) * parts // n, minlength=parts) for n in model.arrays.units])
    plan = problem.plan(expand(model, counts, problem.vertices.count), parts)
    assert volume_of(model.arrays, table_of(model.arrays, counts)) == volume(plan, 1).elements


@pytest.mark.parametrize("name", ["residual", "resnet18_32"])
def test_a_move_changes_the_volume_by_what_was_foretold(name):
    arrays = count_model(problem_of(NETWORKS[name])).arrays
    rng = np.random.default_rng(3)
    parts = 4
    table = table_of(arrays, random_counts(arrays.units, parts, 1))
    for _ in range(60):
        one, p = rng.choice(np.argwhere(table.counts > 0))
        q = (p + rng.integers(1, parts)) % parts
        units = rng.integers(1, table.counts[one, p] + 1)
        before = volume_of(arrays, table)
        foretold = change(arrays, table, one, p, q, units)
        put(arrays, table, one, p, -units)
        put(arrays, table, one, q, units)
        assert volume_of(arrays, table) - before == pytest.approx(foretold)


def test_a_table_keeps_its_books():
    """After many moves the lists, sums and loads are those of the counts."""
    arrays = count_model(problem_of(NETWORKS["residual"])).arrays
    rng = np.random.default_rng(5)
    table = table_of(arrays, random_counts(arrays.units, 3, 2))
    for _ in range(300):
        one, p = rng.choice(np.argwhere(table.counts > 0))
        units = rng.integers(1, table.counts[one, p] + 1)
        put(arrays, table, one, p, -units)
        put(arrays, table, one, (p + 1) % 3, units)
    fresh = table_of(arrays, table.counts.copy())
    assert np.array_equal(table.reading, fresh.reading)
    assert np.allclose(table.load, arrays.work @ table.counts)
    for k in range(3):
        assert sorted(table.held[k, : table.held_by[k]]) == list(np.flatnonzero(table.counts[:, k]))
    for one in range(len(arrays.units)):
        assert sorted(table.holders[one, : table.spread_over[one]]) == list(np.flatnonzero(table.counts[one]))


def test_loads_are_summed_anew():
    arrays = count_model(problem_of(NETWORKS["residual"])).arrays
    table = table_of(arrays, random_counts(arrays.units, 3, 1))
    table.load[:] += 1.0
    sum_loads(arrays, table)
    assert np.allclose(table.load, arrays.work @ table.counts, rtol=1e-12)
