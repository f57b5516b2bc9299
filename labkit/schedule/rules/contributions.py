"""Whose samples are in which gradients, and how many right updates weights have seen: SGD as bookkeeping.

Gradients of a stretch are a multiset of (step, rank, micro-batch), kept as one whole number with 32 bits for the count
of each, so that adding gradients is adding numbers and `contains every sample once` is one comparison. Weights are the
number of right updates that they have seen, the same on every rank that has them; after an update by an asynchronous
server they are a fresh negative number, which any rank may use. After a fault things go on as if it had been mended,
so that one mistake is named once.
"""

from labkit.schedule.instruction import Instruction
from labkit.schedule.rules.faults import Fault, fault
from labkit.schedule.rules.stretches import Stretches
from labkit.schedule.rules.verdicts import Samples, gradients_verdict, weights_verdict
from labkit.schedule.schedule import Schedule

BITS = 32  # for one count; a gradient would have to be doubled 32 times in a step to overflow it


class Contents:
    """What every rank holds while a schedule is executed.

    `faults`: by (rank, position), in the order in which they were found; `misled`: the same for BP from an error that
    is not the rank's own.
    """

    def __init__(self, schedule: Schedule, stretches: Stretches, steps: int):
        self.schedule, self.stretches = schedule, stretches
        size, n = schedule.size, len(stretches)
        self.faults: dict[tuple[int, int], Fault] = {}
        self.misled: dict[tuple[int, int], Fault] = {}
        self.held = {item: [[0] * n for _ in range(size)] for item in "gw"}
        self.mixed = [-1] * size  # step in which a message last had to do with the rank's error
        self._loose = _pulled_late(schedule, stretches)
        self._begun = [[-1] * n for _ in range(size)]  # step of the latest B
        self._pushed = [[-1] * n for _ in range(size)]  # step of the latest push to an asynchronous server
        self._read: dict[tuple[int, int], list[int | None]] = {}  # (rank, micro-batch) -> weights that its FP used
        self._count_samples(steps)

    def _count_samples(self, steps: int) -> None:
        names = [(r, m) for r, share in enumerate(self.schedule.shares) for m, samples in enumerate(share) if samples]
        width = BITS * len(names)
        self._one = {name: 1 << (BITS * n) for n, name in enumerate(names)}
        self._shift = [width * step for step in range(steps)]
        own = [sum(bit for (r, _), bit in self._one.items() if r == rank) for rank in range(self.schedule.size)]
        self.own = [[mine << shift for shift in self._shift] for mine in own]
        self.all = [sum(own) << shift for shift in self._shift]
        self.spoilt = 1 << (width * steps)  # what a reduce leaves on ranks other than its root
        self.samples = Samples(names, BITS, steps)

    def take(self, rank: int, step: int, item: str, a: int, b: int) -> list[int]:
        """What `rank` would send of the stretches a to b - 1; of errors, only that it did."""
        if item == "e":
            self.mixed[rank] = step
            return []
        return self.held[item][rank][a:b]

    def put(self, rank: int, step: int, item: str, a: int, b: int, came: list[int], add: bool) -> None:
        """What came replaces what is there, or is added to it (gradients only; `order` tells of others)."""
        if item == "e":
            self.mixed[rank] = step
        elif add and item == "g":
            row = self.held[item][rank]
            row[a:b] = [x + y for x, y in zip(row[a:b], came, strict=True)]
        else:
            self.held[item][rank][a:b] = came

    def collective(self, i: Instruction, a: int, b: int, gave: dict[int, list[int]]) -> None:
        """All ranks have given what they hold; hand out what they get."""
        if i.item == "e" or (i.item == "w" and i.op != "bcast"):
            return  # errors were noted when they were taken; of weights that were added up `order` has told
        got = gave[i.peer] if i.op == "bcast" else [sum(column) for column in zip(*gave.values(), strict=True)]
        for rank in gave:
            useless = i.op == "reduce" and rank != i.peer
            self.held[i.item][rank][a:b] = [self.spoilt] * (b - a) if useless else got

    def forward(self, rank: int, step: int, position: int, i: Instruction, a: int, b: int) -> None:
        """FP reads weights: those of the step's beginning, the same on all ranks."""
        row = self.held["w"][rank]
        if row[a:b].count(step) != b - a:
            wrong = [s for s in range(a, b) if row[s] != step and s not in self._loose[rank]]
            if wrong:
                self._report(rank, position, step, *weights_verdict(self.schedule, self.stretches, wrong, row, step))
                for s in wrong:
                    row[s] = step
        self._read.setdefault((rank, i.micro), [None] * len(row))[a:b] = row[a:b]

    def backward(self, rank: int, step: int, position: int, i: Instruction, a: int, b: int) -> None:
        """BP reads the weights that FP read, and its gradients replace those of the step before, or are added."""
        read = self._read.get((rank, i.micro))
        some = (rank, i.micro) in self._one  # a micro-batch without samples gives zeros, whatever it reads
        if some and read and read[a:b] != self.held["w"][rank][a:b]:
            changed = [s for s in range(a, b) if read[s] is not None and read[s] != self.held["w"][rank][s]]
            if changed:
                what = f"the weights of {self.stretches.names(changed)} have changed since this micro-batch's FP"
                self._report(rank, position, step, what, "let them change after BP, or before FP")
        if i.layers[1] == len(self.schedule.network) and self.mixed[rank] == step:
            self._mislead(rank, position, step)
        mine = self._one.get((rank, i.micro), 0) << self._shift[step]
        row, begun = self.held["g"][rank], self._begun[rank]
        row[a:b] = [mine + (row[s] if begun[s] == step else 0) for s in range(a, b)]
        begun[a:b] = [step] * (b - a)

    def update(self, rank: int, step: int, position: int, i: Instruction, a: int, b: int) -> None:
        """An optimiser's step on weights that have seen all updates before it, with every sample once."""
        weights = self.held["w"][rank]
        wrong = [s for s in range(a, b) if weights[s] != step]
        if wrong:
            names, seen = self.stretches.names(wrong), weights[wrong[0]]
            if seen > step:
                what, instead = f"the weights of {names} have been updated in this step already", "leave it out"
            elif seen < 0:
                what, instead = f"the weights of {names} are kept by an asynchronous server", "leave updates to it"
            else:
                what = f"the weights of {names} here have seen {seen} of {step} updates"
                instead = "give this rank the weights of the step before, as in 'bcast w0<0 tree'"
            self._report(rank, position, step, what, instead)
        else:
            self.check(rank, position, step, self.held["g"][rank][a:b], a, b, rank)
        weights[a:b] = [step + 1] * (b - a)

    def check(self, rank: int, position: int, step: int, gradients: list[int], a: int, b: int, where: int) -> None:
        """Report an update whose gradients do not hold every sample of the global batch exactly once."""
        wanted = self.all[step]
        if gradients.count(wanted) != b - a:
            wrong = [a + n for n, value in enumerate(gradients) if value != wanted]
            value = gradients[wrong[0] - a]
            same = [s for s in wrong if gradients[s - a] == value]
            verdict = gradients_verdict(self.samples, value, step, where, self.stretches.names(same))
            self._report(rank, position, step, *verdict)

    def push(self, rank: int, step: int, position: int, a: int, b: int) -> None:
        """To an asynchronous server: the worker's own samples of this step, all of them, once."""
        row, wanted = self.held["g"][rank][a:b], self.own[rank][step]
        if row.count(wanted) != b - a:
            wrong = [s for s in range(a, b) if row[s - a] != wanted]
            what = f"the gradients of {self.stretches.names(wrong)} are not those of all samples of this rank, once"
            self._report(rank, position, step, what, "push after the last B of these layers, and nothing added to it")
        if step in self._pushed[rank][a:b]:
            what = "these gradients have been pushed in this step already"
            self._report(rank, position, step, what, "push them once")
        self._pushed[rank][a:b] = [step] * (b - a)

    def finish(self, steps: int) -> None:
        """After the last step every worker has all updates; told only where nothing else was."""
        for rank in self.schedule.workers if not (self.faults or self.misled) else ():
            row = self.held["w"][rank]
            wrong = [s for s, version in enumerate(row) if version != steps and s not in self._loose[rank]]
            if wrong:
                last = max(len(self.schedule.ranks[rank]) - 1, 0)
                verdict = weights_verdict(self.schedule, self.stretches, wrong, row, steps)
                self._report(rank, last, steps - 1, *verdict)

    def _mislead(self, rank: int, position: int, step: int) -> None:
        what = (
            f"it starts from an error that was averaged or came in a message, but goes back through the activations "
            f"of rank {rank}: the gradients contain the activations of rank {rank} only, and a mean of products is "
            f"not the product of the means"
        )
        instead = f"let every rank do its own BP, and sum gradients, as in 'reduce g0>{rank} linear'"
        self.misled.setdefault((rank, position), fault(self.schedule, "maths", rank, position, step, what, instead))

    def _report(self, rank: int, position: int, step: int, what: str, instead: str) -> None:
        if (rank, position) not in self.faults:
            self.faults[rank, position] = fault(self.schedule, "maths", rank, position, step, what, instead)


def _pulled_late(schedule: Schedule, stretches: Stretches) -> list[set[int]]:
    """For each rank the stretches that it gets from asynchronous servers, and so may use in any version."""
    late = {rank for rank, program in enumerate(schedule.ranks) for i in program if i.op == "serve" and i.how != "sync"}
    return [
        {s for i in program if i.op == "pull" and i.peer in late for s in range(*stretches.of(i))}
        for program in schedule.ranks
    ]
