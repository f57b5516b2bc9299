"""`labkit data`: which data sets there are, downloading one, and checking what lies here."""

from typing import Annotated

import typer

from labkit.cli_show import cell, note, show, show_json, show_table

app = typer.Typer(help="Data sets: what there is, downloading, checking.", rich_markup_mode=None)

Name = Annotated[str, typer.Argument(help="A data set of `labkit data list`, or the path of an image folder.")]
Root = Annotated[str, typer.Option(metavar="FOLDER", help="Where data sets lie. Default: datasets/ of the checkout.")]
Mirror = Annotated[str, typer.Option(metavar="URL", help="Ask URL/NAME/FILE first: a classroom's own copies.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")]


@app.command("list")
def list_all(root: Root = None, json: Json = False) -> None:
    """Every data set, and whether it lies here."""
    from labkit.data import catalogue

    sets = catalogue(root)
    if json:
        return show_json(sets)
    rows = [(s["name"], s["present"], s["samples"], s["shape"], s["classes"], s["title"]) for s in sets]
    columns = ("name", "here", "samples", "shape", "classes", "what it is")
    show_table("Data sets", columns, rows, "labkit data get NAME: downloads one")


@app.command("get")
def get(name: Name, root: Root = None, mirror: Mirror = None, json: Json = False) -> int:
    """Download a data set, with checksums; a download that broke off is resumed."""
    from labkit.data import download, status

    download(name, root=root, mirror=mirror)
    found = status(name, root, decode_all=False)
    return report(found, json)


@app.command("check")
def check(name: Name, root: Root = None, json: Json = False) -> int:
    """Read a data set whole: are its files the published ones, does every picture decode?"""
    import sys

    from labkit.data import status

    return report(status(name, root, progress=sys.stderr.isatty()), json)


def report(found: dict, json: bool) -> int:
    """Print what lies here of one data set; the exit status is 1 if it cannot be used as it is."""
    if json:
        show_json(found)
    else:
        rows = [("ok" if f["ok"] else "WRONG", f["path"], f["bytes"], f["sha256"], f["note"]) for f in found["files"]]
        if rows:
            show_table(found["title"], ("", "file", "bytes", "SHA-256", "note"), rows)
        size = f"{found['samples']:,} samples of {cell(found['shape'])}, {found['classes']} classes"
        show(f"{found['name']}: {size if found['present'] else 'cannot be loaded'}")
    if found["problem"]:
        note(f"labkit: {found['problem']}")
    return 1 if found["problem"] else 0
