"""Which block writes which outputs, in each of the three mappings: samples x channels, one cell per output map."""

from dataclasses import dataclass
from html import escape

from labkit.errors import LabError
from labkit.kernels.launch import TEACHING
from labkit.widgets._base import one_of

# Okabe and Ito's colours, each light enough for black text; the number of the block stands in every cell.
TINTS = ("#9ecae9", "#f7c08a", "#8fd8bf", "#e8c1d8", "#f5ee9e", "#c9c9c9", "#f3a781", "#bcdff5")
RULES = {
    "data": "block n has sample n, all its channels",
    "model": "block k has channel k of all samples",
    "hybrid": "block (n, k) has channel k of sample n",
}
MOST = 12


@dataclass(frozen=True)
class BlockMaps:
    """The maps of `mappings` for N samples and K channels."""

    N: int
    K: int
    mappings: tuple[str, ...]

    def rows(self, mapping: str) -> list[list[str]]:
        """For each sample, the block of each channel, as it is written: '3', or '2, 1' in the hybrid mapping."""
        spelled = {"data": "{n}", "model": "{k}", "hybrid": "{n}, {k}"}[mapping]
        return [[spelled.format(n=n, k=k) for k in range(self.K)] for n in range(self.N)]

    def blocks(self, mapping: str) -> int:
        """How many blocks there are."""
        return {"data": self.N, "model": self.K, "hybrid": self.N * self.K}[mapping]

    def caption(self, mapping: str) -> str:
        """What stands above a map."""
        return f"{mapping}: {self.blocks(mapping)} blocks; {RULES[mapping]}"

    def __repr__(self) -> str:
        lines = []
        for mapping in self.mappings:
            lines += [self.caption(mapping), *("  " + "  ".join(f"({b})" for b in row) for row in self.rows(mapping))]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        maps = "".join(self._map(mapping) for mapping in self.mappings)
        return f'<div style="display:flex;flex-wrap:wrap;gap:1.5em">{maps}</div>'

    def _map(self, mapping: str) -> str:
        order = list(dict.fromkeys(block for row in self.rows(mapping) for block in row))
        head = "".join(f'<th scope="col" style="padding:0 0.6em">k={k}</th>' for k in range(self.K))
        body = "".join(self._row(n, row, order) for n, row in enumerate(self.rows(mapping)))
        caption = f'<caption style="text-align:left;padding-bottom:0.3em">{escape(self.caption(mapping))}</caption>'
        return f'<table class="labkit-block-map">{caption}<tr><td></td>{head}</tr>{body}</table>'

    def _row(self, n: int, row: list[str], order: list[str]) -> str:
        cells = "".join(
            f'<td style="background:{TINTS[order.index(block) % len(TINTS)]};color:#000;text-align:center;'
            f'border:1px solid #fff;padding:0.2em 0.6em">{block}</td>'
            for block in row
        )
        return f'<tr><th scope="row" style="padding:0 0.6em">n={n}</th>{cells}</tr>'


def block_maps(N: int = 3, K: int = 4, mappings: tuple[str, ...] = TEACHING) -> BlockMaps:
    """Draw which block computes channel k of sample n, for up to 12 samples and 12 channels.

    Raises LabError for other sizes, and for a mapping that is not data, model or hybrid.
    """
    for what, size in (("N", N), ("K", K)):
        if not isinstance(size, int) or not 1 <= size <= MOST:
            raise LabError(f"block_maps with {what}={size!r}", f"give an integer from 1 to {MOST}")
    return BlockMaps(N, K, tuple(one_of("mapping", mapping, TEACHING) for mapping in mappings))
