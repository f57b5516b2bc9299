"""Many kernels compiled at once: worker processes of their own, as many as this process may use cores."""

import multiprocessing
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from labkit.errors import LabError
from labkit.kernels.offline.build import ARCHITECTURES, Capability, Compiled, architecture, assemble, ptx_of
from labkit.machine.processor import usable_cores

TIMEOUT_S = 300


@dataclass(frozen=True)
class Job:
    """What to compile under which name, for which GPUs.

    build: a function of a module (or a `functools.partial` of one, so that it can be sent to a worker) that returns the
    kernel, the types of its arguments, and options of `compile_kernel`. The PTX is made once, for the oldest of `ccs`:
    for kernels that use no newer instruction it is the same for all (a test compares), and half of the work. loops:
    whether to disassemble, which is most of the rest.
    """

    name: str
    build: Callable[[], tuple[Callable, tuple[Any, ...], dict[str, Any]]]
    ccs: tuple[Capability, ...] = ARCHITECTURES
    loops: bool = True


def plain(kernel: Callable, types: tuple[Any, ...], **options: Any) -> tuple[Callable, tuple[Any, ...], dict[str, Any]]:
    """What `Job.build` returns for a kernel that stands in a module as it is: `partial(plain, kernel, types)`."""
    return kernel, types, options


def compile_all(
    jobs: Iterable[Job], loops_of: Collection[Capability] = ARCHITECTURES, workers: int | None = None
) -> dict[str, dict[Capability, Compiled | LabError]]:
    """Name -> capability -> the compiled kernel, or the error that it raised; all jobs are tried.

    loops_of: capabilities for which code is disassembled. workers: processes, one per usable core if not given; 1
    compiles in this process. Raises LabError if a worker has no answer after TIMEOUT_S.
    """
    jobs = list(jobs)
    workers = min(usable_cores() if workers is None else workers, len(jobs))
    if workers <= 1:
        return {job.name: _compile(job, loops_of) for job in jobs}
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        waiting = {job.name: pool.apply_async(_compile, (job, loops_of)) for job in jobs}
        return {name: _answer(name, result) for name, result in waiting.items()}


def _compile(job: Job, loops_of: Collection[Capability]) -> dict[Capability, Compiled | LabError]:
    try:
        kernel, types, options = job.build()
        ptx = ptx_of(kernel, types, min(job.ccs), **options)
    except LabError as error:
        return dict.fromkeys(job.ccs, LabError(f"{job.name}: {error.what}", error.instead))
    return {cc: _assembled(job, kernel.__name__, ptx, cc, job.loops and cc in loops_of) for cc in job.ccs}


def _assembled(job: Job, kernel: str, ptx: str, cc: Capability, loops: bool) -> Compiled | LabError:
    try:
        return assemble(kernel, ptx, cc, loops)
    except LabError as error:
        return LabError(f"{job.name} for {architecture(cc)}: {error.what}", error.instead)


def _answer(name: str, result: Any) -> dict[Capability, Compiled | LabError]:
    try:
        return result.get(TIMEOUT_S)
    except multiprocessing.TimeoutError:
        raise LabError(f"compiling {name} did not end within {TIMEOUT_S} s", "compile fewer kernels at once") from None
