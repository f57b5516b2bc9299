"""What `parallel.py` measures: cases, each run in a process of its own, which is ended when its time is up."""

from dataclasses import dataclass, field

RANKS = tuple(range(2, 9))
CHUNKS = tuple(range(1, 17))
ON_REQUEST = ("faults",)  # takes longer than all others together


@dataclass(frozen=True)
class Case:
    """part: where its rows go. work: a function of `work.py`, and its arguments. limit_s: seconds at most.

    about_s: seconds that it may take on two quiet cores, to say beforehand how long a run will be.
    """

    part: str
    work: str
    limit_s: float
    arguments: dict = field(default_factory=dict)
    about_s: float = 10


def full() -> list[Case]:
    """Everything."""
    in_pieces = {"chunks": [1, 2, 3, 5, 8, 16]}
    return [
        *(Case("counts", "counts", 120, {"ranks": [size], "chunks": CHUNKS}, 6) for size in RANKS),
        *(Case("counts", "counts", 120, {"ranks": [n], "communicator": "mpi"} | in_pieces, 8) for n in (2, 3, 4)),
        Case("overhead", "overhead", 120, {}, 10),
        Case("speedup", "speedup", 600, {}, 100),
        Case("steps", "steps", 900, {}, 150),
        *(Case("collectives", "collectives", 240, one_of("mpi", size), 8 + 3 * size) for size in RANKS),
        *(Case("collectives", "collectives", 240, one_of("threads", size), 4 + 3 * size) for size in RANKS),
        Case("library", "against_library", 120, {}, 15),
        Case("simulator", "simulator", 240, {}, 40),
        Case("startup", "startup", 240, {"ranks": [2, 4, 8]}, 40),
        Case("faults", "faults", 3600, {"runs": 200}, 1500),
    ]


def quick() -> list[Case]:
    """One small case of every part."""
    small = {"backends": ["threads"], "ranks": [2], "sizes": [4096, 65536], "runs": 1}
    return [
        Case("counts", "counts", 120, {"ranks": [3], "chunks": [2]}),
        Case("counts", "counts", 120, {"ranks": [2], "communicator": "mpi"}),
        Case("overhead", "overhead", 120, {"instructions": 20, "steps": 5}),
        Case("speedup", "speedup", 120, {"network": "lenet5", "batch": 16, "steps": 3, "rounds": 1}),
        Case("steps", "steps", 240, {"quick": True, "again": 1}, 40),
        Case("collectives", "collectives", 120, small),
        Case("library", "against_library", 120, {"sizes": [2**20], "runs": 1}),
        Case("simulator", "simulator", 240, {"cases": ["points"], "steps": 1}),
        Case("startup", "startup", 120, {"ranks": [2], "times": 1, "clusters": 1}, 20),
        Case("faults", "faults", 240, {"runs": 1}),
    ]


def one_of(backend: str, size: int) -> dict:
    """Arguments of `collectives` for one number of ranks."""
    return {"backends": [backend], "ranks": [size]}
