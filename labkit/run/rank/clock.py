"""The clock that all processes of one machine share, and waking up on time.

A sleeping thread is woken late: on Linux by 50 us of timer slack, which a process may lower for itself, and by some 20
us that it takes to get a core. Where cores are free, the last stretch of a wait can be spun through instead.
"""

import ctypes
import sys
import threading
import time
from functools import cache
from pathlib import Path
from platform import node
from zlib import crc32

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
MARGIN_NS = 30_000
SLACK_NS = 1_000
_PR_SET_TIMERSLACK = 29  # from Linux's prctl.h; the slack belongs to the thread, and those that it starts inherit it
_local = threading.local()

now_ns = time.monotonic_ns  # CLOCK_MONOTONIC, or what stands for it: one clock for all processes of a machine


def fine_timers() -> bool:
    """Have this thread woken as exactly as the system can. Cheap when repeated; whether the system knows how."""
    known = getattr(_local, "fine", None)
    if known is None:
        known = _local.fine = sys.platform == "linux" and _set_slack()
    return known


def sleep_until(deadline_ns: int, spin: bool = False) -> None:
    """Sleep until `now_ns()` has reached `deadline_ns`; returns at once if it has.

    spin: ask the clock during the last MARGIN_NS instead of sleeping, which takes a core that others may want.
    """
    fine_timers()
    margin_ns = MARGIN_NS if spin else 0
    while (left := deadline_ns - now_ns()) > 0:
        time.sleep(max(0, left - margin_ns) / 1e9)


def _set_slack() -> bool:
    try:
        return ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, SLACK_NS, 0, 0, 0) == 0
    except (OSError, AttributeError):
        return False


@cache
def machine() -> int:
    """A number of this machine since it was started: the same for all processes that share its clock."""
    text = BOOT_ID.read_text(encoding="utf-8") if BOOT_ID.exists() else node()
    return crc32(text.strip().encode())
