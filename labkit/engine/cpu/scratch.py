"""Memory that layers need only while one of their phases runs, and can therefore share."""

import threading

import numpy as np

from labkit.engine.cpu.panels import LINE_BYTES, aligned

_local = threading.local()  # one buffer for each Python thread that runs models: two models may train side by side


def scratch(dtype: np.dtype, parts: int, *sizes: int) -> tuple[np.ndarray, ...]:
    """Arrays [parts, size] for each of `sizes`, with any content, valid until the next call in this Python thread.

    They are cut from one buffer that grows to the largest need and stays: reused memory is still in the cache.
    """
    per_line = LINE_BYTES // dtype.itemsize
    lengths = [-(-size // per_line) * per_line for size in sizes]
    whole = _buffer(parts * sum(lengths) * dtype.itemsize).view(dtype)
    arrays, start = [], 0
    for length in lengths:
        arrays.append(whole[start : start + parts * length].reshape(parts, length))
        start += parts * length
    return tuple(arrays)


def held_bytes() -> int:
    """Size of this Python thread's shared buffer."""
    return _local.buffer.nbytes if hasattr(_local, "buffer") else 0


def _buffer(nbytes: int) -> np.ndarray:
    if held_bytes() < nbytes:
        _local.buffer = None  # give the old one back first
        _local.buffer = aligned(-(-nbytes // 8), np.dtype(np.float64))
    return _local.buffer
