"""Who may use the cores: one number of threads for BLAS and for our own loops, so that no pool fights another.

Inside `limit(t)` NumPy's BLAS may use t threads, and `spread` cuts a loop over samples into t parts. The loops that
`spread` runs are compiled code that holds no lock of Python's and calls no BLAS, so at any moment one pool works: a
BLAS with t threads inside each of t parts would start t*t of them, which is many times slower than one.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController

from labkit.errors import LabError
from labkit.machine.processor import usable_cores

_LIBRARIES_OF = ("numpy", "scipy.linalg", "sklearn")  # modules that bring a BLAS of their own
_local = threading.local()  # .threads: what `limit` allows in this Python thread
_blas: dict[str, object] = {"key": None, "libraries": ()}
_pool: dict[str, object] = {"pid": None, "workers": None, "size": 0}


@contextmanager
def limit(threads: int | None = None) -> Iterator[int]:
    """Let BLAS and `spread` use `threads` cores (None: all that this process may use) within a `with` block.

    Raises LabError for anything but None or a positive integer. The limit of `spread` belongs to the calling thread;
    that of BLAS to the whole process, and is put back at the end.
    """
    if threads is not None and (not isinstance(threads, int) or isinstance(threads, bool) or threads < 1):
        raise LabError(f"threads={threads!r}", "give a positive integer, or leave it out to use all cores")
    allowed = threads or _cores()
    before = getattr(_local, "threads", None)
    blas_before = _set_blas([allowed])
    _local.threads = allowed
    try:
        yield allowed
    finally:
        _local.threads = before
        _set_blas(blas_before or [allowed])


def current() -> int:
    """Threads that `spread` uses here: those of the innermost `limit`, or 1 outside of any."""
    return getattr(_local, "threads", None) or 1


@cache
def _cores() -> int:
    return usable_cores()


def parts(n: int, most: int) -> list[tuple[int, int]]:
    """`n` items as at most `most` runs (first, end) without gaps, whose lengths differ by at most one."""
    count = max(1, min(n, most))
    return [(i * n // count, (i + 1) * n // count) for i in range(count)]


def spread(function: Callable, n: int, *arguments) -> None:
    """Run function(first, end, part, *arguments) for every part of range(n), one part per thread, and wait for all.

    `part` numbers the parts from 0 to `current() - 1`: each has a workspace of its own. The same n and number of
    threads always give the same parts.
    """
    allowed = current()
    if allowed == 1 or n < 2:
        function(0, n, 0, *arguments)
        return
    shares = parts(n, allowed)
    workers = _workers(allowed - 1)
    others = [workers.submit(function, *share, i, *arguments) for i, share in enumerate(shares[1:], start=1)]
    try:
        function(*shares[0], 0, *arguments)
    finally:
        wait(others)
    for other in others:
        other.result()


def _workers(size: int) -> ThreadPoolExecutor:
    """The pool of this process with at least `size` threads; a forked child starts its own."""
    if _pool["pid"] != os.getpid() or _pool["size"] < size:
        _pool.update(pid=os.getpid(), size=size, workers=ThreadPoolExecutor(size, thread_name_prefix="labkit"))
    return _pool["workers"]


def _set_blas(threads: list[int]) -> list[int]:
    """Give each BLAS in this process its number of `threads` (one number stands for all); returns what they had."""
    key = tuple(module in sys.modules for module in _LIBRARIES_OF)
    if _blas["key"] != key:
        _blas.update(key=key, libraries=ThreadpoolController().select(user_api="blas").lib_controllers)
    before = []
    for i, library in enumerate(_blas["libraries"]):
        before.append(library.get_num_threads())
        wanted = threads[min(i, len(threads) - 1)]
        if before[-1] != wanted:
            library.set_num_threads(wanted)
    return before
