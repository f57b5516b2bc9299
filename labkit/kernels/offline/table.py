"""Writes labkit/kernels/registers.json: registers and static shared memory of every teaching kernel.

python -m labkit.kernels.offline.table [--check]

--check writes nothing and exits with status 1 if the table is stale: a kernel that it lacks or has too many, or one
whose registers differ by more than TOLERANCE (compilers of another release may differ by a few).
"""

import argparse
import json
import sys

from labkit.errors import LabError
from labkit.kernels.offline import catalogue, tools
from labkit.kernels.offline.build import Compiled
from labkit.kernels.offline.many import Capability, compile_all
from labkit.kernels.registers import FILE
from labkit.machine.origin import MODELLED

TOLERANCE = 8  # registers: the step in which they are handed out
Found = dict[str, dict[Capability, Compiled | LabError]]


def entries(found: Found) -> dict[str, dict[str, dict[str, int]]]:
    """The table for what `compile_all` found; raises the first error in it."""
    rows: dict[str, dict[str, dict[str, int]]] = {}
    for name, by_cc in sorted(found.items()):
        for compiled in by_cc.values():
            if isinstance(compiled, LabError):
                raise compiled
            entry = {"registers": compiled.registers, "shared_bytes": compiled.shared_bytes}
            rows.setdefault(name, {})[compiled.architecture] = entry
    return rows


def stale(recorded: dict, fresh: dict) -> list[str]:
    """What differs between two tables by more than the tolerance, one line each."""
    lines = [f"{name}: not in registers.json" for name in fresh.keys() - recorded.keys()]
    lines += [f"{name}: in registers.json, but there is no such kernel" for name in recorded.keys() - fresh.keys()]
    for name in fresh.keys() & recorded.keys():
        for architecture, new in fresh[name].items():
            old = recorded[name].get(architecture, {"registers": 0, "shared_bytes": 0})
            apart = abs(old["registers"] - new["registers"]) > TOLERANCE
            if apart or old["shared_bytes"] != new["shared_bytes"]:
                lines.append(f"{name} for {architecture}: recorded {old}, compiled {new}")
    return sorted(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; status 1 if the table is stale")
    options = parser.parse_args(arguments)
    fresh = entries(compile_all(catalogue.teaching_jobs(), loops=False))
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
