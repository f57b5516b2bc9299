"""Notebook 05: the issue bound and the load bound of a loop, from its instruction counts."""

import numpy as np

from labkit.course.exercise import Case, Exercise, WrongSolution


def loop_bounds(fma, narrow, wide, other):
    """Issue bound and load bound, as shares of the FP32 peak."""
    instructions = fma + narrow + wide + other
    passes = narrow + 4 * wide
    loads = min(1.0, fma / (4 * passes)) if passes else 1.0
    return fma / instructions, loads


def cases(rng: np.random.Generator) -> list[Case]:
    """A textbook loop, a tiled one, loops without loads or with few of them; then drawn ones."""
    known = [(3, 6, 0, 136), (512, 8, 34, 57), (96, 0, 0, 8), (96, 22, 0, 51), (64, 0, 3, 21), (9, 18, 1, 31)]
    drawn = [tuple(int(n) for n in rng.integers((8, 1, 1, 3), (600, 90, 70, 200))) for _ in range(6)]
    label = "{} FMA, {} narrow and {} wide accesses, {} others"
    return [Case(counts, label.format(*counts)) for counts in (*known, *drawn)]


def _wrong_issue(issue):
    """A wrong solution that only gets the first part wrong."""
    return lambda *counts: (issue(*counts), loop_bounds(*counts)[1])


def _wrong_loads(loads):
    """A wrong solution that only gets the second part wrong."""
    return lambda *counts: (loop_bounds(*counts)[0], loads(*counts))


def _capped(fma, passes):
    return min(1.0, fma / passes) if passes else 1.0


EXERCISE = Exercise(
    id="loop-bounds",
    title="Two bounds of a loop",
    prompt=(
        "Write `loop_bounds(fma, narrow, wide, other) -> (issue, loads)` for the instructions of a loop: `fma` "
        "multiply-adds, `narrow` accesses to memory of 32 bits for each thread, `wide` ones of 128 bits, and `other` "
        "instructions. Both bounds are shares of the FP32 peak, between 0 and 1.\n"
        "A multiprocessor starts 4 instructions of warps per clock, which at the peak are all multiply-adds. In the "
        "same clock one pass of 128 bytes goes through the load path: one for a narrow access of a warp, four for a "
        "wide one."
    ),
    reference=loop_bounds,
    cases=cases,
    parts=("issue", "loads"),
    wrong=(
        WrongSolution(
            "accesses not counted as instructions",
            _wrong_issue(lambda fma, narrow, wide, other: fma / (fma + other)),
            "Loads and stores are missing among the instructions: each of them takes a slot, too.",
            "All four counts together are the instructions of the loop.",
        ),
        WrongSolution(
            "instructions per FMA",
            _wrong_issue(lambda fma, narrow, wide, other: (fma + narrow + wide + other) / fma),
            "That is the number of instructions per multiply-add. The bound is a share, and so the reciprocal.",
            "A loop of nothing but multiply-adds has the bound 1.",
        ),
        WrongSolution(
            "against the others only",
            _wrong_issue(lambda fma, narrow, wide, other: fma / (narrow + wide + other)),
            "You divide by everything but the multiply-adds. They take slots themselves.",
            "Divide by all instructions of the loop.",
        ),
        WrongSolution(
            "wide accesses take four slots",
            _wrong_issue(lambda fma, narrow, wide, other: fma / (fma + narrow + 4 * wide + other)),
            "A wide access takes four passes through the load path, but it is one instruction and takes one slot. That "
            "is why it is worth having.",
            "Use the factor 4 in the second bound only.",
        ),
        WrongSolution(
            "a wide access in one pass",
            _wrong_loads(lambda fma, narrow, wide, other: _capped(fma, 4 * (narrow + wide))),
            "32 threads with 128 bits each are 512 bytes: four passes of 128, not one.",
            "passes = narrow + 4 * wide.",
        ),
        WrongSolution(
            "one FMA per pass",
            _wrong_loads(lambda fma, narrow, wide, other: _capped(fma, narrow + 4 * wide)),
            "While one pass goes through, four warps could each have started a multiply-add, not one.",
            "The load path allows fma / (4 * passes) of the peak.",
        ),
        WrongSolution(
            "beyond the peak",
            _wrong_loads(lambda fma, narrow, wide, other: fma / (4 * (narrow + 4 * wide)) if narrow + wide else 1.0),
            "Where there are few loads, your bound is above 1: nothing is faster than the peak.",
            "Take the smaller of it and 1.",
        ),
        WrongSolution(
            "the smaller one twice",
            lambda *counts: (min(loop_bounds(*counts)), min(loop_bounds(*counts))),
            "You return the smaller bound in both places. Asked are both, so that one sees which of them it is.",
            "return issue, loads.",
        ),
    ),
    hints=(
        "The issue bound is the share of multiply-adds among all instructions.",
        "Count passes: one for each narrow access and four for each wide one. What if there are none?",
        "Per pass there is time for four multiply-adds: loads = fma / (4 * passes), and never above 1.",
    ),
    next_step="By hand: 4 FMA, 2 narrow accesses, 2 others. Issue 4 / 8 = 0.5; loads 4 / (4 * 2) = 0.5.",
)
