"""Notebook 07: the rule of a stale-synchronous server, which lets a worker go on or holds it back."""

from collections.abc import Callable
from heapq import heappop, heappush
from numbers import Integral

import numpy as np

from labkit.course.compare import Told
from labkit.course.exercise import Case, Exercise, WrongSolution, is_stub_value

KEPT = "answers as they should be"


def answered(waiting, counts, bound):
    """Workers that get their answer now: those that are at most `bound` pushes ahead of the slowest of all."""
    slowest = min(counts.values())
    return [worker for worker in waiting if counts[worker] - slowest <= bound]


def cases(rng: np.random.Generator) -> list[Case]:
    """Equal workers; one slow one; one fast one; workers that take turns at being slow; bounds from 0 up."""
    known = [
        (((3.0,) * 6, (4.0,) * 6), 0, "two workers, not quite equally fast"),
        (((2.0,) * 7, (3.0,) * 7, (11.0,) * 7), 1, "three workers, of which worker 3 is slow"),
        (((1.0,) * 8, (5.0,) * 8, (6.0,) * 8), 2, "three workers, of which worker 1 is fast"),
    ]
    for workers, steps, bound in ((3, 9, 0), (4, 9, 1), (4, 10, 2), (5, 12, 3)):
        drawn = tuple(tuple(map(float, row)) for row in rng.exponential(1.0, (workers, steps)) + 0.05)
        known.append((drawn, bound, f"{workers} workers at random, {steps} steps"))
    return [Case((seconds, bound), f"{said}, bound {bound}") for seconds, bound, said in known]


def run(answer: Callable, args: tuple) -> tuple:
    """(what is said of the answers, the greatest lead) of a server that does what a learner's function says."""
    seconds, bound = args
    steps, counts = len(seconds[0]), dict.fromkeys(range(1, len(seconds) + 1), 0)
    waiting, coming, lead, told = [], [], 0, None
    for worker in counts:
        heappush(coming, (seconds[worker - 1][0], worker))
    while coming:
        now, worker = heappop(coming)
        counts[worker] += 1
        waiting.append(worker)
        free = answer(list(waiting), dict(counts), bound)
        if is_stub_value(free):
            return free
        told = told or _judged(free, worker, waiting, counts, bound)
        for other in _those(free, waiting):
            waiting.remove(other)
            if counts[other] < steps:
                lead = max(lead, counts[other] - min(counts.values()))
                heappush(coming, (now + seconds[other - 1][counts[other]], other))
    return told or Told(KEPT), lead


def expected(seconds: tuple, bound: int) -> tuple:
    """What a right answer leads to."""
    return Told(KEPT), run(answered, (seconds, bound))[1]


def _those(free: object, waiting: list[int]) -> list[int]:
    """Workers of an answer that can be answered at all, each once."""
    if not isinstance(free, list | tuple | set | frozenset | np.ndarray):
        return []
    return sorted({int(worker) for worker in free if isinstance(worker, Integral) and worker in waiting})


def _judged(free: object, worker: int, waiting: list[int], counts: dict[int, int], bound: int) -> Told | None:
    """The first answer that is wrong, or None. Order and repetitions do not matter."""
    state = f"after a push of worker {worker}, pushes so far {counts}, waiting {waiting}, bound {bound}"
    if not isinstance(free, list | tuple | set | frozenset | np.ndarray):
        came = "nothing came back (is a return missing?)" if free is None else f"a value of type {type(free).__name__}"
        return Told(f"{state}: {came}", f"{state}: {came}", "A list of workers was asked for, even if it is empty.")
    strangers = sorted({str(one) for one in free if one not in waiting})
    if strangers:
        said = f"{state}: answered {', '.join(strangers)}"
        return Told(said, said, "Somebody is answered who does not wait for an answer: workers are in `waiting`.")
    right, given = sorted(answered(waiting, counts, bound)), _those(free, waiting)
    if given == right:
        return None
    said = f"{state}: answered {given}, not {right}"
    return Told(said, said, _advice(set(given), set(right)))


def _advice(given: set[int], right: set[int]) -> str:
    if given < right:
        return "Workers are held back although they are not too far ahead of the slowest."
    return "Workers may go on although they are more than the bound ahead of the slowest."


