"""What runs inside the engines of a cluster; texts go in and come out, so that nothing has to be unpickled."""

import json
import os
import socket

from labkit.run.cluster.processes import stamp


def who() -> str:
    """This engine's MPI rank and process, as JSON."""
    from labkit.run.communicators.mpi import library

    world = library().COMM_WORLD
    pid, born = stamp(os.getpid())
    threads = os.environ.get("OPENBLAS_NUM_THREADS", "")
    return json.dumps(
        {
            "rank": world.Get_rank(),
            "size": world.Get_size(),
            "pid": pid,
            "born": born,
            "host": socket.gethostname(),
            "threads": int(threads) if threads.isdigit() else None,
        }
    )


def load() -> str:
    """Load what runs need, so that the first one begins at once, too."""
    from labkit.run import rank_run  # noqa: F401

    return ""


def run(folder: str) -> str:
    """Take part in a run whose orders lie in `folder`. How it ended stands on the board, and in a file if it failed.

    The run has an MPI communicator of its own, so that what a failed run has sent in vain disturbs no later one.
    """
    from pathlib import Path

    from labkit.run.communicators.mpi import library
    from labkit.run.mpi import rank_main
    from labkit.run.mpi.board import FAILED, Board

    place, comm = Path(folder), library().COMM_WORLD.Dup()
    rank = comm.Get_rank()
    orders = json.loads((place / rank_main.ORDERS).read_text("utf-8"))
    row = Board(place / rank_main.BOARD).rows[rank]
    row.process(os.getpid(), 0)
    try:
        rank_main.do(place, orders, row, rank, comm)
        comm.Free()
        row.ended(0)
    except BaseException as error:  # whatever it is, the one who asked is to know
        (place / rank_main.fault_file(rank)).write_text(json.dumps(rank_main.describe(error)), "utf-8")
        row.state(FAILED)
        row.ended(1)
    return ""
