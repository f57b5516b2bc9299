"""Parts of a run under MPI that need no ranks: what ranks tell, what failures say, who is alive, what is held."""

import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.network import zoo
from labkit.run.communicators.mpi import _ABANDONED, MpiCommunicator, MpiTicket
from labkit.run.failure import MOST_SHOWN, RankError, failure_of
from labkit.run.job import Job
from labkit.run.local import run_on_threads
from labkit.run.mpi import keeper, processes, rank_main
from labkit.run.mpi.board import ALL, NOBODY, RUNNING, create
from labkit.run.mpi.control import Control
from labkit.run.mpi.rank_files import event_from, event_row, pack, unpack
from labkit.run.mpi.rank_run import board_hooks
from labkit.run.mpi.stream import Stream, Tail
from labkit.run.rank.result import RankResult
from labkit.schedule.staleness import Stale
from labkit.schedule.traffic import Sent
from labkit.schemes import registry


def test_what_is_told_is_heard_in_order_and_whole(tmp_path):
    tail = Tail(tmp_path / "stream")
    assert tail.new() == []
    stream = Stream(tmp_path / "stream")
    stream.tell("loss", [0, 1.5])
    assert tail.new() == [("loss", [0, 1.5])]
    with (tmp_path / "stream").open("ab") as file:
        file.write(b'["half')
        file.flush()
        assert tail.new() == []
        file.write(b'", {"a": "\xc3\xa4"}]\n')
    assert tail.new() == [("half", {"a": "ä"})]
    for number in range(3):
        stream.tell("n", number)
    stream.close()
    assert tail.new() == [("n", 0), ("n", 1), ("n", 2)]
    tail.close()


def test_a_rank_that_only_waits_tells_what_it_has(tmp_path, monkeypatch):
    monkeypatch.setattr("labkit.run.mpi.stream.FLUSH_EVERY_S", float("inf"))
    stream, tail = Stream(tmp_path / "stream"), Tail(tmp_path / "stream")
    stream.tell("a", 1)
    stream.look()
    assert tail.new() == []
    monkeypatch.setattr("labkit.run.mpi.stream.FLUSH_EVERY_S", 0.0)
    stream.look()
    assert tail.new() == [("a", 1)]
    stream.close()
    tail.close()


@pytest.fixture
def ten(tmp_path):
    board = create(tmp_path / "board", 10, 1, 1)
    for row in board.rows:
        row.process(1, 2)
        row.state(RUNNING)
        row.begin("main", 4, 0)
    yield board
    board.close()


def test_a_failure_says_first_who_waited_for_the_rank(ten):
    ten.rows[7].wait("main", 3)
    ten.rows[8].begin("network", 4, 2)
    ten.rows[8].wait("network", 3)
    ten.rows[8].wait("main", ALL)
    ten.rows[9].wait("main", ALL)
    failure = failure_of(ten.look(3), "has stalled", [ten.look(r) for r in range(10)], lambda r, p: f"i{p}")
    assert [(w.rank, w.position, w.peer) for w in failure.waiting] == [(7, 0, 3), (8, 2, 3), (9, 0, ALL)]
    assert [w.rank for w in failure.others] == [7, 8, 9, 0, 1, 2, 4, 5, 6] and failure.others[-1].peer == NOBODY
    said = str(RankError(failure, "start the run again"))
    assert said.startswith("rank 3 in step 4, instruction 0 (i0) has stalled; rank 7 was waiting for rank 3 in 'i0'; ")
    assert "rank 8 was waiting for rank 3 in 'i2'; rank 9 was waiting for others in 'i0'; rank 0 was at 'i0'" in said
    assert f"and {9 - MOST_SHOWN} ranks more" in said


def test_what_an_instruction_says_about_itself_comes_before_the_board(ten):
    views = [ten.look(r) for r in range(10)]
    failure = failure_of(views[0], "failed: x", views, lambda r, p: f"i{p}", place=(2, 9))
    assert (failure.step, failure.position, failure.spelling) == (2, 9, "i9")
    assert failure.others[0].text(2) == "rank 1 was at 'i0' of step 4"


def test_who_is_alive():
    born = keeper.birth(os.getpid()) or 0
    assert keeper.alive(os.getpid(), born)
    if sys.platform == "linux":
        assert not keeper.alive(os.getpid(), born + 1)  # the number belongs to another process by now
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert not keeper.alive(process.pid, 0)


def test_files_in_shared_memory_are_noted_and_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(keeper, "SHARED_MEMORY", tmp_path)
    left, folder = tmp_path / "left", tmp_path / "run"
    folder.mkdir()
    left.touch()
    (folder / "shared-memory-0").write_text(f"{left}\n{tmp_path / 'gone'}", encoding="utf-8")
    keeper.clean([folder])
    assert not left.exists() and not folder.exists() and tmp_path.exists()


def test_steps_asked_for_before_a_run_begins_are_owed(ten):
    control = Control(paused=True)
    control.step()
    control.step()
    for row in ten.rows:
        row.begin("main", -1, -1)
    control.attach(SimpleNamespace(board=ten))
    row = ten.rows[0]
    assert [row.may_begin("main", step) for step in range(3)] == [True, True, False]
    control.resume()
    assert row.may_begin("main", 2)
    control.attach(None)
    control.stop()
    assert not row.stopping
    control.attach(SimpleNamespace(board=ten))
    assert row.stopping


