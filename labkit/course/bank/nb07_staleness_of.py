"""Notebook 07: how stale every update of a server was, from the log of what the server did."""

from collections.abc import Callable

import numpy as np

from labkit.course.exercise import Case, Exercise, WrongSolution, is_stub_value

ANSWER, UPDATE = "answer", "update"


def staleness_of(log):
    """Staleness of each update, in the order of the log: updates of its piece since its worker was last answered."""
    versions, read, found = {}, {}, []
    for what, worker, piece in log:
        version = versions.get(piece, 0)
        if what == "answer":
            read[worker, piece] = version
        else:
            found.append(version - read.get((worker, piece), 0))
            versions[piece] = version + 1
    return found


def run(answer: Callable, args: tuple) -> object:
    """What a learner's function makes of a log; lists and arrays as tuples of numbers."""
    found = answer(*args)
    if isinstance(found, np.ndarray):
        found = found.tolist()
    return tuple(found) if isinstance(found, list) and not is_stub_value(found) else found


def cases(rng: np.random.Generator) -> list[Case]:
    """By hand; answers at once; answers that are held back; workers that are not equally fast; several pieces."""
    first = [(UPDATE, 1, 0), (ANSWER, 1, 0), (UPDATE, 2, 0), (ANSWER, 2, 0), (UPDATE, 1, 0), (ANSWER, 1, 0)]
    held = [(UPDATE, 1, 0), (ANSWER, 1, 0), (UPDATE, 1, 0), (UPDATE, 2, 0), (ANSWER, 2, 0), (ANSWER, 1, 0)]
    held += [(UPDATE, 2, 0), (UPDATE, 1, 0), (ANSWER, 1, 0), (ANSWER, 2, 0)]
    made = [Case((first,), "two workers, one piece"), Case((held,), "an answer that is held back")]
    for workers, pieces, updates, held_back in ((3, 1, 14, 0.0), (2, 3, 20, 0.0), (3, 2, 25, 0.5), (5, 4, 60, 0.4)):
        said = f"{workers} workers, {pieces} piece{'s' * (pieces > 1)}, {updates} updates"
        made.append(Case((drawn(rng, workers, pieces, updates, held_back),), said))
    return made


def drawn(rng: np.random.Generator, workers: int, pieces: int, updates: int, held_back: float) -> list[tuple]:
    """A log at random. held_back: chance that an answer does not follow its update at once."""
    speed, log, owed = rng.random(workers + 1) + 0.1, [], []
    computing = [(worker, piece) for worker in range(1, workers + 1) for piece in range(pieces)]
    while updates:
        if owed and (not computing or rng.random() < 0.4):
            one = owed.pop(int(rng.integers(len(owed))))
            log.append((ANSWER, *one))
            computing.append(one)
            continue
        chances = np.array([speed[worker] for worker, _ in computing])
        one = computing.pop(int(rng.choice(len(computing), p=chances / chances.sum())))
        log.append((UPDATE, *one))
        updates -= 1
        if rng.random() < held_back:
            owed.append(one)
        else:
            log.append((ANSWER, *one))
            computing.append(one)
    return log


def _one_counter(log):
    """All pieces share one number of versions."""
    return staleness_of([(what, worker, 0) for what, worker, _ in log])


def _answered_for_any_piece(log):
    """The answer for one piece counts as an answer for all."""
    versions, read, found = {}, {}, []
    for what, worker, piece in log:
        if what == ANSWER:
            read[worker] = dict(versions)
        else:
            found.append(versions.get(piece, 0) - read.get(worker, {}).get(piece, 0))
            versions[piece] = versions.get(piece, 0) + 1
    return found


def _since_own_update(log):
    """Counts from the worker's last update, whenever it was answered."""
    at_once = []
    for what, worker, piece in log:
        if what == UPDATE:
            at_once += [(UPDATE, worker, piece), (ANSWER, worker, piece)]
    return staleness_of(at_once)


def _own_counted(log):
    """Counts from before the worker's last update, so that it is among those that came in between."""
    versions, read, found = {}, {}, []
    for what, worker, piece in log:
        if what == UPDATE:
            version = versions.get(piece, 0)
            found.append(version - read.get((worker, piece), 0))
            read[worker, piece], versions[piece] = version, version + 1
    return found


def _entries(log):
    """Counts every line of the log that has to do with the piece."""
    lines, read, found = {}, {}, []
    for what, worker, piece in log:
        at = lines[piece] = lines.get(piece, -1) + 1
        if what == ANSWER:
            read[worker, piece] = at
        else:
            found.append(at - read.get((worker, piece), -1) - 1)
    return found


