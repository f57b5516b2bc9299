"""Notebook 04: waves, busy multiprocessors and tail efficiency of a launch."""

from math import ceil

import numpy as np

from labkit.course.exercise import Case, Exercise, WrongSolution


def waves(blocks, held, sms):
    """Waves of a grid, SMs with work, and the share of all places of all waves that is used."""
    room = held * sms
    count = -(-blocks // room)
    return count, min(blocks, sms), blocks / (count * room)


def cases(rng: np.random.Generator) -> list[Case]:
    """The H200 and the paper's GPUs with few, just enough and one too many blocks; then drawn ones."""
    known = [(6, 2, 132), (264, 2, 132), (265, 2, 132), (15, 1, 15), (31, 2, 15), (4096, 8, 56), (1, 16, 28)]
    drawn = [tuple(int(rng.integers(1, high)) for high in (5000, 17, 133)) for _ in range(8)]
    return [Case(sizes, "{} blocks, {} of them on an SM at once, {} SMs".format(*sizes)) for sizes in (*known, *drawn)]


def _floored(blocks, held, sms):
    count = max(1, blocks // (held * sms))
    return count, min(blocks, sms), blocks / (count * held * sms)


def _always_one_more(blocks, held, sms):
    count = blocks // (held * sms) + 1
    return count, min(blocks, sms), blocks / (count * held * sms)


def _one_block_per_sm(blocks, held, sms):
    return waves(blocks, 1, sms)


def _last_wave_only(blocks, held, sms):
    count, busy, _ = waves(blocks, held, sms)
    return count, busy, (blocks - (count - 1) * held * sms) / (held * sms)


def _all_busy(blocks, held, sms):
    count, _, used = waves(blocks, held, sms)
    return count, sms, used


def _busy_blocks(blocks, held, sms):
    count, _, used = waves(blocks, held, sms)
    return count, blocks, used


def _filled_up_first(blocks, held, sms):
    count, _, used = waves(blocks, held, sms)
    return count, min(sms, ceil(blocks / held)), used


EXERCISE = Exercise(
    id="waves",
    title="Waves and tail",
    prompt=(
        "Write `waves(blocks, held, sms) -> (waves, busy, efficiency)` for a grid of `blocks` equal blocks on a GPU of "
        "`sms` multiprocessors that hold `held` such blocks each at once.\n"
        "waves: how many rounds it takes until all are done (an integer). busy: SMs that get a block at all; a block "
        "goes to the emptiest SM. efficiency: the blocks over all places of all waves."
    ),
    reference=waves,
    cases=cases,
    parts=("waves", "busy", "efficiency"),
    wrong=(
        WrongSolution(
            "rounded down",
            _floored,
            "You round down: the blocks that are left over need a wave of their own.",
            "265 blocks where 264 fit at once take two waves.",
        ),
        WrongSolution(
            "one wave too many",
            _always_one_more,
            "Where the blocks fill the waves exactly you count one wave too many.",
            "264 blocks where 264 fit at once take one wave.",
        ),
        WrongSolution(
            "one block on each SM",
            _one_block_per_sm,
            "You let each SM hold one block. It takes `held` of them at once.",
            "All SMs together have held * sms places.",
        ),
        WrongSolution(
            "last wave only",
            _last_wave_only,
            "Your efficiency is how full the last wave is. Asked is the share of all places, those of the full waves "
            "too.",
            "Divide all blocks by the places of all waves.",
        ),
        WrongSolution(
            "all SMs busy",
            _all_busy,
            "You count all SMs as busy, but where there are fewer blocks than SMs some never get one.",
            "Six blocks employ six SMs.",
        ),
        WrongSolution(
            "blocks counted as SMs",
            _busy_blocks,
            "There cannot be more busy SMs than SMs.",
            "Take the smaller of the two.",
        ),
        WrongSolution(
            "one SM filled before the next",
            _filled_up_first,
            "You fill one SM before the next gets a block. Blocks are dealt to the emptiest, so they spread out.",
            "Four blocks on 132 SMs are on four of them, even if one could hold all.",
        ),
    ),
    hints=(
        "All SMs together have held * sms places.",
        "Waves are blocks over places, rounded up; -(-a // b) rounds up in integers.",
        "Efficiency = blocks / (waves * places).",
    ),
    next_step="Draw 5 blocks on 2 SMs that hold 2 blocks each: two waves, both SMs busy, 5 of 8 places.",
)
