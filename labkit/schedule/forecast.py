"""How long a run of many steps will take, and where the time of every rank will go, from a model of its costs.

    forecast(schedule, costs, steps=1000).seconds

Steps are alike once what one hands to the next has settled, so only the first ones are simulated.
"""

from typing import NamedTuple

from labkit.schedule.costs import Costs
from labkit.schedule.events import Timeline
from labkit.schedule.schedule import Schedule
from labkit.schedule.simulate import simulate
from labkit.schedule.traffic import traffic

MOST_SIMULATED = 24  # steps; beyond it the second half of them is repeated


class Use(NamedTuple):
    """Seconds of a rank's main lane, or of its server lane where it does nothing but serve: computing, and in messages
    (waiting for them, too). What travels in the background keeps nobody.
    """

    compute_s: float
    communicate_s: float


class RankForecast(NamedTuple):
    """Of one rank over all steps: seconds computing, communicating and idle; messages and bytes that it sends."""

    rank: int
    compute_s: float
    communicate_s: float
    idle_s: float
    messages: int
    bytes: int


class Forecast(NamedTuple):
    """Of a run: seconds from its first to its last event; messages and bytes of all ranks together."""

    seconds: float
    messages: int
    bytes: int
    ranks: tuple[RankForecast, ...]


def forecast(schedule: Schedule, costs: Costs, steps: int = 1) -> Forecast:
    """Simulate `steps` steps, or the first MOST_SIMULATED of them and as many more like their second half.

    Messages and bytes are exact. Raises LabError as `simulate` does.
    """
    seen = min(steps, MOST_SIMULATED)
    timeline = simulate(schedule, costs, seen)
    seconds, uses = timeline.seconds, uses_of(timeline, schedule)
    if steps > seen:
        half = simulate(schedule, costs, seen // 2)
        more = (steps - seen) / (seen - seen // 2)
        seconds += more * (seconds - half.seconds)
        pairs = zip(uses, uses_of(half, schedule), strict=True)
        uses = tuple(Use(*(now + more * (now - then) for now, then in zip(*pair, strict=True))) for pair in pairs)
    sent = traffic(schedule).times(steps)
    rows = []
    for rank, use in enumerate(uses):
        own = sent.of(rank)
        rows.append(RankForecast(rank, *use, max(0.0, seconds - sum(use)), own.messages, own.bytes))
    return Forecast(seconds, sent.messages, sent.bytes, tuple(rows))


def uses_of(timeline: Timeline, schedule: Schedule) -> tuple[Use, ...]:
    """What keeps each rank, from its events."""
    works = [any(i.lane == "main" for i in program) for program in schedule.ranks]
    busy = [{"compute": 0.0, "communicate": 0.0, "wait": 0.0} for _ in works]
    for event in timeline.events:
        if event.lane == ("main" if works[event.rank] else "server"):
            busy[event.rank][event.kind] += event.seconds
    return tuple(Use(row["compute"], row["communicate"]) for row in busy)
