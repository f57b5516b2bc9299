"""Notebook 05: how many blocks of a tile one multiprocessor of an H200 holds."""

import numpy as np

from labkit.course.exercise import Case, Exercise, WrongSolution

PLACES = 2048  # threads of one SM, capability 9.0
REGISTERS = 65536
SHARED_BYTES = 228 * 1024
RESERVED_BYTES = 1024  # that CUDA takes for itself in each block


def blocks_held(threads, registers, shared_bytes):
    """Blocks that one SM holds at once: 2,048 threads, 65,536 registers, 228 KiB, of which a block costs one more."""
    rounded = -(-registers // 8) * 8
    by_registers = 65536 // (rounded * threads)
    by_shared = 228 * 1024 // (shared_bytes + 1024)
    return min(2048 // threads, by_registers, by_shared)


def cases(rng: np.random.Generator) -> list[Case]:
    """Rungs 3, 4 and 6, blocks that each resource limits, a block that does not fit; then drawn ones."""
    known = [
        (128, 57, 9216),
        (256, 127, 8192),
        (128, 127, 24576),
        (1024, 20, 0),
        (256, 128, 114 * 1024),
        (128, 40, 7168),
        (128, 36, 2304),
        (1024, 65, 0),
        (128, 25, 57344),
        (640, 33, 1024),
    ]
    for _ in range(8):
        known.append((128 * int(rng.integers(1, 6)), int(rng.integers(17, 129)), 128 * int(rng.integers(0, 300))))
    return [Case(sizes, "{} threads, {} registers, {:,} bytes of shared memory".format(*sizes)) for sizes in known]


def _limits(threads, registers, shared_bytes, unit=8, reserved=RESERVED_BYTES):
    rounded = -(-registers // unit) * unit
    return [PLACES // threads, REGISTERS // (rounded * threads), SHARED_BYTES // max(1, shared_bytes + reserved)]


def _without(number):
    return lambda *sizes: min(limit for i, limit in enumerate(_limits(*sizes)) if i != number)


EXERCISE = Exercise(
    id="blocks-held",
    title="How many blocks an SM holds",
    prompt=(
        "Write `blocks_held(threads, registers, shared_bytes)`: how many blocks one SM of an H200 holds at once. A "
        "block has `threads` threads (a multiple of 128) with `registers` registers each, and `shared_bytes` of shared "
        "memory.\n"
        "An SM has places for 2,048 threads, 65,536 registers, and 228 KiB of shared memory. "
        "Registers of a thread are handed out in eights; CUDA takes 1,024 bytes of shared memory more for each block. "
        "A block that does not fit at all: 0."
    ),
    reference=blocks_held,
    cases=cases,
    wrong=(
        WrongSolution(
            "registers forgotten",
            _without(1),
            "Registers are missing: a block of 256 threads with 128 of them takes half of an SM's.",
            "All threads of a block together take threads * registers.",
        ),
        WrongSolution(
            "shared memory forgotten",
            _without(2),
            "Shared memory is missing: blocks of an SM share its 228 KiB.",
            "228 * 1024 // (shared_bytes + 1024) blocks have enough of it.",
        ),
        WrongSolution(
            "places for threads forgotten",
            _without(0),
            "An SM has places for 2,048 threads, however few registers they have.",
            "2048 // threads is a limit, too.",
        ),
        WrongSolution(
            "registers not rounded",
            lambda *sizes: min(_limits(*sizes, unit=1)),
            "A thread gets registers in eights: one that uses 57 occupies 64.",
            "-(-registers // 8) * 8 rounds up.",
        ),
        WrongSolution(
            "own shared memory only",
            lambda *sizes: min(_limits(*sizes, reserved=0)),
            "You leave out the 1,024 bytes that CUDA takes in each block. Where a block uses half of an SM's, "
            "the second one no longer fits.",
            "Add 1024 to shared_bytes.",
        ),
        WrongSolution(
            "the most instead of the least",
            lambda *sizes: max(_limits(*sizes)),
            "You take the largest limit. A block needs all of the resources, so what runs out first decides.",
            "Take the smallest.",
        ),
    ),
    hints=(
        "There are three limits; compute each by itself, and take the smallest.",
        "Registers: 65,536 over what a block takes, threads * registers, with registers rounded up to a multiple of 8.",
        "Shared memory: 228 * 1024 over shared_bytes + 1024.",
    ),
    next_step="Rung 4: 256 threads with 127 registers (128) take 32,768 of them, so two blocks; threads allow 8.",
)
