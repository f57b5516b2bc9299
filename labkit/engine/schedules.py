"""How the learning rate changes during a run."""

from dataclasses import dataclass
from math import cos, pi

from labkit.errors import LabError, suggest

KINDS = ("constant", "step", "cosine")


@dataclass(frozen=True)
class Schedule:
    """A factor on the optimiser's learning rate, epoch by epoch or step by step.

    kind: 'constant'; 'step', which multiplies by `factor` after every `every` epochs (He et al. 2016, section 3.4); or
    'cosine', which falls along half a cosine to 0 at the end of the run (Loshchilov and Hutter 2017, equation (5),
    without restarts). warmup: over so many epochs at the start the rate first rises evenly from near 0, because the
    large early gradients of a deep network would throw it off at full rate (Goyal et al. 2017, section 2.2).
    """

    kind: str = "constant"
    warmup: float = 0.0
    every: int = 10
    factor: float = 0.1

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise LabError(f"unknown schedule {self.kind!r}", suggest(str(self.kind), KINDS))
        if not self.warmup >= 0:
            raise LabError(f"schedule with warmup={self.warmup!r}", "give a number of epochs from 0 up")
        if not isinstance(self.every, int) or self.every < 1:
            raise LabError(f"schedule with every={self.every!r}", "give a whole number of epochs, at least 1")
        if not 0 < self.factor <= 1:
            raise LabError(f"schedule with factor={self.factor!r}", "give a factor above 0, at most 1")

    def rate(self, lr: float, step: int, steps: int, steps_per_epoch: int) -> float:
        """Learning rate of step `step` (from 0) of a run of `steps` steps, where the optimiser's own is `lr`."""
        rising = round(self.warmup * steps_per_epoch)
        if step < rising:
            return lr * (step + 1) / rising
        if self.kind == "step":
            return lr * self.factor ** (step // steps_per_epoch // self.every)
        if self.kind == "cosine":
            return lr * (1 + cos(pi * (step - rising) / max(steps - rising, 1))) / 2
        return lr
