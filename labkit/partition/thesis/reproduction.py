"""Tables 5.1 to 5.14 and A.1 to A.12 of eserol-2019, made again: its figures beside ours, line by line.

>>> from labkit.partition.thesis import reproduce
>>> (row,) = reproduce(tables=["5.2"], parts=[2])
>>> float(row["thesis_volume"]), row["volume"], round(row["ratio"], 2)
(24.5, 24.5, 1.0)
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from labkit.errors import LabError, suggest
from labkit.partition.engines import Progress
from labkit.partition.engines.registry import ENGINES
from labkit.partition.gathered import MEASURES
from labkit.partition.thesis.best_found import has_idle_parts
from labkit.partition.thesis.races import NO_RACE, RACES
from labkit.partition.thesis.rows import epoch_lines, layer_lines, partition_line
from labkit.partition.thesis.tables import PARTS, TABLES, Figures, all_figures
from labkit.partition.thesis.workshop import IDLE_ALLOWED, Workshop

ALL_TABLES = (*(table for pair in TABLES for table in pair), "5.13", "5.14")
TWO_RACES = ("thesis-max", "imbalance")


@dataclass(frozen=True)
class Job:
    """What makes some rows. what: for a progress bar. rows: function (workshop, progress) -> rows."""

    what: str
    rows: Callable[[Workshop, Progress | None], list[dict]]


def reproduce(
    tables: Iterable[str] | None = None,
    parts: Iterable[int] | None = None,
    engines: Iterable[str] = ENGINES,
    races: Iterable[str] = TWO_RACES,
    *,
    seed: int = 0,
    longest_s: float | None = None,
    progress: Progress | None = None,
) -> Iterator[dict]:
    """Rows of plain values, ready for JSON, one after the other as they are found; stop taking them at any time.

    tables: such as '5.10' or 'A.7' (a table of loads and its table of volumes make the same rows); None for all.
    parts: N, None for all. engines: for the hypergraph methods. races: RACES says what each is. seed: of the engines.
    longest_s: seconds after which an engine is stopped. progress: called with (fraction done, what); what it raises
    ends the work.

    Every row has `what` ('partition', 'layer' for table 5.13, 'epoch' for 5.14), `tables`, `remarks` (what could not be
    reproduced exactly, and why), `paper` and `origin`; `rows.py` lists the rest. Volumes are 2^20 values per forward
    pass of 32 images, loads are in the thesis's unit; `ratio` is our volume over the thesis's. A row of an engine that
    failed has the reason in `error` and no figures of ours; one that broke the limits has `kept` false. Where the best
    plan found has idle parts, the engine 'counts' has a second row, as 'counts, empty parts allowed'.

    Raises LabError for a table, number of parts, engine or race that is not known.
    """
    chosen = {
        "table": _known("table", tables, ALL_TABLES),
        "number of parts": _known("number of parts", parts, PARTS),
        "engine": _known("engine", engines, ENGINES),
        "race": _known("race", races, tuple(RACES)),
    }
    return _run(_jobs(*chosen.values()), Workshop(seed, longest_s), progress)


def _known(what: str, given: Iterable | None, known: tuple) -> tuple:
    chosen = known if given is None else tuple(given)
    for one in chosen:
        if one not in known:
            raise LabError(f"unknown {what} {one!r}", suggest(one, known))
    return chosen


def _run(jobs: list[Job], workshop: Workshop, progress: Progress | None) -> Iterator[dict]:
    for number, job in enumerate(jobs):
        yield from job.rows(workshop, progress and _share(progress, number, len(jobs), job.what))
    if progress:
        progress(1.0, "done")


def _share(progress: Progress, number: int, count: int, what: str) -> Progress:
    """The callback for one of `count` jobs."""
    progress(number / count, what)
    return lambda done, step: progress((number + done) / count, f"{what}: {step}")


def _jobs(tables: tuple[str, ...], parts: tuple[int, ...], engines: tuple[str, ...], races: tuple[str, ...]):
    jobs = []
    for printed in all_figures():
        if printed.parts in parts and (printed.load_table in tables or printed.volume_table in tables):
            jobs += _partitions(printed, engines, races)
    if "5.13" in tables:
        jobs.append(Job("table 5.13", lambda workshop, progress: layer_lines(workshop)))
    if "5.14" in tables:
        jobs.append(Job("table 5.14, the thesis's volumes", lambda workshop, progress: epoch_lines(parts)))
        jobs += [_epochs(n, e, r) for n in (2, 4, 8) if n in parts for e in engines for r in races]
    return jobs


def _partitions(printed: Figures, engines: tuple[str, ...], races: tuple[str, ...]) -> list[Job]:
    """The rows of one line of the thesis: by each engine in each race, or in each measure where no engine is needed."""
    name = f"{printed.method} N = {printed.parts}"
    if printed.imbalance is not None:
        name += f", imbalance {printed.imbalance}"
        return [
            _partition(f"{name}, {e}, {r}", printed, e, r, "connectivity")
            for r in races
            for e in _engines_for(printed, engines, r)
        ]
    measures = ("connectivity",) if printed.method == "layer" else MEASURES
    return [_partition(f"{name}, {m}", printed, None, NO_RACE, m) for m in measures]


def _engines_for(printed: Figures, engines: tuple[str, ...], race: str) -> tuple[str, ...]:
    """The engines for one line: 'counts' also as the best plan found was made, where that has idle parts."""
    if "counts" in engines and has_idle_parts(printed.method, printed.parts, race):
        return (*engines, IDLE_ALLOWED)
    return engines


def _partition(what: str, printed: Figures, engine: str | None, race: str, measure: str) -> Job:
    def rows(workshop: Workshop, progress: Progress | None) -> list[dict]:
        found = workshop.find(printed, engine, race, progress)
        return [partition_line(printed, found, engine, race, measure)]

    return Job(what, rows)


def _epochs(parts: int, engine: str, race: str) -> Job:
    """Table 5.14 with a coarse plan of ours instead of the thesis's."""

    def rows(workshop: Workshop, progress: Progress | None) -> list[dict]:
        (printed,) = (f for f in all_figures() if (f.method, f.imbalance, f.parts) == ("coarse", 0.1, parts))
        return epoch_lines((parts,), engine, race, workshop.find(printed, engine, race, progress))

    return Job(f"table 5.14 N = {parts}, {engine}, {race}", rows)
