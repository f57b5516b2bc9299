"""Block-to-SM scheduler: its JavaScript against Python's formulas and a plain simulation, its input, its string."""

import heapq
import json
from math import ceil

import pytest

from labkit.errors import LabError
from labkit.kernels.explain import explain
from labkit.kernels.launch import Launch
from labkit.machine.gpus import GPUS
from labkit.widgets import block_scheduler
from labkit.widgets.scheduler import DEFAULTS, OWN, BlockScheduler

MODULE = str(BlockScheduler._esm)
CASES = [  # blocks, units, sms, held
    (1, 7, 15, 2),
    (15, 3, 15, 1),
    (16, 3, 15, 1),
    (23, 1, 4, 3),
    (512, 1, 28, 8),
    (131, 5, 132, 8),
]


def dealt(blocks, units, sms, held):
    """(start, SM) of each block: the next block goes to the place that is free first, SMs in turn where several are."""
    places, out = [(0, place) for place in range(sms * held)], []
    for _ in range(blocks):
        free, place = heapq.heappop(places)
        out.append((free, place % sms))
        heapq.heappush(places, (free + units, place))
    return out


@pytest.mark.parametrize(("blocks", "units", "sms", "held"), CASES)
def test_blocks_are_dealt_like_a_plain_simulation(blocks, units, sms, held, run_js):
    given = json.dumps({"blocks": blocks, "units": units, "sms": sms, "held": held, "spread": 0})
    got = run_js(MODULE, f"(m) => {{ const p = m.deal({given}); return [[...p.start], [...p.place], p.end]; }}")
    expected = dealt(blocks, units, sms, held)
    assert [(start, place % sms) for start, place in zip(got[0], got[1], strict=True)] == expected
    assert got[2] == units * ceil(blocks / (sms * held))
    assert len({sm for _, sm in expected[: sms * held]}) == min(blocks, sms)  # SMs fill up evenly


def test_no_place_ever_holds_two_blocks_and_none_waits_for_nothing(run_js):
    given = '{"blocks": 300, "units": 4, "sms": 7, "held": 3, "spread": 60}'
    start, span, place = run_js(
        MODULE, f"(m) => {{ const p = m.deal({given}); return [[...p.start], [...p.span], [...p.place]]; }}"
    )
    assert min(span) < 2.5 and max(span) > 5.5 and abs(sum(span) / 300 - 4) < 0.3
    for one in set(place):
        runs = sorted((s, s + d) for s, d, p in zip(start, span, place, strict=True) if p == one)
        assert runs[0][0] == 0
        assert [end for _, end in runs[:-1]] == pytest.approx([begin for begin, _ in runs[1:]])


@pytest.mark.parametrize(("mapping", "blocks", "units"), [("data", 9, 5), ("model", 5, 9), ("hybrid", 45, 1)])
def test_figures_are_those_of_the_explanation(mapping, blocks, units, run_js):
    gpu = GPUS["k40"]
    said = explain(Launch((blocks, 1, 1), 256, 0, "conv", mapping), 40, gpu, mapping=mapping)
    state = DEFAULTS | {"batch": 9, "channels": 5, "sms": 15, "per_sm": said.blocks_per_sm}
    record = json.dumps(["K40", 15, gpu.sm.warps, gpu.sm.blocks])
    body = f"const s = {json.dumps(state)}, h = m.residency(s, {record})"
    got = run_js(MODULE, f"(m) => {{ {body}; return [m.figures('{mapping}', s, h.held, h.occupancy), h.held]; }}")
    figures, held = got
    assert held == said.blocks_per_sm
    assert (figures["blocks"], figures["units"], figures["busy"]) == (blocks, units, said.busy_sms)
    assert figures["waves"] == pytest.approx(said.waves)
    assert figures["tail"] == pytest.approx(said.tail_efficiency)


