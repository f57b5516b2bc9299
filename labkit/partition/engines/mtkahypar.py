"""The well-kept hypergraph partitioner Mt-KaHyPar, behind the interface of our own engines.

The library sees vertices, not a network: that all filters of a layer are alike is hidden from it, so on the full
hypergraph it is slow and its cuts are poor. The engine therefore hands it the hypergraph with the filters of each layer
in a few groups, several times with other groups and seeds, and keeps the best cut. `cut_with_mtkahypar` is the library
as it comes.

What its binding does not say (version 1.7) is dealt with here. Weights and costs are 32-bit and a sum that overflows
wraps without a word: both are scaled, and the cut is recomputed from the part of each vertex. Its `set_seed` does not
act on the deterministic presets: a seed also renumbers vertices and nets. The other presets keep a state from call to
call that no seed resets, so that they repeat only call by call from the start of a process, on one thread; and the
number of threads is fixed for the life of a process. So it is one here, and the engine takes deterministic presets. A
vertex heavier than a part may be breaks the balance in silence: such vertices are fixed, each in the part that `Limits`
made for it. A call cannot be interrupted and lets no other Python thread run: Ctrl-C, and what `progress` raises, take
effect between calls, when nothing is half done. The engine's calls are short; for the full hypergraph use a process.
"""

from dataclasses import dataclass
from functools import cache
from importlib import metadata

import numpy as np

from labkit.errors import LabError, suggest
from labkit.partition.engines import Progress
from labkit.partition.engines.grouping import in_groups, in_order, seats
from labkit.partition.engines.judge import badness, filled
from labkit.partition.grains import NetworkHypergraph
from labkit.partition.hypergraph import Hypergraph, check_vector
from labkit.partition.limits import SLACK, Limits

PRESETS = ("deterministic", "deterministic-quality", "default", "quality", "highest-quality")
ATTEMPTS = 12  # cuts per number of groups, where the effort allows
EFFORT = 1e6  # parts x (vertices + a twentieth of the pins): up to ten seconds
MOST = 2**30  # of a 32-bit sum, with room for the library's own arithmetic


def cut_with_mtkahypar(
    hypergraph: Hypergraph,
    limits: Limits,
    seed: int = 0,
    start: np.ndarray | None = None,
    preset: str = "deterministic",
    cycles: int = 0,
) -> np.ndarray:
    """Cut a hypergraph with Mt-KaHyPar as it comes: int64 [V], the part of each vertex.

    The same seed gives the same parts with the deterministic presets; with the others only in a fresh process.

    seed: 0 takes the vertices in their order, other seeds in a random one. start: parts to improve instead of a cut
    from scratch; what comes back is never worse. preset: one of PRESETS, the library's names. cycles: how often the
    finished cut is coarsened and refined once more (at least once for a start).

    The library has no lower limit for loads: `limits.floor` is not used. Where it cannot keep `limits.cap` the cut that
    comes back breaks it. Raises LabError where the package is missing, and for a preset that it has not.
    """
    if preset not in PRESETS:
        raise LabError(f"preset={preset!r} of mtkahypar", suggest(preset, PRESETS))
    if start is not None:
        start = check_vector(hypergraph, start)
    library, parts = _library(), limits.parts
    context = _context(library, preset, parts, seed)
    count = hypergraph.vertices
    order = np.random.default_rng(seed).permutation(count) if seed else np.arange(count)
    weights, caps = _whole_weights(hypergraph, limits)
    context.set_individual_target_block_weights(caps.tolist())
    nets, costs = _nets(hypergraph, parts, order, seed)
    given = library.session.create_hypergraph(context, count, len(nets), nets, weights[order].tolist(), costs)
    if start is None:
        fixed = seats(hypergraph.weights, limits.cap)
        if (fixed >= 0).any():
            given.add_fixed_vertices(fixed[order].tolist(), parts)
        found = given.partition(context)
        if cycles:
            found.improve_partition(context, cycles)
    else:
        found = given.create_partitioned_hypergraph(context, parts, start[order].tolist())
        found.improve_partition(context, max(1, cycles))
    part = np.empty(count, np.int64)
    part[order] = found.get_partition()
    part = filled(hypergraph, part, parts)
    return part if start is None else min(start, part, key=lambda p: badness(hypergraph, limits, p))


