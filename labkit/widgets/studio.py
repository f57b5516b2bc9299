"""Partition studio: the filters of every layer coloured by the part that owns them, and a brush to give them away.

Loads and volume follow every stroke; the page counts them. What needs a search (another method, number of parts or
imbalance) is done by the kernel in a thread, while the cell has long returned. A page without a kernel offers the plans
that it was given. The challenge is to send less than the plan that one began with, with no part above the limit that
the imbalance sets (or the heaviest part of that plan, where it is above the limit itself) and no further part idle.
"""

import threading
from collections.abc import Callable, Iterable
from time import monotonic

import anywidget
import traitlets

from labkit.errors import LabError
from labkit.network import Network, zoo
from labkit.network.sizes import check_batch
from labkit.partition.plan import Plan
from labkit.partition.trace import tasks_of
from labkit.partition.weights import Weights, weights_named
from labkit.widgets._base import css, decode, encode, esm, one_of, static_text, within
from labkit.widgets.studio_data import pack, structure, unpack

KIND = "partition_studio"
METHODS = ("layer", "filter-horizontal", "filter-incremental", "coarse")
PARTS = (2, 4, 8, 16, 32, 64, 128)
IMBALANCES = (0.03, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)
DIGITS = 4  # of an imbalance after the point: so many are written alike by Python and by the page
PERIOD_S = 0.2  # between two messages on how far a search is
DEFAULTS = {
    "method": "coarse",
    "parts": 4,
    "imbalance": 0.1,
    "batch": 32,
    "part": 0,
    "row": 1,
    "first": 0,
    "last": 0,
    "owners": "",
}
NOTE = (
    "Drag over filters to give them to the part chosen above; click the name of a layer to give all of it. A click on "
    "a bar below chooses its part. The line beside a layer's bar: the plan you began with. Volume: modelled. "
    "Work: {} ({}, {})."
)
SHARE = "That is {share} of the plan you began with, "
WORDS = {
    "heads": ["Layer", "Filters and their owners", "Sends, × 2²⁰"],
    "figures": ["max / average load", "× 2²⁰ elements sent", "as float32", "of the plan you began with", "best so far"],
    "load": "Load of each part, times the average",
    "flow": "Elements that each part sends (up) and receives (down)",
    "layers": ["layer", "filters", "part: filters", "sends, elements"],
    "parts": ["part", "load, times the average", "sends, elements", "receives, elements"],
    "load_and_volume": "Part {part} carries most, {over} times the average. A batch of {batch}, one forward pass: "
    "{volume} × 2²⁰ elements are sent ({bytes}).",
    "unpainted": "This is the plan to beat: give filters to other parts.",
    "heavy": SHARE + "but a part carries more than the limit, so it does not count.",
    "idle": SHARE + "but more parts are idle, so it does not count.",
    "better": SHARE + "and no part is above the limit: it counts.",
    "worse": SHARE + "which is no less.",
    "best": "Best so far: {best}.",
}


class _Stopped(Exception):
    """Raised in a search that nobody waits for any more."""


