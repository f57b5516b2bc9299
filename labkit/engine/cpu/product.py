"""Matrix products over whole matrices, tile by tile (see `tile` for what a panel is)."""

from labkit.engine.cpu.compiled import compiled
from labkit.engine.cpu.tile import make_picked_tile, make_shifted_tile, make_tile
from labkit.engine.cpu.vectors import REGISTERS, lanes

# Rows of a tile two vectors wide: its sums, two vectors of b and one of a have to fit into the registers.
TALL = 12 if REGISTERS == 32 else 6
# Rows of a tile of a transposed product: a divisor of `lanes`, or all of them where lanes is smaller.
ACROSS = 8 if REGISTERS == 32 else 4


_tall2, _tall1 = make_tile(TALL, 2, False), make_tile(TALL, 1, False)
_low2, _low1 = make_tile(TALL // 3, 2, False), make_tile(TALL // 3, 1, False)
_flat2, _flat1 = make_tile(1, 2, False), make_tile(1, 1, False)
_across2, _across1 = make_tile(ACROSS, 2, True), make_tile(ACROSS, 1, True)


@compiled
def product(a, at, a_step, b, bt, b_step, c, ct, c_row, c_step, rows, panels, depth, add):
    """c = a . b (or c += a . b, if `add`) for `rows` rows of a and c, and `panels` panels of b and c.

    at, bt, ct: where a, b and c start; a_step, b_step, c_step: from panel to panel; c_row: from row to row of c, so
    that c need not be in panels. The panels of b should fit into the cache two at a time.
    """
    for j in range(0, panels - 1, 2):
        bj, cj, i = bt + j * b_step, ct + j * c_step, 0
        while i + TALL <= rows:
            _tall2(a, at + i * lanes(a), a_step, b, bj, b_step, c, cj + i * c_row, c_row, c_step, depth, add)
            i += TALL
        while i + TALL // 3 <= rows:
            _low2(a, at + i * lanes(a), a_step, b, bj, b_step, c, cj + i * c_row, c_row, c_step, depth, add)
            i += TALL // 3
        while i < rows:
            _flat2(a, at + i * lanes(a), a_step, b, bj, b_step, c, cj + i * c_row, c_row, c_step, depth, add)
            i += 1
    if panels % 2:
        bj, cj, i = bt + (panels - 1) * b_step, ct + (panels - 1) * c_step, 0
        while i + TALL <= rows:
            _tall1(a, at + i * lanes(a), a_step, b, bj, b_step, c, cj + i * c_row, c_row, c_step, depth, add)
            i += TALL
        while i + TALL // 3 <= rows:
            _low1(a, at + i * lanes(a), a_step, b, bj, b_step, c, cj + i * c_row, c_row, c_step, depth, add)
            i += TALL // 3
        while i < rows:
            _flat1(a, at + i * lanes(a), a_step, b, bj, b_step, c, cj + i * c_row, c_row, c_step, depth, add)
            i += 1


@compiled
def transposed_product(a, at, a_step, b, bt, b_step, c, ct, c_row, c_step, blocks, panels, depth, add):
    """c = a^T . b (or +=): as `product`, but c has a row for each column of a, of which there are `blocks` panels."""
    across = min(ACROSS, lanes(a))
    for j in range(0, panels - 1, 2):
        bj, cj = bt + j * b_step, ct + j * c_step
        for i in range(0, blocks * lanes(a), across):
            ai = at + i // lanes(a) * a_step + i % lanes(a)
            _across2(a, ai, a_step, b, bj, b_step, c, cj + i * c_row, c_row, c_step, depth, add)
    if panels % 2:
        bj, cj = bt + (panels - 1) * b_step, ct + (panels - 1) * c_step
        for i in range(0, blocks * lanes(a), across):
            ai = at + i // lanes(a) * a_step + i % lanes(a)
            _across1(a, ai, a_step, b, bj, b_step, c, cj + i * c_row, c_row, c_step, depth, add)


_shifted3, _shifted2, _shifted1 = (make_shifted_tile(ACROSS, vectors) for vectors in (3, 2, 1))
_picked2, _picked1 = make_picked_tile(TALL, 2), make_picked_tile(TALL, 1)


@compiled
def shifted_product(a, at, a_step, b, bt, shifts, st, c, ct, c_row, rows, vectors, depth, add):
    """c = a^T . b (or +=), where row k of b are the values from b[bt + shifts[st + k]] on, as many as `vectors` hold.

    c has a row, `c_row` apart, for each column of a, of which there are `rows`, and one more for each that is missing
    to a whole tile. a is in panels a_step apart.
    """
    across, width, j = min(ACROSS, lanes(a)), lanes(a), 0
    while j < vectors:
        # Vectors that straddle two cache lines are slow to load, so that three at a time are better than two.
        wide = min(3, vectors - j)
        for i in range(0, rows, across):
            ai, ci = at + i // width * a_step + i % width, ct + i * c_row + j * width
            if wide == 3:
                _shifted3(a, ai, b, bt + j * width, shifts, st, c, ci, c_row, width, depth, add)
            elif wide == 2:
                _shifted2(a, ai, b, bt + j * width, shifts, st, c, ci, c_row, width, depth, add)
            else:
                _shifted1(a, ai, b, bt + j * width, shifts, st, c, ci, c_row, width, depth, add)
        j += wide


@compiled
def picked_product(a, at, shifts, b, bt, b_step, c, ct, c_step, rows, panels, depth, add):
    """c = a . b (or +=), where row i of a are the values from a[at + shifts[i]] on; b and c are in panels.

    rows: a multiple of TALL; `shifts` has that many values.
    """
    for j in range(0, panels - 1, 2):
        for i in range(0, rows, TALL):
            to = ct + j * c_step + i * lanes(a)
            _picked2(a, at, shifts, i, b, bt + j * b_step, b_step, c, to, lanes(a), c_step, depth, add)
    if panels % 2:
        j = panels - 1
        for i in range(0, rows, TALL):
            to = ct + j * c_step + i * lanes(a)
            _picked1(a, at, shifts, i, b, bt + j * b_step, b_step, c, to, lanes(a), c_step, depth, add)
