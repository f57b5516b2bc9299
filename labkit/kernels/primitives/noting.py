"""An executor that notes what is launched in which phase, and can be told to start nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from labkit.kernels.executors import Executor
from labkit.kernels.explain import explain
from labkit.kernels.launch import Launch
from labkit.kernels.registers import kernel_name, registers_of, shared_bytes_of, table
from labkit.machine.gpus import GpuData

PHASES = ("FP", "KU", "BP")


@dataclass(frozen=True)
class Started:
    """One launch: its phase ('FP', 'KU' or 'BP'), the name of its kernel, and its grid and block."""

    phase: str
    kernel: str
    launch: Launch

    def explain(self, gpu: GpuData) -> str:
        """One line, then what the launch means on `gpu` where the registers of its kernel are recorded."""
        x, y, z = self.launch.grid
        grid = f"grid {x} x {y} x {z}, {self.launch.block} threads a block"
        line = f"{self.phase}  {self.kernel}: {grid}, {self.launch.shared_bytes:,} bytes of dynamic shared memory"
        if self.kernel not in table():
            return line
        counts = registers_of(self.kernel, gpu.capability), shared_bytes_of(self.kernel, gpu.capability)
        told = explain(self.launch, counts[0], gpu, kernel=self.kernel, static_shared_bytes=counts[1])
        return "\n    ".join((line, *told.sentences[1:]))


class Noting:
    """`executor` and a list of what it was asked to launch; see `Executor` for everything else."""

    def __init__(self, executor: Executor):
        self.executor, self._dry = executor, False
        self._notes: dict[str, list[Started]] = {phase: [] for phase in PHASES}
        self._phase = PHASES[0]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.executor, name)

    @property
    def launches(self) -> tuple[Started, ...]:
        """Those of the last time through each phase, in the order FP, KU, BP."""
        return tuple(started for phase in PHASES for started in self._notes[phase])

    def launch(self, kernel: Callable, launch: Launch, *arguments: Any) -> None:
        """Note it; and start it, unless this is a rehearsal."""
        self._notes[self._phase].append(Started(self._phase, kernel_name(kernel), launch))
        if not self._dry:
            self.executor.launch(kernel, launch, *arguments)

    @contextmanager
    def phase(self, phase: str) -> Iterator[None]:
        """What is launched within the `with` block is noted as `phase`, instead of what was before."""
        self._phase, self._notes[phase] = phase, []
        yield

    @contextmanager
    def rehearsed(self, phase: str) -> Iterator[None]:
        """As `phase`, but nothing is started: what is allocated stays."""
        self._dry = True
        try:
            with self.phase(phase):
                yield
        finally:
            self._dry = False
