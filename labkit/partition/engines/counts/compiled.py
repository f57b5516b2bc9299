"""How every loop of this engine is compiled."""

from pathlib import Path

from numba import njit
from numba.core.options import DefaultOptions

from labkit.engine.cpu.compiled import drop_stale
from labkit.engine.jit import jit

drop_stale(Path(__file__).parent)

# A move takes 100 ns. Numba would spend five times that on counting references to the arrays of a table each time one
# function hands it to another. So loops that allocate nothing are compiled without its run time, where it can do so.
_BARE = {"_nrt": False} if hasattr(DefaultOptions, "_nrt") else {}

compiled = jit(nogil=True, error_model="numpy")
bare = jit(nogil=True, error_model="numpy", **_BARE)
inlined = njit(nogil=True, error_model="numpy", forceinline=True, **_BARE)  # for the pieces of a move
