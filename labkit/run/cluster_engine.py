"""What runs inside the engines of a cluster; texts go in and come out, so that nothing has to be unpickled."""

import json
import os
import socket

from labkit.run.cluster_processes import stamp


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
