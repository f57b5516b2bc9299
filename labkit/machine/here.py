"""This machine as one frozen record: what stands beside a measurement, so that it can be compared later."""

import platform
from dataclasses import dataclass
from functools import cache

from labkit.machine import gpu, processor
from labkit.machine.libraries import blas


@dataclass(frozen=True)
class Machine:
    """What a computation runs on.

    cores: physical cores. usable_cores: hardware threads that this process may use. memory_bytes: main memory that it
    may use. blas: library behind NumPy's matrix product. gpu: None without an NVIDIA GPU.
    """

    system: str
    python: str
    cpu: str
    cores: int
    usable_cores: int
    memory_bytes: int
    blas: str
    gpu: gpu.Gpu | None

    @property
    def name(self) -> str:
        """One short line, such as 'AMD EPYC 9354 (2 cores usable, 8.2 GB)', with the GPU if there is one."""
        size = f"{self.cpu} ({self.usable_cores} cores usable, {self.memory_bytes / 1e9:.1f} GB)"
        return f"{size}, {self.gpu.name}" if self.gpu else size


@cache
def this_machine() -> Machine:
    """The machine that this process runs on. Measured once; later calls return the same record."""
    return Machine(
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        cpu=processor.cpu_name(),
        cores=processor.physical_cores(),
        usable_cores=processor.usable_cores(),
        memory_bytes=processor.memory_bytes(),
        blas=blas()[0],
        gpu=gpu.first_gpu(),
    )
