"""How every loop of this backend is compiled."""

from numba import njit

# Sums may be reordered and multiplications fused into additions, so that loops use vector instructions; NaN and
# infinity keep their meaning, because the trainer has to see them. nogil: `threads.spread` runs parts side by side.
_FAST = {"contract", "reassoc", "nsz", "arcp"}
compiled = njit(cache=True, nogil=True, error_model="numpy", fastmath=_FAST)
# For short pieces of inner loops: arrays are many values to a call, which then takes longer than the piece.
inlined = njit(nogil=True, error_model="numpy", fastmath=_FAST, forceinline=True)
# The same without leave to reorder, where a sum is wanted in a fixed order or a value is compared bit by bit.
compiled_exactly = njit(cache=True, nogil=True, error_model="numpy")
