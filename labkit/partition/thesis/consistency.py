"""Where the tables of eserol-2019 contradict themselves, found by computing one column from the others.

Digits are cut off in print, so every number stands for an interval (`Figures.between`), and two columns contradict each
other only if no values inside their intervals agree. Which of two columns is to be doubted, a third one tells: where
volume and average per part disagree, the ratio 'largest layer / average' was computed from one of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from labkit.network.graph import FLOAT_BYTES
from labkit.partition.thesis import chapter5_network as printed
from labkit.partition.thesis.tables import BATCH, Figures, all_figures, epoch_rows, figures, layer_rows

RATIOS = (
    ("max_over_min", "max_work", "min_work"),
    ("max_over_avg", "max_work", "avg_work"),
    ("max_over_avg_comm", "max_comm", "avg_comm"),
)
UNITS = {"K": 1e3, "M": 1e6}


@dataclass(frozen=True)
class Contradiction:
    """A cell that the rest of its table does not bear out.

    column: the cell that is doubted; 'volume or avg_comm' where nothing tells which of the two. printed: what it says.
    says: the computation. expected: the values (from, to) that the other columns ask for.
    """

    table: str
    parts: int | None
    column: str
    printed: float
    says: str
    expected: tuple[float, float]

    @property
    def off(self) -> float:
        """Distance of the printed value from the expected ones, relative to the nearest of those."""
        low, high = self.expected
        return max(low / self.printed, self.printed / high) - 1


def contradictions() -> tuple[Contradiction, ...]:
    """All that are found in tables 5.1 to 5.14 and A.1 to A.12."""
    found: list[Contradiction] = []
    for one in all_figures():
        found += [*_largest_load(one), *_average(one), *_ratios(one)]
    return (*found, *_memory(), *_epochs())


def doubtful_volumes(off: float = 0.0) -> frozenset[tuple[str, int]]:
    """(table, parts) of the volumes that both the average and the ratio beside them contradict, by more than `off`."""
    return frozenset((c.table, c.parts) for c in contradictions() if c.column == "volume" and c.off > off)


def _overlap(a: tuple[float, float], b: tuple[float, float]) -> bool:
    return a[0] < b[1] and b[0] < a[1]


def _quotient(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
    return a[0] / b[1], a[1] / b[0]


def _times(a: tuple[float, float], factor: float) -> tuple[float, float]:
    return a[0] * factor, a[1] * factor


def _largest_load(one: Figures) -> Iterator[Contradiction]:
    """Largest load times parts (times parts that are not empty, in the incremental tables)."""
    if one.filled is None:
        low, high = _times(one.between("max_work"), one.parts)
        says = f"{one.parts} times the largest load {one.max_work} is not {one.max_times_parts}"
        yield Contradiction(one.load_table, one.parts, "max_times_parts", float(one.max_times_parts), says, (low, high))


def _average(one: Figures) -> Iterator[Contradiction]:
    """Volume = average per part * parts; the ratio 'largest layer / average' says which of the two is right."""
    volume, average = one.between("volume"), one.between("avg_comm")
    asked = _times(average, one.filled or one.parts)
    if _overlap(volume, asked):
        return
    shared = _times(volume, 1 / (one.filled or one.parts))
    ratio, most = one.between("max_over_avg_comm"), one.between("max_comm")
    by_average, by_volume = (_overlap(ratio, _quotient(most, value)) for value in (average, shared))
    says = f"volume {one.volume} is not {one.parts} times the average {one.avg_comm}"
    if by_volume and not by_average:
        column, says, expected = "avg_comm", says + "; the ratio is the volume's", shared
    elif by_average and not by_volume:
        column, says, expected = "volume", says + "; the ratio is the average's", asked
    else:
        column, expected = "volume or avg_comm", asked
    value = average[0] if column == "avg_comm" else volume[0]
    yield Contradiction(one.volume_table, one.parts, column, value, says, expected)


def _ratios(one: Figures) -> Iterator[Contradiction]:
    for ratio, top, bottom in RATIOS:
        expected = _quotient(one.between(top), one.between(bottom))
        if not _overlap(one.between(ratio), expected):
            table = one.volume_table if ratio == "max_over_avg_comm" else one.load_table
            says = f"{getattr(one, top)} / {getattr(one, bottom)} is not {getattr(one, ratio)}"
            yield Contradiction(table, one.parts, ratio, one.between(ratio)[0], says, expected)


def _memory() -> Iterator[Contradiction]:
    """Table 5.13: values per image against output sizes (within 3 %: 'K' and 'M' are rough), and their sum."""
    rows = layer_rows()
    for row in rows:
        number = float(row.memory.rstrip("KM")) * UNITS.get(row.memory[-1], 1)
        if abs(number / prod(row.output) - 1) > 0.03:
            values = prod(row.output)
            says = f"{row.layer} keeps {values} values, not {row.memory}"
            yield Contradiction(row.table, None, "memory", number, says, (values, values + 1))
    values = sum(prod(row.output) for row in rows)
    mebibytes = values * FLOAT_BYTES / 2**20
    total = printed.MEMORY_MB_PER_IMAGE_5_13
    if not total <= mebibytes < total + 1:
        says = f"the rows add up to {values} values, {mebibytes:.1f} MiB, not {total} MB"
        yield Contradiction("5.13", None, "memory", total, says, (mebibytes, mebibytes))


def _epochs() -> Iterator[Contradiction]:
    """Table 5.14 against table 5.10 and the parameters of table 5.13, in the thesis's own units."""
    for row in epoch_rows():
        steps = printed.IMAGES_5_14 // row.batch
        data = 2 * (row.parts - 1) * printed.PARAMETERS_5_13 * FLOAT_BYTES * steps / 2**30
        passes = 2 * (printed.IMAGES_5_14 // BATCH) / 1024
        volume = _times(figures("coarse", row.parts, 0.1).between("volume"), passes)
        asked = {
            "data_parallel": (data, data),
            "hypergraph": volume,
            "reduction_percent": tuple(100 - 100 * v / data for v in (row.hypergraph + 1, row.hypergraph)),
        }
        for column, (low, high) in asked.items():
            value = getattr(row, column)
            if not (value <= high and low < value + 1):
                says = f"N = {row.parts}, batch {row.batch}: {column} is {low:.1f} to {high:.1f}, not {value}"
                yield Contradiction(row.table, row.parts, column, value, says, (low, high))
