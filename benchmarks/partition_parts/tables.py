"""The tables of the pages that are written from a results file of `partition.py`; `report.py` puts them in place."""

from collections.abc import Callable
from statistics import geometric_mean, mean, median

from tabulate import tabulate

ENGINES = ("counts", "counts, empty parts allowed", "mtkahypar", "multilevel")
IDLE_ALLOWED = ENGINES[1]
GRAINS = ("coarse", "fine")
ABSENT = "–"
MEBIBYTE = 2**20


def front(document: dict) -> str:
    """Volumes at imbalance 0.1 and the thesis's own largest load: the thesis, and every engine."""
    rows = []
    lines = {grain: _lines(document, grain, "thesis-max", 0.1) for grain in GRAINS}
    shown = [(grain, engine) for grain in GRAINS for engine in ENGINES if any(k[0] == engine for k in lines[grain])]
    for parts in sorted({parts for found in lines.values() for _, parts in found}):
        cells = [str(parts)]
        for grain in GRAINS:
            theirs = next((row["thesis_volume"] for (_, n), row in lines[grain].items() if n == parts), None)
            cells.append(ABSENT if theirs is None else f"{theirs:g}")
            cells += [_ratio(lines[g].get((engine, parts))) for g, engine in shown if g == grain]
        rows.append(cells)
    head = ["N"]
    for grain in GRAINS:
        head += [f"{grain}: thesis", *(engine for g, engine in shown if g == grain)]
    return _page(document, _table(head, rows))


def races(document: dict) -> str:
    """Our engine 'counts' in all races, at every imbalance, with the smallest and the largest load beside."""
    parts = []
    for grain in GRAINS:
        rows = _rows(document, grain, engine="counts")
        cases = sorted({(row["imbalance"], row["parts"]) for row in rows})
        found = {(row["imbalance"], row["parts"], row["race"]): row for row in rows}
        idle = {(row["imbalance"], row["parts"]): row for row in _rows(document, grain, engine=IDLE_ALLOWED)}
        lines = []
        for case in cases:
            of_case = [found.get((*case, race)) for race in ("thesis-max", "thesis-range", "imbalance")]
            theirs = next(row for row in of_case if row)
            of_case.insert(1, idle.get(case))
            loads = f"({theirs['thesis_min_load']:.0f}–{theirs['thesis_max_load']:.0f})"
            printed = f"{theirs['thesis_volume']:g} {loads}"
            lines.append([str(case[0]), str(case[1]), printed, *map(_loads, of_case)])
        head = ["imbalance", "N", "thesis", "at its largest load", "the same, empty parts allowed"]
        head += ["at its largest and smallest", "at (1 + imbalance) × average"]
        if not idle:
            lines, head = [line[:4] + line[5:] for line in lines], head[:4] + head[5:]
        parts += [f"{grain.capitalize()} grain: volume (smallest–largest load).", "", _table(head, lines), ""]
    return _page(document, *parts[:-1])


def engines(document: dict) -> str:
    """Every engine over all lines of a grain: how often it beats the thesis, by how much, time and memory."""
    lines = []
    for grain in GRAINS:
        rows = _rows(document, grain, what="partition")
        for engine, race in dict.fromkeys((row["engine"], row["race"]) for row in rows):
            of_case = [row for row in rows if (row["engine"], row["race"]) == (engine, race)]
            kept = [row for row in of_case if row["kept"]]
            won = sum(row["ratio"] <= 1 for row in kept)
            middle = f"{geometric_mean(row['ratio'] for row in kept):.2f}" if kept else ABSENT
            seconds = [row["seconds"] for row in of_case]
            peak = max(row["peak_bytes"] or 0 for row in of_case) / MEBIBYTE
            idle = max((row["idle_parts"] for row in of_case if row["idle_parts"] is not None), default=0)
            cells = [grain, engine, race, str(len(of_case)), str(len(kept)), str(won), middle, str(idle)]
            lines.append([*cells, f"{median(seconds):.1f}", f"{max(seconds):.1f}", f"{peak:.0f}"])
    head = ("grain", "engine", "race", "lines", "limits kept", "at or below the thesis", "mean ratio", "idle parts")
    return _page(document, _table((*head, "median, s", "longest, s", "peak, MiB"), lines))


def networks(document: dict) -> str:
    """Beyond the thesis: every engine under the largest load of the incremental partition, and at imbalance 0.1."""
    rows = _rows(document, "networks")
    names = list(dict.fromkeys(row["engine"] for row in rows))
    found = {(row["network"], row["parts"], row["race"], row["engine"]): row for row in rows}
    lines = []
    for case in dict.fromkeys(key[:3] for key in found):
        of_case = [found.get((*case, name)) for name in names]
        first = next(row for row in of_case if row)
        most = first["incremental_max_over_avg"] if case[2] == "incremental-max" else 1.1
        cells = [case[0], str(case[1]), _number(first["incremental_volume"]), f"{most:.2f}"]
        lines.append(cells + [cell for row in of_case for cell in (_against(row), _seconds(row))])
    head = ["network", "N", "incremental", "limit / average"]
    return _page(document, _table(head + [text for name in names for text in (name, "s")], lines))


