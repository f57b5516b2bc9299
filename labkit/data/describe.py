"""The catalogue as Markdown: the tables that stand in datasets/README.md.

`python -m labkit.data.describe` prints them; a test compares them with that file.
"""

from labkit.data.records import RECORDS, FileRecord, Record


def tables() -> str:
    """Two Markdown tables: the data sets, and their files with sizes and checksums."""
    sets = _table(
        ("name", "what it is", "licence", "training + test samples", "shape C x H x W", "classes", "mean", "std"),
        [_set_row(record) for record in RECORDS.values()],
    )
    files = _table(
        ("data set", "file", "bytes", "SHA-256"),
        [_file_row(record, file) for record in RECORDS.values() for file in (*record.files, *record.unpacked)],
    )
    return f"{sets}\n\n{files}\n"


def _set_row(record: Record) -> tuple[str, ...]:
    samples = f"{record.train:,} + {record.test:,}" if record.test else f"{record.train:,}, no official split"
    return (
        f"`{record.name}`",
        f"[{record.title}]({record.origin})" if "://" in record.origin else f"{record.title} ({record.origin})",
        record.licence,
        samples,
        " x ".join(map(str, record.shape)),
        str(record.classes),
        _numbers(record.mean),
        f"{_numbers(record.std)} ({record.constants})",
    )


def _file_row(record: Record, file: FileRecord) -> tuple[str, ...]:
    checksum = f"`{file.sha256}`" if file.sha256 else "no published checksum known"
    return f"`{record.name}`", f"`{file.name}`", "" if file.bytes is None else f"{file.bytes:,}", checksum


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    print(tables(), end="")
