"""Which of the GPUs of a machine a process uses: one for each rank, of those that CUDA_VISIBLE_DEVICES lets it see.

A process chooses by writing CUDA_VISIBLE_DEVICES, before CUDA is started in it: all libraries and all threads then see
one GPU, the first. Slurm's --gpus-per-task and containers do the same from outside, and are left as they are.
"""

import os

VISIBLE = "CUDA_VISIBLE_DEVICES"
_chosen: list[str] = []  # of this process: one at most


def visible() -> tuple[str, ...]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES would name them; () without any.

    Those of the variable up to the first that is no name of a GPU, as CUDA reads it; where it is not set, all that the
    driver lets this process open.
    """
    named = listed(os.environ.get(VISIBLE))
    return every() if named is None else named


def listed(value: str | None) -> tuple[str, ...] | None:
    """The GPUs that a value of CUDA_VISIBLE_DEVICES names; None where it is not set."""
    if value is None:
        return None
    found: list[str] = []
    for word in (word.strip() for word in value.split(",")):
        if not (word.isdecimal() or word.startswith(("GPU-", "MIG-"))) or word in found:
            break
        found.append(word)
    return tuple(found)


def every() -> tuple[str, ...]:
    """UUIDs of all GPUs that the driver lets this process open."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        return tuple(u for n in range(pynvml.nvmlDeviceGetCount()) if (u := _uuid(pynvml, n)))
    except pynvml.NVMLError:
        return ()
    finally:
        pynvml.nvmlShutdown()


def choose(place: int) -> str | None:
    """Have this process, number `place` of those on its machine, use one GPU only; which, or None where there is none.

    Processes take turns over the GPUs. The choice is made once; later calls return it.
    """
    if not _chosen:
        gpus = visible()
        if not gpus:
            return None
        _chosen.append(gpus[place % len(gpus)])
        os.environ[VISIBLE] = _chosen[0]
    return _chosen[0]


def _uuid(nvml, number: int) -> str | None:
    """None for a GPU that others have for themselves (a control group without it)."""
    try:
        found = nvml.nvmlDeviceGetUUID(nvml.nvmlDeviceGetHandleByIndex(number))
    except nvml.NVMLError:
        return None
    return found.decode() if isinstance(found, bytes) else found
