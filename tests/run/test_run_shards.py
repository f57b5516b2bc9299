"""Who writes which weights: every value once, by a rank that updates it; and whole vectors come back."""

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.network import zoo
from labkit.run.checkpoint import files as checkpoints
from labkit.run.checkpoint import shards
from labkit.schedule import Schedule, equal_shares
from labkit.schedule.pieces import arrays, whole
from labkit.schedule.schedule import program

NETWORK = zoo.get("mlp")
LAYERS = len(NETWORK)


def make(ranks: int, programs: list[list[str]], pieces=None, shares=None) -> Schedule:
    shares = shares or equal_shares(8, ranks)
    return Schedule("test", NETWORK, shares, pieces or whole(NETWORK), tuple(map(program, programs)))


def all_reduce(ranks: int) -> Schedule:
    return make(ranks, [[f"F0:{LAYERS}; B0:{LAYERS}; allreduce g0 ring; U0:{LAYERS}"]] * ranks)


def servers() -> Schedule:
    """Two ranks that both work and serve, arrays dealt out in turn."""
    pieces = arrays(NETWORK)
    work = [f"F0:{LAYERS}; B0:{LAYERS}"]
    work += [f"push g{k}>{k % 2}; pull w{k}<{k % 2}" for k in range(len(pieces))]
    serves = [sum(k % 2 == r for k in range(len(pieces))) * 2 for r in range(2)]
    return make(2, [[*work, *["serve async"] * serves[r]] for r in range(2)], pieces)


def master() -> Schedule:
    compute = f"F0:{LAYERS}; B0:{LAYERS}; reduce g0>0 tree"
    return make(2, [[compute, f"U0:{LAYERS}", "bcast w0<0 tree"], [compute, "bcast w0<0 tree"]])


@pytest.mark.parametrize("schedule", [all_reduce(1), all_reduce(3), servers(), master()])
def test_every_value_has_one_owner(schedule):
    count = np.zeros(NETWORK.parameters, int)
    for pieces in shards.owners(schedule):
        for start, stop in pieces:
            count[start:stop] += 1
    assert (count == 1).all()


def test_owners_are_those_who_update():
    n = NETWORK.parameters
    assert [sum(p.values for p in pieces) for pieces in shards.owners(all_reduce(3))] == [
        n // 3,
        n // 3,
        n - n // 3 * 2,
    ]
    assert shards.owners(master()) == (((0, n),), ())
    pieces = arrays(NETWORK)
    assert shards.owners(servers()) == (pieces[0::2], pieces[1::2])


def test_layers_nobody_updates_are_rank_0s():
    schedule = make(2, [["wait"], [f"U{LAYERS - 1}:{LAYERS}"]])
    last = sum(map(np.prod, [s for k, s in NETWORK.weights().items() if k.startswith(NETWORK.nodes[-1].name + ".")]))
    n = NETWORK.parameters
    expected = (((0, n - last),), ((n - last, n),)) if last else (((0, n),), ())
    assert shards.owners(schedule) == expected


@pytest.mark.parametrize("schedule", [all_reduce(3), servers(), master()])
def test_shards_become_whole_again(tmp_path, schedule):
    n, rng = NETWORK.parameters, np.random.default_rng(0)
    weights, mean, squares = (rng.standard_normal(n).astype(np.float32) for _ in range(3))
    updates = np.repeat([3, 7], [n // 2, n - n // 2])
    states = [np.full(3, r, np.float32) for r in range(schedule.size)]
    for rank, owned in enumerate(shards.owners(schedule)):
        packed = shards.pack(owned, weights, {"mean": mean, "squares": squares}, updates, states[rank])
        checkpoints.write(tmp_path, rank, schedule.size, 4, *packed)
    checkpoints.commit(tmp_path, schedule.size, 4, tuple(range(schedule.size)), {})
    found = shards.gather(checkpoints.restore(tmp_path), n, ("mean", "squares"))
    for got, expected in ((found.weights, weights), (found.slots["mean"], mean), (found.slots["squares"], squares)):
        np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(found.updates, updates)
    np.testing.assert_array_equal(found.state_of(1, same_ranks=True), states[1])
    np.testing.assert_allclose(found.state_of(5, same_ranks=False), np.mean(states, axis=0))


def test_a_gap_and_a_missing_slot_are_refused(tmp_path):
    n = NETWORK.parameters
    owned = shards.owners(all_reduce(2))[0]
    packed = shards.pack(owned, np.zeros(n, np.float32), {}, np.zeros(n, int), None)
    checkpoints.write(tmp_path, 0, 1, 1, *packed)
    checkpoints.commit(tmp_path, 1, 1, (0,), {})
    restored = checkpoints.restore(tmp_path)
    with pytest.raises(LabError, match=rf"lacks {n - n // 2:,} of {n:,}"):
        shards.gather(restored, n, ())
    with pytest.raises(LabError, match="no 'slot velocity 0'"):
        shards.gather(restored, n, ("velocity",))


def test_other_ranks_begin_with_the_mean_of_the_states():
    states = {0: np.array([1.0, 4.0]), 1: np.array([3.0, 0.0])}
    found = shards.Whole(np.zeros(0), {}, np.zeros(0, np.int64), states)
    for rank, same, wanted in ((1, True, [3, 0]), (1, False, [2, 2]), (2, True, [2, 2])):
        assert found.state_of(rank, same).tolist() == wanted
    assert shards.Whole(np.zeros(0), {}, np.zeros(0, np.int64), {}).state_of(0, True) is None
