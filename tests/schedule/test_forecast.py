"""Forecasts of runs of many steps are those of the simulator, which need not see all of the steps."""

import pytest

from labkit.machine.links import Link
from labkit.network import zoo
from labkit.schedule.costs import Costs, flops_costs
from labkit.schedule.forecast import MOST_SIMULATED, forecast
from labkit.schedule.simulate import simulate
from labkit.schedule.traffic import traffic
from labkit.schemes import build

NETWORK = zoo.get("lenet5")
COSTS = Costs(flops_costs(NETWORK, 1e9), Link("slow", 1e-3, 1e8), 1e9, 1e-5)


@pytest.mark.parametrize("steps", [1, 7, MOST_SIMULATED, 3 * MOST_SIMULATED + 1])
@pytest.mark.parametrize(
    ("name", "options"),
    [("parameter-server", {}), ("parameter-server", {"servers": "sharded"}), ("allreduce", {}), ("chunked", {})],
)
def test_times_and_counts(name, options, steps):
    schedule = build(name, NETWORK, 3, 8, **options)
    found, whole = forecast(schedule, COSTS, steps), simulate(schedule, COSTS, steps)
    near = 1e-6 if steps <= MOST_SIMULATED else 2e-3  # steps of a ring of three are not quite alike
    assert found.seconds == pytest.approx(whole.seconds, rel=near)
    sent = traffic(schedule).times(steps)
    assert (found.messages, found.bytes) == (sent.messages, sent.bytes)
    for row in found.ranks:
        works = any(i.lane == "main" for i in schedule.ranks[row.rank])
        events = [e for e in whole.of(row.rank) if e.lane == ("main" if works else "server")]
        for kind, seconds in (("compute", row.compute_s), ("communicate", row.communicate_s)):
            assert seconds == pytest.approx(sum(e.seconds for e in events if e.kind == kind), rel=near, abs=1e-12)
        assert row.compute_s + row.communicate_s + row.idle_s == pytest.approx(found.seconds)
        assert (row.messages, row.bytes) == (sent.of(row.rank).messages, sent.of(row.rank).bytes)