def targets(document: dict) -> str:
    """VGG16 with FLOPs as weights, and the batch from which data parallelism sends less."""
    found = {(row["grain"], row["parts"]): row for row in _rows(document, "targets")}
    lines = []
    for parts in sorted({parts for _, parts in found}):
        cells = [str(parts)]
        for grain in GRAINS:
            row = found.get((grain, parts))
            if row is None:
                cells += [ABSENT] * 5
                continue
            cells += [_number(row["target"]), _number(row["volume"]), f"{row['max_over_avg']:.2f}", _seconds(row)]
            cells.append(f"{row['break_even_batch']:.0f}" if row["break_even_batch"] else ABSENT)
        lines.append(cells)
    columns = ("noted before", "found", "largest / average", "s", "break-even batch")
    head = ("N", *(f"{grain}: {column}" if column == columns[0] else column for grain in GRAINS for column in columns))
    return _page(document, _table(head, lines))


def sizes(document: dict) -> str:
    """Hypergraphs: sizes, time and memory; and the time of the engines."""
    lines = []
    for row in _rows(document, "hypergraphs"):
        memory = (f"{row['array_bytes'] / MEBIBYTE:.1f}", f"{(row['peak_bytes'] or 0) / MEBIBYTE:.0f}")
        counted = [f"{row[name]:,}" for name in ("vertices", "nets", "pins")]
        lines.append([row["network"], row["grain"], *counted, f"{row['build_cpu_s']:.3f}", *memory])
    head = ("network", "grain", "vertices", "nets", "pins", "built in, s", "arrays, MiB", "peak of the process, MiB")
    parts = [_table(head, lines), ""]
    for row in _rows(document, "speed"):
        if row["run"] == 1:
            what = f"Engine '{row['engine']}', {row['network']} in {row['parts']} parts, weights '{row['weights']}'"
            first = next(r for r in _rows(document, "speed", weights=row["weights"]) if r["first_in_process"])
            parts.append(f"- {what}: {row['cpu_s']:.2f} s; {first['cpu_s']:.2f} s the first time in a process.")
    compared = {row["engine"]: row for row in _rows(document, "multilevel")}
    library = compared.get("mtkahypar")
    for engine, row in compared.items():
        what = f"Engine '{engine}', {row['network']} in {row['parts']} parts"
        peak = f"{(row['peak_bytes'] or 0) / MEBIBYTE:.0f} MiB"
        times = f" ({row['volume'] / library['volume']:.2f} of mtkahypar's)" if library and row is not library else ""
        parts.append(f"- {what}: volume {row['volume']:.1f}{times} in {row['cpu_s']:.1f} s, peak {peak}.")
    return _page(document, *parts)


def epochs(document: dict) -> str:
    """Table 5.14 as printed, and in one unit."""
    rows = [row for row in _rows(document, "naive", what="epoch") if row["engine"] is None]
    lines = [
        [
            f"{row['parts']}, {row['batch']}",
            f"{row['data_parallel_gib']:,.1f}",
            f"{row['plan_gi_values']:,.1f}",
            f"{row['mixed_reduction']:.0%}",
            f"{row['plan_gib']:,.1f}",
            f"{row['reduction']:.0%}",
            f"{row['break_even_batch']:.0f}",
        ]
        for row in rows
    ]
    means = [f"{mean(row[name] for row in rows):.1%}" for name in ("mixed_reduction", "reduction")]
    lines.append(["mean", "", "", means[0], "", means[1], ""])
    head = ("N, batch", "data parallelism, GiB", "hypergraph, 2^30 values", "as printed", "in GiB", "in one unit")
    return _page(document, _table((*head, "break-even batch"), lines))


TABLES: dict[str, Callable[[dict], str]] = {
    "partition": front,
    "partition:races": races,
    "partition:engines": engines,
    "partition:targets": targets,
    "partition:networks": networks,
    "partition:sizes": sizes,
    "partition:epochs": epochs,
}


def _rows(document: dict, part: str, **keys) -> list[dict]:
    rows = document["parts"].get(part, {"rows": []})["rows"]
    return [row for row in rows if all(row[key] == value for key, value in keys.items())]


def _lines(document: dict, grain: str, race: str, imbalance: float) -> dict[tuple[str, int], dict]:
    """(engine, parts) -> row."""
    rows = _rows(document, grain, what="partition", race=race, imbalance=imbalance)
    return {(row["engine"], row["parts"]): row for row in rows}


def _number(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.1f}"


def _ratio(row: dict | None) -> str:
    if row is None or row["volume"] is None:
        return ABSENT
    return f"{row['volume']:.1f} ({row['ratio']:.2f})" + _idle(row) + ("" if row["kept"] else " over the limit")


def _loads(row: dict | None) -> str:
    if row is None or row["volume"] is None:
        return ABSENT
    load = f"({row['min_load']:.0f}–{row['max_load']:.0f})"
    return f"{row['volume']:.1f} {load}" + _idle(row) + ("" if row["kept"] else " not kept")


def _idle(row: dict) -> str:
    return f", {row['idle_parts']} idle" if row["idle_parts"] else ""


def _against(row: dict | None) -> str:
    if row is None:
        return ABSENT
    return f"{row['volume']:.1f} ({row['over_incremental']:.2f})" + ("" if row["kept"] else " over the limit")


def _seconds(row: dict | None) -> str:
    return ABSENT if row is None else f"{row['cpu_s']:.1f}"


def _table(head, rows) -> str:
    return tabulate(rows, head, tablefmt="github", disable_numparse=True)


def _page(document: dict, *parts: str) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in sorted(document["versions"].items()))
    return "\n".join([*parts, "", f"*{document['origin']}, {document['date']}; {versions}.*"])
