"""Events are values: they survive JSON unchanged and cannot be altered."""

from dataclasses import FrozenInstanceError

import pytest

from labkit.engine.events import TrainEvent
from labkit.errors import LabError

EVENT = TrainEvent(
    step=7,
    epoch=1,
    loss=0.1 + 0.2,
    accuracy=1 / 3,
    seconds={"fp": 0.001, "bp": 0.0, "ku": 1e-9},
    bytes_held={"parameters": 246_824},
    gradient_norms={"conv1": 0.25},
    test_accuracy=0.97,
    stopped="early",
)


def test_json_there_and_back():
    text = EVENT.to_json()
    assert "\n" not in text
    assert TrainEvent.from_json(text) == EVENT


def test_events_cannot_be_altered():
    with pytest.raises(FrozenInstanceError):
        EVENT.loss = 0.0


@pytest.mark.parametrize("text", ["", "{", "[1]", "{}", '{"step": 1, "shoe": 2}', "3"])
def test_other_text_is_refused(text):
    with pytest.raises(LabError, match="no training event"):
        TrainEvent.from_json(text)