def test_an_sm_has_no_more_places_than_its_gpu_says(run_js):
    def held(per_sm, threads, gpu):
        one = GPUS[gpu]
        record = json.dumps([one.name, one.multiprocessors, one.sm.warps, one.sm.blocks])
        given = json.dumps({"per_sm": per_sm, "threads": threads})
        return run_js(MODULE, f"(m) => {{ const h = m.residency({given}, {record}); return [h.held, h.limit]; }}")

    assert held(8, 256, "h200") == [8, "registers or shared memory"]
    assert held(9, 256, "h200") == [8, "places for warps"]
    assert held(32, 32, "k40") == [16, "places for blocks"]
    assert held(4, 1024, "t4") == [1, "places for warps"]


def test_one_moment_is_counted_right(run_js):
    given = '{"blocks": 10, "units": 2, "sms": 3, "held": 2, "spread": 0}'
    got = run_js(MODULE, f"(m) => [0, 1, 2, 3.5, 4].map((t) => m.moment(m.deal({given}), t))")
    assert [(g["done"], g["running"], g["waiting"], g["busy"], g["next"]) for g in got] == [
        (0, 6, 4, 3, 2),
        (0, 6, 4, 3, 2),
        (6, 4, 0, 3, 4),
        (6, 4, 0, 3, 4),
        (10, 0, 0, 0, 4),
    ]


def test_the_sentence_says_who_stays_idle(run_js):
    state = json.dumps(DEFAULTS | {"mapping": "model", "batch": 64, "channels": 6})
    body = (
        f"const s = {state}, h = m.residency(s, ['H200', 132, 64, 32]), f = m.figures('model', s, h.held, h.occupancy)"
    )
    text = run_js(MODULE, f"(m) => {{ {body}; return m.sentence(s, f, h, m.deal({{ ...f, ...s, held: 4 }}), 1e9); }}")
    assert text.startswith("model: 6 blocks, one per channel, of 64 units each.")
    assert "126 SMs without any block" in text and text.endswith("All done after 64 units.")


def test_an_explanation_fills_the_view():
    said = explain(Launch((20, 6, 1), 128, 100, "conv1", "hybrid"), 54, GPUS["p100"], "conv1", "hybrid")
    view = block_scheduler(said)
    assert (view.state["mapping"], view.state["batch"], view.state["channels"]) == ("hybrid", 20, 6)
    assert (view.state["gpu"], view.state["sms"], view.state["threads"]) == ("p100", 56, 128)
    assert view.state["per_sm"] == said.blocks_per_sm
    assert view.about == str(said)


def test_a_launch_and_a_gpu_fill_the_view():
    view = block_scheduler(Launch((20, 1, 1), 64, 0, "conv1", "data"), channels=7, gpu="Tesla K40s", batch=21)
    assert (view.state["mapping"], view.state["batch"], view.state["channels"]) == ("data", 21, 7)
    assert (view.state["gpu"], view.state["sms"], view.state["threads"]) == ("k40", 15, 64)
    assert block_scheduler(Launch((9, 1, 1), 33, 0, "conv1", "model")).state["channels"] == 9


def test_the_string_of_the_state_goes_there_and_back():
    view = block_scheduler(mapping="data", batch=9, channels=5, gpu="t4", blocks_per_sm=3, threads=64, spread=20)
    view.state = view.state | {"at": 12.5, "sweep": "sms", "gpu": OWN, "sms": 41}
    assert block_scheduler(from_state=view.state_string()).state == view.state


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"batch": 0}, "from 1 to 512"),
        ({"channels": 2.5}, "integer"),
        ({"mapping": "hybird"}, "hybrid"),
        ({"gpu": "h20"}, "h200"),
        ({"spread": 91}, "from 0 to 90"),
        ({"what": 3}, "explain"),
        ({"what": Launch((3, 1, 1), 32)}, "mapping is not known"),
        ({"what": Launch((3, 1, 1), 32, 0, "conv", "tuned")}, "teaching kernel"),
        ({"from_state": "block_scheduler?sweep=%22time%22"}, "batch"),
    ],
)
def test_bad_input_is_refused(arguments, word):
    with pytest.raises(LabError, match=word):
        block_scheduler(**arguments)
