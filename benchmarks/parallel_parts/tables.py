"""The tables of the pages that are written from a results file of `parallel.py`; `report.py` puts them in place.

A part that was not measured is left out.
"""

from collections.abc import Callable
from statistics import mean, median

from tabulate import tabulate

from . import faults as killed
from .collectives import LARGE_BYTES, regret
from .collectives import summary as of_collectives
from .steps import summary as of_steps

EMPTY = ("wait", "U of one weight", "all-reduce of one rank", "all-reduce of one rank, in the background")
ALONE = "one rank"


def front(document: dict) -> str:
    """What was asked for, and what was found."""
    lines = [line for write in FRONT for line in write(document)]
    return _page(document, _table(("", "asked for", "found"), lines))


def _counted(document: dict) -> list[list[str]]:
    rows = _rows(document, "counts")
    if not rows:
        return []
    worst, ranks = max(row["difference"] for row in rows), sorted({row["ranks"] for row in rows})
    what = (
        f"bytes and messages of {len(rows)} runs of all schemes, {ranks[0]} to {ranks[-1]} ranks: counted, scheduled, "
    )
    return [[f"{what}by formula", "difference 0", f"difference **{worst}**"]]


def _against_library(document: dict) -> list[list[str]]:
    rows = _rows(document, "library")
    if not rows:
        return []
    what = "ring all-reduce against the MPI library's, two ranks, 1 MiB and more"
    return [[what, "at least 0.7 of its speed", f"**{min(row['ratio'] for row in rows):.2f}** at worst"]]


def _doubled(document: dict) -> list[list[str]]:
    rows = [row for row in _rows(document, "speedup") if row["way"] != ALONE]
    if not rows:
        return []
    ways = {way: median(row["ratio"] for row in rows if row["way"] == way) for way in _in_order(rows, "way")}
    best = max(ways, key=ways.get)
    what = f"two ranks against one, a thread each: {rows[0]['network']}, batch {rows[0]['batch']}"
    return [[what, "1.7 times the samples per second", f"**{ways[best]:.2f}** ({best})"]]


def _own_costs(document: dict) -> list[list[str]]:
    rows = [row for row in _rows(document, "overhead") if row["what"] in EMPTY]
    if not rows:
        return []
    worst = max(row["seconds"] for row in rows) * 1e6
    return [["the interpreter itself, for each instruction", "at most 50 µs", f"**{worst:.1f} µs** at most"]]


def _foretold(document: dict) -> list[list[str]]:
    lines = []
    for row in of_collectives(_rows(document, "collectives")):
        if row["from_bytes"] == LARGE_BYTES:
            what = (
                f"collectives over an emulated network ({row['backend']}), messages from 16 KiB: error of predictions"
            )
            found = f"**{row['mean_error']:.1%}** mean, 95 % below {row['p95_error']:.1%}"
            lines.append([what, "5 % mean", found])
            worst = f"**{row['max_regret']:.1%}** at most, {row['mean_regret']:.1%} mean"
            lines.append([f"choosing their algorithm by the prediction ({row['backend']}): regret", "5 %", worst])
    rows = _rows(document, "steps")
    if rows:
        found = of_steps(rows)
        errors = f"**{found['mean_error']:.1%}** mean, **{found['max_error']:.1%}** at most"
        what = f"steps of {found['configurations']} held-out configurations from 3 calibrations: error of predictions"
        lines.append([what, "10 % mean, 20 % at most", errors])
        if found["in_order"] is not None:
            lines.append([f"their order, {found['pairs']} pairs", "95 %", f"{found['in_order']:.1%} as predicted"])
    return lines


def _simulated(document: dict) -> list[list[str]]:
    rows = _rows(document, "simulator")
    if not rows:
        return []
    slowest = min(row["operations_per_s"] for row in rows if row["events"])
    return [["the simulator, instructions and moves per second", "300,000", f"**{slowest:,.0f}** at least"]]


def _begun(document: dict) -> list[list[str]]:
    rows = _rows(document, "startup", what="cluster up")
    if not rows:
        return []
    return [
        ["a cluster of two warm ranks", "ready in 10 s", f"**{max(row['seconds'] for row in rows):.1f} s** at most"]
    ]


