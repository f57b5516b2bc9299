"""The smallest volumes of VGG16 that this project has found, and the figures that its engines are to reach.

Field notes of this project: with the inferred weights, the best of many long runs of a prototype, in each race
(`races.py`); per line the imbalance, then 2^20 values per forward pass of 32 images at N = 2, 4, 8, 16, 32, 64, 128.
At N = 128 in the race 'imbalance' FC1 alone is heavier than the limit. They are no bounds: a better plan may be found.

Eight of them (`WITH_IDLE_PARTS`) are of plans that leave 16 to 56 parts without any work, which a largest load does not
forbid. The thesis's parts are all at work, and so are those of our engines, unless they are told otherwise.
"""

from labkit.partition.thesis.tables import PARTS

COARSE = {
    "thesis-max": """
        0.03   26.2   56.2  245.3  474.1  901.8 1564.5 2573.8
        0.1    26.2   56.2  249.3  474.1  884.1 1563.7 2326.9
        0.15   26.2   54.6  250.3  474.1  860.1 1559.2 2531.4
        0.2    26.2   51.3  247.2  485.0  901.9 1489.5 2501.6
    """,
    "imbalance": """
        0.03   24.2   56.7  252.1  506.1 1084.6 2169.0 4491.2
        0.1    15.3   48.4  242.3  485.0  946.3 1959.8 4225.5
        0.15   15.3   45.9  234.5  477.3  934.2 1946.8 4142.9
        0.2    15.3   45.9  226.3  471.8  920.0 1913.2 4055.0
    """,
    "thesis-range": """
        0.03   26.2   60.4  252.7  488.8  960.4 1977.7 2803.2
        0.1    26.2   58.5  250.7  488.6  960.4 1953.2 2824.5
        0.15   26.2   56.1  251.1  481.4  965.1 1967.0 2992.9
        0.2    26.2   53.5  249.1  485.2  959.0 1892.8 3023.6
    """,
}
FINE = {
    "thesis-max": """
        0.03   24.5   59.0  249.6  488.9  658.6 1326.1 1553.2
        0.1    27.2   59.1  238.9  447.9  743.4 1351.4 1556.3
        0.15   15.3   50.5  223.6  453.2  761.8 1268.6 1557.0
        0.2    18.4   59.0  238.9  450.2  743.7 1267.1 1547.1
    """,
    "imbalance": """
        0.03   24.5   59.0  238.9  470.9  809.5 1343.9 2075.4
        0.1    15.3   49.0  219.0  442.5  744.2 1260.8 1919.4
        0.15   15.3   45.9  209.8  427.2  740.4 1245.7 1897.0
        0.2    15.3   45.9  200.6  421.1  744.3 1199.0 1898.7
    """,
}
WITH_IDLE_PARTS = {("coarse", "thesis-max"): (64, 128)}  # (method, race) -> N, at every imbalance
# With FLOPs as weights and imbalance 0.1 (one part with FC1 excepted where it must be): to be reached within 1 %.
WITH_FLOPS = {
    "coarse": (24.5, 63.1, 160.1, 392.8, 877, 1831, 3700),
    "fine": (24.5, 63.1, 160.1, 387, 662, 1179, 1766),
}


def best_found(method: str, parts: int, imbalance: float | None, race: str) -> float | None:
    """The smallest volume found for 'coarse' or 'fine' in a race, in 2^20 values; None where none is noted."""
    for line in {"coarse": COARSE, "fine": FINE}.get(method, {}).get(race, "").strip().splitlines():
        first, *volumes = map(float, line.split())
        if first == imbalance:
            return volumes[PARTS.index(parts)]
    return None


def has_idle_parts(method: str, parts: int, race: str) -> bool:
    """Whether the plan behind `best_found` leaves parts without work."""
    return parts in WITH_IDLE_PARTS.get((method, race), ())


def target_with_flops(method: str, parts: int) -> float:
    """The volume to reach with FLOPs as weights at imbalance 0.1, in 2^20 values; method 'coarse' or 'fine'."""
    return float(WITH_FLOPS[method][PARTS.index(parts)])
