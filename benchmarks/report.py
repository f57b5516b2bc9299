"""Writes the tables of README.md and benchmarks/README.md from the files in benchmarks/results.

    python benchmarks/report.py [--check]

A table called NAME stands between the lines `<!-- table:NAME -->` and `<!-- /table:NAME -->` and is written from
results/NAME.json, or from the latest results/NAME-DATE.json or results/NAME-MACHINE-DATE.json; what stands there is
replaced. NAME:MORE is another table from the same file. --check writes nothing, and exits with status 1 if a table is
stale.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

from tabulate import tabulate

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from parallel_parts import tables as of_runs  # noqa: E402 (found through the line above)
from partition_parts import document, tables  # noqa: E402

README = HERE.parent / "README.md"
PAGES = (README, HERE / "README.md")
RESULTS = HERE / "results"
DATE = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"


def cpu_engine(results: dict) -> str:
    """One row per network and batch, a table for each number of threads."""
    parts = []
    for threads in sorted({row["threads"] for row in results["rows"]}):
        rows = [row for row in results["rows"] if row["threads"] == threads]
        cores = "One thread" if threads == 1 else f"{threads} threads"
        head = ("network", "batch", "labkit, ms", "PyTorch, ms", "ratio (quartiles)", "peak, MiB", "first step, s")
        parts += [f"{cores} each; peak memory of the process and time to the end of the first step: labkit / PyTorch."]
        parts += ["", table(head, [cpu_row(row) for row in rows]), ""]
    versions = results["rows"][0]["versions"]
    with_versions = ", ".join(f"{name} {number}" for name, number in sorted(versions.items()))
    dates = sorted({row["date"] for row in results["rows"]})
    days = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    return "\n".join([*parts, f"*{results['origin']}, {days}; {with_versions}.*"])


def cpu_row(row: dict) -> tuple[str, ...]:
    low, high = row["ratio_quartiles"]
    return (
        row["network"],
        str(row["batch"]),
        f"{row['labkit_step_s'] * 1e3:.2f}",
        f"{row['torch_step_s'] * 1e3:.2f}",
        f"**{row['ratio']:.2f}** ({low:.2f}–{high:.2f})",
        f"{row['labkit_peak_bytes'] / 2**20:.0f} / {row['torch_peak_bytes'] / 2**20:.0f}",
        f"{row['labkit_first_step_s']:.1f} / {row['torch_first_step_s']:.1f}",
    )


def accuracy(results: dict) -> str:
    """One row per goal."""
    rows = [
        (
            entry["network"],
            entry["data"],
            f"{entry['samples']['train']:,} / {entry['samples']['held_out']:,}",
            str(len(entry["epochs"])),
            f"**{entry['test_accuracy']:.2%}**",
            f"{entry['at_least']:.1%}",
            f"{entry['seconds']:.0f}",
        )
        for entry in results.values()
    ]
    head = ("network", "data", "samples (train / held out)", "epochs", "held-out accuracy", "goal", "seconds")
    origins = sorted({f"{entry['origin']}, {entry['date']}" for entry in results.values()})
    return "\n".join([table(head, rows), "", f"*{'; '.join(origins)}.*"])


def ladder(results: dict) -> str:
    """One row per rung of the ladder of kernels."""
    rows = [
        (
            str(row["rung"]),
            row["change"],
            f"{row['instructions_per_ffma']:.2f}",
            f"{row['issue_bound']:.1%}",
            f"{row['lsu_bound']:.1%}",
            str(row["registers"]),
            f"{row['code_bytes'] / 1024:.1f}",
        )
        for row in results["rows"]
    ]
    head = ("", "rung", "instructions per FMA", "issue bound", "LSU bound", "registers", "code, KiB")
    versions = ", ".join(f"{name} {number}" for name, number in sorted(results["versions"].items()))
    return "\n".join(
        [table(head, rows), "", f"*{results['origin']}: {results['what']}; {results['date']}; {versions}.*"]
    )


def unpacked(write: Callable[[dict], str]) -> Callable[[dict], str]:
    """A table of `partition_parts` or `parallel_parts`, from the document as it is stored."""
    return lambda results: write(document.unpacked(results))


TABLES: dict[str, Callable[[dict], str]] = {"cpu_engine": cpu_engine, "accuracy": accuracy, "ladder-sm_90": ladder}
TABLES |= {name: unpacked(write) for name, write in (tables.TABLES | of_runs.TABLES).items()}


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table; the cells are text already."""
    return tabulate(rows, head, tablefmt="github", disable_numparse=True)


def newest(results: Path, name: str) -> Path | None:
    """The file from which table `name` is written, None where there is none; dates in names sort as text."""
    file = name.partition(":")[0]
    dated = [*results.glob(f"{file}-[0-9]*.json"), *results.glob(f"{file}-*-{DATE}.json")]
    plain = results / f"{file}.json"
    latest = max(dated, key=lambda path: (path.stem[-10:], path.stem), default=plain)
    return latest if latest.exists() else None


def with_tables(text: str, results: Path) -> str:
    """`text` with every table whose results file exists written anew."""
    for name, write in TABLES.items():
        file = newest(results, name)
        if file:
            first, last = f"<!-- table:{name} -->", f"<!-- /table:{name} -->"
            body = "\n".join([first, write(json.loads(file.read_text(encoding="utf-8"))), last])
            text = re.sub(f"{first}.*?{last}", lambda _, body=body: body, text, flags=re.DOTALL)
    return text


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; status 1 if a table is stale")
    options = parser.parse_args()
    stale = []
    for page in PAGES:
        old = page.read_text(encoding="utf-8")
        new = with_tables(old, RESULTS)
        if new != old:
            stale.append(page)
            if not options.check:
                page.write_text(new, encoding="utf-8")
    if options.check:
        names = ", ".join(str(page.relative_to(HERE.parent)) for page in stale)
        print(f"{names}: stale, run python benchmarks/report.py" if stale else "up to date")
    return int(options.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
