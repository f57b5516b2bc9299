"""Which kernel, tile and split a layer gets, and that the shares on which that rests are those of machine code."""

from dataclasses import replace

import pytest

from labkit.errors import LabError
from labkit.kernels.offline import made, many
from labkit.kernels.sizes import ConvSizes, DenseSizes
from labkit.kernels.tuned import convolution, dense, few_channels, gemm, implicit, maps, weights, weights_few
from labkit.kernels.tuned.plan import DIRECTIONS, H200, SHARES, Task, plan, product, seconds
from labkit.kernels.tuned.tiles import Tile
from labkit.machine import gpus

BATCH = 128
MIDDLE = ConvSizes(BATCH, 128, 16, 16, 128, 3, 3, 1, 1, 1, 1)
FIRST = ConvSizes(BATCH, 3, 32, 32, 64, 3, 3, 1, 1, 1, 1)
LAST = ConvSizes(BATCH, 512, 4, 4, 512, 3, 3, 1, 1, 1, 1)
HALVING = ConvSizes(BATCH, 64, 32, 32, 128, 3, 3, 2, 2, 1, 1)
DENSE = DenseSizes(BATCH, 4096, 1024)
NINETY = ((9, 0),)


def made_for(kernel: str, tile: Tile) -> many.Job:
    """The job that compiles `kernel` with `tile` for sm_90."""
    makes = {
        "implicit": (implicit.make, maps.forward(MIDDLE), tile),
        "few_channels": (few_channels.make, FIRST, tile),
        "weights": (weights.make, MIDDLE, tile, 8),
        "weights_few": (weights_few.make, FIRST, tile, 8),
        "gemm": (gemm.make, product(DENSE, "FP"), tile),
    }
    return made.job(f"{kernel} {tile}", *makes[kernel], ccs=NINETY)


def share_of(compiled: many.Compiled, tile: Tile) -> float:
    """FFMA slots of the loop over chunks, or what its loads allow; with BK = 16 a loop of two rounds stands in it."""
    hot = compiled.hot_loop
    around = [loop for loop in compiled.loops if loop.start in hot.within]
    whole, rounds = (min(around, key=lambda loop: loop.instructions), tile.BK // 8) if tile.BK > 8 else (hot, 1)
    instructions = whole.instructions + (rounds - 1) * hot.instructions
    wavefronts = whole.wavefronts + (rounds - 1) * hot.wavefronts
    return min(rounds * hot.ffma / instructions, rounds * hot.ffma / (4 * wavefronts))


@pytest.fixture(scope="module")
def compiled(require_tools) -> dict:
    """The largest and the smallest tile of every kernel, and the first with deeper chunks."""
    picked = {(kernel, tile) for kernel, tiles in SHARES.items() for tile in (next(iter(tiles)), list(tiles)[-1])}
    picked.add(("implicit", next(tile for tile in SHARES["implicit"] if tile.BK == 16)))
    ordered = sorted(picked, key=str)
    jobs = [made_for(kernel, tile) for kernel, tile in ordered]
    answers = many.compile_all(jobs, workers=1)
    return {one: answers[job.name][9, 0] for one, job in zip(ordered, jobs, strict=True)}


@pytest.fixture(scope="module")
def require_tools():
    from labkit.kernels.offline import tools

    try:
        tools.find()
    except LabError as error:
        pytest.skip(str(error))


def test_shares_are_those_of_machine_code(compiled):
    wrong = {}
    for (kernel, tile), found in compiled.items():
        share = share_of(found, tile)
        if abs(share - SHARES[kernel][tile]) > 0.05:
            wrong[f"{kernel} {tile}"] = (round(share, 3), SHARES[kernel][tile])
    assert not wrong


def test_no_kernel_spills(compiled):
    assert not {f"{one}": found.spill_bytes for one, found in compiled.items() if found.spill_bytes}


def test_few_channels_get_the_kernel_made_for_them():
    assert plan(FIRST, "FP").kernel == "few_channels" and plan(FIRST, "KU").kernel == "weights_few"
    assert plan(MIDDLE, "FP").kernel == "implicit" and plan(MIDDLE, "KU").kernel == "weights"


def test_a_sum_is_divided_where_tiles_are_few():
    assert plan(LAST, "FP").split > 1 and plan(replace(MIDDLE, N=1024), "FP").split == 1
    assert plan(MIDDLE, "KU").split > 1  # 128 x 1152 weights, but 32768 pixels


def test_every_direction_of_every_layer_has_a_recipe():
    for z in (FIRST, MIDDLE, LAST, HALVING, replace(MIDDLE, groups=4), ConvSizes(1, 1, 5, 5, 1, 3, 3)):
        recipes = [convolution.forward(z), convolution.backward_data(z), convolution.backward_weights(z)]
        for d, recipe in zip(DIRECTIONS, recipes, strict=True):
            assert recipe.why == plan(z, d).why
    for z in (DENSE, DenseSizes(1, 1, 1)):
        recipes = [dense.forward(z), dense.backward_data(z), dense.backward_weights(z)]
        for d, recipe in zip(DIRECTIONS, recipes, strict=True):
            assert recipe.why == plan(z, d).why


def test_the_choice_says_why():
    assert plan(LAST, "FP").why.startswith("FP of ConvSizes(N=128, C=512")
    assert "parts" in plan(LAST, "FP").why and "waves" in plan(LAST, "FP").why and "modelled" in plan(LAST, "FP").why


def test_no_choice_is_faster_than_its_bound():
    for z in (MIDDLE, LAST, HALVING, DENSE):
        for d in DIRECTIONS:
            choice = plan(z, d)
            assert 0 < choice.TFLOP_per_s * 1e12 < choice.share * H200.float32_flops_per_s


def test_backward_data_with_a_stride_does_no_work_for_zeros():
    assert plan(HALVING, "BP").seconds < 1.25 * plan(HALVING, "FP").seconds


def test_an_older_gpu_waits_for_its_copies():
    assert not plan(MIDDLE, "FP", gpus.find("t4")).asynchronous and plan(MIDDLE, "FP", gpus.find("a100")).asynchronous


def test_twice_the_blocks_take_twice_as_long_when_the_gpu_is_full():
    tile = Tile(128, 128)
    tasks = [Task("implicit", tile, 0.8, n * 132 * 2, 1, 4096, 1) for n in (8, 16)]
    one, two = (seconds(task, 1, H200) for task in tasks)
    assert two / one == pytest.approx(2, rel=0.02)


def test_an_unknown_direction_is_refused():
    with pytest.raises(LabError, match="'forward'"):
        plan(MIDDLE, "forward")
