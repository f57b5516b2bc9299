"""How the loops of this engine are compiled."""

from pathlib import Path

from numba.core.options import DefaultOptions

from labkit.engine.cpu.compiled import drop_stale
from labkit.engine.jit import jit

drop_stale(Path(__file__).parent)

# Handing a State from function to function, Numba counts the references to each of its arrays, which takes longer than
# a look at a gain. Loops that allocate nothing are compiled without that, where Numba can do so.
_BARE = {"_nrt": False} if hasattr(DefaultOptions, "_nrt") else {}

compiled = jit(nogil=True, error_model="numpy")
bare = jit(nogil=True, error_model="numpy", **_BARE)
