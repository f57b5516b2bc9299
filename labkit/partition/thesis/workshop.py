"""VGG16's hypergraphs, built once, and the partitions of it that have been made for one reproduction."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from time import perf_counter

import numpy as np

from labkit.network import zoo
from labkit.partition.engines import Engine, Progress
from labkit.partition.engines.registry import engine as engine_named
from labkit.partition.grains import NetworkHypergraph, coarse, fine
from labkit.partition.limits import Limits
from labkit.partition.loads import loads
from labkit.partition.methods import partition
from labkit.partition.plan import Plan
from labkit.partition.tasks import Tasks
from labkit.partition.thesis.races import NO_RACE, race_limits
from labkit.partition.thesis.tables import Figures
from labkit.partition.trace import tasks_of
from labkit.partition.weights import Weights, weights_named

NEURONS = "filter-horizontal"  # the one method for which the thesis divides dense layers too
IDLE_ALLOWED = "counts, empty parts allowed"  # beside the engines of the registry, for the reproduction only
TAKES = {"coarse": coarse, "fine": fine}


@dataclass(frozen=True, eq=False)
class Found:
    """One partition of ours. plan, loads: None where the engine failed (`error`). limits: None without a race."""

    plan: Plan | None
    loads: np.ndarray | None
    limits: Limits | None
    engine_version: str | None
    seconds: float
    error: str | None = None

    @property
    def excess(self) -> float:
        """By how much the loads break the limits, summed over the parts; infinite where there is no plan."""
        if self.loads is None:
            return float("inf")
        return self.limits.excess(self.loads) if self.limits else 0.0


class Workshop:
    """Makes partitions of VGG16 with the inferred weights.

    seed: of every engine. longest_s: an engine is stopped after so many seconds, at the next time that it reports its
    progress; None lets it end.
    """

    def __init__(self, seed: int = 0, longest_s: float | None = None):
        self.seed, self.longest_s = seed, longest_s
        self._problems: dict[str, NetworkHypergraph] = {}
        self._found: dict[tuple, Found] = {}

    @cached_property
    def tasks(self) -> Tasks:
        return tasks_of(zoo.get("vgg16"))

    @cached_property
    def weights(self) -> Weights:
        return weights_named("eserol", self.tasks)

    def problem(self, grain: str) -> NetworkHypergraph:
        """The 'coarse' or 'fine' hypergraph; every dense layer is one vertex, and so is the input."""
        if grain not in self._problems:
            self._problems[grain] = TAKES[grain](self.tasks, self.weights)
        return self._problems[grain]

    def find(self, printed: Figures, engine: str | None, race: str, progress: Progress | None = None) -> Found:
        """Our partition beside one of the thesis's; made once, then kept, but for the large ones of the fine grain.

        What `progress` raises ends the search and is passed on; any other failure of an engine is a Found with `error`.
        """
        key = (printed.method, printed.parts, printed.imbalance, engine, race)
        if key in self._found:
            return self._found[key]
        found = self._defined(printed) if race == NO_RACE else self._cut(printed, engine, race, progress)
        if printed.method != "fine":
            self._found[key] = found
        return found

    def _defined(self, printed: Figures) -> Found:
        dense = "neuron" if printed.method == NEURONS else "layer"
        start = perf_counter()
        plan = partition(self.tasks.network, printed.parts, printed.method, weights=self.weights, dense=dense)
        return Found(plan, loads(plan, self.weights).work, None, None, perf_counter() - start)

    def _cut(self, printed: Figures, engine: str, race: str, progress: Progress | None) -> Found:
        problem = self.problem(printed.method)
        limits = race_limits(printed, race, problem.hypergraph.weights)
        watch = Watch(progress, self.longest_s)
        version = None
        try:
            use = _engine(engine, printed.method)
            version = use.version
            part = use(problem, limits, self.seed, watch)
            plan = problem.plan(part, printed.parts, printed.method)
        except Exception as failure:  # the row says so, and the next engine has its turn
            if watch.raised is not None:
                raise
            return Found(None, None, limits, version, watch.seconds, f"{type(failure).__name__}: {failure}")
        return Found(plan, loads(plan, self.weights).work, limits, version, watch.seconds)


def _engine(name: str, grain: str) -> Engine:
    """The engine of that name; for IDLE_ALLOWED the coarse engine 'counts', told that parts may be empty."""
    if name == IDLE_ALLOWED:
        return replace(engine_named("counts", grain), name=name, empty=True)
    return engine_named(name, grain)


class TooLong(Exception):
    """An engine has used up its time."""


class Watch:
    """A progress callback that keeps the time and remembers what the caller's own callback raised."""

    def __init__(self, progress: Callable[[float, str], None] | None, longest_s: float | None):
        self.progress, self.longest_s = progress, longest_s
        self.start, self.raised = perf_counter(), None

    @property
    def seconds(self) -> float:
        return perf_counter() - self.start

    def __call__(self, done: float, what: str) -> None:
        if self.longest_s is not None and self.seconds > self.longest_s:
            raise TooLong(f"stopped after {self.seconds:.0f} s")
        if self.progress is not None:
            try:
                self.progress(done, what)
            except BaseException as raised:
                self.raised = raised
                raise
