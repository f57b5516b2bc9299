"""Maps of blocks: the same blocks as the kernels of the three mappings write, and readable without colours."""

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.kernels.conv.forward import FORWARD
from labkit.kernels.launch import TEACHING, Launch
from labkit.kernels.trace import trace
from labkit.widgets import block_maps


@pytest.mark.parametrize("mapping", TEACHING)
def test_blocks_are_those_that_write(mapping):
    N, K = 3, 2
    grid = {"data": (N, 1, 1), "model": (K, 1, 1), "hybrid": (N, K, 1)}[mapping]
    x, weight = np.ones((N, 1, 4, 3), np.float32), np.ones((K, 1, 2, 2), np.float32)
    y = np.empty((N, K, 3, 2), np.float32)
    traced = trace(FORWARD[mapping], Launch(grid, 4, 16), x, weight, np.ones(K, np.float32), y, 1, 1, 0, 0, 1, 0)
    number = traced.names.index("y")
    rows = traced.accesses.where((traced.accesses.array == number) & (traced.accesses.kind == 1))
    maps = block_maps(N, K)
    for block, index in zip(rows.block, rows.index, strict=True):
        n, k = np.unravel_index(index, y.shape)[:2]
        at = traced.coordinates(int(block))
        spelled = f"{at[0]}, {at[1]}" if mapping == "hybrid" else str(at[0])
        assert maps.rows(mapping)[n][k] == spelled
    assert maps.blocks(mapping) == len(set(rows.block.tolist()))


def test_they_show_as_tables_and_as_text():
    maps = block_maps(2, 3)
    assert repr(maps).splitlines()[0] == "data: 2 blocks; block n has sample n, all its channels"
    page = maps._repr_html_()
    assert page.count("<caption") == 3 and page.count('scope="row"') == 6
    assert ">1, 2</td>" in page
    assert block_maps(2, 3, ("model",))._repr_html_().count("<table") == 1


@pytest.mark.parametrize("arguments", [(0, 3), (3, 13), (2.5, 3), (2, 3, ("modle",))])
def test_bad_input_is_refused(arguments):
    with pytest.raises(LabError):
        block_maps(*arguments)
