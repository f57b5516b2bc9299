"""Energy of repeated work, with a counter that moves in steps as NVML's does, and a clock that does not wait."""

from math import floor

import pytest

from labkit.errors import LabError
from labkit.kernels.experiments.meter import counter, energy_of
from labkit.machine.gpu import first_gpu


class Bench:
    """A GPU that draws 100 W when idle and 400 W at work; its counter moves every 0.1 s."""

    def __init__(self, step_s: float = 0.1):
        self.now, self.taken, self.step_s = 1000.0, 5e6, step_s
        self.shown = self.taken

    def pass_by(self, seconds: float, watts: float = 100.0) -> None:
        before = floor(self.now / self.step_s)
        self.now += seconds
        self.taken += watts * seconds
        if floor(self.now / self.step_s) > before:
            self.shown = self.taken

    def run(self) -> None:
        self.pass_by(0.01, 400.0)

    def measure(self, **more):
        return energy_of(self.run, lambda: self.shown, clock=lambda: self.now, wait=self.pass_by, **more)


def test_idle_is_taken_off_and_the_spread_is_told():
    found = Bench().measure()
    assert found.joules == pytest.approx(3.0, rel=0.05)  # 300 W above idle for 0.01 s
    assert found.low_J <= found.joules <= found.high_J
    assert found.high_J - found.low_J < 0.5
    assert found.idle_watts == pytest.approx(100, rel=0.1) and found.watts == pytest.approx(400, rel=0.05)
    assert found.runs == pytest.approx(600, abs=6) and found.seconds == pytest.approx(6, abs=0.1)


def test_a_counter_without_steps_gives_the_exact_energy():
    assert Bench(step_s=1e-6).measure(stretches=1).joules == pytest.approx(3.0, rel=1e-6)


@pytest.mark.parametrize("wrong", [{"stretch_s": 0.5}, {"stretches": 0}])
def test_stretches_that_are_too_short_are_refused(wrong):
    with pytest.raises(LabError, match=r"at least 2 s"):
        Bench().measure(**wrong)


def test_without_a_gpu_it_says_what_to_do_instead():
    if first_gpu() is not None:
        pytest.skip("there is a GPU, and it counts")
    with pytest.raises(LabError, match=r"no GPU here whose energy .* show a recording"):
        counter()
