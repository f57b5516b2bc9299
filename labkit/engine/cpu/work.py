"""Running a compiled loop over the samples of a batch, on one core or on several."""

from collections.abc import Callable

from labkit.engine import threads

# Handing work to another thread takes some 50 microseconds, in which one core gets through about this many values.
LEAST_WORK = 200_000


def run(loop: Callable, n: int, work: int, *arguments) -> None:
    """loop(first, end, part, *arguments) over n samples; in parts side by side if `work` (values touched) pays for it.

    Parts write to different samples, or to workspaces of their own that `part` numbers.
    """
    if work < LEAST_WORK or threads.current() == 1:
        loop(0, n, 0, *arguments)
    else:
        threads.spread(loop, n, *arguments)
