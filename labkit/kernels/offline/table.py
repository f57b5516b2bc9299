"""Writes labkit/kernels/registers.json: what the machine code of every teaching kernel takes.

python -m labkit.kernels.offline.table [--check]

--check writes nothing and exits with status 1 if the table is stale: a kernel that it lacks or has too many, or one
whose code differs by more than the tolerances (compilers of another release may differ by a little).
"""

import argparse
import json
import sys
from typing import Any

from labkit.errors import LabError
from labkit.kernels.offline import catalogue, tools
from labkit.kernels.offline.build import Compiled
from labkit.kernels.offline.many import Capability, compile_all
from labkit.kernels.registers import FILE
from labkit.machine.origin import MODELLED

REGISTERS_APART = 8  # the step in which they are handed out
PER_FFMA_APART = 0.15  # of the larger of two numbers of instructions per multiply-add
Found = dict[str, dict[Capability, Compiled | LabError]]
Rows = dict[str, dict[str, dict[str, Any]]]


def entries(found: Found) -> Rows:
    """The table for what `compile_all` found, loops only where it was disassembled; raises the first error in it."""
    rows: Rows = {}
    for name, by_cc in sorted(found.items()):
        for compiled in by_cc.values():
            if isinstance(compiled, LabError):
                raise compiled
            entry = {"registers": compiled.registers, "shared_bytes": compiled.shared_bytes}
            if compiled.code_bytes:
                hot, short = compiled.hot_loop, compiled.short_loop
                entry["per_ffma"] = round(hot.per_ffma, 2) if hot else None
                entry["per_ffma_short"] = round(short.per_ffma, 2) if short else None
            rows.setdefault(name, {})[compiled.architecture] = entry
    return rows


def stale(recorded: Rows, fresh: Rows) -> list[str]:
    """What differs between two tables by more than the tolerances, as far as `fresh` knows it, one line each."""
    lines = [f"{name}: not in registers.json" for name in fresh.keys() - recorded.keys()]
    lines += [f"{name}: in registers.json, but there is no such kernel" for name in recorded.keys() - fresh.keys()]
    for name in fresh.keys() & recorded.keys():
        for architecture, new in fresh[name].items():
            old = recorded[name].get(architecture, {})
            if any(_apart(what, old.get(what), new[what]) for what in new):
                lines.append(f"{name} for {architecture}: recorded {old}, compiled {new}")
    return sorted(lines)


def _apart(what: str, old: float | None, new: float | None) -> bool:
    """Whether two numbers differ by more than compilers of two releases may."""
    if old is None or new is None or what == "shared_bytes":
        return old != new
    return abs(old - new) > (REGISTERS_APART if what == "registers" else PER_FFMA_APART * max(old, new))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; status 1 if the table is stale")
    options = parser.parse_args(arguments)
    fresh = entries(compile_all(catalogue.teaching_jobs()))
    if options.check:
        recorded = json.loads(FILE.read_text(encoding="utf-8"))["kernels"] if FILE.exists() else {}
        lines = stale(recorded, fresh)
        print("\n".join(lines) or "up to date")
        return int(bool(lines))
    document = {"origin": MODELLED, "versions": tools.versions(), "kernels": fresh}
    FILE.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
