"""Running a compiled loop over the samples of a batch, on one core or on several."""

from collections.abc import Callable

from labkit.engine import threads

# Handing work to another thread takes some 50 microseconds, in which one core gets through about this many values.
LEAST_WORK = 200_000
MACS = 32  # multiply-accumulates that take about as long as touching one value


def parts(n: int, work: int) -> int:
    """Into how many parts `run` cuts n items: one, unless `work` (values touched) pays for more."""
    return 1 if work < LEAST_WORK else max(1, min(n, threads.current()))


def run(loop: Callable, n: int, work: int, *arguments) -> None:
    """loop(first, end, part, *arguments) over n items, in `parts(n, work)` parts side by side.

    Parts write to different samples, or to workspaces of their own that `part` numbers.
    """
    if parts(n, work) == 1:
        loop(0, n, 0, *arguments)
    else:
        threads.spread(loop, n, *arguments)
