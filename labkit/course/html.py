"""Small pieces of HTML that the course's answers are made of.

Colours of text and lines are inherited, so that light and dark themes both work; bars use the Okabe–Ito palette, and
every bar also carries its name in words.
"""

import re
from collections.abc import Sequence
from html import escape

COLOURS = {"prediction": "#E69F00", "modelled": "#56B4E9", "measured": "#009E73", "claimed": "#CC79A7"}
CELL = 'style="text-align:left;padding:0.2em 0.8em 0.2em 0"'


def paragraph(text: str, strong: bool = False, label: str = "") -> str:
    """One paragraph of plain text, with `code` in backquotes and line breaks kept; `label` stands before it in bold."""
    inner = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text)).replace("\n", "<br>")
    if label:
        inner = f"<strong>{escape(label)}:</strong> {inner}"
    return f"<p><strong>{inner}</strong></p>" if strong else f"<p>{inner}</p>"


def table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table with a caption and column headers, the first cell of each row being the row's header."""
    header = "".join(f'<th scope="col" {CELL}>{escape(cell)}</th>' for cell in head)
    lines = []
    for first, *rest in rows:
        cells = "".join(f"<td {CELL}>{escape(cell)}</td>" for cell in rest)
        lines.append(f'<tr><th scope="row" {CELL}>{escape(first)}</th>{cells}</tr>')
    title = f'<caption style="text-align:left;font-weight:bold">{escape(caption)}</caption>'
    return f"<table>{title}<thead><tr>{header}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def details(summary: str, inner: str, opened: bool = False) -> str:
    """A part that opens with the keyboard as well as by a click; `inner` is HTML already."""
    mark = " open" if opened else ""
    return f'<details{mark} style="margin:0.3em 0"><summary>{escape(summary)}</summary>{inner}</details>'


def code(text: str) -> str:
    """A block of source text."""
    return f"<pre><code>{escape(text)}</code></pre>"


def box(inner: str, colour: str, label: str) -> str:
    """A region with a coloured edge, announced by `label`."""
    style = f"border-left:0.4em solid {colour};padding:0.1em 0.8em;margin:0.4em 0"
    return f'<div role="group" aria-label="{escape(label)}" style="{style}">{inner}</div>'


def bars(title: str, rows: Sequence[tuple[str, float, str, str]], logarithmic: bool) -> str:
    """Horizontal bars as SVG. A row is (name, length between 0 and 1, text at its end, colour)."""
    height = 26 * len(rows) + 22
    parts = []
    for i, (name, length, text, colour) in enumerate(rows):
        y, width = 26 * i + 4, max(2.0, 300 * length)
        parts.append(f'<text x="118" y="{y + 14}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<rect x="126" y="{y}" width="{width:.1f}" height="18" fill="{colour}"/>')
        parts.append(f'<text x="{132 + width:.1f}" y="{y + 14}">{escape(text)}</text>')
    scale = "logarithmic scale" if logarithmic else "bars start at zero"
    parts.append(f'<text x="126" y="{height - 6}" font-size="11">{scale}</text>')
    spoken = f"{title}: " + "; ".join(f"{name} {text}" for name, _, text, _ in rows)
    frame = f'width="620" height="{height}" viewBox="0 0 620 {height}" style="max-width:100%"'
    head = f'<svg role="img" aria-label="{escape(spoken)}" {frame} font-size="13" fill="currentColor">'
    return f"{head}{''.join(parts)}</svg>"
