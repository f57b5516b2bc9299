"""Tables in a notebook: aligned numbers with a caption, and plain text where no HTML is shown."""

import re
from dataclasses import dataclass
from html import escape

from labkit.network import Network, table

CELL = "padding:0.15em 0.9em 0.15em 0"
NUMBER = re.compile(r"[-+−]?[0-9][0-9,]*(\.[0-9]+)?|–")  # a number that was spelled out already, or none


@dataclass(frozen=True)
class Table:
    """Rows under a head, with a caption that says what the numbers are and where they come from.

    Cells are text or numbers; numbers are grouped by thousands and set to the right, and so is text that is a number in
    as many digits as its author chose. `strong` names the rows (by their first cell) that the text speaks about.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    strong: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        lines = [self.head, *([spelled(cell) for cell in row] for row in self.rows)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.head))]
        numeric = [all(_is_number(row[i]) for row in self.rows) for i in range(len(self.head))]
        texts = [
            "  ".join(c.rjust(w) if n else c.ljust(w) for c, w, n in zip(line, widths, numeric, strict=True)).rstrip()
            for line in lines
        ]
        return "\n".join([self.caption, *texts])

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col" style="{CELL};text-align:left">{escape(h)}</th>' for h in self.head)
        body = "".join(self._row(row) for row in self.rows)
        caption = f'<caption style="text-align:left;font-weight:bold">{escape(self.caption)}</caption>'
        return f'<table class="labkit-table">{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'

    def _row(self, row: tuple[object, ...]) -> str:
        weight = "bold" if str(row[0]) in self.strong else "normal"
        cells = []
        for number, cell in enumerate(row):
            tag = 'th scope="row"' if number == 0 else "td"
            side = "right" if _is_number(cell) else "left"
            style = f"{CELL};text-align:{side};font-weight:{weight}"
            cells.append(f'<{tag} style="{style}">{escape(spelled(cell))}</{tag[:2]}>')
        return f"<tr>{''.join(cells)}</tr>"


def _is_number(cell: object) -> bool:
    return not isinstance(cell, str) or bool(NUMBER.fullmatch(cell))


def spelled(cell: object) -> str:
    """A cell as people write it: integers grouped, other numbers with three significant digits, None as a dash."""
    if cell is None:
        return "–"
    if isinstance(cell, int) and not isinstance(cell, bool):
        return f"{cell:,}"
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 1000 else f"{cell:.3g}"
    return str(cell)


def network_table(network: Network, batch: int = 1, every_layer: bool = False) -> Table:
    """Sizes of each layer of `network` for a batch: output, parameters, MAC, bytes, and weight over activation bytes.

    Layers that neither hold weights nor store a new output (ReLU, Flatten) are left out unless `every_layer`. The total
    is that of the rows; float32. Raises LabError for a batch below 1.
    """
    sizes = [row for row in table(network, batch) if every_layer or row.parameters or row.activation_bytes]
    rows = [
        (
            row.name,
            row.kind,
            "×".join(map(str, row.output_shape)),
            row.parameters,
            row.macs,
            row.activation_bytes,
            row.weight_bytes,
            row.ratio,
        )
        for row in sizes
    ]
    sums = [sum(getattr(r, key) for r in sizes) for key in ("parameters", "macs", "activation_bytes", "weight_bytes")]
    rows.append(("total", "", "", *sums, sums[3] / sums[2] if sums[2] else None))
    head = ("layer", "kind", "output", "parameters", "MAC per sample", "activation bytes", "weight bytes", "ratio")
    samples = "1 sample" if batch == 1 else f"a batch of {batch} samples"
    return Table(f"{network.name}, {samples}, float32 (computed)", head, tuple(rows), frozenset({"total"}))