def test_results_and_events_there_and_back():
    schedule = registry.build("allreduce", zoo.get("mlp"), 2, 4)
    events = run_on_threads(schedule, Job(data="synthetic", backend="reference", steps=2)).timeline.events
    mine = tuple(event for event in events if event.rank == 0)
    assert tuple(event_from(0, event_row(event), schedule) for event in mine) == mine
    shifted = event_from(0, event_row(mine[0]), schedule, zero_s=1.0)
    assert (shifted.start_s, shifted.end_s) == (mine[0].start_s - 1, mine[0].end_s - 1)
    arrays = {"losses": np.array([1.5, 2.0]), "parameters": np.ones(5, np.float32), "state": np.empty(0, np.float32)}
    records = {"served": (2,), "stale": (Stale(1, 2, 3, 4, 5),), "sent": (Sent(0, 1, 2, 3, 4),), "events": mine}
    plain = {"first_step": 3, "works": True, "began_s": 1.5, "ended_s": 2.5, "compute_s": 1.0, "communicate_s": 0.5}
    about = {"memory_bytes": None, "communicator": "x", "regime": "real"}
    found = unpack(pack(RankResult(rank=0, **arrays, **records, **plain, **about)), schedule)
    assert {name: getattr(found, name) for name in records | plain | about} == records | plain | about
    assert all(np.array_equal(getattr(found, name), array) for name, array in arrays.items())
    assert found.losses.dtype == np.float64 and found.parameters.dtype == np.float32


def fails(seat):
    seat.stream.tell("word", 1)
    raise LabError("it cannot be", "try something else")


def test_a_rank_that_fails_leaves_nothing_open(tmp_path, ten, monkeypatch):
    left = []
    world = SimpleNamespace(size=10, name="MPI", close=lambda: left.append(True))
    monkeypatch.setattr("labkit.run.communicators.mpi.MpiCommunicator", lambda comm: world)
    opened = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else set()
    orders = {"ranks": 10, "function": f"{__name__}:fails", "arguments": {}}
    with pytest.raises(LabError, match="it cannot be"):
        rank_main.do(tmp_path, orders, ten.rows[2], 2)
    assert left and ten.look(2).state == RUNNING
    tail = Tail(tmp_path / rank_main.stream_file(2))
    assert tail.new() == [("word", 1)]
    tail.close()
    assert not opened or set(os.listdir("/proc/self/fd")) == opened


def test_messages_that_failed_do_not_keep_a_rank_from_leaving():
    class Fault(Exception):
        pass

    def refuse():
        raise Fault

    tickets = [
        MpiTicket(1, SimpleNamespace(Cancel=refuse, Test=lambda: True), receives=True),
        MpiTicket(1, SimpleNamespace(Test=refuse)),
        MpiTicket(1, SimpleNamespace(Test=lambda: False)),
        MpiTicket(1, SimpleNamespace(Test=lambda: True)),
    ]
    communicator = MpiCommunicator.__new__(MpiCommunicator)
    communicator._mpi, communicator._pending = SimpleNamespace(Exception=Fault), set(tickets)
    before = list(_ABANDONED)
    communicator.close()
    kept = [request for request in _ABANDONED if request not in before]
    assert sorted(map(id, kept)) == sorted(id(ticket.request) for ticket in tickets[:3])
    assert not communicator._pending
    del _ABANDONED[len(before) :]


def test_only_shared_memory_is_removed_on_the_word_of_a_note(tmp_path):
    theirs, run = tmp_path / "precious", tmp_path / "run"
    theirs.write_text("x")
    run.mkdir()
    around = keeper.SHARED_MEMORY / ".." / str(theirs)[1:]
    (run / "shared-memory-0").write_text(f"{theirs}\n{around}\n")
    keeper.clean([run])
    assert theirs.exists() and not run.exists()


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no users")
def test_folders_of_dead_runs_are_removed_but_not_those_of_others(tmp_path, monkeypatch):
    me = os.getuid()
    monkeypatch.setattr(processes.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(processes, "SHARED_MEMORY", tmp_path / "none")
    dead = tmp_path / "labkit-run-999999999-1-x"
    alive = tmp_path / f"labkit-run-{os.getpid()}-{keeper.birth(os.getpid()) or 0}-x"
    for folder in (dead, alive):
        folder.mkdir()
    monkeypatch.setattr(processes.os, "getuid", lambda: me + 1)
    processes.sweep()
    assert dead.exists()
    monkeypatch.setattr(processes.os, "getuid", lambda: me)
    processes.sweep()
    assert alive.exists() and not dead.exists()


def test_a_rank_does_not_end_before_a_step_that_others_may_still_do(ten):
    row = ten.rows[3]
    may_begin = board_hooks(row, ["main"], lambda: None).may_begin
    ten.rows[4].may_begin("main", 6)
    ten.hold()
    assert may_begin("main", 7) is False  # held
    asked = row.may_begin

    class Moving:
        """The limit moves, and then all are told to end, after this lane has read it."""

        stopping = property(lambda self: row.stopping)
        idle, wait = staticmethod(row.idle), staticmethod(row.wait)

        def may_begin(self, lane, step):
            said = asked(lane, step)
            ten.stop()
            return said

    moving = board_hooks(Moving(), ["main"], lambda: None).may_begin
    assert [moving("main", 7), moving("main", 7)] == [False, None]
