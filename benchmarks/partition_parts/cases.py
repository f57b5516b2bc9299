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
    """part: where its rows go. work: a function of `work.py`, and its arguments. limit_s: seconds at most."""

    part: str
    work: str
    limit_s: float
    arguments: dict = field(default_factory=dict)


def full() -> list[Case]:
    """Everything; what is written up comes first."""
    return [
        *(Case("hypergraphs", "hypergraph", 60, {"network": n, "grain": g}) for n in SIZED for g in TABLES),
        Case("naive", "reproduction", 120, {"tables": NAIVE, "engines": ()}),
        Case("speed", "speed", 120, {"network": "vgg16", "parts": 128, "engine": "counts", "weights": "flops"}),
        Case("speed", "speed", 120, {"network": "vgg16", "parts": 128, "engine": "counts", "weights": "eserol"}),
        *(Case("multilevel", "against", 300, {"network": "vgg16", "parts": 8, "engine": e}) for e in AGAINST),
        Case("targets", "targets", 120, {"grain": "coarse", "parts": PARTS}),
        Case("targets", "targets", 600, {"grain": "fine", "parts": PARTS}),
        *(_reproduction(grain, engine) for grain in TABLES for engine in ENGINES),
        *(Case("networks", "beyond", 300, {"network": n, "engine": e}) for n in OTHERS for e in BEYOND),
    ]


AGAINST = ("multilevel", "mtkahypar", "mtkahypar, ungrouped")
BEYOND = ("counts", "mtkahypar", "mtkahypar, ungrouped")
LIMITS = {  # (grain, engine) -> seconds for all lines of all races, seconds for one line
    ("coarse", "counts"): (600, 30),
    ("coarse", "mtkahypar"): (2400, 150),
    ("coarse", "multilevel"): (1200, 60),
    ("fine", "counts"): (2400, 60),
    ("fine", "mtkahypar"): (1800, 90),
    ("fine", "multilevel"): (1500, 120),
}


def _reproduction(grain: str, engine: str) -> Case:
    """All races for our own engine 'counts', the first two for the others."""
    limit_s, longest_s = LIMITS[grain, engine]
    races = RACES if engine == "counts" else RACES[:2]
    arguments = {"tables": TABLES[grain], "engines": [engine], "races": races, "longest_s": longest_s}
    return Case(grain, "reproduction", limit_s, arguments)


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
