"""What one rank holds: its model, the pieces of its gradients and weights as messages see them, its micro-batches."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from labkit.data import Split
from labkit.engine.arrays import HostMirror, Mirror
from labkit.engine.model import Model
from labkit.engine.passes import Pass
from labkit.errors import LabError
from labkit.run.calibration.cpu_use import Meter
from labkit.run.job import Job
from labkit.run.rank.clock import now_ns, sleep_until
from labkit.run.rank.feed import Feed, Micro
from labkit.schedule import Instruction, Schedule
from labkit.schedule.pieces import Piece, layer_ranges


class RankState:
    """Model, optimiser slots and samples of `rank`. What a parameter server holds besides is in `server`.

    model: prepared for the largest micro-batch of this rank. slots: of the job's optimiser, vectors beside all the
    parameters; () for a rank that updates nothing itself. steps_done: steps of the main lane that are over.
    versions: for each piece of a parameter server, the version of the weights here (updates that they have seen).
    optimizer: what a server updates with. error: values of item `e`.
    losses: (this rank's part of) the mean loss of each global batch, 0 where computing is slept through.
    settle: waits until nothing of this rank works in the background and all answers of servers are taken; meet: waits
    until all ranks have called it as well. Both are for the main lane between two steps, and set by `Interpreter`.

    samples: what is trained on, shared by all ranks; may be None for a rank without samples.
    """

    def __init__(self, schedule: Schedule, job: Job, rank: int, samples: Split | None):
        self.schedule, self.job, self.rank = schedule, job, rank
        network, program, shares = schedule.network, schedule.ranks[rank], schedule.shares[rank]
        largest = max((1, *shares)) if job.compute is None else 1
        self.model = Model(network, job.backend, largest, job.seed, job.dtype, job.threads, job.mapping)
        updates = any(i.op == "U" for i in program)
        self.slots = self.model.slots(job.optimizer) if updates else ()
        self.feed = Feed(schedule, rank, samples, job.seed) if shares and job.compute is None else None
        self.optimizer = job.optimizer
        self.server = None
        self.steps_done = 0
        self.versions: dict[int, int] = {}
        self.losses: list[float] = []
        self.settle: Callable[[], None] = lambda: None
        self.meet: Callable[[], None] = lambda: None
        self.error = np.zeros(network.output_shape[0], self.model.dtype)
        self._layers = layer_ranges(network)
        self._uses_error = any(i.item == "e" for i in program)
        self._error_came = False
        self._flight = InFlight(self.model, program)
        self._slowed_ns = round(job.slowed(rank) * 1e9)
        self._fresh = np.ones(len(network), bool)  # layers whose gradients of this step are still to be overwritten
        self._micros: tuple[Micro, ...] = ()

    def start(self, step: int) -> None:
        """Be ready for step `step` as the first one."""
        self.steps_done, self.meter = step, Meter()
        self._source = self.feed.steps(step) if self.feed else None

    def begin_step(self) -> None:
        """Take this rank's micro-batches of the next step."""
        if self._source is not None:
            self._micros = next(self._source)
        self._fresh[:] = True
        self._error_came = False
        self.error[:] = 0
        self.losses.append(0.0)

    def range_of(self, instruction: Instruction) -> Piece:
        """Values of the flat vectors that an instruction on layers or on a piece works on."""
        if instruction.layers is None:
            return self.schedule.pieces[instruction.piece]
        first, end = instruction.layers
        return Piece(self._layers[first].start, self._layers[end - 1].stop)

    def forward(self, instruction: Instruction, step: int) -> None:
        """`F`. Raises LabError if the loss is known then and not finite."""
        micro = self._micros[instruction.micro]
        if not len(micro.x):
            return
        walk = self._flight.take(instruction)
        start, end = instruction.layers
        if start == 0:
            sleep_until(now_ns() + self._slowed_ns)
            walk.begin(micro.x, micro.labels, self.job.loss, step, micro.first, micro.weight)
        walk.forward(start, end)
        if end == len(self.schedule.network):
            self._note_loss(walk, micro)
        self.model.wait()

    def _note_loss(self, walk: Pass, micro: Micro) -> None:
        if not np.isfinite(walk.loss):
            slower = f"lower the learning rate of {self.job.optimizer.lr:g}"
            raise LabError(f"the loss is {walk.loss}: training has diverged", slower, status=1)
        self.losses[-1] += walk.loss * micro.weight
        if self._uses_error:
            self.error += walk.error

    def backward(self, instruction: Instruction) -> None:
        """`B`: gradients of its layers, from a rank without samples zeros."""
        first, end = instruction.layers
        if not len(self._micros[instruction.micro].x):
            self._no_gradients(first, end)
            return
        walk = self._flight.take(instruction)
        if self._error_came and end == len(self.schedule.network):
            walk.replace_error(self.error)
        for start, stop in reversed(self._alike(first, end)):
            walk.backward(start, stop, add=not self._fresh[start])
            self._fresh[start:stop] = False
        self.model.wait()

    def _alike(self, first: int, end: int) -> list[tuple[int, int]]:
        """The layers first to end in stretches: those whose gradients are to be overwritten, those to be added to."""
        fresh = self._fresh
        bounds = [first, *(n for n in range(first + 1, end) if fresh[n] != fresh[n - 1]), end]
        return list(pairwise(bounds))

    def _no_gradients(self, first: int, end: int) -> None:
        """What a micro-batch without samples adds to the gradients of layers: nothing."""
        for start, stop in self._alike(first, end):
            if self._fresh[start]:
                part = slice(self._layers[start].start, self._layers[stop - 1].stop)
                zeros = np.zeros(part.stop - part.start, self.model.dtype)
                self.model.arrays.put(zeros, self.model.gradients.flat[part])
                self._fresh[start:stop] = False

    def update(self, instruction: Instruction, step: int) -> None:
        """`U`: the optimiser's step on its range of the weights."""
        part = slice(*self.range_of(instruction))
        if part.start == part.stop:
            return
        model = self.model
        w, g, *slots = (v[part] for v in (model.parameters.flat, model.gradients.flat, *self.slots))
        self.job.optimizer.update(w, g, tuple(slots), step, None, model.arrays)
        model.wait()

    def there(self, instruction: Instruction):
        """The gradients or weights of an instruction's piece where the model's arrays live: a view, [values]."""
        vectors = self.model.gradients if instruction.item == "g" else self.model.parameters
        return vectors.flat[slice(*self.schedule.pieces[instruction.piece])]

    def mirror(self, instruction: Instruction) -> Mirror:
        """A new mirror of what the messages of an instruction work on."""
        return HostMirror(self.error) if instruction.item == "e" else self.model.arrays.mirror(self.there(instruction))

    def take_error(self) -> None:
        """From now on, in this step, `error` is the one to go back from."""
        self._error_came = True


class InFlight:
    """The passes of a rank's micro-batches: as many workspaces as there are micro-batches in flight at a time.

    A micro-batch is in flight from its first instruction of a step to its last.
    """

    def __init__(self, model: Model, program: tuple[Instruction, ...]):
        walks = [i for i in program if i.op in ("F", "B")]
        self._last = {i.micro: i for i in walks}
        most = most_in_flight(walks)
        # All of them before the first step: a pass must know from the start that it is not alone.
        self._free = [Pass(model, own_workspace=number > 0) for number in range(most)][::-1]
        self._used: dict[int, Pass] = {}

    def take(self, instruction: Instruction) -> Pass:
        """The pass of an instruction's micro-batch; after the last instruction it is free for the next one."""
        walk = self._used.get(instruction.micro)
        if walk is None:
            walk = self._used[instruction.micro] = self._free.pop()
        if self._last[instruction.micro] == instruction:
            self._free.append(self._used.pop(instruction.micro))
        return walk


def most_in_flight(walks: list[Instruction]) -> int:
    """How many micro-batches have begun and are not over at a time, at most."""
    micros = [i.micro for i in walks]
    ends = {micro: len(micros) - 1 - micros[::-1].index(micro) for micro in micros}
    return max((len({m for m in micros[: n + 1] if ends[m] >= n}) for n in range(len(micros))), default=0)
