"""How much memory this process has had at most."""

import sys


def high_water_bytes() -> int | None:
    """Resident bytes at their highest so far; None on systems that do not say."""
    try:
        from resource import RUSAGE_SELF, getrusage
    except ImportError:
        return None
    return getrusage(RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
