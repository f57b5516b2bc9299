"""The ladder of convolution kernels, from the textbook's to the tuned one, read from machine code: no GPU is needed.

    python benchmarks/ladder.py [--quick]      (needs the extra `static`; then: python benchmarks/report.py)

Every rung computes FP of one layer: 128 samples of 64 channels of 32 x 32 pixels, 64 filters of 3 x 3, padding 1. It is
compiled for sm_90 (H100, H200), and its hottest loop says how fast it can be at most: the issue bound is the share of
multiply-adds among the instructions, the LSU bound counts passes through the load/store path. Both are shares of the
FP32 peak, and upper bounds: latency, barriers, bank conflicts and a grid that does not fill the GPU come on top. The
textbook's inner loop is unrolled by four, so what it runs for filters of 3 columns is the rest behind it; a tiled
kernel's loop is one chunk, copies included. Writes results/ladder-sm_90-DATE.json; --quick prints the rows only.
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from pathlib import Path

from labkit.errors import LabError
from labkit.kernels.offline import Compiled, made, versions
from labkit.kernels.offline.many import Job, compile_all
from labkit.kernels.sizes import ConvSizes
from labkit.kernels.tuned import convolution
from labkit.kernels.tuned.ladder import LADDER, recipe
from labkit.kernels.tuned.plan import plan
from labkit.kernels.tuned.recipe import Recipe
from labkit.kernels.tuned.tiles import LARGE, Tile
from labkit.machine.origin import MODELLED

RESULTS = Path(__file__).resolve().parent / "results"
CC = (9, 0)
SIZES = ConvSizes(N=128, C=64, H=32, W=32, K=64, R=3, S=3, pad_h=1, pad_w=1)
AXES = {"x": 4, "weight": 4, "y": 4}  # of the arrays of the first rungs
IN_USE = "In use: any layer, BP too; indices by addition, 128-bit stores."


@dataclass(frozen=True)
class Line:
    """One rung to compile: its job, and how many multiply-adds one trip of its tiled loop does (0: no tile)."""

    job: Job
    ffma: int


def lines() -> list[Line]:
    """The rungs of the ladder from the textbook's upwards, and the kernel that layers really use."""
    best = plan(SIZES, "FP").tile
    tiles = {"tiled": LARGE, "asynchronous": LARGE, "split": best}
    rungs = [line(rung.change, partial(recipe, rung, SIZES), tiles.get(rung.name), rung.shaped) for rung in LADDER]
    return [*rungs, line(IN_USE, partial(convolution.forward, SIZES), best)]


def line(change: str, rung: Callable[[], Recipe], tile: Tile | None, shaped: bool = False) -> Line:
    """The line of one rung: of its recipe the first step after those that prepare."""
    build = partial(made.step, len(rung().prepare), AXES if shaped else {}, rung)
    return Line(Job(change, build, (CC,)), tile.TM * tile.TN * tile.BK if tile else 0)


def row(number: int, change: str, compiled: Compiled, ffma: int) -> dict:
    """One rung as it is recorded."""
    loop = compiled.trip(ffma) if ffma else compiled.short_loop
    return {
        "rung": number,
        "change": change,
        "kernel": compiled.kernel,
        "instructions_per_ffma": round(loop.per_ffma, 2),
        "issue_bound": round(loop.issue_bound, 4),
        "lsu_bound": round(loop.lsu_bound, 4),
        "registers": compiled.registers,
        "spill_bytes": compiled.spill_bytes,
        "shared_bytes": compiled.shared_bytes,
        "code_bytes": compiled.code_bytes,
        "loop": loop.mix,
    }


def measure() -> dict:
    """The document that is written; raises the LabError of the first rung that does not compile."""
    rows = []
    ladder = lines()
    found = compile_all(one.job for one in ladder)
    for number, one in enumerate(ladder):
        compiled = found[one.job.name][CC]
        if isinstance(compiled, LabError):
            raise compiled
        rows.append(row(number, one.job.name, compiled, one.ffma))
    return {
        "origin": MODELLED,
        "what": "compiled for sm_90, not run",
        "date": date.today().isoformat(),
        "versions": versions(),
        "layer": asdict(SIZES),
        "rows": rows,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="print the rows, write nothing")
    options = parser.parse_args()
    document = measure()
    if options.quick:
        for one in document["rows"]:
            print(one)
        return 0
    file = RESULTS / f"ladder-sm_90-{document['date']}.json"
    file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
