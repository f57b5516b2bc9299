"""Closed forms of collectives against the simulator: equal where they claim to be, bounds elsewhere."""

from math import inf, log2

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.errors import LabError
from labkit.limits.collectives import (
    NAMES,
    best,
    best_chunks,
    bytes_sent_max,
    compare,
    exact,
    lower_bound,
    messages,
    seconds,
)
from labkit.machine.links import Link
from labkit.network.graph import FLOAT_BYTES
from labkit.schedule import Schedule
from labkit.schedule.costs import Costs, no_compute
from labkit.schedule.pieces import Piece
from labkit.schedule.schedule import program
from labkit.schedule.simulate import alone, collective_seconds, simulate
from labkit.schedule.traffic import traffic

A, NB = 1.0, 10.0  # seconds of a latency, and of all n bytes
RANKS = range(1, 18)
CASES = [
    (op, name.replace("K", str(k)))
    for op, names in NAMES.items()
    if op != "server"
    for name in names
    for k in ((1, 2, 5) if name.endswith("K") else (0,))
]
ALL_REDUCE = NAMES["allreduce"]


def values_for(ranks: int) -> int:
    """Divisible by whatever cuts them: p, powers of two and the chunks above."""
    return 16 * 5 * ranks


def link_for(values: int, latency_s: float = A, nb: float = NB) -> Link:
    """On which `values` values take `nb` seconds of a port."""
    return Link("any", latency_s, values * FLOAT_BYTES / nb)


def simulated(op: str, how: str, ranks: int, latency_s: float = A, add_s: float = 0.0) -> float:
    """Seconds where n bytes take NB to send and `add_s` to add."""
    n = values_for(ranks)
    return collective_seconds(op, how, ranks, n, link_for(n, latency_s), n * FLOAT_BYTES / add_s if add_s else inf)


def in_form(op: str, how: str, ranks: int, latency_s: float = A, add_s: float = 0.0, overlap: bool = True) -> float:
    n = values_for(ranks)
    rate = n * FLOAT_BYTES / add_s if add_s else inf
    return seconds(op, how, ranks, n * FLOAT_BYTES, link_for(n, latency_s), rate, overlap=overlap)


@pytest.mark.parametrize(("op", "how"), CASES)
@pytest.mark.parametrize("add_s", [0.0, 3.0, 25.0])
def test_forms_are_what_the_simulator_finds(op, how, add_s):
    for ranks in RANKS:
        form, found = in_form(op, how, ranks, add_s=add_s), simulated(op, how, ranks, add_s=add_s)
        if exact(op, how, ranks):
            assert found == pytest.approx(form, rel=1e-9), (ranks, form, found)
        else:
            assert 0 < found <= form * (1 + 1e-9), (ranks, form, found)


def test_where_forms_are_exact():
    everywhere = [case for case in CASES if all(exact(*case, p) for p in RANKS)]
    assert {how.rstrip("125") for _, how in everywhere} == {"ring", "halving", "linear", "chain", "pipeline"}
    assert [p for p in RANKS if exact("allreduce", "tree", p)] == [1, 2, 4, 8, 16]


# By hand. Tree, p = 3: 1 and 2 send to 0 at once and share its port, a + 2nb; back, 0 sends to 2, then to 1, a + 2nb.
# p = 5: 4's values are there before 2's, which has waited for 3's; back, 2 gets them second and passes them on to 3.
# p = 6: 2 and 4 have both waited. Doubling: the folded ranks come a + nb late, but find their partners' values there,
# so they pay for sending only; the longer of two paths counts. Halving: every rank's share depends on every other's.
@pytest.mark.parametrize(
    ("how", "ranks", "long", "short"),
    [  # multiples of (a, nb), for messages that take longer than their latency, and shorter
        ("tree", 3, (2, 4), (2, 4)),
        ("tree", 5, (3, 6), (4, 5)),
        ("tree", 6, (4, 6), (4, 6)),
        ("tree", 7, (4, 6), (4, 6)),
        ("doubling", 3, (2, 3), (2, 3)),
        ("doubling", 5, (2, 4), (3, 3)),
        ("doubling", 6, (3, 4), (3, 4)),
        ("doubling", 7, (4, 4), (4, 4)),
        ("halving", 3, (4, 3), (4, 3)),
        ("halving", 5, (6, 3.5), (6, 3.5)),
        ("halving", 6, (6, 3.5), (6, 3.5)),
        ("halving", 7, (6, 3.5), (6, 3.5)),
    ],
)
def test_ranks_that_are_no_power_of_two(how, ranks, long, short):
    for latency_s, (latencies, passes) in ((1.0, long), (100.0, short)):
        expected = latencies * latency_s + passes * NB
        assert simulated("allreduce", how, ranks, latency_s) == pytest.approx(expected)
        assert in_form("allreduce", how, ranks, latency_s) >= expected * (1 - 1e-12)


