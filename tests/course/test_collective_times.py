"""All-reduces three times: rows for the plots, of which the measured part really happens."""

import pytest

from labkit.course import collective_times as times
from labkit.machine.links import parse_link
from labkit.schedule import Event, Timeline
from labkit.schedule.collectives import moves

LINK = parse_link("emulated:500,100")


def test_modelled_rows_agree_where_the_closed_form_is_exact():
    rows = list(times.modelled(("ring", "tree"), (3, 4), (4_800,), LINK))
    found = {(row["algorithm"], row["ranks"]): row for row in rows}
    assert len(rows) == 4 and all(row["measured_s"] is None for row in rows)
    for key in (("ring", 3), ("ring", 4), ("tree", 4)):
        assert found[key]["simulated_s"] == pytest.approx(found[key]["closed_s"])
    assert found["tree", 3]["simulated_s"] < 0.6 * found["tree", 3]["closed_s"]


def test_emulated_rows_take_no_less_than_their_latencies():
    rows = list(times.emulated(("doubling",), (3,), (4_000,), LINK, repeats=1))
    assert [row["regime"] for row in rows] == ["emulated"]
    assert rows[0]["measured_s"] >= 2 * LINK.latency_s


def test_a_schedule_of_all_sizes_and_algorithms():
    schedule = times.schedule_of(("ring", "mpi"), 2, (400, 8_000))
    assert list(map(str, schedule.ranks[1])) == [
        "allreduce g0 ring",
        "allreduce g1 ring",
        "allreduce g0 mpi",
        "allreduce g1 mpi",
    ]
    assert [schedule.bytes(i) for i in schedule.ranks[0]] == [400, 8_000, 400, 8_000]
    assert moves("allreduce", "ring", 0, 2, 0, 100) == schedule.moves(0, schedule.ranks[0][0])


def test_spans_begin_with_the_last_rank():
    def event(rank, step, start, end):
        return Event(rank, step, 0, "main", "allreduce g0 ring", "communicate", start, end)

    events = (event(0, 0, 0.0, 5.0), event(1, 0, 3.0, 5.5), event(0, 1, 6.0, 7.0), event(1, 1, 6.5, 8.0))
    assert times.spans_of(Timeline(events, 2, "real", "measured here")) == {0: 1.5}


def test_measured_rows_come_from_the_ranks():
    class Here:
        count = 2

        def run(self, schedule, job):
            from labkit.course.parallel import on_threads

            return on_threads(schedule, job)

    rows = list(times.measured(Here(), ("doubling", "mpi"), (4_000,), repeats=2))
    assert [(row["algorithm"], row["bytes"], row["regime"]) for row in rows] == [
        ("doubling", 4_000, "real"),
        ("mpi", 4_000, "real"),
    ]
    assert all(row["measured_s"] > 0 and row["closed_s"] is None for row in rows)
