"""Gates that the machine code of the tuned kernels passes, for three architectures, on a machine without a GPU.

Products are those that `plan` picks for layers of ResNet-18 and AlexNet* on a T4, an A100 and an H200, and must allow
the share of the FP32 peak that it counts on; the others are made for sizes that take each of their ways.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pkgutil import iter_modules

import pytest

from labkit.errors import LabError
from labkit.kernels import tuned
from labkit.kernels.offline import ARCHITECTURES, available, made, many
from labkit.kernels.offline.gates import Gate, offences
from labkit.kernels.sizes import ConvSizes, DenseSizes
from labkit.kernels.tuned import (
    channel_sums,
    convolution,
    dense,
    elementwise,
    ladder,
    norm,
    norm_backward,
    plan,
    pool,
    softmax,
    update,
)
from labkit.kernels.tuned import rung_0_textbook as textbook
from labkit.kernels.tuned.norm import NormSizes
from labkit.kernels.tuned.pool import PoolSizes
from labkit.kernels.tuned.recipe import Pick
from labkit.kernels.tuned.tiles import LARGE
from labkit.machine import gpus

# How much less than `plan` counts on a kernel may allow: its shares are rounded, for one layer, for sm_90, from one
# version of Python (another one's bytecode becomes slightly other code), and count an asynchronous copy once.
SLACK, SLACK_BEFORE_SM_90 = 0.05, 0.08
EARLY = ConvSizes(128, 64, 32, 32, 64, 3, 3, 1, 1, 1, 1)
FEW = {
    "first": ConvSizes(128, 3, 32, 32, 64, 3, 3, 1, 1, 1, 1),
    "early": EARLY,
    "wide": DenseSizes(128, 4096, 1000),
}
ALL = FEW | {
    "halving": ConvSizes(128, 64, 32, 32, 128, 3, 3, 2, 2, 1, 1),
    "short cut": ConvSizes(128, 64, 32, 32, 128, 1, 1, 2, 2),
    "late": ConvSizes(128, 512, 4, 4, 512, 3, 3, 1, 1, 1, 1),
    "groups": ConvSizes(128, 96, 13, 13, 256, 5, 5, 1, 1, 2, 2, 2),
    "last": DenseSizes(128, 512, 10),
}
LAYERS = {"t4": FEW, "a100": FEW, "h200": ALL}
PHASES = {"FP": "forward", "BP": "backward_data", "KU": "backward_weights"}
LEAST_OF_A_RUNG = {
    "shapes": 0.035,
    "unchecked": 0.12,
    "coarse": 0.5,
    "tiled": 0.79,
    "asynchronous": 0.75,
    "split": 0.77,
}


@dataclass(frozen=True)
class Case:
    """A kernel to compile and what is asked of it."""

    job: many.Job
    gate: Gate


def product_gate(pick: Pick, capability: tuple[int, int]) -> Gate:
    """For a tiled product: registers as the tile's launch bounds allow, and the share that `plan` counts on."""
    tile = pick.tile
    most = min(255, 65536 // (tile.threads * tile.blocks_per_sm) // 8 * 8)
    share = plan.SHARES[pick.kernel][tile] - (SLACK if capability >= (9, 0) else SLACK_BEFORE_SM_90)
    return Gate(most, True, pick.asynchronous, share, tile.TM * tile.TN * tile.BK)


def products() -> dict[str, Case]:
    """Kernels of the recipes for LAYERS, each once: all products, and for a few layers what prepares and adds."""
    found: dict[Callable, Case] = {}
    wanted = [(gpu, one, phase) for gpu, layers in LAYERS.items() for one in layers.items() for phase in PHASES]
    for name, (layer, sizes), phase in wanted:
        gpu = gpus.find(name)
        pick = plan.plan(sizes, phase, gpu)
        recipe = partial(getattr(dense if isinstance(sizes, DenseSizes) else convolution, PHASES[phase]), sizes, pick)
        kernels = [step.kernel for step in (*recipe().prepare, *recipe().steps)]
        jobs = made.jobs(f"{layer} {phase} {name}", recipe, ccs=(gpu.capability,))
        for kernel, job in zip(kernels, jobs, strict=True):
            tiled = hasattr(kernel, "options")
            if not tiled and layer not in FEW:
                continue
            case = Case(replace(job, loops=tiled), product_gate(pick, gpu.capability) if tiled else Gate(128))
            if kernel in found and gpu.capability not in found[kernel].job.ccs:
                case = replace(case, job=replace(job, loops=tiled, ccs=(*found[kernel].job.ccs, gpu.capability)))
            found[kernel] = case
    return {case.job.name: case for case in found.values()}


def rungs() -> dict[str, Case]:
    """The kernels of the ladder but the textbook's, for the GPUs that can run them."""
    found = {}
    for rung in ladder.LADDER[1:]:
        tile = plan.plan(EARLY, "FP").tile if rung.name == "split" else LARGE
        axes = dict.fromkeys(("x", "weight", "y"), 4) if rung.shaped else {}
        build = partial(made.step, len(ladder.recipe(rung, EARLY).prepare), axes, ladder.recipe, rung, EARLY)
        copies, ffma = rung.name in ("asynchronous", "split"), tile.TM * tile.TN * tile.BK if rung.packed else 0
        gate = Gate(128, rung.packed, copies, LEAST_OF_A_RUNG[rung.name], ffma)
        ccs = ARCHITECTURES[1:] if copies else ARCHITECTURES
        found[f"rung {rung.number}"] = Case(many.Job(f"rung {rung.number}", build, ccs), gate)
    return found


def passes() -> dict[str, Case]:
    """Kernels that pass over their arrays, bound by memory: nothing is asked of their loops but wide accesses."""
    map4, vector = NormSizes(128, 64, 1024, relu=True, add=True), NormSizes(128, 64, 1)
    pairs, windows = PoolSizes(8192, 32, 32, 2, 2, 2, 2), PoolSizes(8192, 13, 13, 3, 3, 2, 2)
    wide = [
        made.job("sum of two, ReLU", elementwise.make, "add", 1 << 20, 2),
        made.job("pool by pairs", pool.make_forward, pairs, True),
        made.job("momentum", update.make, 1 << 20, True),
        made.job("SGD", update.make, 1 << 20, False),
        made.job("channel sums", channel_sums.make, 128, 64, 1024, 4),
        made.job("norm statistics", norm.make_statistics, map4),
        made.job("norm apply", norm.make_apply, map4),
        made.job("norm gradient sums", norm_backward.make_sums, map4),
        made.job("norm gradient", norm_backward.make_apply, map4),
    ]
    narrow = [
        made.job("pool by windows", pool.make_forward, windows, True),
        made.job("pool gradient", pool.make_backward, windows, True),
        made.job("norm of vectors", norm.make_statistics, vector),
        made.job("norm finish", norm.make_finish, map4, 0.1),
        made.job("norm keep", norm.make_keep, map4),
        made.job("norm gradients", norm_backward.make_gradients, map4),
        made.job("loss", softmax.make_loss, 128, 10),
        made.job("softmax", softmax.make, 128, 10),
        made.job("softmax gradient", softmax.make_backward, 128, 10),
    ]
    gates = [(job, Gate(128, vector_loads=True)) for job in wide] + [(job, Gate(128)) for job in narrow]
    return {job.name: Case(replace(job, loops=False), gate) for job, gate in gates}


CASES = products() | rungs() | passes()


@pytest.fixture(scope="session")
def compiled():
    """Name -> capability -> every case, compiled; None where nothing can be."""
    return None if available() else many.compile_all(case.job for case in CASES.values())


@pytest.fixture(autouse=True)
def toolchain(require):
    require(available() == "", available())


@pytest.mark.parametrize("name", CASES)
def test_tuned_kernels_pass(compiled, name):
    found = compiled[name]
    errors = [str(one) for one in found.values() if isinstance(one, LabError)]
    assert not errors
    bad = [line for one in found.values() for line in offences(one, CASES[name].gate)]
    assert not bad, "\n".join(bad)


def test_the_recorded_ladder_is_that_of_today(compiled, root):
    """Registers and instructions per multiply-add, as far apart as those of teaching kernels may be."""
    newest = sorted((root / "benchmarks" / "results").glob("ladder-sm_90-*.json"))[-1]
    rows = {f"rung {row['rung']}": row for row in json.loads(newest.read_text(encoding="utf-8"))["rows"]}
    assert [rows[f"rung {rung.number}"]["change"] for rung in ladder.LADDER] == [rung.change for rung in ladder.LADDER]
    for name in (name for name in CASES if name.startswith("rung ")):
        one, ffma = compiled[name][9, 0], CASES[name].gate.ffma
        loop = one.trip(ffma) if ffma else one.short_loop
        recorded = (rows[name]["registers"], rows[name]["instructions_per_ffma"])
        assert recorded == pytest.approx((one.registers, loop.per_ffma), rel=0.15), "run: python benchmarks/ladder.py"


def test_every_file_of_tuned_kernels_has_a_case():
    files = [import_module(f"labkit.kernels.tuned.{entry.name}") for entry in iter_modules(tuned.__path__)]
    makers = {file.__name__ for file in files if any(re.match("make(_|$)", name) for name in vars(file))}
    makers -= {textbook.__name__}  # hands the teaching kernel on
    assert makers <= {case.job.build()[0].__module__ for case in CASES.values()}


def test_what_plan_counts_on_is_at_least_what_is_known_to_be_possible():
    """79 % for FP and BP, 71 % for KU, 58 % where taps come from a table: hand-written kernels of the same kind."""
    least = {"implicit": 0.79, "weights": 0.71, "few_channels": 0.58, "weights_few": 0.58, "gemm": 0.77}
    assert plan.SHARES.keys() == least.keys()
    assert all(plan.SHARES[kernel][LARGE] >= share for kernel, share in least.items())
