"""The one wait of a run: with a deadline, a way to be ended, and a message that says who waited for what.

Nothing here blocks on a message: `ready()` is asked again and again. Where every rank has a core of its own it is asked
without a pause at first, because a message between two cores takes microseconds and a sleep takes tens of them; where
ranks share cores a rank that asks would keep the one it waits for from running, so it sleeps.
"""

import sys
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass

from labkit.errors import LabError
from labkit.machine.processor import usable_cores
from labkit.run.rank.clock import fine_timers, now_ns, sleep_until

SPIN_S = 1e-3  # several MiB through shared memory
SPIN_BEHIND_S = 30e-6  # in a lane whose rank may be computing on the same core
FIRST_SLEEP_S, LONGEST_SLEEP_S = 20e-6, 1e-3
LONGEST_SLEEP_NS = round(LONGEST_SLEEP_S * 1e9)
CHECK_EVERY_S = 2e-3
SWITCH_S = 5e-4


class Ended(Exception):
    """This lane ends because of what happened in another lane of its rank; never shown to anyone."""


class LaneError(LabError):
    """What `Interpreter.run` raises where an instruction fails: the reason, and where it was.

    lane: 'main', 'network' or 'server'. step: from 0. position: of the instruction in the rank's list; spelling: the
    instruction. The message is the reason only: whoever sees all ranks says where it was, and who waited for it.
    """

    def __init__(self, lane: str, step: int, position: int, spelling: str, error: BaseException):
        ours = isinstance(error, LabError)
        what = error.what if ours else f"{type(error).__name__}: {' '.join(str(error).split())}"
        super().__init__(what, error.instead if ours else "", error.status if ours else 1)
        self.lane, self.step, self.position, self.spelling, self.ours = lane, step, position, spelling, ours


@dataclass(frozen=True)
class Patience:
    """How to wait. timeout_s: longest time of one wait. spin_s: how long to ask without a pause.

    check: called before every wait that is not over at once, and every few milliseconds while waiting; what it raises
    ends the wait.
    """

    timeout_s: float
    spin_s: float
    check: Callable[[], None]


def spinning_s(ranks: int, cores: int | None = None) -> float:
    """Seconds to ask without a pause: none where `ranks` share `cores` (None: those this process may use)."""
    return SPIN_S if ranks <= (usable_cores() if cores is None else cores) else 0.0


def wait(ready: Callable[[], bool], patience: Patience, what: Callable[[], str], due_ns=lambda: 0) -> None:
    """Return when `ready()`; raise LabError after `timeout_s`, with `what()` in it: 'a message of rank 3'.

    due_ns: when asking makes sense again, on the clock of `run.rank.clock`, where an emulated network knows it; else 0.
    """
    if ready():
        return
    patience.check()
    fine_timers()
    start = now = time.monotonic()
    spin_until, checked, pause = start + patience.spin_s, start, FIRST_SLEEP_S
    while not ready():
        due = due_ns()
        if due:
            sleep_until(min(due, now_ns() + LONGEST_SLEEP_NS), spin=patience.spin_s > 0)
        elif now < spin_until:
            time.sleep(0)  # lets the rank's other lanes have the interpreter
        else:
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_SLEEP_S)
        now = time.monotonic()
        if now - checked > CHECK_EVERY_S:
            patience.check()
            checked = now
        if now - start > patience.timeout_s:
            waited = f"waited {patience.timeout_s:g} s for {what()}"
            raise LabError(waited, "look at what that rank does meanwhile, or give a longer timeout_s", status=1)


_switching = {"lanes": 0, "before": 0.0}
_switching_lock = threading.Lock()


@contextmanager
def quick_switches():
    """Within a `with` block threads that compute in Python give way to others after 0.5 ms, not 5: a lane that waits
    for the interpreter is a rank that waits. It holds for the whole process, until the last such block is left.
    """
    with _switching_lock:
        if not _switching["lanes"]:
            _switching["before"] = sys.getswitchinterval()
            sys.setswitchinterval(min(SWITCH_S, _switching["before"]))
        _switching["lanes"] += 1
    try:
        yield
    finally:
        with _switching_lock:
            _switching["lanes"] -= 1
            if not _switching["lanes"]:
                sys.setswitchinterval(_switching["before"])
