"""Which MPI there is, how its launcher is called, and whether this process was started by one.

The launcher and the library that mpi4py loads have to belong together: processes that one library's launcher starts do
not find each other through another library. With the Open MPI wheel beside this Python, the default, they do.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from labkit.errors import LabError
from labkit.machine import mpi
from labkit.machine.processor import physical_cores

_RANK = ("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK")  # set by the launchers of Open MPI, Slurm, MPICH and Intel
_SIZE = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_NTASKS")
_LOCAL_RANK = ("OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID")
_OF_A_RANK = ("OMPI_", "PMIX_", "PRTE_", "PMI_", "HYDRA_", "HYDI_", "MPI_LOCAL")  # begin the names of such variables
_POOLS = ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMEXPR", "NUMBA")  # ..._NUM_THREADS: libraries with threads of their own


@dataclass(frozen=True)
class Launcher:
    """path: of mpiexec or mpirun. library, version: whose it is, such as 'Open MPI', '5.0.11'. ours: it lies in the
    environment of this Python, as the wheel's does.
    """

    path: Path
    library: str
    version: str
    ours: bool

    @property
    def name(self) -> str:
        return f"{self.library} {self.version}"

    def command(self, ranks: int, program: list[str]) -> list[str]:
        """The command line that starts `program` so many times on this machine."""
        words = [str(self.path), "-n", str(ranks)]
        if self.library == "Open MPI":
            words += ["--bind-to", "none"]  # ranks that share few cores would else be tied to one each, or to one
            words += ["--oversubscribe"] if ranks > physical_cores() else []
            words += ["--allow-run-as-root"] if running_as_root() else []
        return words + program

    def environment(self, ranks: int, threads: int, scratch: Path, shared_memory: Path | None) -> dict[str, str]:
        """This process's variables with what the ranks need. threads: of every library's own pool, for each rank.
        scratch: folder for what the launcher writes; shared_memory: folder for the ranks' common memory, if any.
        """
        inside = joined() is not None  # what the launcher above us has set is about us, not about the new ranks
        kept = {k: v for k, v in os.environ.items() if not (inside and k.startswith(_OF_A_RANK))}
        kept |= {f"{pool}_NUM_THREADS": str(threads) for pool in _POOLS} | {"TMPDIR": str(scratch)}
        if self.library == "Open MPI":
            kept |= _open_mpi(self.version, ranks, shared_memory)
        library = self.path.parent.parent / "lib" / "libmpi.so"
        if not self.ours and "MPI4PY_LIBMPI" not in kept and library.exists():
            kept["MPI4PY_LIBMPI"] = str(library)
        return kept


def _open_mpi(version: str, ranks: int, shared_memory: Path | None) -> dict[str, str]:
    """Settings of Open MPI for ranks on one machine: shared memory only, without looking for networks (1 s less)."""
    found = {"OMPI_MCA_pml": "ob1", "OMPI_MCA_mpi_yield_when_idle": "1" if ranks > physical_cores() else "0"}
    transport = "sm" if int(version.split(".")[0]) >= 5 else "vader"
    found["OMPI_MCA_btl"] = f"self,{transport}"
    if shared_memory is not None:
        found[f"OMPI_MCA_btl_{transport}_backing_directory"] = str(shared_memory)
    return {name: value for name, value in found.items() if name not in os.environ}


def launcher() -> Launcher:
    """The launcher to use: the first of `machine.mpi.candidates`.

    Raises LabError if there is none, or none that says whose it is.
    """
    found = mpi.candidates()
    if not found:
        named = os.environ.get(mpi.NAMED)
        what = f"{mpi.NAMED}={named!r} cannot be run" if named else "there is no MPI launcher (mpiexec)"
        raise LabError(what, mpi.INSTALL)
    said = mpi.library_of(found[0])
    if said is None:
        raise LabError(f"{found[0]} is the launcher of neither Open MPI nor MPICH", mpi.INSTALL)
    return Launcher(found[0], said["library"], said["version"], found[0] in mpi.beside_python())


def joined() -> tuple[int, int] | None:
    """(rank, ranks) if an MPI launcher (mpiexec, mpirun, srun) has started this process, else None."""
    rank = next((os.environ[name] for name in _RANK if os.environ.get(name, "").isdigit()), None)
    size = next((os.environ[name] for name in _SIZE if os.environ.get(name, "").isdigit()), None)
    return None if rank is None or size is None else (int(rank), int(size))


def local_rank() -> int | None:
    """Which of the ranks on its machine this process is, from 0, where the launcher that has started it tells."""
    told = next((os.environ[name] for name in _LOCAL_RANK if os.environ.get(name, "").isdigit()), None)
    return None if told is None or joined() is None else int(told)


def running_as_root() -> bool:
    """Whether the launcher would refuse for that reason."""
    return hasattr(os, "geteuid") and os.geteuid() == 0
