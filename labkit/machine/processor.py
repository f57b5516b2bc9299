"""The processor and the memory of this machine: what it has, and what this process may use of it.

A container or a batch system often gives a process less than the machine has. Counting all cores then starts more
threads than there are cores for them, which is slower than one; so the limits are read where Linux keeps them.
"""

import os
import platform
import shutil
from math import ceil
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
CPUINFO = Path("/proc/cpuinfo")
MEMBERSHIP = Path("/proc/self/cgroup")
SHARED_MEMORY = Path("/dev/shm")


def cpu_name(cpuinfo: Path = CPUINFO) -> str:
    """Model of the processor as its maker calls it, or the architecture where the system does not say."""
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    return platform.processor() or platform.machine()


def physical_cores() -> int:
    """Cores of the machine without hyper-threads; the number of hardware threads where the system does not tell."""
    import psutil

    return psutil.cpu_count(logical=False) or os.cpu_count() or 1


def control_groups(root: Path = CGROUP, membership: Path = MEMBERSHIP) -> list[Path]:
    """Folders of the control groups that hold this process, innermost first; a limit of any of them counts.

    A container sees its own group at `root`; a batch system (version 2) names a group deeper down.
    """
    for line in _read(membership).splitlines():
        if line.startswith("0::/"):
            inner = root / line.removeprefix("0::/").strip()
            return [inner, *(p for p in inner.parents if p.is_relative_to(root))] if inner != root else [root]
    return [root]


def cores_allowed(group: Path) -> float | None:
    """Cores' worth of time that one control group grants (version 2 or 1), or None without a limit."""
    quota = _read(group / "cpu.max").split()
    if not quota:
        quota = [_read(group / "cpu" / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
    if len(quota) == 2 and quota[0].isdigit() and quota[1].isdigit() and int(quota[1]):
        return int(quota[0]) / int(quota[1])
    return None


def usable_cores(groups: list[Path] | None = None) -> int:
    """Hardware threads that this process may run on: the smallest of the machine's, its affinity's, its groups'."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    allowed = [ceil(a) for a in map(cores_allowed, groups or control_groups()) if a is not None]
    return max(1, min([cores, *allowed]))


def memory_bytes(groups: list[Path] | None = None) -> int:
    """Main memory in bytes that this process may use: the machine's, or less where a control group says so."""
    import psutil

    limits = [psutil.virtual_memory().total]
    for group in groups or control_groups():
        texts = [_read(group / name).strip() for name in ("memory.max", "memory/memory.limit_in_bytes")]
        limits += [int(text) for text in texts if text.isdigit()]
    return min(limits)


def load_average() -> float:
    """Processes that wanted to run during the last minute (on Windows psutil estimates it)."""
    import psutil

    return psutil.getloadavg()[0]


def shared_memory_bytes(folder: Path = SHARED_MEMORY) -> int | None:
    """Size of the file system behind shared memory in bytes, or None where the system has none (macOS, Windows)."""
    return shutil.disk_usage(folder).total if folder.is_dir() else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
