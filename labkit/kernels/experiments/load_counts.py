"""Loads by level of memory for the three mappings (figure 14 of krishna-gupta-nayak).

Counted exactly, without a GPU: what threads load from global and from shared memory follows from the sizes of the
layer (`trace.conv_loads`); how many 32-byte sectors the warps' loads of global memory touch is counted in a trace of
one block, where that block is small enough. What then misses in L1 and L2 only a GPU's own counters can tell
(benchmarks/gpu.py asks ncu for them).
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from labkit.kernels.conv.forward import FORWARD
from labkit.kernels.experiments.recording import Row
from labkit.kernels.experiments.sources import conv_launch
from labkit.kernels.experiments.sweeps import conv_of
from labkit.kernels.launch import TEACHING
from labkit.kernels.sizes import ConvSizes
from labkit.kernels.trace import conv_loads, trace
from labkit.kernels.trace import loads as loads_of
from labkit.machine.origin import MODELLED
from labkit.network import Conv, load

MOST_TRACED = 300_000  # loads of one block that are traced: a second or two
LEVELS = ("global", "shared", "sectors")


def loads(
    network: str = "lenet5",
    layer: str | None = None,
    mappings: Iterable[str] = TEACHING,
    batch: int = 32,
    phase: str = "fp",
    most_traced: int = MOST_TRACED,
) -> Iterator[Row]:
    """One phase of the convolutions of a network (of one, if `layer` is given): a row per layer, mapping and level.

    level 'global' and 'shared': loads of one value by one thread. 'sectors', of FP only: pieces of 32 bytes that the
    loads of whole warps touch in global memory, left out where one block makes more than `most_traced` loads. All
    blocks of a grid make equally many loads, so one is traced. Raises LabError for an unknown layer, mapping or phase.
    """
    net, mappings = load(network), tuple(mappings)
    names = [layer] if layer else [node.name for node in net.nodes if isinstance(node.layer, Conv)]
    for name in names:
        sizes = ConvSizes.of(*conv_of(net, name), batch)
        for mapping in mappings:
            counted = conv_loads(sizes, mapping, phase)
            found = {level: (counted[f"{level}_loads"], "counted by formula") for level in ("global", "shared")}
            blocks = conv_launch(sizes, mapping).blocks
            if phase == "fp" and sum(number for number, _ in found.values()) <= most_traced * blocks:
                found["sectors"] = (blocks * sectors_of_a_block(sizes, mapping), "one block traced, times the blocks")
            for level, (number, how) in found.items():
                row = {"network": net.name, "layer": name, "mapping": mapping, "batch": batch, "device": None}
                yield row | {"phase": phase, "level": level, "loads": number, "how": how, "origin": MODELLED}


def sectors_of_a_block(sizes: ConvSizes, mapping: str) -> int:
    """32-byte sectors that the warps of block 0 load from global memory in FP; it is run thread by thread."""
    shapes = {
        "x": (sizes.N, sizes.C, sizes.H, sizes.W),
        "weight": (sizes.K, sizes.C // sizes.groups, sizes.R, sizes.S),
        "bias": (sizes.K,),
        "y": (sizes.N, sizes.K, sizes.P, sizes.Q),
    }
    arrays = [np.zeros(shape, np.float32) for shape in shapes.values()]
    geometry = (sizes.stride_h, sizes.stride_w, sizes.pad_h, sizes.pad_w, sizes.groups, 0)
    launch = replace(conv_launch(sizes, mapping), grid=(1, 1, 1))
    counted = loads_of(trace(FORWARD[mapping], launch, *arrays, *geometry))
    return sum(counted[name].sectors for name in ("x", "weight", "bias"))
