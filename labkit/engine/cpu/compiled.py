"""How every loop of this backend is compiled."""

from pathlib import Path

from numba import njit

from labkit.engine.jit import jit


def drop_stale(folder: Path, *others: Path) -> None:
    """Delete the compiled code kept beside the sources in `folder` if one of them, or one in `others`, is newer.

    Numba notices a change in the file of a loop, but not in those of the functions that the loop calls: whoever edited
    `winograd.py` would go on running its old code inside `winograd_conv.py`.
    """
    newest = max(source.stat().st_mtime_ns for each in (folder, *others) for source in each.glob("*.py"))
    for kept in (folder / "__pycache__").glob("*.nb[ci]"):
        try:
            if kept.stat().st_mtime_ns < newest:
                kept.unlink()
        except OSError:  # another process was quicker, or the folder is not ours to write to
            continue


drop_stale(Path(__file__).parent)

# Sums may be reordered and multiplications fused into additions, so that loops use vector instructions; NaN and
# infinity keep their meaning, because the trainer has to see them. nogil: `threads.spread` runs parts side by side.
_FAST = {"contract", "reassoc", "nsz", "arcp"}
compiled = jit(nogil=True, error_model="numpy", fastmath=_FAST)
# For short pieces of inner loops: arrays are many values to a call, which then takes longer than the piece.
inlined = njit(nogil=True, error_model="numpy", fastmath=_FAST, forceinline=True)
# The same without leave to reorder, where a sum is wanted in a fixed order or a value is compared bit by bit.
compiled_exactly = jit(nogil=True, error_model="numpy")
