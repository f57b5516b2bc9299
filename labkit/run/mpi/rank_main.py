"""`python -m labkit.run.mpi.rank_main FOLDER`: what the launcher starts for every rank (`processes` writes FOLDER).

The process divides into a keeper and the rank itself (`keeper`). The rank calls the function that the orders name
with its `Seat`, and what that raises goes into a file for the launcher.
"""

import json
import os
import sys
import traceback
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from labkit.errors import LabError
from labkit.run.mpi import keeper
from labkit.run.mpi.board import FAILED, FINISHED, RUNNING, Board, Row
from labkit.run.mpi.library import joined

ORDERS, BOARD = "orders.json", "board"


@dataclass(frozen=True)
class Seat:
    """What a rank's function is given. communicator: its messages. row: its row of the board. stream: what it tells the
    launcher. arguments: JSON, the same for all ranks. folder: of the run; results go there.
    """

    rank: int
    ranks: int
    communicator: object
    row: Row
    stream: object
    folder: Path
    arguments: dict


def main(arguments: list[str]) -> int:
    """Exit status of the keeper, or of the rank."""
    folder = Path(arguments[0])
    orders, board, place = json.loads((folder / ORDERS).read_text("utf-8")), Board(folder / BOARD), joined()
    if place is None:
        print("labkit: started by no MPI launcher that says which rank this is", file=sys.stderr)
        return 2
    pid = keeper.divide()
    if pid:
        remove = [folder, *map(Path, orders["shared_memory"])]
        return keeper.look_after(pid, board, place[0], remove)
    return work(folder, orders, board.rows[place[0]], place[0])


def work(folder: Path, orders: dict, row: Row, rank: int) -> int:
    """Do what the orders say, in the rank's own process; leaves at once if that raises."""
    try:
        do(folder, orders, row, rank)
        return 0
    except BaseException as error:  # whatever it is, the launcher is to know
        (folder / fault_file(rank)).write_text(json.dumps(describe(error)), "utf-8")
        row.state(FAILED)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)  # without the MPI library's own ending, which would wait for the others


def fault_file(rank: int) -> str:
    """Name of the file in the run's folder that says what a rank raised."""
    return f"fault-{rank}.json"


def stream_file(rank: int) -> str:
    """Name of the file in the run's folder with what a rank tells."""
    return f"stream-{rank}.jsonl"


def describe(error: BaseException) -> dict:
    """An exception as JSON. lab: whether it is a LabError, whose parts are kept apart. place: (step, position) of the
    instruction that raised it, if it says so.
    """
    lab = isinstance(error, LabError)
    what = error.what if lab else f"{type(error).__name__}: {' '.join(str(error).split())}"
    ours = {"instead": error.instead, "status": error.status} if lab else {"instead": "", "status": 1}
    place = (error.step, error.position) if getattr(error, "position", -1) >= 0 else None
    return {"what": what, "lab": lab, "place": place, "traceback": "".join(traceback.format_exception(error))} | ours


def do(folder: Path, orders: dict, row: Row, rank: int, comm=None) -> None:
    """Call what the orders name with this rank's seat; what it raises comes out. comm: of mpi4py, if not the world."""
    from labkit.run.communicators.mpi import MpiCommunicator
    from labkit.run.mpi.stream import Stream

    communicator = MpiCommunicator(comm)
    if communicator.size != orders["ranks"]:
        what = f"{orders['ranks']} processes were started, but {communicator.name} sees {communicator.size} of them"
        advice = (
            "the launcher is another library's: name the right one in LABKIT_MPIEXEC, or the library in MPI4PY_LIBMPI"
        )
        raise LabError(what, advice)
    keeper.note_shared_memory(folder, rank)
    stream = Stream(folder / stream_file(rank))
    row.state(RUNNING)
    module, function = orders["function"].split(":")
    seat = Seat(rank, communicator.size, communicator, row, stream, folder, orders["arguments"])
    try:
        getattr(import_module(module), function)(seat)
    finally:  # the process of a warm rank goes on: nothing may still be received into what the run has left
        stream.close()
        communicator.close()
    row.state(FINISHED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
