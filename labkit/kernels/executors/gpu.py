"""Kernels on an NVIDIA GPU or, where NUMBA_ENABLE_CUDASIM=1 was set, in Numba's simulator: the same calls do both."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, cached_property
from gc import collect
from importlib.metadata import PackageNotFoundError, version
from math import inf, prod
from threading import local
from time import perf_counter
from typing import Any
from warnings import filterwarnings

import numpy as np

from labkit.engine.arrays import HostMirror, Mirror
from labkit.errors import LabError
from labkit.kernels.executors import Ran
from labkit.kernels.executors.failures import understood
from labkit.kernels.executors.side_line import PinnedMirror, SideLine
from labkit.kernels.launch import Launch
from labkit.kernels.source import SIMULATED, cuda, jit

OLDEST = (7, 5)  # compute capability: what CUDA 13 compiles for


@cache
def compiled(kernel):
    """`kernel`, a plain function, as a CUDA kernel; compiled at its first launch for each type of arguments.

    A tuned kernel says in its attribute `options` with how many registers the compiler is to make do (launch_bounds).
    """
    return jit(kernel, **getattr(kernel, "options", {}))


class Gpu:
    """The executor of one GPU; see `labkit.kernels.executors.Executor`. `gpu()` makes it, with all checks."""

    def __init__(self) -> None:
        self.name = "simulator" if SIMULATED else "gpu"
        self._profile: list | None = None
        self._own = _OfThread()  # ranks may be threads: what one of them records is nothing to the others

    def launch(self, kernel: Any, launch: Launch, *arguments: Any) -> None:
        """See `Executor`. Configured anew at each launch, because all configurations of a simulated kernel are one."""
        own = self._own
        if own.recorded is not None:
            own.recorded.append((kernel, launch, arguments))
            return
        configured = compiled(kernel)[launch.grid, launch.block, own.stream, launch.shared_bytes]
        if self._profile is None or own.stream:
            with understood(kernel.__name__):
                configured(*arguments)
            return
        before, after = _Mark(), _Mark()
        with understood(kernel.__name__):
            before.set()
            configured(*arguments)
            after.set()
        self._profile.append((kernel.__name__, launch, before, after))

    def empty(self, shape: tuple[int, ...] | int, dtype: Any = np.float32) -> Any:
        """See `Executor`."""
        wanted = prod(shape if isinstance(shape, tuple) else (shape,)) * np.dtype(dtype).itemsize
        with understood("an allocation", wanted):
            return cuda.device_array(shape, dtype)

    def put(self, host: np.ndarray, target: Any = None) -> Any:
        """See `Executor`."""
        host = np.ascontiguousarray(host)
        with understood("a copy to the GPU", host.nbytes):
            if target is None:
                return cuda.to_device(host)
            target.copy_to_device(host)
            return target

    def get(self, array: Any) -> np.ndarray:
        """See `Executor`."""
        with understood("a copy from the GPU"):
            return array.copy_to_host()

    def mirror(self, vector: Any) -> Mirror:
        """See `Executor`."""
        return PinnedMirror(vector, self.side_line) if vector.size else HostMirror(np.empty(0, vector.dtype))

    @cached_property
    def side_line(self) -> SideLine:
        """For copies and messages that go on beside launches."""
        return SideLine()

    def free_bytes(self) -> int | None:
        """Memory of the GPU that nobody uses; None in the simulator, which has none of its own.

        Gives back first what is only kept for later: arrays of models that are gone but refer to each other, and those
        that Numba frees in groups (up to a fifth of the memory).
        """
        if SIMULATED:
            return None
        collect()
        context = cuda.current_context()
        context.memory_manager.deallocations.clear()
        return context.get_memory_info().free

    def record(self, work: Callable[[], Any]) -> tuple[Any, Callable[[], None]]:
        """What `work()` returns, and a function that starts all launches of it anew, on the same arrays, in one call.

        Kernels must have run once before, and `work` must only launch: no copies, no allocation, no waiting. Nothing of
        it has run when this returns (a CUDA graph, see the CUDA C++ Programming Guide, "CUDA Graphs").
        """
        if SIMULATED:
            self._own.recorded, before = [], self._own.recorded
            try:
                result, launches = work(), self._own.recorded
            finally:
                self._own.recorded = before
            return result, lambda: [self.launch(kernel, launch, *rest) for kernel, launch, rest in launches]
        with understood("recording a step"):
            return self._capture(work)

    def _capture(self, work: Callable[[], Any]) -> tuple[Any, Callable[[], None]]:
        from cuda.core import Device

        cuda.default_stream().synchronize()
        device = Device(cuda.get_current_device().id)
        device.set_current()
        builder = device.create_graph_builder()
        builder.begin_building()
        self._own.stream = builder
        try:
            result = work()
        finally:
            self._own.stream = 0
            builder.end_building()
        graph = builder.complete()
        graph.upload(device.default_stream)
        return result, lambda: graph.launch(device.default_stream)

    @property
    def recording(self) -> bool:
        """Whether launches of this thread are being recorded: it may wait for nothing and time nothing meanwhile."""
        return bool(self._own.stream) or self._own.recorded is not None

    @property
    def profiling(self) -> bool:
        """Whether every launch is being timed: see `profile`."""
        return self._profile is not None

    def synchronize(self) -> None:
        """See `Executor`. Waits for launches, not for the side line, where a message may wait for another rank."""
        with understood("a kernel"):
            cuda.default_stream().synchronize()

    def stopwatch(self) -> "Laps":
        """See `Executor`."""
        return Laps(self)

    @contextmanager
    def profile(self) -> Iterator[list[Ran]]:
        """See `Executor`."""
        before, self._profile = self._profile, []
        ran: list[Ran] = []
        try:
            yield ran
        finally:
            marks, self._profile = self._profile, before
            self.synchronize()
            ran += [Ran(name, launch, first.seconds_to(last)) for name, launch, first, last in marks]


class _OfThread(local):
    """Where launches of a thread go. stream: Numba's default one, or what records them; recorded: what a recording in
    the simulator holds, None outside of one.
    """

    stream: Any = 0
    recorded: list | None = None


class _Mark:
    """A moment in the order of the GPU's work; in the simulator, which has no clock of its own, in this process's."""

    def __init__(self) -> None:
        self._event = None if SIMULATED else cuda.event(timing=True)
        self._moment = 0.0

    def set(self) -> None:
        if self._event is None:
            self._moment = perf_counter()
        else:
            self._event.record()

    def seconds_to(self, later: "_Mark") -> float:
        if self._event is None:
            return later._moment - self._moment
        later._event.synchronize()
        return self._event.elapsed_time(later._event) / 1000


class Laps:
    """A stopwatch on the GPU's own clock: laps cost a mark each, and nothing waits until `seconds` is asked for.

    Laps of work that is being recorded are left out: it has not begun, and a mark outside of the recorded launches may
    spoil the recording. Its time counts for the next lap, which is after its start.
    """

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu
        self._names: list[str] = []
        self._marks = [_Mark()]
        self._marks[0].set()

    def lap(self, name: str) -> None:
        """See `Stopwatch`."""
        if self._gpu.recording:
            return
        self._names.append(name)
        self._marks.append(_Mark())
        self._marks[-1].set()

    def seconds(self) -> dict[str, float]:
        """See `Stopwatch`."""
        with understood("a kernel"):
            cuda.default_stream().synchronize()
            found: dict[str, float] = {}
            for name, first, last in zip(self._names, self._marks, self._marks[1:], strict=False):
                found[name] = found.get(name, 0.0) + first.seconds_to(last)
            return found


def gpu() -> Gpu:
    """The executor of this machine's GPU (in the simulator: of the simulator).

    Raises LabError where there is no GPU, where it is too old, and where its driver is older than the CUDA toolkit.
    """
    if not SIMULATED:
        _check()
        # Numba's warning about small grids: the mapping `model` has them on purpose, and the lab explains what follows.
        filterwarnings("ignore", message="Grid size .* low occupancy")
    return Gpu()


def _check() -> None:
    from labkit.machine.gpu import first_gpu, toolkit_version

    found = first_gpu()
    if found is None:
        raise LabError("there is no NVIDIA GPU here, or no driver for it", "use --backend cuda-cpu: same kernels, CPU")
    if found.compute_capability < OLDEST:
        have, need = map(_dotted, (found.compute_capability, OLDEST))
        what = f"{found.name} has compute capability {have}, the kernels need {need}"
        raise LabError(what, "use --backend cuda-cpu, or a GPU made after 2018")
    toolkit = toolkit_version()
    # Within one major version nvJitLink hands a newer toolkit's machine code to the driver, which takes it; without it
    # the driver is given PTX, and refuses one newer than itself (CUDA Compatibility, "Minor Version Compatibility").
    newest = (found.cuda[0], inf) if has_linker() else found.cuda
    if toolkit is not None and toolkit > newest:
        raise LabError(
            f"the CUDA toolkit is {_dotted(toolkit)}, but driver {found.driver} takes programs up to CUDA "
            f"{_dotted(found.cuda)}",
            f'install one that fits: pip install "cuda-toolkit=={found.cuda[0]}.{found.cuda[1]}.*", or a newer driver',
        )


def has_linker() -> bool:
    """Whether pip has installed nvJitLink, with which Numba links kernels by itself instead of letting the driver."""
    for package in ("nvidia-nvjitlink", "nvidia-nvjitlink-cu12"):
        try:
            version(package)
        except PackageNotFoundError:
            continue
        return True
    return False


def _dotted(numbers: tuple[int, int]) -> str:
    return ".".join(map(str, numbers))