def _survived(document: dict) -> list[list[str]]:
    rows = _rows(document, "faults")
    if not rows:
        return []
    found = killed.summary(rows)
    left = f"{found['processes_left']} processes and {found['files_left']} files left"
    again = f"{found['resumed_exactly']} of {found['resumed']} resumed exactly"
    told = f"**{found['named_rank']}** of {found['killed']} name the rank, {left}"
    ends = f"{found['checkpoints_lost']} checkpoints lost, {again}; {found['longest_seconds_to_end']:.1f} s at most"
    asked = "a clean end within 5 s, nothing left or lost"
    return [[f"{found['killed']} runs with a rank killed", asked, f"{told}, {ends}"]]


FRONT = (_counted, _against_library, _doubled, _own_costs, _foretold, _simulated, _begun, _survived)


def counts(document: dict) -> str:
    """By scheme: runs, numbers of ranks, and the largest difference."""
    lines = []
    rows = _rows(document, "counts")
    for scheme in _in_order(rows, "scheme"):
        for communicator in ("threads", "mpi"):
            mine = [row for row in rows if (row["scheme"], row["communicator"]) == (scheme, communicator)]
            if mine:
                ranks = sorted({row["ranks"] for row in mine})
                variants = len({row["options"] for row in mine})
                sent = f"{sum(row['messages'] for row in mine):,}", f"{sum(row['bytes'] for row in mine):,}"
                worst = str(max(row["difference"] for row in mine))
                lines.append(
                    [scheme, communicator, ", ".join(map(str, ranks)), str(variants), str(len(mine)), *sent, worst]
                )
    head = ("scheme", "ranks are", "how many", "variants", "runs", "messages", "bytes", "largest difference")
    return _page(document, _table(head, lines))


def steps(document: dict) -> str:
    """Every held-out configuration."""
    rows = _rows(document, "steps")
    lines = [
        [
            row["network"],
            str(row["ranks"]),
            str(row["batch"]),
            row["link"].removeprefix("emulated:").replace(",", " µs, ") + " MB/s",
            f"{row['scheme']} {row['options']}".strip(),
            row["regime"],
            f"{row['measured_s'] * 1e3:.2f}",
            f"{row['predicted_s'] * 1e3:.2f}",
            f"{row['error']:+.1%}",
        ]
        for row in rows
    ]
    head = ("network", "ranks", "batch", "link", "scheme", "regime", "measured, ms", "predicted, ms", "error")
    shares = [row["cpu_share"] for row in rows]
    busy = [f"Of the cores the runs took {mean(shares):.0%} on average, {max(shares):.0%} at most.", ""] if rows else []
    return _page(document, *busy, _table(head, lines))


def collectives(document: dict) -> str:
    """By backend and number of ranks: errors and regret."""
    lines = []
    rows = _rows(document, "collectives")
    for backend in _in_order(rows, "backend"):
        for ranks in sorted({row["ranks"] for row in rows}):
            mine = [row for row in rows if (row["backend"], row["ranks"]) == (backend, ranks)]
            if not mine:
                continue
            large = [row for row in mine if row["bytes"] >= LARGE_BYTES] or mine
            errors = [f"{mean(abs(row['error']) for row in group):.1%}" for group in (mine, large)]
            worst = max(mine, key=lambda row: abs(row["error"]))
            place = f"{worst['error']:+.1%} ({worst['algorithm']}, {worst['bytes']:,} bytes)"
            costs = regret(mine)
            found = f"{mean(costs):.1%}", f"{max(costs):.1%}", f"{max(row['cpu_share'] for row in mine):.0%}"
            lines.append([backend, str(ranks), str(len(mine)), *errors, place, *found])
    head = ("ranks are", "how many", "cases", "mean error", "from 16 KiB", "largest error", "mean regret", "largest")
    return _page(document, _table((*head, "most of the cores"), lines))


