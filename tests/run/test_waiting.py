"""The one wait: it ends when it may, says whom it waited for, and lets itself be ended."""

import sys
import threading
import time

import pytest

from labkit.errors import LabError
from labkit.run.rank.clock import now_ns
from labkit.run.rank.ledger import Ledger, total
from labkit.run.rank.waiting import LaneError, Patience, quick_switches, spinning_s, wait
from labkit.schedule.traffic import Sent


def patience(timeout_s: float = 20.0, spin_s: float = 0.0, check=lambda: None) -> Patience:
    return Patience(timeout_s, spin_s, check)


def counting(times: int):
    """Ready when asked for the `times`th time."""
    asked = []
    return lambda: len(asked) >= times or asked.append(1)


def never() -> bool:
    return False


@pytest.mark.parametrize("spin_s", [0.0, 1e-3])
def test_it_returns_when_ready(spin_s):
    for times in (0, 1, 50):
        wait(counting(times), patience(spin_s=spin_s), lambda: "nothing")


def test_it_gives_up_after_its_time_and_says_for_whom():
    with pytest.raises(LabError, match=r"waited 0.03 s for a message of rank 5 — .*timeout_s"):
        wait(never, patience(timeout_s=0.03), lambda: "a message of rank 5")


def test_what_the_check_raises_ends_it():
    class Stop(Exception):
        pass

    checks = []

    def check():
        checks.append(1)
        if len(checks) == 3:
            raise Stop

    with pytest.raises(Stop):
        wait(never, patience(check=check), lambda: "")
    assert len(checks) == 3
    wait(lambda: True, patience(check=check), lambda: "")
    assert len(checks) == 3  # not asked where there is nothing to wait for


def test_it_sleeps_until_a_message_is_due():
    due = now_ns() + 3_000_000
    asked = []
    wait(lambda: asked.append(now_ns()) or asked[-1] >= due, patience(), lambda: "", lambda: due)
    assert len(asked) <= 8 and asked[-1] >= due  # a sleep of a millisecond at most, not thousands of questions


def test_other_threads_go_on_while_it_waits():
    flag = threading.Event()
    thread = threading.Thread(target=lambda: (time.sleep(0.02), flag.set()))
    thread.start()
    wait(flag.is_set, patience(spin_s=10), lambda: "a thread")
    thread.join()


def test_ranks_that_share_cores_do_not_spin():
    assert spinning_s(2, 2) > 0 and spinning_s(3, 2) == 0


def test_quick_switches_end_with_the_last_lane():
    before = sys.getswitchinterval()
    with quick_switches():
        with quick_switches():
            assert sys.getswitchinterval() == pytest.approx(min(before, 5e-4))
        assert sys.getswitchinterval() == pytest.approx(min(before, 5e-4))
    assert sys.getswitchinterval() == pytest.approx(before)


def test_an_error_keeps_its_reason_and_its_place():
    ours = LaneError("main", 3, 4, "F0:2", LabError("too much", "take less", 1))
    assert (ours.what, ours.instead, ours.status, ours.ours) == ("too much", "take less", 1, True)
    other = LaneError("server", 3, 4, "serve sync", ZeroDivisionError("by\n zero"))
    assert (str(other), other.ours, other.lane, other.step, other.position) == (
        *("ZeroDivisionError: by zero", False, "server", 3, 4),
    )


def test_the_ledger_counts_by_receiver_and_instruction():
    main, network = Ledger(2), Ledger(2)
    for peer, position, values in ((0, 4, 10), (1, 4, 3), (0, 4, 10)):
        main.count(peer, position, values)
    network.count(0, 4, 1)
    assert (main.messages, main.bytes) == (3, 92)
    assert total([main, network]).rows == (Sent(2, 0, 4, 3, 84), Sent(2, 1, 4, 1, 12))
