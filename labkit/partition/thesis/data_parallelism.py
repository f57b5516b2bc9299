"""A plan against data parallelism: bytes per epoch in one unit, and the batch at which the two are equal.

Data parallelism sends the gradients of all p parameters once per step: 2 (N - 1) p values among N processes, by
collectives or a parameter server (eserol-2019 section 5.1.8). It does so per *step*, so fewer and larger batches cost
less. A plan sends feature maps and their gradients per *sample*, whatever the batch. So a plan is ahead for small
batches, and there is a batch from which data parallelism is:

    break-even batch = 2 (N - 1) p / (values that the plan sends per sample, forward and backward)

Table 5.14 of eserol-2019 makes this comparison for 64,000 images, with a slip of units. Its data-parallel column counts
bytes (N = 2, batch 16: 2 * 527.792 MiB * 4000 steps = 4,123 GiB). Its hypergraph column is the volume of table 5.10,
counted in 2^20 values, doubled for BP and multiplied by 2,000 batches of 32 (N = 2: 27.56 * 2 * 2000 / 1024 = 107),
and stands beside the other as if it were bytes; a value has four. In one unit the mean reduction over the table's nine
lines is 73.3 %, not the 93.3 % printed. Up to batch 64 the plan is ahead in every line, as the thesis says; from a
batch of about 153, 207 and 99 (N = 2, 4, 8) on it is not. `table_5_14` and `break_even_of_table_5_14` compute this.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

from labkit.errors import LabError
from labkit.network.graph import FLOAT_BYTES
from labkit.network.sizes import check_batch
from labkit.partition.plan import Plan
from labkit.partition.thesis.chapter5_network import IMAGES_5_14, PARAMETERS_5_13
from labkit.partition.thesis.tables import BATCH, VOLUME_UNIT, EpochRow, epoch_rows
from labkit.partition.volume import volume

# Volumes of table 5.10 with more digits than it prints (27, 61, 298): the averages beside them, table 5.14 and, for
# N = 2, tables A.7 to A.9 leave 27.5 to 27.6, 61.2 to 61.44 and 298.75 to 299.
VOLUMES_5_10 = {2: 27.5625, 4: 61.25, 8: 298.8}
GRADIENTS = ("doubled", "exact")


@dataclass(frozen=True)
class Epoch:
    """Communication of one epoch under data parallelism and under a plan, in bytes, in all parts together."""

    network: str
    parts: int
    batch: int
    samples: int
    data_parallel_bytes: int
    plan_bytes: int

    @property
    def reduction(self) -> float:
        """Share of data parallelism's bytes that the plan saves; negative where it sends more; 0 in one part."""
        return 1 - self.plan_bytes / self.data_parallel_bytes if self.data_parallel_bytes else 0.0


@dataclass(frozen=True)
class Headline:
    """A line of table 5.14 computed twice: `mixed_reduction` as printed, values beside bytes, and `reduction` in bytes.

    data_parallel_gib, plan_gib: 2^30 bytes per epoch. plan_gi_values: 2^30 values, which the table prints as GB.
    """

    printed: EpochRow
    data_parallel_gib: float
    plan_gi_values: float

    @property
    def plan_gib(self) -> float:
        return self.plan_gi_values * FLOAT_BYTES

    @property
    def mixed_reduction(self) -> float:
        return 1 - self.plan_gi_values / self.data_parallel_gib

    @property
    def reduction(self) -> float:
        return 1 - self.plan_gib / self.data_parallel_gib


def data_parallel_bytes(parameters: int, parts: int, batch: int, samples: int) -> int:
    """Bytes of an epoch of data parallelism: 2 (N - 1) parameters of float32 per step, a last smaller batch included.

    Raises LabError for a batch, or a number of samples, that is not a positive whole number.
    """
    check_batch(batch)
    _check_samples(samples)
    return 2 * (parts - 1) * parameters * FLOAT_BYTES * ceil(samples / batch)


def values_per_sample(plan: Plan, gradients: str = "exact") -> int:
    """Values that a plan sends for one sample, forward and backward.

    gradients: 'exact' answers every map by its gradient but those of the images, which nobody needs; 'doubled' is
    twice the forward volume, as in table 5.14.
    """
    if gradients not in GRADIENTS:
        raise LabError(f"gradients={gradients!r}", "choose 'exact' or 'doubled'")
    if gradients == "doubled":
        return 2 * volume(plan, 1).elements
    return volume(plan, 1, backward=True).elements


def against_data_parallelism(
    plan: Plan, batches: Iterable[int] = (16, 32, 64), samples: int = IMAGES_5_14, gradients: str = "exact"
) -> tuple[Epoch, ...]:
    """An epoch of `samples` samples under the plan and under data parallelism in as many parts, for each batch size.

    Works for any network and plan. Nothing is averaged over parts, and neither side counts how images reach the
    processes that begin with them; where a plan's first layer lies in several parts, the images sent between them do
    count. Raises LabError for a bad batch, number of samples or `gradients`.
    """
    _check_samples(samples)
    plan_bytes = samples * values_per_sample(plan, gradients) * FLOAT_BYTES
    return tuple(
        Epoch(
            plan.network.name,
            plan.parts,
            batch,
            samples,
            data_parallel_bytes(plan.network.parameters, plan.parts, batch, samples),
            plan_bytes,
        )
        for batch in batches
    )


def break_even_batch(parameters: int, parts: int, values: float) -> float:
    """The batch at which data parallelism in `parts` parts sends as much as a plan of `values` values per sample.

    values: forward and backward (`values_per_sample`). Below it the plan sends less. Infinite for a plan that sends
    nothing.
    """
    return 2 * (parts - 1) * parameters / values if values else float("inf")


def break_even_of(plan: Plan, gradients: str = "exact") -> float:
    """The batch up to which `plan` sends less than data parallelism in as many parts; `gradients` as elsewhere."""
    return break_even_batch(plan.network.parameters, plan.parts, values_per_sample(plan, gradients))


def table_5_14(volumes: dict[int, float] | None = None) -> tuple[Headline, ...]:
    """Table 5.14 with both reductions.

    volumes: N -> 2^20 values per forward pass of 32 images, by default table 5.10's; lines of other N are left out.
    """
    volumes = VOLUMES_5_10 if volumes is None else volumes
    lines = []
    for row in epoch_rows():
        if row.parts in volumes:
            sent = data_parallel_bytes(PARAMETERS_5_13, row.parts, row.batch, IMAGES_5_14) / 2**30
            lines.append(Headline(row, sent, volumes[row.parts] * 2 * (IMAGES_5_14 // BATCH) / 1024))
    return tuple(lines)


def break_even_of_table_5_14() -> dict[int, float]:
    """Break-even batch for N = 2, 4, 8 with the thesis's own volumes: about 153, 207 and 99."""
    return {
        parts: break_even_batch(PARAMETERS_5_13, parts, 2 * volume_ * VOLUME_UNIT / BATCH)
        for parts, volume_ in VOLUMES_5_10.items()
    }


def _check_samples(samples: object) -> None:
    if not isinstance(samples, int) or isinstance(samples, bool) or samples < 1:
        raise LabError(f"samples={samples!r}", "give a positive whole number such as 64000")
