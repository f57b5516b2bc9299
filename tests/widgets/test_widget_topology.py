"""Topology: collectives played round by round, learners' mistakes that are found, the ledger, input and string."""

import json

import pytest

from labkit.errors import LabError
from labkit.schedule import Instruction, parse
from labkit.schedule.collectives import ALGORITHMS, LIBRARY, Move, moves
from labkit.widgets import topology
from labkit.widgets._collective import checked_moves, parents, play
from labkit.widgets._mistakes import goal, verdict
from labkit.widgets.topology import TopologyView

MODULE = str(TopologyView._esm)


def programs(op, algorithm, ranks, values, root=0):
    return [list(moves(op, algorithm, rank, ranks, root, values)) for rank in range(ranks)]


def ring(ranks, values, change=lambda rank, number, move: move):
    """The ring all-reduce with every move passed through `change`."""
    found = programs("allreduce", "ring", ranks, values)
    return [[change(r, n, move) for n, move in enumerate(one)] for r, one in enumerate(found)]


@pytest.mark.parametrize("op", ["allreduce", "reduce", "bcast"])
@pytest.mark.parametrize("ranks", [2, 3, 4, 5, 7, 8])
@pytest.mark.parametrize("values", [1, 5, 16, 61706])
def test_every_algorithm_ends_right(op, ranks, values):
    root = ranks // 2 if op != "allreduce" else 0
    view = topology(op, ranks=ranks, values=values, root=root)
    assert len(view.plays) >= 2
    for name, one in view.plays.items():
        assert one["says"].startswith("Right: "), (name, one["says"])
        for rank, hold in goal(op, ranks, root).items():
            assert set(one["holds"][-1][rank]) == {"".join(map(str, hold))}


@pytest.mark.parametrize(("ranks", "rounds"), [(2, 2), (5, 8), (8, 14)])
def test_a_ring_takes_two_rounds_per_other_rank_and_its_chunks_grow_by_one(ranks, rounds):
    played = play(programs("allreduce", "ring", ranks, 8 * ranks), 8 * ranks)
    assert played.rounds == rounds
    for number, holds in enumerate(played.holds[:ranks]):
        assert max(sum(cell) for hold in holds for cell in hold) == number + 1


def test_a_message_waits_for_its_receiver():
    played = play(programs("reduce", "linear", 4, 4), 4)
    assert [(a.round, a.left, a.source) for a in played.arrivals] == [(1, 1, 1), (2, 1, 2), (3, 1, 3)]


def test_cells_are_the_parts_that_moves_cut():
    assert play(programs("allreduce", "ring", 3, 100), 100).cells == ((0, 33), (33, 66), (66, 100))
    assert play(programs("allreduce", "tree", 4, 100), 100).cells == ((0, 100),)
    assert len(play(programs("allreduce", "tree", 4, 16), 16).cells) == 16


def test_added_where_it_should_replace_is_counted_twice():
    view = topology(moves=ring(4, 4, lambda r, n, move: move._replace(add=True)))
    assert view.says == (
        "First mistake: in round 4 a message of rank 3 brings what rank 0 gave to value 0 of rank 0 again. "
        "At the end value 0 of rank 0 holds 0 + 0 + 1 + 2 + 3; 11 more are wrong."
    )
    assert view.plays["yours"]["wrong"] == [0, 0, 4] and list(view.plays)[:2] == ["yours", "ring"]


def test_replaced_where_it_should_add_is_lost():
    view = topology(moves=ring(4, 8, lambda r, n, move: move._replace(add=False)), values=8)
    assert view.says.startswith(
        "First mistake: in round 1 value 6 of rank 0 is replaced by what rank 3 sends: rank 0 is lost there. At the end"
    )


def test_one_round_too_few_names_who_is_missing():
    text, wrong = verdict(play([one[:-1] for one in ring(4, 4)], 4), "allreduce", 0)
    assert wrong == (0, 2, 2) and text == (
        "First mistake: the contribution of rank 1 never comes to value 2 of rank 0. "
        "At the end value 2 of rank 0 holds 0 + 2 + 3; 3 more are wrong."
    )


@pytest.mark.parametrize(("rank", "number"), [(3, 2), (0, 0), (4, 3)])
def test_a_mistake_is_traced_back_to_the_message_that_made_it(rank, number):
    def change(r, n, move):
        return move._replace(add=False) if (r, n) == (rank, number) else move

    text, wrong = verdict(play(ring(5, 5, change), 5), "allreduce", 0)
    assert wrong == (rank, (rank - number - 1) % 5, number + 1)
    assert f"rank {rank} is lost there." in text


def test_a_deadlock_ends_the_play_and_is_named():
    found = [[Move(None, (0, 0), 1, (0, 1), True)], [Move(None, (0, 0), 0, (0, 1), True)]]
    text, wrong = verdict(play(found, 1), "allreduce", 0)
    assert text == "Deadlock: rank 0 waits for a message from rank 1, which sends none; 2 ranks wait." and wrong is None


def test_values_that_arrive_as_others_are_named():
    found = ring(4, 8)
    found[2][1] = found[2][1]._replace(received=(2, 4))
    view = topology(moves=found, values=8)
    assert view.says == "Round 2: rank 1 sends values 0 to 1 to rank 2, which puts them at values 2 to 3."
    assert view.plays["yours"]["wrong"] == [2, 2, 2]


