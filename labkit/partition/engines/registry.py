"""The engines by name. Each is imported when it is asked for: some need packages that not every machine has."""

from importlib import import_module

from labkit.errors import LabError, suggest
from labkit.partition.engines import Engine

GRAINS = ("coarse", "fine")
MODULES = {
    "counts": {
        "coarse": "labkit.partition.engines.counts",
        "fine": "labkit.partition.engines.blocks",  # what counts of filters are in the coarse grain, blocks of channels
    },
    "mtkahypar": dict.fromkeys(GRAINS, "labkit.partition.engines.mtkahypar"),
    "multilevel": dict.fromkeys(GRAINS, "labkit.partition.engines.multilevel"),
}
ENGINES = tuple(MODULES)


def engine(name: str, grain: str = "coarse") -> Engine:
    """The engine called `name` for hypergraphs of that grain ('coarse' or 'fine').

    Raises LabError for a name that is not in ENGINES, and for another grain.
    """
    if name not in MODULES:
        raise LabError(f"unknown engine {name!r}", suggest(name, ENGINES))
    if grain not in GRAINS:
        raise LabError(f"unknown grain {grain!r}", suggest(grain, GRAINS))
    return import_module(MODULES[name][grain]).ENGINE
