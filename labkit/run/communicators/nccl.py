"""All-reduce of vectors that lie on GPUs, by NCCL: from GPU to GPU, without the host (NVIDIA's NCCL, through nccl4py).

Only what `allreduce ... mpi` asks for, the library's own algorithm. Labkit's own algorithms are lists of messages with
tags, and NCCL's messages have none: they are matched in the order in which both sides start them, which two lanes side
by side cannot promise. Those messages go through the host.

Nothing here blocks. NCCL's calls are non-blocking ones, which are asked whether they are through (NCCL user guide,
"Fault Tolerance"); then a mark behind the work on the GPU is asked. A rank that gives up aborts: what it has started on
its own GPU then ends, whether or not the others are still there.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from labkit.errors import LabError
from labkit.run.communicators.protocol import ANY

ABORT_S = 2.0  # for NCCL to give up; in some of its versions it can hang doing so
SUCCESS, IN_PROGRESS = 0, 7  # of ncclResult_t
MORE = "NCCL_DEBUG=INFO tells more; LABKIT_EXCHANGE=host does without NCCL"
INSTALL = 'type: make setup EXTRAS="dev gpu" (gpu12 for a driver of CUDA 12), or leave it out: LABKIT_EXCHANGE=host'


@dataclass(eq=False, slots=True)
class NcclTicket:
    """An all-reduce under way. over: asks the GPU whether it is done; None while NCCL has not taken it up."""

    peer: int = ANY
    over: Callable[[], bool] | None = None


def library():
    """The module nccl.core, and the version of NCCL behind it. LabError if one of them is not there."""
    # It would import PyTorch and CuPy, wherever they are installed, to look whether an array is one of theirs.
    for name in ("torch", "cupy"):
        sys.modules.setdefault(f"nccl.core.interop.{name}", None)
    try:
        import nccl.core as nccl

        version = nccl.get_version().libnccl
    except ImportError as error:
        raise LabError(f"no nccl4py: {error}", INSTALL) from None
    if version is None:
        raise LabError("nccl4py finds no libnccl", INSTALL)
    return nccl, str(version.version)


class Nccl:
    """One rank of `size`, which have a GPU each; one lane at a time may use it.

    nccl, version: as `library` gives them. line: a `kernels.executors.side_line.SideLine` of this rank's GPU that
    nothing else uses. key: what `new_key` gave to one rank, on all ranks. It is started when `ready`; LabError where
    NCCL refuses.
    """

    def __init__(self, nccl: Any, version: str, line: Any, rank: int, size: int, key: bytes):
        self.name, self._nccl, self._line = f"NCCL {version}", nccl, line
        self._lock = threading.Lock()
        line.enter()
        given = {"nranks": size, "rank": rank, "unique_id": nccl.UniqueId.from_bytes(key)}
        with _told("start"):
            self._comm = nccl.Communicator.init(**given, config=nccl.NCCLConfig(blocking=False))

    def ready(self) -> bool:
        """Whether NCCL has taken up all that it was asked for. LabError if it has failed."""
        with _told("go on"):
            state = int(self._comm.get_async_error())
        if state not in (SUCCESS, IN_PROGRESS):
            raise LabError(f"NCCL failed: {self._nccl.get_error_string(state)}", MORE)
        return state == SUCCESS

    def allreduce(self, vector: Any) -> NcclTicket:
        """Start summing `vector`, of this rank's GPU, over all ranks, in place. What it holds must have been computed.
        All ranks call it in the same order.
        """
        with self._lock, _told("add up"):
            self._line.enter()
            self._comm.allreduce(vector, vector, self._nccl.SUM, stream=self._line.handle)
        return NcclTicket()

    def done(self, ticket: NcclTicket) -> bool:
        """Whether it is over. LabError if NCCL or the GPU has failed."""
        with self._lock:
            ready = self.ready()
            if ticket.over is None and ready:
                ticket.over = self._line.mark()
        return ticket.over is not None and ticket.over()

    def close(self) -> bool:
        """Give up whatever is under way, and leave; other ranks are not waited for. Whether NCCL has let go."""
        thread = threading.Thread(target=self._abort, name="end of NCCL", daemon=True)
        thread.start()
        thread.join(ABORT_S)
        return not thread.is_alive()

    def _abort(self) -> None:
        self._line.enter()
        self._comm.abort()


def new_key(nccl: Any) -> bytes:
    """What all ranks of one group have to know, made by one of them."""
    with _told("begin"):
        return bytes(nccl.get_unique_id())


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Turn NCCL's exceptions in a `with` block into LabErrors."""
    try:
        yield
    except LabError:
        raise
    except Exception as error:
        text = f"NCCL does not {what}: {type(error).__name__}: {' '.join(str(error).split())}"
        raise LabError(text, MORE) from error
