"""What `partition.py` measures: cases, each run in a process of its own, which is ended when its time is up."""

from dataclasses import dataclass, field

ENGINES = ("counts", "mtkahypar", "multilevel")
TABLES = {"coarse": ("5.10", "A.7", "A.8", "A.9"), "fine": ("5.12", "A.10", "A.11", "A.12")}
NAIVE = ("5.2", "5.4", "5.6", "5.8", "5.13", "5.14")
RACES = ("thesis-max", "imbalance", "thesis-range")
OTHERS = ("resnet18", "resnet18_32", "googlenet", "alexnet")
SIZED = ("vgg16", *OTHERS)
PARTS = (2, 4, 8, 16, 32, 64, 128)


@dataclass(frozen=True)
class Case:
    """part: where its rows go. work: a function of `work.py`, and its arguments. limit_s: seconds at most.

    about_s: seconds that it may take on a quiet core, to say beforehand how long a run will be; estimated from the
    processor's time of a few lines.
    """

    part: str
    work: str
    limit_s: float
    arguments: dict = field(default_factory=dict)
    about_s: float = 5


def full() -> list[Case]:
    """Everything; what is written up comes first."""
    return [
        *(Case("hypergraphs", "hypergraph", 60, {"network": n, "grain": g}) for n in SIZED for g in TABLES),
        Case("naive", "reproduction", 120, {"tables": NAIVE, "engines": ()}, 20),
        Case("speed", "speed", 120, {"network": "vgg16", "parts": 128, "engine": "counts", "weights": "flops"}, 10),
        Case("speed", "speed", 120, {"network": "vgg16", "parts": 128, "engine": "counts", "weights": "eserol"}, 10),
        *(Case("multilevel", "against", 300, {"network": "vgg16", "parts": 8, "engine": e}, 30) for e in AGAINST),
        Case("targets", "targets", 120, {"grain": "coarse", "parts": PARTS}, 15),
        Case("targets", "targets", 600, {"grain": "fine", "parts": PARTS}, 85),
        *(_reproduction(grain, engine) for grain in TABLES for engine in ENGINES),
        *(_beyond(network, engine) for network in OTHERS for engine in BEYOND),
    ]


AGAINST = ("multilevel", "mtkahypar", "mtkahypar, ungrouped")
# To keep the whole within about an hour, 'multilevel' is left out here; it and 'mtkahypar' are left out of the race
# 'thesis-range' in the tables of the thesis.
BEYOND = {"counts": 1.5, "mtkahypar": 16, "mtkahypar, ungrouped": 10}  # seconds for one line, on the average over N
BEYOND_PARTS = (4, 8, 16, 32)
LINE_S = {  # (grain, engine) -> seconds for one line, on the average over N
    ("coarse", "counts"): 1.7,
    ("coarse", "mtkahypar"): 6,
    ("coarse", "multilevel"): 5,
    ("fine", "counts"): 12,
    ("fine", "mtkahypar"): 5,
    ("fine", "multilevel"): 4,
}
LINES = 4 * len(PARTS)  # of one race: imbalances times N
PATIENCE = 3  # a case may take so many times the time that it should, one of its lines ten times


def _reproduction(grain: str, engine: str) -> Case:
    """All races for our own engine 'counts', the first two for the others."""
    races = RACES if engine == "counts" else RACES[:2]
    line_s = LINE_S[grain, engine]
    about_s = line_s * LINES * len(races)
    arguments = {"tables": TABLES[grain], "engines": [engine], "races": races, "longest_s": max(30, 10 * line_s)}
    return Case(grain, "reproduction", PATIENCE * about_s + 60, arguments, about_s)


def _beyond(network: str, engine: str) -> Case:
    """Two races for each number of parts."""
    about_s = 2 * len(BEYOND_PARTS) * BEYOND[engine]
    arguments = {"network": network, "engine": engine, "parts": BEYOND_PARTS}
    return Case("networks", "beyond", PATIENCE * about_s + 60, arguments, about_s)


def quick() -> list[Case]:
    """One small case of every part."""
    small = {"network": "lenet5", "parts": 2}
    line = {"tables": ["5.10"], "parts": [2], "engines": ["counts"], "races": ["thesis-max"]}
    return [
        Case("hypergraphs", "hypergraph", 60, {"network": "lenet5", "grain": "fine"}),
        Case("naive", "reproduction", 60, {"tables": ["5.2", "5.14"], "parts": [2], "engines": ()}),
        Case("speed", "speed", 60, small | {"engine": "counts", "weights": "flops", "again": 1}),
        Case("multilevel", "against", 60, small | {"engine": "mtkahypar, ungrouped"}),
        Case("targets", "targets", 60, {"grain": "coarse", "parts": [2]}),
        Case("coarse", "reproduction", 60, line),
        Case("networks", "beyond", 60, {"network": "lenet5", "engine": "counts", "parts": [3]}),
    ]