def test_the_trees_formula_is_far_off_at_three_ranks():
    """Twice as much as it takes where latency counts: six latencies in the formula's rounds, two on the way."""
    assert in_form("allreduce", "tree", 3, 1000.0) / simulated("allreduce", "tree", 3, 1000.0) > 1.9
    assert in_form("allreduce", "tree", 6, 1000.0) / simulated("allreduce", "tree", 6, 1000.0) > 1.4


@pytest.mark.parametrize("ranks", range(2, 10))
def test_one_server(ranks):
    """p - 1 workers push all they have to rank 0, which adds up and answers."""
    n = values_for(ranks)
    network = alone("reduce", "linear", 1, n).network
    lists = (program(["serve sync"] * (ranks - 1)), *(program(["push g0>0; pull w0<0"]),) * (ranks - 1))
    one = Schedule("server", network, ((), *((1,),) * (ranks - 1)), (Piece(0, n),), lists)
    for add_s in (0.0, 3.0, 25.0):
        costs = Costs(no_compute(network), link_for(n), n * FLOAT_BYTES / add_s if add_s else inf)
        found = simulate(one, costs).seconds
        assert found == pytest.approx(in_form("server", "1", ranks, add_s=add_s))
        if not add_s:
            assert found == pytest.approx(2 * (A + (ranks - 1) * NB))
    rows = traffic(one)
    assert rows.messages == messages("server", "1", ranks)
    most = max(rows.of(rank).bytes for rank in range(ranks))
    assert most == bytes_sent_max("server", "1", ranks, n * FLOAT_BYTES)


@pytest.mark.parametrize("ranks", range(2, 10))
@pytest.mark.parametrize("turned", [True, False])
def test_sharded_servers_get_in_each_others_way(ranks, turned):
    """The form counts a latency for every message, and no waiting for ports that several want at once."""
    n = values_for(ranks)
    network = alone("reduce", "linear", 1, n).network
    pieces = tuple(Piece(k * n // ranks, (k + 1) * n // ranks) for k in range(ranks))
    lists = []
    for rank in range(ranks):
        order = [(k + rank * turned) % ranks for k in range(ranks)]
        step = [*(f"push g{k}>{k}" for k in order), *(f"pull w{k}<{k}" for k in order)]
        lists.append(program(["serve sync"] * ranks + step))
    one = Schedule("sharded", network, ((1,),) * ranks, pieces, tuple(lists))
    found = simulate(one, Costs(no_compute(network), link_for(n))).seconds
    least, most = (2 * (A + slots / ranks * NB) for slots in (ranks - 1, 2 * ranks - 3))
    assert least <= found * (1 + 1e-9) and found <= most * (1 + 1e-9)
    assert least <= in_form("server", "sharded", ranks) and not exact("server", "sharded", ranks)
    rows, size = traffic(one), n * FLOAT_BYTES
    assert rows.messages == messages("server", "sharded", ranks)
    assert {rows.of(rank).bytes for rank in range(ranks)} == {bytes_sent_max("server", "sharded", ranks, size)}


@pytest.mark.parametrize(("op", "how"), CASES)
def test_bytes_and_messages_are_those_of_the_moves(op, how):
    for ranks in RANKS:
        n = values_for(ranks)
        rows = traffic(alone(op, how, ranks, n))
        most = max((rows.of(rank).bytes for rank in range(ranks)), default=0)
        assert most == pytest.approx(bytes_sent_max(op, how, ranks, n * FLOAT_BYTES)), ranks
        assert rows.messages == (messages(op, how, ranks) if ranks > 1 else 0), ranks


@pytest.mark.parametrize(("op", "how"), [c for c in CASES if c[1] not in ("ring", "scatter")])
def test_textbooks_let_no_latencies_overlap(op, how):
    for ranks in RANKS:
        assert in_form(op, how, ranks, overlap=False) >= in_form(op, how, ranks)
    assert in_form("bcast", "linear", 9, overlap=False) == pytest.approx(8 * (A + NB))
    assert in_form("bcast", "chain5", 9, overlap=False) == pytest.approx(12 * (A + NB / 5))
    assert in_form("bcast", "pipeline5", 7, overlap=False) == pytest.approx(12 * (A + NB / 5))
    assert in_form("reduce", "linear", 9, add_s=2.0, overlap=False) == pytest.approx(8 * (A + NB + 2))


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(ALL_REDUCE),
    *(st.integers(2, 20), st.integers(1, 5000), st.floats(0, 1), st.floats(1e2, 1e9)),
)
def test_no_all_reduce_beats_the_bounds(how, ranks, values, latency_s, bytes_per_s):
    link = Link("any", latency_s, bytes_per_s)
    found = collective_seconds("allreduce", how, ranks, values, link)
    assert found >= 2 * (ranks - 1) / ranks * values * FLOAT_BYTES / bytes_per_s * (1 - 1e-9)
    assert found >= (ranks - 1).bit_length() * latency_s * (1 - 1e-9)
    assert found >= lower_bound("allreduce", ranks, values * FLOAT_BYTES, link) * (1 - 1e-9)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([case for case in CASES if case[0] != "allreduce"]),
    *(st.integers(2, 20), st.integers(1, 5000), st.floats(0, 1), st.floats(1e2, 1e9)),
)
def test_no_reduce_or_broadcast_beats_the_bounds(case, ranks, values, latency_s, bytes_per_s):
    link = Link("any", latency_s, bytes_per_s)
    bound = lower_bound(case[0], ranks, values * FLOAT_BYTES, link)
    assert collective_seconds(*case, ranks, values, link) >= bound * (1 - 1e-9)


