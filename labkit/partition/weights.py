"""How heavy each layer is: the work that a partition balances.

Work is counted per layer and divided evenly among the layer's tasks, since they all do the same. Four work models:

    flops    multiply-accumulates: the same everywhere, and blind to how fast a machine does them
    profile  seconds of each layer, measured here: what has to be balanced for speed, on this machine
    mix      the geometric mean of the shares that a layer has of both
    eserol   the thesis's own weights of VGG16, as far as its tables give them away
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labkit.errors import LabError, suggest
from labkit.machine.origin import MEASURED_HERE, MODELLED
from labkit.network import zoo
from labkit.partition.profile import REPEATS, layer_seconds, profile_batch
from labkit.partition.tasks import Tasks
from labkit.partition.trace import tasks_of

# VGG16 from its first convolution to its last dense layer. The thesis prints loads of parts, not weights of layers;
# with these the loads of its layer-wise and incremental partitions come out to within about 0.3 %.
ESEROL = (
    *(632.7, 6621.3, 2683.0, 5594.0, 2476.0, 4790.0, 4808.2, 2439.8, 4469.7, 4067.4, 1249.7, 1249.7, 1249.7),
    *(546.0, 84.0, 60.0),
)


@dataclass(frozen=True, eq=False)
class Weights:
    """Work of each task layer of one network, the input (0) included.

    name: of the work model, as in reports. work: float64 [layers] >= 0. unit: what it counts. origin: where it is from.
    """

    name: str
    work: np.ndarray
    unit: str
    origin: str

    def __post_init__(self) -> None:
        work = np.asarray(self.work, np.float64)
        if work.ndim != 1 or not (np.isfinite(work).all() and (work >= 0).all() and work.sum() > 0):
            raise LabError(
                f"weights {self.name!r} of the layers are {self.work}", "give numbers >= 0 that are not all 0"
            )
        object.__setattr__(self, "work", work)

    @property
    def total(self) -> float:
        return float(self.work.sum())


def flops(tasks: Tasks) -> Weights:
    """Multiply-accumulates of one sample's forward pass; BP and KU cost the same again, so the balance is the same.

    Those of a layer that works map by map (subsampling) count to the filters that make its maps; the input has no work.
    Raises LabError for a network in which nothing is to be divided.
    """
    work = np.array([float(layer.macs) for layer in tasks.layers])
    for node in tasks.network.nodes:
        macs, makers = node.layer.macs(*tasks.network.input_shapes(node)), tasks.homes[node.name].layer
        if macs and node.name not in tasks.names:
            work += macs * np.bincount(makers, minlength=len(work)) / len(makers)
    work[0] = 0
    if not work.any():
        raise LabError(
            f"{tasks.network.name} has no layer with filters or neurons to divide", "give one with a Conv or Dense"
        )
    return Weights("flops", work, "MAC per sample, forward", MODELLED)


def profile(
    tasks: Tasks,
    batch: int | None = None,
    repeats: int = REPEATS,
    threads: int | None = None,
    progress: Callable[[float, str], None] | None = None,
) -> Weights:
    """Seconds per sample of each layer's FP, BP and KU on this machine; arguments and errors as `layer_seconds`.

    Two measurements differ, and so may the plans made from them: measure once, and give the same Weights to each.
    """
    batch = profile_batch(tasks.network) if batch is None else batch
    found = layer_seconds(tasks, batch, repeats, threads, progress)
    return Weights("profile", found, f"seconds per sample of FP, BP and KU in batches of {batch}", MEASURED_HERE)


def mix(
    tasks: Tasks,
    batch: int | None = None,
    repeats: int = REPEATS,
    threads: int | None = None,
    progress: Callable[[float, str], None] | None = None,
) -> Weights:
    """Time and operations in one number: sqrt(share of the seconds x share of the multiply-accumulates) of each layer.

    The results are divided by their sum, so that they are shares again. The thesis weighs by time and by the number of
    operations too (eserol-2019 section 5.1) but does not print how; this way does not depend on the units of either. A
    layer that has no operations, or takes no time, has no weight. Arguments as `profile`.
    """
    both = profile(tasks, batch, repeats, threads, progress).work * flops(tasks).work
    shares = np.sqrt(both)
    return Weights("mix", shares / shares.sum(), "share of the work, by time and operations", MEASURED_HERE)


def eserol(tasks: Tasks) -> Weights:
    """The weights of VGG16's layers that the thesis used, inferred from the loads that it prints.

    Raises LabError for a network whose layers with tasks are not those of VGG16 on images of 224 x 224.
    """
    wanted = tasks_of(zoo.get("vgg16"))
    if [_size(layer) for layer in tasks.layers] != [_size(layer) for layer in wanted.layers]:
        raise LabError(
            f"weights 'eserol' for {tasks.network.name}: they are those of VGG16 at 224 x 224 in 1000 classes",
            "take weights 'flops', 'profile' or 'mix'",
        )
    unit = "units of eserol-2019, which does not say of what"
    return Weights("eserol", np.array([0, *ESEROL]), unit, "inferred from tables 5.5-5.8 of eserol-2019")


def _size(layer) -> tuple[str, int, int]:
    return layer.kind, layer.filters, layer.macs


MODELS = {"flops": flops, "profile": profile, "mix": mix, "eserol": eserol}
MEASURED = ("profile", "mix")


def weights_named(name: str, tasks: Tasks, progress: Callable[[float, str], None] | None = None, **measure) -> Weights:
    """The weights of a network by the name of the work model, one of MODELS.

    progress and `measure` (batch, repeats, threads: see `profile`) are for the models that measure. Raises LabError for
    another name, for options of a measurement where nothing is measured, and what the model itself raises.
    """
    if name not in MODELS:
        raise LabError(f"unknown weights {name!r}", suggest(name, MODELS))
    if name in MEASURED:
        return MODELS[name](tasks, progress=progress, **measure)
    if measure:
        raise LabError(
            f"weights {name!r} with {', '.join(measure)}", "leave it out, or take weights 'profile' or 'mix'"
        )
    return MODELS[name](tasks)


def layer_work(tasks: Tasks, weights: Weights) -> np.ndarray:
    """weights.work, float64 [layers]; LabError if the weights are those of another network."""
    if len(weights.work) != len(tasks.layers):
        raise LabError(
            f"weights {weights.name!r} are for {len(weights.work)} layers, {tasks.network.name} has "
            f"{len(tasks.layers)}, the input included",
            "make them for this network",
        )
    return weights.work