def _others(log):
    """Counts the workers that updated in between, each once."""
    seen, found = {}, []
    for what, worker, piece in log:
        if what == ANSWER:
            seen[worker, piece] = set()
        else:
            found.append(len(seen.setdefault((worker, piece), set())))
            for (_, other_piece), workers in seen.items():
                if other_piece == piece:
                    workers.add(worker)
    return found


def _behind_the_fastest(log):
    """Steps by which the worker is behind the one that has made most updates of the piece."""
    counts, found = {}, []
    for what, worker, piece in log:
        if what == UPDATE:
            own = counts.setdefault(piece, {})
            found.append(max(own.values(), default=0) - own.get(worker, 0))
            own[worker] = own.get(worker, 0) + 1
    return [max(0, steps) for steps in found]


def _fresh_at_first(log):
    """A worker that was never answered counts as up to date."""
    versions, read, found = {}, {}, []
    for what, worker, piece in log:
        version = versions.get(piece, 0)
        if what == ANSWER:
            read[worker, piece] = version
        else:
            found.append(version - read.get((worker, piece), version))
            versions[piece] = version + 1
    return found


def _versions(log):
    """The version that each update is applied to."""
    versions, found = {}, []
    for what, _, piece in log:
        if what == UPDATE:
            found.append(versions.get(piece, 0))
            versions[piece] = found[-1] + 1
    return found


EXERCISE = Exercise(
    id="staleness-of",
    title="How stale is an update?",
    prompt=(
        'Write `staleness_of(log)`: `log` is what a server did, in order. ("update", 2, 0) means that it applied a '
        'gradient of worker 2 to piece 0, and ("answer", 2, 0) that it sent the weights of piece 0, as they were then, '
        "to worker 2.\nA worker computes its next gradient of a piece with the weights of the last answer. Before the "
        "first answer all have the weights that everyone starts with (version 0). Staleness of an update is the number "
        "of updates of the same piece between the version that its gradient was computed with and the version that it "
        "is applied to. Return it for every update, as a list in the order of the log."
    ),
    reference=staleness_of,
    cases=cases,
    run=run,
    oracle=lambda log: tuple(staleness_of(log)),
    wrong=(
        WrongSolution(
            "one counter for all pieces",
            _one_counter,
            "You count the updates of all pieces together. A piece has versions of its own: what happens to other "
            "pieces does not make it older.",
            "Keep a version for each piece, such as versions[piece].",
        ),
        WrongSolution(
            "answered for every piece at once",
            _answered_for_any_piece,
            "You take the answer for one piece as an answer for all. It carries the weights of that piece only.",
            "Remember what was read for each worker *and* piece.",
        ),
        WrongSolution(
            "since the worker's own update",
            _since_own_update,
            "You count from the worker's last update. What it reads is what its *answer* carried, and a server may "
            "hold an answer back while others update.",
            "Note the version when the log says 'answer', not when it says 'update'.",
        ),
        WrongSolution(
            "the worker's own update counted",
            _own_counted,
            "You count from before the worker's last update, so that its own update is one of those in between. The "
            "answer came after it, and had it in.",
            "The first two lines of a log: worker 1 updates and is answered. Which version does it have then?",
        ),
        WrongSolution(
            "lines of the log",
            _entries,
            "You count lines of the log. Only updates make a new version; an answer changes nothing.",
            "Raise the version for updates only.",
        ),
        WrongSolution(
            "workers instead of updates",
            _others,
            "You count the *workers* that updated in between. A fast one may have done so more than once.",
            "Every update is one version.",
        ),
        WrongSolution(
            "steps behind the fastest",
            _behind_the_fastest,
            "You compare numbers of steps. Workers that are all in the same step still change the weights under each "
            "other's feet: staleness is counted in versions.",
            "Subtract the version that was read from the version that is updated.",
        ),
        WrongSolution(
            "first gradients are fresh",
            _fresh_at_first,
            "You take the first gradient of a worker as fresh. It was computed with version 0, and others may have "
            "updated since.",
            "read.get((worker, piece), 0)",
        ),
        WrongSolution(
            "versions instead of ages",
            _versions,
            "These are the versions that the updates are applied to. Take off the ones that the gradients were "
            "computed with.",
            "version - read.get((worker, piece), 0)",
        ),
        WrongSolution(
            "one too many",
            lambda log: [age + 1 for age in staleness_of(log)],
            "Every update counts itself. One that is applied to the very version it was computed with has staleness 0.",
            "Look at the version before you raise it.",
        ),
    ),
    hints=(
        "Two dictionaries: the version of each piece now, and the version that each worker has of each piece.",
        "An answer sets what the worker has to the piece's version; an update raises the piece's version by one.",
        "Both dictionaries begin at 0: versions.get(piece, 0), read.get((worker, piece), 0).",
    ),
    next_step="By hand: worker 1 updates and is answered, worker 2 updates and is answered, worker 1 updates: 0, 1, 1.",
)
