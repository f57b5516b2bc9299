"""What is wrong with gradients and weights, in words: the samples that are missing or counted twice, by rank."""

from typing import NamedTuple

from labkit.schedule.rules.faults import listed, ranks, times
from labkit.schedule.rules.stretches import Stretches
from labkit.schedule.schedule import Schedule


class Samples(NamedTuple):
    """names: (rank, micro-batch) of every count in a number of `bits` bits each, and then the same for each step."""

    names: list[tuple[int, int]]
    bits: int
    steps: int

    def counts(self, value: int, step: int) -> dict[tuple[int, int], int]:
        """How often the gradients hold each micro-batch of `step`."""
        mask, start = (1 << self.bits) - 1, step * len(self.names)
        return {name: value >> (self.bits * (start + n)) & mask for n, name in enumerate(self.names)}

    def spoilt(self, value: int) -> bool:
        """Whether something is in it that a reduce left on a rank other than its root."""
        return bool(value >> (self.bits * len(self.names) * self.steps))


def gradients_verdict(samples: Samples, value: int, step: int, rank: int, layers: str) -> tuple[str, str]:
    """Why `value` does not hold every sample of `step` exactly once, and what to type instead. rank: that updates."""
    if samples.spoilt(value):
        what = f"the gradients of {layers} contain what a reduce leaves on ranks other than its root"
        return what, "update on the root and 'bcast' the weights, or use 'allreduce'"
    old = [s for s in range(step) if any(samples.counts(value, s).values())]
    if old:
        what = f"the gradients of {layers} still contain samples of step {old[-1]}"
        return what, "let B of these layers begin anew in every step, on every rank whose gradients are summed"
    counts = samples.counts(value, step)
    if not any(counts.values()):
        return f"there are no gradients of {layers} yet", "put B, and what sums the gradients of all ranks, before it"
    lost = [name for name, count in counts.items() if count == 0]
    double = {name: count for name, count in counts.items() if count > 1}
    what = f"the gradients of {layers} "
    if double:
        most = max(double.values())
        what += f"contain the samples of {_named(double, counts)} {times(most)}"
        what += f" and lack those of {_named(lost, counts)}" if lost else ""
        return what, "sum the gradients of all ranks once: leave out what adds them up again"
    if {r for r, _ in counts} - {r for r, _ in lost} == {rank}:
        what += f"contain the samples of rank {rank} only and lack those of {_named(lost, counts)}"
    else:
        what += f"lack the samples of {_named(lost, counts)}"
    if {r for r, _ in lost} == {rank}:
        return what, "put it after the last B of these layers"
    return what, "sum the gradients of all ranks before it, as in 'allreduce g0 ring'"


def _named(some, counts: dict) -> str:
    """Micro-batches by rank; ranks alone where all of theirs are meant."""
    whole = [r for r in dict.fromkeys(r for r, _ in some) if all(n in some for n in counts if n[0] == r)]
    parts = [(r, m) for r, m in some if r not in whole]
    words = [ranks(whole)] if whole else []
    return listed(words + [f"micro-batch {m} of rank {r}" for r, m in parts])


def weights_verdict(
    schedule: Schedule, stretches: Stretches, wrong: list[int], row: list[int], step: int
) -> tuple[str, str]:
    """Why FP of `step` must not use these weights, and what to type instead. row: right updates that they have seen."""
    names, seen = stretches.names(wrong), row[wrong[0]]
    if seen > step:
        return f"the weights of {names} are already those of step {seen}", "let them come after this step's FP"
    updated = set()
    for program in schedule.ranks:
        for i in program:
            if i.op in ("U", "push"):
                updated.update(range(*stretches.of(i)))
    idle = [s for s in wrong if s not in updated]
    if idle:
        what = f"nobody updates the weights of {stretches.names(idle)}: no U, no push to a server"
        return what, "update every layer in every step, as in " + repr(f"U0:{len(schedule.network)}")
    what = f"the weights of {names} have seen {seen} of {step} updates: other ranks are ahead of this one"
    return what, "update them on this rank too, or send it the new ones, as in 'bcast w0<0 tree' or 'pull w0<0'"
