"""The tables of eserol-2019 as data: VGG16 in N parts, its loads and its communication, as they are printed.

Chapter 5 has one table of loads and one of volumes per method; appendix A has those of the two hypergraph methods at
other imbalances. Table 5.15 (run times) is not here. Numbers are `Decimal`, so the digits that are printed are known:
the thesis cuts digits off (27.5625 is printed as 27.5), so a printed x means x <= value < x + one unit in its last
place; `Figures.between` says so.

Units. Work: a profile's, whose unit is not told; all of VGG16 is about 43,000. Volume: 2^20 feature-map values (the
column is headed MB, but there is no factor of 4 bytes in it: layer-wise N = 2 is 24.5 = 56 * 56 * 256 * 32 / 2^20) of
one forward pass of 32 images.

>>> figures("coarse", 8, 0.1).volume, figures("coarse", 8, 0.1).volume_table
(Decimal('298'), '5.10')
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from labkit.errors import LabError, suggest
from labkit.machine.origin import CLAIMED
from labkit.partition.thesis import appendix, chapter5, chapter5_network

PAPER = "eserol-2019"
BATCH = 32
VOLUME_UNIT = 2**20  # feature-map values
IMBALANCES = (0.03, 0.1, 0.15, 0.2)
PARTS = (2, 4, 8, 16, 32, 64, 128)
TABLES = {  # (table of loads, table of volumes) -> method, imbalance that PaToH was asked for (None: not by PaToH)
    ("5.1", "5.2"): ("layer", None),
    ("5.3", "5.4"): ("filter-horizontal", None),
    ("5.5", "5.6"): ("filter-incremental", None),
    ("5.7", "5.8"): ("channel-incremental", None),
    ("5.9", "5.10"): ("coarse", 0.1),
    ("5.11", "5.12"): ("fine", 0.1),
    ("A.1", "A.7"): ("coarse", 0.03),
    ("A.2", "A.8"): ("coarse", 0.15),
    ("A.3", "A.9"): ("coarse", 0.2),
    ("A.4", "A.10"): ("fine", 0.03),
    ("A.5", "A.11"): ("fine", 0.15),
    ("A.6", "A.12"): ("fine", 0.2),
}


@dataclass(frozen=True)
class Figures:
    """What the thesis prints for one method, imbalance and number of parts; the first ten numbers are its columns.

    max_times_parts: largest load times N (times the parts that are not empty, in the incremental tables). max_comm:
    volume of the layer boundary with most, not of a part. avg_comm: volume per part that is not empty.
    """

    method: str
    imbalance: float | None
    parts: int
    load_table: str
    volume_table: str
    max_work: Decimal
    min_work: Decimal
    avg_work: Decimal
    max_over_min: Decimal
    max_over_avg: Decimal
    max_times_parts: Decimal
    volume: Decimal
    max_comm: Decimal
    avg_comm: Decimal
    max_over_avg_comm: Decimal
    paper: str = PAPER
    origin: str = CLAIMED

    def between(self, column: str) -> tuple[float, float]:
        """The smallest value that is printed so, and the smallest above it that is not: digits are cut off."""
        value = getattr(self, column)
        return float(value), float(value + Decimal(1).scaleb(value.as_tuple().exponent))

    @property
    def filled(self) -> int | None:
        """Parts that are not empty: the number by which max_times_parts gives max_work; None where none does."""
        fitting = (n for n in range(self.parts, 0, -1) if self.max_times_parts // n == self.max_work)
        return next(fitting, None)

    @property
    def max_load(self) -> float:
        """The largest load with the digits that max_times_parts adds to max_work, where the two agree."""
        return float(self.max_times_parts / self.filled) if self.filled else float(self.max_work)


@dataclass(frozen=True)
class LayerRow:
    """A line of table 5.13. output: rows, columns, maps. memory: values kept per image, rounded as printed."""

    layer: str
    output: tuple[int, int, int]
    memory: str
    parameters: int
    table: str = "5.13"
    paper: str = PAPER
    origin: str = CLAIMED


@dataclass(frozen=True)
class EpochRow:
    """A line of table 5.14: 2^30 bytes per epoch of data parallelism, 2^30 values of the coarse partition (5.10)."""

    parts: int
    batch: int
    data_parallel: int
    hypergraph: int
    reduction_percent: int
    table: str = "5.14"
    paper: str = PAPER
    origin: str = CLAIMED


@lru_cache(maxsize=1)
def all_figures() -> tuple[Figures, ...]:
    """Every line of tables 5.1 to 5.12 and A.1 to A.12: loads and volumes of the same partition in one record."""
    loads, volumes = chapter5.LOADS | appendix.LOADS, chapter5.VOLUMES | appendix.VOLUMES
    found = []
    for (load_table, volume_table), (method, imbalance) in TABLES.items():
        for left, right in zip(_lines(loads[load_table]), _lines(volumes[volume_table]), strict=True):
            if left[0] != right[0]:
                raise ValueError(f"tables {load_table} and {volume_table} differ in parts: {left[0]}, {right[0]}")
            numbers = [Decimal(cell) for cell in left[1:] + right[1:]]
            found.append(Figures(method, imbalance, int(left[0]), load_table, volume_table, *numbers))
    return tuple(found)


def figures(method: str, parts: int, imbalance: float = 0.1) -> Figures:
    """What the thesis prints for `method` in `parts` parts; the imbalance matters for 'coarse' and 'fine' only.

    Raises LabError for a method, a number of parts or an imbalance of which it has no figures.
    """
    of_method = [f for f in all_figures() if f.method == method]
    if not of_method:
        raise LabError(f"eserol-2019 has no method {method!r}", suggest(method, [m for m, _ in TABLES.values()]))
    known = sorted({f.imbalance for f in of_method if f.imbalance is not None})
    if known and imbalance not in known:
        raise LabError(f"eserol-2019 has no imbalance {imbalance!r}", f"choose from {', '.join(map(str, known))}")
    for found in of_method:
        if found.parts == parts and found.imbalance in (None, imbalance):
            return found
    choices = ", ".join(str(f.parts) for f in of_method if f.imbalance in (None, imbalance))
    raise LabError(f"eserol-2019 has no {method} partition in {parts!r} parts", f"choose from {choices}")


@lru_cache(maxsize=1)
def layer_rows() -> tuple[LayerRow, ...]:
    """Table 5.13."""
    rows = []
    for layer, output, memory, parameters in _lines(chapter5_network.NETWORK_5_13):
        height, width, maps = map(int, output.split("x"))
        rows.append(LayerRow(layer, (height, width, maps), memory, int(parameters)))
    return tuple(rows)


@lru_cache(maxsize=1)
def epoch_rows() -> tuple[EpochRow, ...]:
    """Table 5.14."""
    return tuple(EpochRow(*map(int, line)) for line in _lines(chapter5_network.EPOCH_5_14))


def _lines(block: str) -> Iterator[list[str]]:
    """Cells of every line of a block, without the commas that group thousands."""
    return (line.replace(",", "").split() for line in block.strip().splitlines())