@dataclass(frozen=True)
class MtKahypar:
    """The engine, see `labkit.partition.engines`."""

    name: str = "mtkahypar"

    @property
    def version(self) -> str:
        """Of the installed package; 'not installed' where there is none."""
        try:
            return metadata.version("mtkahypar")
        except metadata.PackageNotFoundError:
            return "not installed"

    def __call__(
        self, problem: NetworkHypergraph, limits: Limits, seed: int = 0, progress: Progress | None = None
    ) -> np.ndarray:
        """The part of every vertex of a coarse or fine hypergraph: int64 [problem.vertices.count].

        Raises LabError where the package is missing.
        """
        small, part = search(problem, limits, seed, progress)[0]
        return part if small is problem else problem.vector(small.plan(part, limits.parts))


ENGINE = MtKahypar()


def search(
    problem: NetworkHypergraph, limits: Limits, seed: int = 0, progress: Progress | None = None
) -> list[tuple[NetworkHypergraph, np.ndarray]]:
    """Cuts of the problem in groups, the best first: (hypergraph in groups, part of each of its vertices).

    For each of a few numbers of groups: one from parts that are filled in the order of the network, then others from
    scratch with V-cycles, one seed after the other until the effort is spent (a fixed one, so that a seed repeats).
    """
    _library()
    found, smalls, spent = [], in_groups(problem, limits), 0.0
    efforts = [limits.parts * (small.vertices.count + len(small.hypergraph.pins) / 20) for small in smalls]
    for attempt in range(ATTEMPTS):
        for small, effort in zip(smalls, efforts, strict=True):
            if found and spent + effort > EFFORT:
                continue
            if progress:
                progress(spent / EFFORT, f"mtkahypar on {small.vertices.count} vertices")
            if attempt:
                options = {"preset": "deterministic", "cycles": 3}
            else:
                options = {"preset": "deterministic-quality", "cycles": 5, "start": in_order(small.hypergraph, limits)}
            part = cut_with_mtkahypar(small.hypergraph, limits, seed * ATTEMPTS + attempt, **options)
            found.append((badness(small.hypergraph, limits, part), len(found), small, part))
            spent += effort
    if progress:
        progress(1.0, "mtkahypar")
    return [(small, part) for _, _, small, part in sorted(found, key=lambda row: row[:2])]


@dataclass(frozen=True)
class _Library:
    package: object
    session: object


@cache
def _library() -> _Library:
    """The package and its one session. Raises LabError where it is missing (it has no wheels for Windows)."""
    try:
        import mtkahypar
    except ImportError as missing:
        raise LabError(
            f"the package mtkahypar cannot be loaded here ({missing})", "use our own engine: --engine counts"
        ) from missing
    return _Library(mtkahypar, mtkahypar.initialize(1, False))


def _context(library: _Library, preset: str, parts: int, seed: int) -> object:
    library.package.set_seed(seed % 2**31)
    context = library.session.context_from_preset(getattr(library.package.PresetType, preset.upper().replace("-", "_")))
    context.logging = False
    # The imbalance named here is not used: the weight that each part may have is set instead, by the caller.
    context.set_partitioning_parameters(parts, 0.1, library.package.Objective.KM1)
    return context


def _whole_weights(hypergraph: Hypergraph, limits: Limits) -> tuple[np.ndarray, np.ndarray]:
    """Weights and caps as whole numbers, rounded so that parts which keep the whole caps keep the true ones."""
    total = float(hypergraph.weights.sum())
    scale = MOST / max(total, float(limits.cap.sum()), 1e-300)
    weights = np.ceil(hypergraph.weights * scale * (1 - SLACK)).astype(np.int64)
    caps = np.floor(limits.cap * scale).astype(np.int64)
    lacking = int(weights.sum()) - int(caps.sum())  # a cut of exactly equal parts: rounding must not forbid it
    return weights, caps if lacking <= 0 else caps + -(-lacking // limits.parts)


def _nets(hypergraph: Hypergraph, parts: int, order: np.ndarray, seed: int) -> tuple[list[list[int]], list[int]]:
    """Pins and costs of the nets that can be cut, with vertices called by their place in `order`."""
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    pins, starts = place[hypergraph.pins].tolist(), hypergraph.starts.tolist()
    kept = np.flatnonzero((hypergraph.sizes > 1) & (hypergraph.costs > 0))
    if seed:
        kept = np.random.default_rng(seed).permutation(kept)
    costs = hypergraph.costs[kept]
    if len(costs):
        costs = costs // np.gcd.reduce(costs)
    worst = float(costs @ (np.minimum(hypergraph.sizes[kept], parts) - 1.0))  # every net in as many parts as can be
    if worst > MOST:
        costs = np.maximum(1, np.rint(costs * (MOST / worst))).astype(np.int64)
    return [pins[starts[e] : starts[e + 1]] for e in kept.tolist()], costs.tolist()