def test_messages_that_nobody_takes_are_counted():
    found = programs("bcast", "linear", 3, 3)
    found[0].append(Move(1, (0, 3), None, (0, 0)))
    assert verdict(play(found, 3), "bcast", 0)[0].endswith("Messages that nobody took: 1.")


def test_trees_have_parents_and_rings_have_none():
    assert parents(play(programs("bcast", "tree", 8, 8), 8), 0) == [-1, 0, 0, 2, 0, 4, 4, 6]
    assert parents(play(programs("reduce", "linear", 4, 4, 2), 4), 2) == [2, 2, -1, 2]
    assert parents(play(programs("allreduce", "ring", 4, 4), 4), 0) == []
    assert parents(play(programs("bcast", "chain4", 4, 4), 4), 0) == []


def test_the_page_counts_bytes_like_the_moves(run_js):
    for op, name in (("allreduce", "ring"), ("allreduce", "halving"), ("bcast", "tree")):
        view = topology(op, name, 5, 23)
        one = view.plays[name]
        sent = [4 * sum(m.values_sent for m in moves(op, name, rank, 5, 0, 23)) for rank in range(5)]
        got = run_js(MODULE, f"(m) => m.ledger({json.dumps(one)}, 99)")
        assert [row["sent"] for row in got] == sent
        assert sum(row["received"] for row in got) == sum(sent)
        assert [row["sent"] for row in run_js(MODULE, f"(m) => m.ledger({json.dumps(one)}, 0)")] == [0] * 5


def test_the_sentence_says_the_round_and_at_the_end_the_result(run_js):
    one = json.dumps(topology("bcast", "linear", 3, 6).plays["linear"])
    first, second, end = run_js(MODULE, f"(m) => [0, 0.5, 2].map((at) => m.sentence({one}, at))")
    assert first.startswith("Before the first of 2 rounds. Sent so far: 0")
    assert second.startswith("Round 1 of 2: rank 0 → 1 values 0 to 5 (replace). Sent so far: 0")
    assert end.endswith("Right: after 2 rounds every rank holds the values of rank 0.")
    assert run_js(MODULE, "(m) => [m.spelled('1020'), m.spelled('000')]") == ["0 + 2 + 2", "nothing"]


def test_ranks_stand_apart(run_js):
    for op, name, ranks in (
        ("allreduce", "ring", 2),
        ("allreduce", "ring", 8),
        ("bcast", "tree", 8),
        ("bcast", "linear", 5),
    ):
        one = json.dumps(topology(op, name, ranks).plays[name])
        spots = run_js(MODULE, f"(m) => m.places({one})")
        assert len({(round(x, 3), round(y, 3)) for x, y in spots}) == ranks
        assert all(-1e-9 <= v <= 1 + 1e-9 for spot in spots for v in spot)


def test_an_instruction_gives_algorithm_and_root():
    view = topology(parse("bcast w3<2 tree &"), ranks=4, values=100)
    assert view.state["algorithm"] == "tree" and view.title == "bcast of 100 values on 4 ranks, root 2"
    assert topology(Instruction("allreduce", item="g", how="halving"), ranks=3).state["algorithm"] == "halving"


def test_algorithms_of_the_operation_can_be_chosen():
    plain = {name for name in ALGORITHMS["allreduce"] if name != LIBRARY}
    assert set(topology().plays) == plain
    view = topology("bcast", "chain2", 4, 8)
    assert "chain2" in view.plays and "chain4" in view.plays and view.state["algorithm"] == "chain2"


def test_moves_may_be_plain_tuples():
    plain = [[tuple(move) for move in one] for one in ring(3, 3)]
    assert topology(moves=plain).says.startswith("Right")
    assert checked_moves([[(1, (0, 1), None, (0, 0))], []], 1)[0][0] == Move(1, (0, 1), None, (0, 0))


def test_the_string_of_the_state_goes_there_and_back():
    view = topology("allreduce", "halving", 6)
    view.state = view.state | {"at": 2.5, "speed": 3.5}
    assert topology("allreduce", ranks=6, from_state=view.state_string()).state == view.state


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"op": "alreduce"}, "allreduce"),
        ({"algorithm": "rings"}, "did you mean 'ring'"),
        ({"algorithm": "mpi"}, "choose one of"),
        ({"op": parse("send w0>1")}, "send"),
        ({"ranks": 9}, "from 2 to 8"),
        ({"values": 0}, "values=0"),
        ({"op": "bcast", "root": 4}, "root=4"),
        ({"op": "bcast", "algorithm": "chain64", "values": 640}, "parts of a vector can be drawn"),
        ({"moves": lambda rank: []}, "one list of moves for each rank"),
        ({"moves": [[]]}, "ranks=1"),
        ({"moves": [[]], "ranks": 2}, "at least two"),
        ({"moves": [[], [], []], "ranks": 4}, "moves of 3 ranks"),
        ({"moves": [[3], []]}, "give Move"),
        ({"moves": [[Move(2, (0, 1), None, (0, 0))], []]}, "rank 0, move 0 sends to rank 2"),
        ({"moves": [[], [Move(None, (0, 0), 1, (0, 1))]]}, "receives from rank 1"),
        ({"moves": [[], [Move(0, (0, 3), None, (0, 0))]]}, "of a vector of 2"),
        ({"from_state": "topology?at=7"}, "at=7"),
        ({"from_state": "topology?algorithm=%22trees%22"}, "tree"),
    ],
)
def test_bad_input_is_refused(arguments, word):
    with pytest.raises(LabError, match=word):
        topology(**arguments)
