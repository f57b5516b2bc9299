"""The status board: what ranks write, what others see, and how they are held before one and the same step."""

import random
import threading

import pytest

from labkit.errors import LabError
from labkit.run.mpi.board import ABSENT, ALL, IDLE, NOBODY, RUNNING, UNLIMITED, WAITING, WORKING, Board, create


@pytest.fixture
def board(tmp_path):
    made = create(tmp_path / "board", 3, 123, 456)
    yield made
    made.close()


def test_new_board(board):
    assert (board.ranks, board.launcher, board.limit, board.closing) == (3, (123, 456), UNLIMITED, False)
    view = board.look(2)
    assert (view.rank, view.pid, view.state, view.status, view.progress_s) == (2, 0, ABSENT, None, 0)
    assert [(lane.lane, lane.step, lane.doing, lane.peer) for lane in view.lanes] == [
        (name, -1, IDLE, NOBODY) for name in ("main", "network", "server")
    ]


def test_another_process_sees_what_a_rank_writes(board, tmp_path):
    row = board.rows[1]
    row.process(11, 12)
    row.state(RUNNING)
    row.begin("main", 5, 3)
    row.begin("network", 4, 9)
    row.wait("network", 2)
    seen = Board(tmp_path / "board").look(1)
    main, network, server = seen.lanes
    assert (seen.pid, seen.keeper, seen.state, seen.status) == (11, 12, RUNNING, None)
    assert (main.step, main.position, main.doing, main.peer) == (5, 3, WORKING, NOBODY)
    assert (network.step, network.position, network.doing, network.peer) == (4, 9, WAITING, 2)
    assert server.since_s == 0 < main.since_s <= network.since_s == seen.progress_s
    assert board.look(0).last.step == board.look(2).last.step == -1


def test_a_server_without_a_main_lane_is_where_its_server_lane_is(board):
    board.rows[0].begin("server", 2, 1)
    board.rows[0].wait("server")
    assert (board.look(0).last.lane, board.look(0).last.peer) == ("server", ALL)


def test_how_a_rank_ended(board):
    board.rows[0].ended(-9)
    board.rows[1].ended(0)
    assert [board.look(rank).status for rank in range(3)] == [-9, 0, None]


def test_a_file_that_is_no_board_is_refused(tmp_path):
    (tmp_path / "x").write_bytes(bytes(4096))
    for name in ("x", "missing"):
        with pytest.raises(LabError, match="board"):
            Board(tmp_path / name)


def test_release_by_steps(board):
    assert board.rows[0].may_begin("main", 0)
    assert board.hold() == board.limit == 1
    assert not board.rows[1].may_begin("main", 1)
    board.release(1)
    assert board.rows[0].may_begin("main", 1) and not board.rows[0].may_begin("main", 2)
    board.release()
    assert board.rows[0].may_begin("main", 10**9)


def test_a_run_can_be_held_before_it_begins(board):
    assert board.hold() == 0 and not board.rows[0].may_begin("main", 0)


def test_stop_without_hold_limits_the_steps(board):
    board.rows[2].may_begin("server", 7)
    assert not board.rows[0].stopping
    assert board.stop() == board.limit >= 8
    assert board.rows[0].stopping


@pytest.mark.parametrize("seed", range(5))
def test_running_ranks_are_held_before_the_same_step(board, seed):
    chance, done = random.Random(seed), [0, 0, 0]
    ready = threading.Event()

    def rank(number):
        row, pauses = board.rows[number], [chance.random() / 5000 for _ in range(50)]
        for step in range(10**9):
            final = row.stopping
            while not row.may_begin("main", step):
                if final:
                    return
                final = row.stopping
            done[number] = step + 1
            if step > 20:
                ready.set()
            threading.Event().wait(pauses[step % 50])

    threads = [threading.Thread(target=rank, args=(number,), daemon=True) for number in range(3)]
    for thread in threads:
        thread.start()
    assert ready.wait(20)
    limit = board.stop()
    for thread in threads:
        thread.join(20)
    assert done == [limit] * 3


def test_ranks_are_told_to_end_only_when_it_is_known_before_which_step(board, monkeypatch):
    board.rows[0].may_begin("main", 3)
    count, late, told = board._furthest, iter([5]), []

    def count_late():
        told.append(board.rows[0].stopping)
        found = count()
        board.rows[1].may_begin("server", next(late, 5))
        return found

    monkeypatch.setattr(board, "_furthest", count_late)
    assert board.stop() == board.limit == 6
    assert told and not any(told) and board.rows[0].stopping
