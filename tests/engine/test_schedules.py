"""Learning rates over a run of 10 epochs of 10 steps."""

import numpy as np
import pytest

from labkit.engine.schedules import Schedule
from labkit.errors import LabError


def rates(schedule, steps=100):
    return [schedule.rate(0.5, step, steps, 10) for step in range(steps)]


def test_constant():
    assert set(rates(Schedule())) == {0.5}


def test_step_falls_every_so_many_epochs():
    found = rates(Schedule("step", every=4, factor=0.5))
    np.testing.assert_allclose(found, np.repeat([0.5, 0.25, 0.125], [40, 40, 20]))


def test_warmup_rises_evenly_to_the_full_rate():
    found = rates(Schedule(warmup=0.5))
    np.testing.assert_allclose(found[:6], [0.1, 0.2, 0.3, 0.4, 0.5, 0.5])


def test_cosine_falls_from_the_full_rate_to_near_zero():
    found = rates(Schedule("cosine", warmup=2))
    assert found[19] == found[20] == 0.5 and found[60] == pytest.approx(0.25)
    assert (np.diff(found[20:]) < 0).all() and 0 < found[-1] < 0.001


def test_warmup_longer_than_the_run():
    assert max(rates(Schedule("cosine", warmup=20))) == pytest.approx(0.25)


@pytest.mark.parametrize("wrong", [{"kind": "cosin"}, {"warmup": -1}, {"every": 0}, {"factor": 0}, {"factor": 2}])
def test_refusals(wrong):
    with pytest.raises(LabError, match="schedule"):
        Schedule(**wrong)
