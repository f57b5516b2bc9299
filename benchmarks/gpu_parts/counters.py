"""Loads as the GPU's own counters see them, through ncu, where it is installed and allowed (figure 14)."""

import csv
import io
import shutil
import subprocess
import sys
from collections.abc import Iterator

from gpu_parts.environment import with_labkit

TIMEOUT_S = 90
SECTOR_BYTES = 32
# Counter -> (level of memory, what one of it is in loads of 32 bytes).
COUNTERS = {
    "l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum": ("L1", 1.0),
    "lts__t_sectors_op_read.sum": ("L2", 1.0),
    "dram__bytes_read.sum": ("DRAM", 1 / SECTOR_BYTES),
    "smsp__sass_inst_executed_op_shared_ld.sum": ("shared", 4.0),  # of warps: 128 bytes each
}
PREFIXES = {"Kbyte": 1e3, "Mbyte": 1e6, "Gbyte": 1e9}
SCRIPT = """
import sys
from labkit.kernels.conv.forward import FORWARD
from labkit.kernels.executors.here import executor
from labkit.kernels.experiments.sources import conv_arrays, conv_launch
from labkit.kernels.experiments.sweeps import conv_of
from labkit.kernels.sizes import ConvSizes
from labkit.network import load
network, layer, batch = sys.argv[1:]
on, sizes = executor("gpu"), ConvSizes.of(*conv_of(load(network), layer), int(batch))
arrays = conv_arrays(on, sizes)
for mapping, kernel in FORWARD.items():
    on.launch(kernel, conv_launch(sizes, mapping), *arrays)
    on.synchronize()
"""


def loads(network: str, layer: str, batch: int) -> Iterator[dict]:
    """One row per mapping and level: loads of 32 bytes (sectors) of FP of one convolution.

    Raises FileNotFoundError without ncu, RuntimeError where the driver forbids counters (ERR_NVGPUCTRPERM).
    """
    if shutil.which("ncu") is None:
        raise FileNotFoundError("no ncu on the PATH")
    command = ["ncu", "--csv", "--page", "raw", "--clock-control", "none", "--kernel-name", "regex:forward_"]
    command += ["--metrics", ",".join(COUNTERS), sys.executable, "-c", SCRIPT, network, layer, str(batch)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, env=with_labkit())
    yield from read(ran.stdout, network, layer, batch)


def read(text: str, network: str, layer: str, batch: int) -> Iterator[dict]:
    """The rows in what ncu printed; RuntimeError where it printed no table."""
    lines = text.splitlines()
    start = next((i for i, line in enumerate(lines) if line.startswith('"ID"')), None)
    if start is None:
        raise RuntimeError(text.strip()[-300:] or "ncu printed nothing")
    table = list(csv.DictReader(io.StringIO("\n".join(lines[start:]))))
    units = table[0]  # the line below the names
    for row in table[1:]:
        mapping = next(m for m in ("data", "model", "hybrid") if f"forward_{m}" in row["Kernel Name"])
        for counter, (level, each) in COUNTERS.items():
            value = float(row[counter].replace(",", "")) * PREFIXES.get(units[counter], 1.0) * each
            where = {"network": network, "layer": layer, "mapping": mapping, "batch": batch}
            yield where | {"level": level, "loads": round(value), "how": f"ncu {counter}"}
