"""Compiled loops that are kept on disk where there is a place for them, and compiled anew where there is none."""

from collections.abc import Callable

import numba


def jit(**options: object) -> Callable:
    """Like `numba.njit(cache=True, **options)`, but a folder that nobody may write to costs time only.

    Numba keeps its code beside the sources or, failing that, in the user's cache folder; on a read-only installation
    without a home it finds neither, and refuses to compile at all.
    """

    def decorate(function: Callable) -> Callable:
        try:
            return numba.njit(cache=True, **options)(function)
        except RuntimeError:
            return numba.njit(**options)(function)

    return decorate
