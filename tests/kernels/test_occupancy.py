"""Blocks per SM: cases worked out by hand, NVIDIA's own answers where they surprise, and the driver's on a GPU."""

from math import prod

import pytest

from labkit.errors import LabError
from labkit.kernels.occupancy import blocks_by_resource, occupancy
from labkit.machine import gpus

# GPU, threads, registers, shared bytes -> blocks per SM, what limits them, worked out in the comment.
BY_HAND = [
    ("h200", 256, 32, 0, 8, "warps"),  # 64 warps / 8
    ("h200", 256, 60, 0, 4, "registers"),  # 2048 registers a warp: 8 warps in each of 4 parts of 16384, 32 / 8
    ("h200", 256, 57, 0, 4, "registers"),  # 1824 are rounded up to 2048
    ("h200", 256, 126, 16384, 2, "registers"),  # 4096 a warp: 4 in each part, 16 / 8
    ("h200", 64, 155, 8192, 6, "registers"),  # 5120 a warp: 3 in each part, 12 / 2
    ("h200", 32, 16, 0, 32, "blocks"),  # 64 warps would fit, but the list has 32 places
    ("h200", 128, 32, 18432, 12, "shared memory"),  # with the driver's 1024: 233472 // 19456
    ("h200", 1024, 64, 0, 1, "registers"),  # 2048 a warp: 32 warps in all
    ("k40", 256, 32, 18432, 2, "shared memory"),  # 49152 // 18432, nothing reserved
    ("k40", 32, 16, 0, 16, "blocks"),
    ("k40", 1024, 60, 0, 1, "registers"),
    ("p100", 96, 168, 0, 4, "registers"),  # 5376 a warp: 6 in each of 2 parts of 32768, 12 // 3
    ("t4", 256, 32, 0, 4, "warps"),  # 32 warps
    ("t4", 32, 40, 0, 16, "blocks"),
    ("rtx4090", 512, 32, 0, 3, "warps"),  # 48 warps / 16
    ("a100", 256, 40, 40000, 4, "shared memory"),  # 41024 -> 41088; 167936 // 41088
]


@pytest.mark.parametrize(("gpu", "threads", "registers", "shared", "blocks", "by"), BY_HAND)
def test_cases_worked_out_by_hand(gpu, threads, registers, shared, blocks, by):
    found = occupancy(gpus.find(gpu), threads, registers, shared)
    assert (found.blocks_per_sm, found.limited_by) == (blocks, by), found.limits
    assert found.warps_per_sm == blocks * -(-threads // 32)
    assert found.occupancy == found.warps_per_sm / gpus.find(gpu).sm.warps


def test_registers_are_counted_within_each_part():
    """65536 registers hold 12.8 warps of 5120, but each of the four parts only 3."""
    assert blocks_by_resource(gpus.find("h200").sm, 32, 160, 0)["registers"] == 12


def test_the_launch_checks_registers_in_fours():
    """9 warps of 6144 fit a P100's two parts (5 each), but the launch counts 12, and refuses it."""
    assert blocks_by_resource(gpus.find("p100").sm, 288, 192, 0)["registers"] == 0


def test_more_of_anything_never_gives_more_blocks():
    for gpu in gpus.GPUS.values():
        for threads in (32, 96, 256, 1000):
            few = blocks_by_resource(gpu.sm, threads, 24, 1000)
            assert all(blocks_by_resource(gpu.sm, threads, 56, 9000)[name] <= most for name, most in few.items())


@pytest.mark.parametrize(
    ("threads", "registers", "shared", "words"),
    [
        (2048, 16, 0, "warps run out — start blocks of at most 1024"),
        (1024, 128, 0, "registers run out — start smaller blocks"),
        (32, 256, 0, "registers run out"),
        (32, 16, 232449, "shared memory run out — take mapping 'data'"),
        (0, 16, 0, "threads=0"),
        (32, 16, -1, "shared_bytes=-1"),
    ],
)
def test_a_block_that_never_fits_is_refused(threads, registers, shared, words):
    with pytest.raises(LabError, match=words):
        occupancy(gpus.find("h200"), threads, registers, shared)


def test_the_driver_agrees():
    gpu = gpus.this_gpu()
    if gpu is None:
        pytest.skip("no NVIDIA GPU: only its driver could be asked")
    import numpy as np

    from labkit.kernels.conv.forward import forward_hybrid
    from labkit.kernels.source import cuda, jit

    kernel = jit(forward_hybrid)
    x, weight, y = (cuda.to_device(np.zeros(s, np.float32)) for s in ((1, 2, 6, 6), (3, 2, 3, 3), (1, 3, 6, 6)))
    kernel[(1, 3), 32, 0, 4 * prod(weight.shape[1:])](x, weight, y[0, :, 0, 0], y, 1, 1, 1, 1, 1, 0)
    compiled = next(iter(kernel.overloads.values()))
    ask = cuda.current_context().get_active_blocks_per_multiprocessor
    handle = compiled._codelibrary.get_cufunc()
    for threads in (32, 64, 96, 128, 192, 256, 512, 1024):
        for shared in (0, 100, 2400, 9216, 18432, 49152):
            mine = min(blocks_by_resource(gpu.sm, threads, compiled.regs_per_thread, shared).values())
            assert mine == ask(handle, threads, shared), (threads, shared)