class PartitionStudio(anywidget.AnyWidget):
    """Layers x filters of a coarse plan, painted by hand; make one with `studio`.

    scope: network, layers and tensors (see studio_data), the work model. plans: key -> {method, parts, imbalance,
    owners, by} for every plan that is there. run: {busy, text, failed} of a search. best: key -> {share, owners}, the
    least volume reached by hand against the plan of that key. state: method, parts, imbalance, batch; part (of the
    brush), row, first, last (the filters that are marked); owners ("": those of the method's plan).
    """

    _esm = esm("choice.js", "player.js", "studio_math.js", "studio.js")
    _css = css() + static_text("studio.css")
    title = traitlets.Unicode().tag(sync=True)
    scope = traitlets.Dict().tag(sync=True)
    plans = traitlets.Dict().tag(sync=True)
    run = traitlets.Dict({"busy": False, "text": "", "failed": False}).tag(sync=True)
    best = traitlets.Dict().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)

    def serve(self, network: Network, weights: Weights) -> None:
        """Answer the page's wishes for plans of `network` from now on."""
        self._network, self._weights, self._known = network, weights, {}
        self._lock, self._stop = threading.Lock(), threading.Event()
        self.on_msg(self._command)

    def keep(self, plan: Plan, imbalance: float) -> str:
        """Add a plan to those that can be chosen, as one for this imbalance; returns its key."""
        imbalance = round(imbalance, DIGITS)
        key = key_of(plan.method, plan.parts, imbalance)
        self._known[key] = plan
        self.plans = self.plans | {key: _entry(plan, imbalance)}
        return key

    @property
    def reference(self) -> Plan:
        """The plan of the chosen method, as it was before anything was painted."""
        return self._known[self._key]

    @property
    def plan(self) -> Plan:
        """The plan as it is painted now."""
        return self._painted(self.state["owners"])

    @property
    def best_plan(self) -> Plan:
        """The painted plan with the least volume so far that counts against the reference; else the reference."""
        return self._painted(self.best.get(self._key, {}).get("owners", ""))

    def state_string(self) -> str:
        """The settings and the painted plan as a line; `studio(network, from_state=line)` shows the same view."""
        return encode(KIND, self.state)

    @property
    def _key(self) -> str:
        return key_of(self.state["method"], self.state["parts"], self.state["imbalance"])

    def _painted(self, owners: str) -> Plan:
        if not owners:
            return self.reference
        made = {"begun_with": self.state["method"], "imbalance": self.state["imbalance"]}
        return unpack(self._network, self.state["parts"], owners, "by hand", made)

    def _command(self, _widget: object, content: dict, _buffers: object) -> None:
        """The page asks whether anybody is there, for a plan, or for an end of the search. Any thread may arrive."""
        command = content.get("command") if isinstance(content, dict) else None
        if command == "hello":
            self.send({"kernel": True})
        elif command == "stop":
            self._stop.set()
            self.run = _news("Stopped.")
        elif command == "partition":
            self.search(content.get("method"), content.get("parts"), content.get("imbalance"))

    def search(self, method: str, parts: int, imbalance: float) -> threading.Thread:
        """Look for a plan in a thread of its own, and keep it; a search that is still going on ends."""
        self._stop.set()
        self._stop = stop = threading.Event()
        self.run = _news(f"Looking for a plan: {method}, {parts} parts …", busy=True)
        thread = threading.Thread(target=self._search, args=(method, parts, imbalance, stop), daemon=True)
        thread.start()
        return thread

    def _search(self, method: str, parts: int, imbalance: float, stop: threading.Event) -> None:
        told = monotonic()

        def progress(done: float, what: str) -> None:
            nonlocal told
            if stop.is_set():
                raise _Stopped
            if monotonic() - told > PERIOD_S:
                told = monotonic()
                self._tell(stop, f"Looking for a plan: {method}, {parts} parts, {100 * done:.0f} % ({what}) …", True)

        try:
            plan = _partition(self._network, parts, method, imbalance, self._weights, progress)
            with self._lock:
                if not stop.is_set():
                    self.keep(plan, imbalance)
                    self.run = _news("")
        except _Stopped:
            pass
        except LabError as error:
            self._tell(stop, str(error), False)
        except Exception as error:  # whatever it is, the learner must see it: nobody waits for this thread
            self._tell(stop, f"{type(error).__name__}: {error}", False)

    def _tell(self, stop: threading.Event, text: str, busy: bool) -> None:
        with self._lock:
            if not stop.is_set():
                self.run = _news(text, busy, failed=not busy)


