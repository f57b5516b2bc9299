"""The partitioners: pure functions (network, parts, weights) -> Plan, and one front for all of them.

>>> from labkit.network import zoo
>>> from labkit.partition.methods import partition
>>> partition(zoo.get("lenet5"), 2, "layer")
Plan of lenet5 in 2 parts (layer, coarse grain)
layer  tasks  part 0  part 1
input      1       1       ·
conv1      6       6       ·
conv2     16       ·      16
conv3    120       ·     120
fc1       84       ·      84
fc2       10       ·      10
"""

from dataclasses import replace
from time import perf_counter

from labkit.errors import LabError, suggest
from labkit.network import Network
from labkit.partition.engines import Engine, Progress
from labkit.partition.engines.registry import ENGINES
from labkit.partition.engines.registry import engine as engine_named
from labkit.partition.limits import check_imbalance
from labkit.partition.methods.horizontal import filter_horizontal
from labkit.partition.methods.hypergraph_methods import by_hypergraph, check_floor
from labkit.partition.methods.incremental import channel_incremental, filter_incremental
from labkit.partition.methods.layer_wise import layer_wise
from labkit.partition.methods.units import filter_units
from labkit.partition.plan import MOST_PARTS, Plan
from labkit.partition.trace import tasks_of
from labkit.partition.weights import Weights, weights_named

NAIVE = {
    "layer": layer_wise,
    "filter-horizontal": filter_horizontal,
    "filter-incremental": filter_incremental,
    "channel-incremental": channel_incremental,
}
METHODS = (*NAIVE, "coarse", "fine")
DEFAULT_ENGINE = {"coarse": "counts", "fine": "counts"}


def partition(
    network: Network,
    parts: int,
    method: str = "coarse",
    engine: str | Engine | None = None,
    *,
    weights: Weights | str = "flops",
    imbalance: float = 0.1,
    seed: int = 0,
    dense: str = "layer",
    floor: float = 0.0,
    alone: bool = False,
    progress: Progress | None = None,
) -> Plan:
    """Divide `network` into `parts` parts by one of METHODS.

    engine: what cuts the hypergraph of methods 'coarse' and 'fine': one of ENGINES, an engine of your own
    (`engines.Engine`), or None for the method's default. weights: how heavy each layer is, as `Weights` or the name of
    a work model (`weights.MODELS`). imbalance: no load above (1 + imbalance) times the average. seed: the same seed
    gives the same plan. floor: no load below this fraction of the average. alone: a task that is too heavy for the
    imbalance may have a part to itself. dense: 'layer' makes each dense layer one task, 'neuron' each neuron.
    imbalance, seed, floor and alone act on the hypergraph methods only: the others take what balance they find; method
    'layer' never divides a layer. progress: called with (fraction done, what); what it raises ends the work.

    `made` of the plan says how it was made: {engine, engine_version, seed, imbalance, weights, seconds}, None for what
    played no part. Raises LabError for an unknown method, engine or work model, for more parts than tasks, for limits
    that nobody can meet, and for weights of another network.
    """
    options = {"imbalance": imbalance, "seed": seed, "dense": dense, "floor": floor, "alone": alone}
    cut, tasks = check_options(network, parts, method, engine, **options), tasks_of(network)
    if isinstance(weights, str):
        weights = weights_named(weights, tasks, progress=progress)
    start = perf_counter()
    made = {"engine": None, "engine_version": None, "seed": None, "imbalance": None, "weights": weights.name}
    if method in NAIVE:
        plan = NAIVE[method](tasks, parts, weights, **({} if method == "layer" else {"dense": dense}))
    else:
        plan = by_hypergraph(tasks, parts, weights, cut, method, progress=progress, **options)
        made |= {"engine": cut.name, "engine_version": cut.version, "seed": seed, "imbalance": imbalance}
    return replace(plan, made=made | {"seconds": perf_counter() - start})


def _engine(method: str, engine: str | Engine | None) -> Engine | None:
    """The engine that was asked for; None for a method that has none."""
    if method in NAIVE:
        if engine is None:
            return None
        name = engine if isinstance(engine, str) else getattr(engine, "name", engine)
        raise LabError(f"engine {name!r} for method {method!r}, which has none", "take method 'coarse' or 'fine'")
    if engine is None or isinstance(engine, str):
        return engine_named(engine or DEFAULT_ENGINE[method], method)
    if not callable(engine) or not hasattr(engine, "name") or not hasattr(engine, "version"):
        raise LabError(f"engine {engine!r}", f"give one of {', '.join(ENGINES)}, or an object as `engines.Engine` is")
    return engine


def check_options(
    network: Network,
    parts: object,
    method: object,
    engine: object,
    *,
    imbalance: object,
    seed: object,
    dense: object,
    floor: object,
    alone: object,
) -> Engine | None:
    """Refuse what no method takes, before anything is measured or searched; arguments and errors as `partition`.

    Returns the engine that will cut, None for a method that has none.
    """
    if method not in METHODS:
        raise LabError(f"unknown method {method!r}", suggest(method, METHODS))
    cut = _engine(method, engine)
    if not isinstance(parts, int) or isinstance(parts, bool) or not 1 <= parts <= MOST_PARTS:
        raise LabError(f"parts={parts!r}", f"give a whole number from 1 to {MOST_PARTS}")
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise LabError(f"seed={seed!r}", "give a whole number from 0 up")
    if not isinstance(alone, bool):
        raise LabError(f"alone={alone!r}", "give True or False")
    check_imbalance(imbalance)
    check_floor(floor)
    filter_units(tasks_of(network), dense)
    return cut