EXERCISE = Exercise(
    id="ssp-bound",
    title="Who may go on?",
    prompt=(
        "Write `answered(waiting, counts, bound)`, which a stale-synchronous server calls after every push. "
        "`counts[w]` is how many times worker w has pushed so far, that push included; every worker of the run is in "
        "it. `waiting` lists the workers that have pushed and got no answer yet, the newest last. Return a list of "
        "those that are answered now, and so may begin their next step: all that are at most `bound` pushes ahead of "
        "the slowest worker. The others wait until you are called again.\nThe check lets a server with your rule run, "
        "with workers of different speeds."
    ),
    reference=answered,
    cases=cases,
    run=run,
    oracle=expected,
    parts=("the answers", "the greatest lead of a worker that goes on"),
    wrong=(
        WrongSolution(
            "one step too early",
            lambda waiting, counts, bound: [w for w in waiting if counts[w] - min(counts.values()) < bound],
            "You hold a worker back that is exactly `bound` ahead. It is allowed to be: with bound 0 nobody would ever "
            "go on, not even workers that are level.",
            "<=, not <.",
        ),
        WrongSolution(
            "one step too late",
            lambda waiting, counts, bound: [w for w in waiting if counts[w] - min(counts.values()) <= bound + 1],
            "You let workers go on that are one step more than the bound ahead. The push that was just taken is in the "
            "counts already.",
            "Compare with the bound itself.",
        ),
        WrongSolution(
            "nobody is held back",
            lambda waiting, counts, bound: list(waiting),
            "Everybody is answered at once: that is the asynchronous server. (Or do you look for the slowest among "
            "those that *wait*? The slowest of all is usually still computing.)",
            "Compare each worker with the slowest of all: min(counts.values()).",
        ),
        WrongSolution(
            "everybody waits for everybody",
            lambda waiting, counts, bound: list(waiting) if len(set(counts.values())) == 1 else [],
            "You answer only when all are level, whatever the bound: that is the synchronous server.",
            "A worker may be up to `bound` pushes ahead.",
        ),
        WrongSolution(
            "all or nobody",
            lambda waiting, counts, bound: (
                list(waiting) if max(counts.values()) - min(counts.values()) <= bound else []
            ),
            "When one worker is too far ahead you answer nobody, the slow ones among them. Whom the fast one waits for "
            "is then waiting as well, and the run stands still.",
            "Decide for each worker by itself.",
        ),
        WrongSolution(
            "only the newest",
            lambda waiting, counts, bound: [w for w in waiting[-1:] if counts[w] - min(counts.values()) <= bound],
            "You decide about the worker that has just pushed, and never come back to those that were held before: "
            "they would wait for ever.",
            "Go through all of `waiting`.",
        ),
        WrongSolution(
            "compared with the fastest",
            lambda waiting, counts, bound: [w for w in waiting if max(counts.values()) - counts[w] <= bound],
            "You hold back those that are *behind*. It is the fast ones that have to wait for the slow ones.",
            "min(counts.values()) is the slowest.",
        ),
        WrongSolution(
            "compared with the average",
            lambda waiting, counts, bound: [
                w for w in waiting if counts[w] - sum(counts.values()) / len(counts) <= bound
            ],
            "You compare with the average. Many fast workers raise it, and the slow one is left further and further "
            "behind: its updates grow staler without a bound.",
            "Compare with the slowest worker.",
        ),
        WrongSolution(
            "counts against the bound",
            lambda waiting, counts, bound: [w for w in waiting if counts[w] <= bound],
            "You compare how often a worker has pushed with the bound, and not how far it is ahead: after a few steps "
            "nobody goes on.",
            "Take the slowest worker's count off.",
        ),
    ),
    hints=(
        "The slowest of all: min(counts.values()).",
        "How far is a worker ahead? counts[worker] - slowest.",
        "A list of those in `waiting` for which that is at most `bound`.",
    ),
    next_step="By hand: counts {1: 3, 2: 1}, waiting [1], bound 1. Worker 1 is two ahead; when may it go on?",
)
