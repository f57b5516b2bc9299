"""What a training run tells the world: one immutable event after every step."""

import json
from dataclasses import asdict, dataclass, field, fields

from labkit.errors import LabError


@dataclass(frozen=True)
class TrainEvent:
    """One training step, seen after its update.

    step, steps: number of this step from 0 over the whole run, and how many the run will have. epoch: number from 0.
    samples: size of this batch. loss, accuracy: of this batch, before the update, without penalties.
    learning_rate: the one this step was taken with.
    seconds: of the phases 'fp' (forward propagation and loss), 'bp' (gradients of inputs) and 'ku' (gradients of
    weights, penalties and the update), as krishna-gupta-nayak section II divides them; `elapsed_s` since the run was
    started or resumed, with everything between the phases.
    bytes_held: what the model and the optimiser keep allocated, by part.
    gradient_norms: Euclidean norm of the loss gradient of each layer's weights; empty at steps where it is not taken.
    At the last step of an epoch `epoch_end` is true, and `train_loss`, `train_accuracy` are the means over the epoch's
    steps; `validation_loss` is there with early stopping, `test_loss` and `test_accuracy` where the test set was run.
    `stopped`: why the run ends before its time, else None.
    """

    step: int
    epoch: int
    loss: float
    accuracy: float
    seconds: dict[str, float]
    bytes_held: dict[str, int] = field(default_factory=dict)
    gradient_norms: dict[str, float] = field(default_factory=dict)
    learning_rate: float = 0.0
    samples: int = 0
    steps: int = 0
    elapsed_s: float = 0.0
    epoch_end: bool = False
    train_loss: float | None = None
    train_accuracy: float | None = None
    validation_loss: float | None = None
    test_loss: float | None = None
    test_accuracy: float | None = None
    stopped: str | None = None

    def to_json(self) -> str:
        """One line of JSON; `from_json` gives an equal event back."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> "TrainEvent":
        """The event that `to_json` wrote; raises LabError for anything else."""
        try:
            document = json.loads(text)
            return TrainEvent(**document)
        except (TypeError, ValueError) as error:
            keys = ", ".join(f.name for f in fields(TrainEvent)[:5])
            raise LabError(f"this is no training event: {error}", f"give one JSON object with {keys}, ...") from None
