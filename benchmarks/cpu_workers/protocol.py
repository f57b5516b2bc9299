"""What a worker process and `cpu_engine.py` say to each other: one JSON document per line, over pipes.

The worker is told a network, a batch size and a number of threads on its command line. It makes one training step, and
says {"first_step_s"}. Then each line {"steps": n} it reads makes it do n steps and answer {"seconds": [of each step]};
{"steps": 0} makes it answer {"peak_bytes": its largest memory} and end. Between two lines it sleeps.

Imported by both sides, in whatever Python they run, so nothing but the standard library is used.
"""

import json
import resource
import sys
from collections.abc import Callable
from time import perf_counter

LEARNING_RATE = 1e-3
MOMENTUM = 0.9
SEED = 0


def arguments() -> tuple[str, int, int]:
    """(network, batch, threads) of this worker's command line."""
    network, batch, threads = sys.argv[1:]
    return network, int(batch), int(threads)


def serve(prepare: Callable[[], Callable[[], None]], versions: dict[str, str]) -> None:
    """Answer until told to end. `prepare` makes the model and returns the function that does one step."""
    start = perf_counter()
    step = prepare()
    step()
    say(first_step_s=perf_counter() - start, versions=versions)
    for line in sys.stdin:
        count = json.loads(line)["steps"]
        if not count:
            # Kilobytes on Linux, bytes on macOS.
            unit = 1 if sys.platform == "darwin" else 1024
            say(peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
            return
        say(seconds=[timed(step) for _ in range(count)])


def timed(step: Callable[[], None]) -> float:
    start = perf_counter()
    step()
    return perf_counter() - start


def say(**answer) -> None:
    print(json.dumps(answer), flush=True)
