"""What a call used, for the par of an exercise."""

import tracemalloc
from collections.abc import Callable


def peak_bytes(function: Callable, args: tuple) -> int:
    """The most memory, in bytes, that `function(*args)` held at any time beyond what was there before, result included.

    NumPy reports its arrays to Python's tracer, so they count; memory of other libraries does not.
    """
    was_tracing = tracemalloc.is_tracing()
    if not was_tracing:
        tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        function(*args)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        if not was_tracing:
            tracemalloc.stop()
    return peak - before
