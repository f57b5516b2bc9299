"""What cannot be reproduced exactly in the tables of eserol-2019, and why: the remarks beside each row."""

from functools import lru_cache

import numpy as np

from labkit.partition.thesis.consistency import contradictions
from labkit.partition.thesis.tables import Figures

WEIGHTS = "weights: the thesis's profile is not published; weights inferred from its tables are used"
CHANNELS = "loads: the thesis's fine-grain work adds up to 42,739, its coarse-grain work to 43,021; ours to the latter"
GATHERED = "measure: this table gathers a layer's maps before pooling on one part and broadcasts them after it"
CONNECTIVITY = "measure: the one of the hypergraph tables, for comparison with those; this table counts another"
ASSUMED = "measure: that PaToH's tables count connectivity fits them, but the thesis does not say so"
EVEN = "loads: the thesis prints the average, since it divides every layer evenly; filters are whole"
FEWER = "volume: the thesis counts all 128 parts at every layer; layers of 64 filters are in 64 parts only"
ALONE = "limit: FC1 alone is heavier; it has a part to itself, and that part its own limit"
OPTIMUM = "loads: ours is the least possible largest load; the thesis halves again and again"
EPOCHS = "units: the table sets values beside bytes; mixed_reduction does so too, reduction compares bytes with bytes"
IDLE = "best found: of a plan that leaves parts without work, which makes it smaller; the thesis's are all at work"
ALLOWED = "parts: some may be without work here, as in the best plan found, but not in the thesis's partition"
MEMORY = "total: the 93 MB per image under this table are not the sum of its rows, which is 58 MiB"


def remarks(printed: Figures, measure: str, caps: np.ndarray | None = None) -> list[str]:
    """The remarks of one row. measure: 'connectivity' or 'gathered'. caps: the limit of each part, if there are any."""
    said = [WEIGHTS]
    if printed.method in ("coarse", "fine"):
        said.append(ASSUMED)
    elif printed.method != "layer":
        said.append(GATHERED if measure == "gathered" else CONNECTIVITY)
    if printed.method in ("channel-incremental", "fine"):
        said.append(CHANNELS)
    if printed.method == "filter-horizontal":
        said += [EVEN, FEWER] if printed.parts == 128 else [EVEN]
    if printed.method == "layer":
        said.append(OPTIMUM)
    if printed.filled and printed.filled < printed.parts:
        said.append(f"parts: {printed.parts - printed.filled} of the thesis's {printed.parts} are empty")
    if caps is not None and caps.max() > caps.min():
        said.append(ALONE)
    return said + [f"printed: {says}" for says in _doubts().get((printed.method, printed.imbalance, printed.parts), [])]


@lru_cache(maxsize=1)
def _doubts() -> dict[tuple, list[str]]:
    """(method, imbalance, parts) -> what the tables of this row contradict."""
    from labkit.partition.thesis.tables import TABLES

    owner = {table: key for pair, key in TABLES.items() for table in pair}
    found: dict[tuple, list[str]] = {}
    for one in contradictions():
        if one.table in owner:
            found.setdefault((*owner[one.table], one.parts), []).append(f"{one.says} (table {one.table})")
    return found