def test_ring_and_halving_reach_the_bound_on_bytes():
    for how, ranks in (("ring", 7), ("halving", 8)):
        n = values_for(ranks)
        link = link_for(n, 0.0)
        assert simulated("allreduce", how, ranks, 0.0) == pytest.approx(
            lower_bound("allreduce", ranks, n * FLOAT_BYTES, link)
        )


@pytest.mark.parametrize(("algorithm", "ranks"), [("chain", 8), ("chain", 17), ("pipeline", 15), ("pipeline", 31)])
def test_the_best_number_of_chunks(algorithm, ranks):
    """No other K is better, in the textbook's form, than one of the two whole numbers beside K*."""
    n_bytes, link = 1e6, Link("any", 1e-3, 1e7)
    k = best_chunks(algorithm, ranks, n_bytes, link)

    def textbook(chunks: int) -> float:
        return seconds("bcast", f"{algorithm}{chunks}", ranks, n_bytes, link, overlap=False)

    assert k > 5
    assert min(range(1, 200), key=textbook) in (int(k), int(k) + 1)
    if algorithm == "chain":
        assert k == pytest.approx(((ranks - 2) * 0.1 / 1e-3) ** 0.5)


def test_overhead_takes_the_place_of_latency_where_latencies_overlap():
    ranks, values, link, overhead_s = 10, 25_000, Link("any", 5e-3, 1e7), 1e-4
    k = best_chunks("chain", ranks, values * FLOAT_BYTES, link, overhead_s)
    found = {c: collective_seconds("bcast", f"chain{c}", ranks, values, link, inf, overhead_s) for c in range(1, 60)}
    assert k == pytest.approx((8 * 1e-2 / 1e-4) ** 0.5)
    assert min(found, key=found.get) == pytest.approx(k, abs=2)
    assert best_chunks("chain", ranks, 1e5, link, 0.0) == inf
    assert best_chunks("chain", 2, 1e5, link, 0.0) == best_chunks("pipeline", 3, 1e9, link) == 1


def test_the_choice_depends_on_size():
    link = Link("any", 500e-6, 100e6)
    assert best("allreduce", 8, 1024, link).algorithm == "doubling"
    assert best("allreduce", 8, 4 * 2**20, link).algorithm == "halving"
    assert best("allreduce", 6, 4 * 2**20, link).algorithm == "ring"
    assert best("bcast", 8, 64, link).algorithm == "linear"
    assert best("bcast", 8, 16 * 2**20, link, overhead_s=20e-6).algorithm.startswith("chain")
    found = compare("reduce", 8, 2**20, link)
    assert [choice.algorithm for choice in found] == ["tree", "linear"]
    assert found[0].seconds == pytest.approx(3 * (500e-6 + 2**20 / 100e6))


def test_bad_arguments():
    link = Link("any", 1e-3, 1e6)
    for bad in (
        lambda: seconds("alltoall", "ring", 4, 1e6, link),
        lambda: seconds("allreduce", "rings", 4, 1e6, link),
        lambda: seconds("allreduce", "mpi", 4, 1e6, link),
        lambda: seconds("bcast", "chain", 4, 1e6, link),
        lambda: seconds("bcast", "chainK", 4, 1e6, link),
        lambda: seconds("bcast", "scatter2", 4, 1e6, link),
        lambda: seconds("allreduce", "ring", 0, 1e6, link),
        lambda: seconds("allreduce", "ring", 2.5, 1e6, link),
        lambda: lower_bound("server", 4, 1e6, link),
        lambda: best_chunks("tree", 4, 1e6, link),
        lambda: compare("server", 4, 1e6, link),
    ):
        with pytest.raises(LabError):
            bad()


def test_lg_is_to_the_base_of_two():
    assert seconds("allreduce", "doubling", 64, 1e6, Link("any", 1.0, 1e6)) == pytest.approx(log2(64) * 2.0)
