"""How the loops of our own engines are compiled."""

from pathlib import Path

from numba import njit
from numba.core.options import DefaultOptions

from labkit.engine.cpu.compiled import drop_stale
from labkit.engine.jit import jit

_HERE = Path(__file__).parent
for _engine in ("blocks", "counts", "multilevel"):
    drop_stale(_HERE / _engine, _HERE, _HERE / "counts")  # the loops of blocks have pieces of counts in them

# Handing a table from function to function, Numba counts the references to each of its arrays, which takes several
# times as long as a move (100 ns). Loops that allocate nothing are compiled without that, where Numba can do so.
_BARE = {"_nrt": False} if hasattr(DefaultOptions, "_nrt") else {}

compiled = jit(nogil=True, error_model="numpy")
bare = jit(nogil=True, error_model="numpy", **_BARE)
inlined = njit(nogil=True, error_model="numpy", forceinline=True, **_BARE)  # for the pieces of a move