def studio(
    network: Network | str = "vgg16",
    parts: int = 4,
    method: str = "coarse",
    imbalance: float = 0.1,
    batch: int = 32,
    plans: Iterable[Plan] | None = None,
    *,
    weights: Weights | str = "flops",
    from_state: str | None = None,
) -> PartitionStudio:
    """Paint who owns which filter of a network, and see loads and communication volume at once.

    network: a Network or a name of the zoo. parts: 1 to 128. method: one of METHODS, or that of a plan in `plans`.
    imbalance: what the search allows, 0 to 10, in steps of 0.0001. batch: samples, 1 to 1024. plans: coarse plans of
    this network that can be chosen without a search, all that a page without a kernel offers; those of a method that
    knows no imbalance stand under `imbalance`. weights: the work model, as `Weights` or a name
    (labkit.partition.weights). from_state: a line of `state_string()`; it overrides the settings. A plan that is not
    among `plans` is made now. Raises LabError for bad settings, fine-grain plans, plans of another network, and where
    the partitioner does.
    """
    network = zoo.get(network) if isinstance(network, str) else network
    tasks = tasks_of(network)
    measure = weights_named(weights, tasks) if isinstance(weights, str) else weights
    state = DEFAULTS | {"method": method, "parts": parts, "imbalance": imbalance, "batch": batch}
    state = decode(KIND, from_state, state) if from_state is not None else state
    view = PartitionStudio(title=f"Partition studio: {network.name}")
    view.serve(network, measure)
    for plan in plans or ():
        if plan.network != network:
            raise LabError(f"a plan of {plan.network.name} in a studio of {network.name}", "give plans of one network")
        view.keep(plan, plan.made.get("imbalance") or imbalance)
    _check(view, state)
    key = key_of(state["method"], state["parts"], state["imbalance"])
    if key not in view.plans:
        wanted = (state["parts"], state["method"], state["imbalance"])
        view.keep(_partition(network, *wanted, measure, None), state["imbalance"])
    if from_state is None:
        state["last"] = tasks.layers[state["row"]].filters - 1
    view.state = state
    view.scope = structure(tasks, measure) | {
        "method": tuple(dict.fromkeys((*METHODS, state["method"]))),
        "parts": tuple(sorted({*PARTS, state["parts"]})),
        "imbalance": tuple(sorted({*IMBALANCES, state["imbalance"]})),
        "words": WORDS | {"note": NOTE.format(measure.name, measure.unit, measure.origin)},
    }
    return view


def _check(view: PartitionStudio, state: dict) -> None:
    one_of("method", state["method"], tuple(dict.fromkeys((*METHODS, *(p["method"] for p in view.plans.values())))))
    state["parts"] = within("parts", state["parts"], 1, PARTS[-1], whole=True)
    state["imbalance"] = round(within("imbalance", state["imbalance"], 0, 10), DIGITS)
    check_batch(state["batch"])
    state["batch"] = within("batch", state["batch"], 1, 1024, whole=True)
    state["part"] = within("part", state["part"], 0, state["parts"] - 1, whole=True)


def key_of(method: str, parts: int, imbalance: float) -> str:
    """What a plan is called in the page: 'coarse/8/0.1'."""
    return f"{method}/{parts}/{imbalance:g}"


def _entry(plan: Plan, imbalance: float) -> dict:
    made = plan.made
    by = f"{made['engine']} {made.get('engine_version', '')}".strip() if made.get("engine") else ""
    seconds = f" in {made['seconds']:.2g} s" if "seconds" in made else ""
    return {
        "method": plan.method,
        "parts": plan.parts,
        "imbalance": imbalance,
        "owners": pack(plan),
        "label": f"{plan.method}, {plan.parts} parts, imbalance {imbalance:g}",
        "by": f"The plan you began with was made by {by or plan.method}{seconds}.",
    }


def _news(text: str, busy: bool = False, failed: bool = False) -> dict:
    return {"busy": busy, "text": text, "failed": failed}


def _partition(
    network: Network, parts: int, method: str, imbalance: float, weights: Weights, progress: Callable | None
) -> Plan:
    from labkit.partition.methods import partition

    return partition(network, parts, method, imbalance=imbalance, weights=weights, progress=progress)
