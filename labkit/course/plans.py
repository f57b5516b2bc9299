"""Plans that a learner made: kept beside the ledger for the notebook that trains them, and set beside other plans.

A plan is kept as `plans/NAME.json` in the folder of the ledger (see `store`), in the form of labkit.partition.document.
Where nothing can be written, and while nbgrader grades, it is kept in memory for the session, like the ledger.
"""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from labkit.course import store
from labkit.errors import LabError, suggest
from labkit.network import Network
from labkit.partition.document import load_plan, save
from labkit.partition.limits import SLACK, check_imbalance
from labkit.partition.loads import loads
from labkit.partition.plan import Plan
from labkit.partition.volume import volume
from labkit.partition.weights import Weights, flops

if TYPE_CHECKING:
    from labkit.widgets.tables import Table

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
YOURS = "yours"
UNIT = 2**20  # feature-map values
_memory: dict[str, Plan] = {}


def keep_plan(plan: Plan, name: str = "my-plan") -> Path:
    """Keep a plan under `name` for later notebooks, in place of an older one; returns the path of its file.

    Raises LabError for a name that is not made of small letters, digits and hyphens.
    """
    path = _path(name)
    if store.graded():
        _memory[name] = plan
        return path
    try:
        return save(plan, path)
    except LabError as error:
        _memory[name] = plan
        print(f"labkit: {error.what}; the plan is kept in memory, for this session only", file=sys.stderr)
        return path


def kept_plan(name: str = "my-plan", network: Network | None = None) -> Plan:
    """The plan that was kept under `name`. network: refuse a plan for any other.

    Raises LabError where none was, and for a file that is no plan, or not one of that network.
    """
    path = _path(name)
    if name in _memory:
        plan = _memory[name]
        if network is not None and plan.network != network:
            what = f"the plan {name!r} is for {plan.network.name!r}, not for {network.name!r}"
            raise LabError(what, "keep another one")
        return plan
    if not path.is_file():
        instead = suggest(name, kept_plans()) if kept_plans() else f"keep one first: keep_plan(plan, {name!r})"
        raise LabError(f"no plan is kept under the name {name!r}", instead)
    return load_plan(path, network)


def kept_plans() -> tuple[str, ...]:
    """Names of the plans that are kept, in order."""
    return tuple(sorted({path.stem for path in _folder().glob("*.json")} | set(_memory)))


def scoreboard(
    plan: Plan, rivals: Mapping[str, Plan], imbalance: float = 0.1, weights: Weights | None = None, batch: int = 32
) -> "Table":
    """A learner's plan among others of the same network: volume, loads, score; the best score first.

    The score is 100 for the least volume among the rivals that keep the limits, and inversely proportional to volume:
    150 is two thirds of that volume. A plan with a part above (1 + imbalance) times the average, or an idle one, has
    none. weights: the work model, FLOPs unless given. Raises LabError for plans of different networks.
    """
    from labkit.widgets.tables import Table  # importing the views takes longer than all of this

    check_imbalance(imbalance)
    plans = {YOURS: plan, **rivals}
    for one in plans.values():
        if one.network != plan.network:
            what = f"a plan of {one.network.name!r} beside one of {plan.network.name!r}"
            raise LabError(what, "compare plans of one network")
    weights = flops(plan.tasks) if weights is None else weights
    sent = {name: volume(one, batch).elements for name, one in plans.items()}
    work = {name: loads(one, weights) for name, one in plans.items()}
    kept = {name for name in plans if _keeps(work[name], imbalance)}
    par = min((sent[name] for name in kept - {YOURS}), default=None)
    score = {name: None if par is None or name not in kept else _score(par, sent[name]) for name in plans}
    order = sorted(plans, key=lambda name: (score[name] is None, -(score[name] or 0), sent[name]))
    rows = [_row(name, plans[name].parts, sent[name], work[name], score[name]) for name in order]
    head = ("plan", "parts", "sent, × 2²⁰ values", "least load", "largest load", "score")
    caption = (
        f"{plan.network.name}, batch {batch}, forward; loads times the average, at most {1 + imbalance:g} (modelled)"
    )
    return Table(caption, head, tuple(rows), frozenset({YOURS}))


def _keeps(work, imbalance: float) -> bool:
    return work.max_over_avg <= (1 + imbalance) * (1 + SLACK) and bool((work.work > 0).all())


def _score(par: int, sent: int) -> float:
    return 100 * par / sent if sent else float("inf")


def _row(name: str, parts: int, sent: int, work, score: float | None) -> tuple:
    least, largest = float(work.work.min() / work.average), work.max_over_avg
    said = "–" if score is None else f"{score:.1f}"
    return name, parts, f"{sent / UNIT:.4g}", f"{least:.3f}", f"{largest:.3f}", said


def _folder() -> Path:
    return store.ledger_path().parent / "plans"


def _path(name: str) -> Path:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise LabError(f"a plan cannot be kept as {str(name)[:40]!r}", "use small letters, digits and hyphens")
    return _folder() / f"{name}.json"