def speed(document: dict) -> str:
    """Two ranks against one, and ring against library."""
    lines = []
    rows = _rows(document, "speedup")
    for way in _in_order(rows, "way"):
        mine = [row for row in rows if row["way"] == way]
        ratios = [row["ratio"] for row in mine]
        step, rate = median(row["step_s"] for row in mine), median(row["samples_per_s"] for row in mine)
        spread = f"{min(ratios):.2f}–{max(ratios):.2f}"
        computing = median(row["compute_s"] for row in mine)
        lines.append(
            [way, f"{step * 1e3:.0f}", f"{computing * 1e3:.0f}", f"{rate:.0f}", f"{median(ratios):.2f}", spread]
        )
    parts = [_table(("way", "step, ms", "of it computing, ms", "samples per s", "over one rank", "of rounds"), lines)]
    library = [
        [
            f"{row['bytes'] / 2**20:.0f}",
            f"{row['ring_s'] * 1e3:.2f}",
            f"{row['library_s'] * 1e3:.2f}",
            f"{row['ratio']:.2f}",
        ]
        for row in _rows(document, "library")
    ]
    parts += ["", _table(("MiB", "ring, ms", "the library's all-reduce, ms", "library / ring"), library)]
    return _page(document, *parts)


def costs(document: dict) -> str:
    """What runs cost beside their work: the interpreter, and starting."""
    words = {True: "yes", False: "no", None: ""}
    own = [[row["what"], words[row["recorded"]], f"{row['seconds'] * 1e6:.1f}"] for row in _rows(document, "overhead")]
    begun = _rows(document, "startup")
    lines = []
    for what, ranks in dict.fromkeys((row["what"], row["ranks"]) for row in begun):
        mine = [row["seconds"] for row in begun if (row["what"], row["ranks"]) == (what, ranks)]
        lines.append([what, str(ranks), str(len(mine)), f"{median(mine):.1f}", f"{max(mine):.1f}"])
    simulated = [
        [
            row["case"],
            str(row["ranks"]),
            f"{row['operations']:,}",
            "yes" if row["events"] else "no",
            f"{row['seconds']:.2f}",
            f"{row['operations_per_s']:,.0f}",
        ]
        for row in _rows(document, "simulator")
    ]
    head = ("simulated", "ranks", "instructions and moves", "events kept", "s", "per second")
    parts = [
        _table(("an instruction", "recorded", "µs"), own),
        "",
        _table(("", "ranks", "times", "median, s", "most, s"), lines),
    ]
    return _page(document, *parts, "", _table(head, simulated))


def faults(document: dict) -> str:
    """Killed runs by scheme."""
    rows, lines = _rows(document, "faults"), []
    for scheme in _in_order(rows, "scheme"):
        mine = [row for row in rows if row["scheme"] == scheme]
        found = killed.summary(mine)
        left = f"{found['processes_left']} / {found['files_left']}"
        ends = f"{found['median_seconds_to_end']:.1f}", f"{found['longest_seconds_to_end']:.1f}"
        counted = [f"{found[name]}" for name in ("runs", "killed", "named_rank", "named_place")]
        again = f"{found['resumed_exactly']} of {found['resumed']}"
        lines.append([scheme, *counted, left, str(found["checkpoints_lost"]), again, *ends])
    head = ("scheme", "runs", "killed", "rank named", "place named", "processes / files left", "checkpoints lost")
    return _page(document, _table((*head, "resumed exactly", "median s to the end", "most"), lines))


TABLES: dict[str, Callable[[dict], str]] = {
    "parallel": front,
    "parallel:counts": counts,
    "parallel:steps": steps,
    "parallel:collectives": collectives,
    "parallel:speed": speed,
    "parallel:costs": costs,
    "parallel:faults": faults,
}


def _rows(document: dict, part: str, **keys) -> list[dict]:
    """The rows of a part with these values; none where it was not measured."""
    rows = document["parts"].get(part, {"rows": []})["rows"]
    return [row for row in rows if all(row[key] == value for key, value in keys.items())]


def _in_order(rows: list[dict], key: str) -> list:
    return list(dict.fromkeys(row[key] for row in rows))


def _table(head, rows) -> str:
    return tabulate(rows, head, tablefmt="github", disable_numparse=True)


def _page(document: dict, *parts: str) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in sorted(document["versions"].items()))
    load = f"load average {document['load_average']:g} before"
    return "\n".join([*parts, "", f"*{document['origin']}, {document['date']}, {load}; {versions}.*"])
