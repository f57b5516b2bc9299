"""Units in which a learner may state a prediction, and the factors between them.

Only units of the same kind convert. Decimal and binary prefixes stay apart: 1 MB = 10^6 bytes, 1 MiB = 2^20 bytes.
"""

from labkit.errors import LabError

SCALES = {
    "time": {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0},
    "size": {
        "bytes": 1.0,
        "kB": 1e3,
        "MB": 1e6,
        "GB": 1e9,
        "TB": 1e12,
        "KiB": 2.0**10,
        "MiB": 2.0**20,
        "GiB": 2.0**30,
    },
    "rate": {"bytes/s": 1.0, "MB/s": 1e6, "GB/s": 1e9},
    "count": {"": 1.0, "thousand": 1e3, "million": 1e6, "billion": 1e9},
    "fraction": {"%": 0.01, "of 1": 1.0},
    "work": {"MAC": 1.0, "million MAC": 1e6, "billion MAC": 1e9},
}


def kind_of(unit: str) -> str | None:
    """`time`, `size`, ... or None for a unit that stands for itself only (as in "samples")."""
    return next((kind for kind, scales in SCALES.items() if unit in scales), None)


def convert(value: float, unit: str, wanted: str) -> float:
    """`value` in `unit`, stated in `wanted`. Raises LabError where the two are not of one kind."""
    if unit == wanted:
        return value
    kind = kind_of(unit)
    if kind is None or kind != kind_of(wanted):
        known = ", ".join(SCALES[kind_of(wanted)]) if kind_of(wanted) else repr(wanted)
        raise LabError(
            f"a value in {unit or 'plain numbers'!r} cannot be compared with one in {wanted!r}", f"use {known}"
        )
    return value * SCALES[kind][unit] / SCALES[kind][wanted]


def spell(value: float | str, unit: str = "") -> str:
    """A value as people write it: three or four significant digits, thousands grouped, the unit behind it."""
    if isinstance(value, str):
        return value
    if value == int(value) and abs(value) < 1e15:
        number = f"{int(value):,}"
    elif 1e-3 <= abs(value) < 1e7:
        number = f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.1f}"
    else:
        number = f"{value:.3g}"
    return f"{number} {unit}".rstrip()
