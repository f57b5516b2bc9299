"""Calibration: lines through measured points, what is measured, its file, and predictions from it."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from labkit.engine import Model
from labkit.engine.optimizers import SGD
from labkit.errors import LabError
from labkit.machine.links import Link, parse_link
from labkit.network import zoo
from labkit.run.calibration import measure as measuring
from labkit.run.calibration.layer_times import compute_costs, line, measure
from labkit.run.calibration.measure import calibrate, default_batches
from labkit.run.calibration.ping_pong import Point, between_threads, fit, ping_pong
from labkit.run.calibration.value import Calibration, document, from_document, load, predict, save, slowed
from labkit.run.communicators.emulated import Emulated
from labkit.run.communicators.threads import connect
from labkit.schedule import Schedule, equal_shares
from labkit.schedule.costs import Compute, Costs, LayerSeconds, Seconds
from labkit.schedule.pieces import whole
from labkit.schedule.schedule import program
from labkit.schedule.simulate import simulate
from labkit.schedule.traffic import traffic

LENET = zoo.get("lenet5")
SLOW = parse_link("emulated:500,100")


@pytest.fixture(scope="module")
def measured():
    reports = []
    found = calibrate(LENET, link=SLOW, batches=(2, 8), progress=lambda done, what: reports.append((done, what)))
    return found, reports


def all_reduce(ranks, batch=16):
    end = len(LENET)
    lines = program([f"F0:{end}; B0:{end}; allreduce g0 ring; U w0"])
    return Schedule("allreduce ring", LENET, equal_shares(batch, ranks), whole(LENET), (lines,) * ranks)


def made(**changes):
    """A calibration whose figures are round."""
    layer = LayerSeconds(Seconds(1e-4, 1e-5), Seconds(1e-4, 1e-5), Seconds(1e-4, 1e-5))
    costs = Costs(Compute((layer,) * len(LENET), 1e-9, network="lenet5"), SLOW, 1e9, 1e-5)
    plain = Calibration(
        *("lenet5", "cpu", 1, "float32", "a machine", "threads", costs),
        curve=((4, 5e-4),),
        batches=(2, 8),
        flops_per_s=1e11,
        load_average=0.0,
        spread=0.01,
        cores=2,
    )
    return replace(plain, **changes)


def test_a_line_goes_through_both_points():
    assert line((4, 32), (0.5, 1.9)) == pytest.approx(Seconds(0.3, 0.05))


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [((0.1, 1.6), Seconds(0.0, 0.05)), ((2.0, 1.6), Seconds(1.6, 0.0)), ((0.0, 0.0), Seconds(0.0, 0.0))],
)
def test_noise_makes_no_figure_negative(seconds, expected):
    assert line((4, 32), seconds) == pytest.approx(expected)


def test_the_fit_finds_latency_and_bandwidth():
    sizes = [4, 1024, 65536, 2**22]
    found = fit([Point(size, 3e-6 + size / 5e9, 0.0) for size in sizes])
    assert found.latency_s == pytest.approx(3e-6) and found.bytes_per_s == pytest.approx(5e9) and found.worst < 1e-9


def test_the_fit_counts_small_messages_as_large_ones():
    points = [Point(4, 1e-6, 0.0), Point(2**20, 1e-3, 0.0), Point(2**22, 4.4e-3, 0.0)]  # the largest is 10 % off
    found = fit(points)
    assert found.latency_s == pytest.approx(1e-6, rel=0.1)


def test_the_fit_of_noise_is_still_a_link():
    found = fit([Point(4, 2e-6, 0.0), Point(4096, 1e-6, 0.0)])
    Link("noise", found.latency_s, found.bytes_per_s)
    with pytest.raises(LabError, match="at least two"):
        fit([Point(4, 1e-6, 0.0)] * 2)


def test_the_layers_add_up_to_the_whole():
    model = Model(LENET, batch=8, threads=1)
    times = measure(model, 8, SGD(lr=1e-30))
    assert times.layers.shape == (len(LENET), 3) and (times.layers >= 0).all()
    assert times.layers[:, 0].sum() == pytest.approx(times.forward_s)
    assert times.layers[:, 1:].sum() == pytest.approx(times.backward_s)
    for node, row in zip(LENET.nodes, times.layers, strict=True):
        if not node.layer.weights(*LENET.input_shapes(node)):
            assert row[2] == 0, node.name


@pytest.mark.parametrize("batches", [(8, 8), (0, 8), (2, 9)])
def test_batches_to_measure_at_are_checked(batches):
    with pytest.raises(LabError, match="two sizes"):
        compute_costs(Model(LENET, batch=8), batches)


def test_a_calibration_says_what_it_is_of(measured):
    found, reports = measured
    assert (found.network, found.backend, found.threads, found.dtype) == ("lenet5", "cpu", 1, "float32")
    assert found.costs.link is SLOW and found.batches == (2, 8)
    assert len(found.costs.compute.layers) == len(LENET) and found.costs.compute.origin == "measured here"
    assert found.costs.reduce_bytes_per_s > 0 and found.costs.overhead_s > 0 and found.flops_per_s > 0
    assert all(seconds > 0 for _, seconds in found.curve)
    done = [share for share, _ in reports]
    assert done == sorted(done) and done[-1] == pytest.approx(1.0)


def test_a_calibration_is_a_file(measured, tmp_path):
    found, _ = measured
    assert from_document(json.loads(json.dumps(document(found)))) == found
    save(found, tmp_path / "c.json")
    assert load(tmp_path / "c.json") == found


@pytest.mark.parametrize(
    "text", ["", "[]", '{"format": "labkit-costs"}', '{"format": "labkit-calibration", "version": 1}']
)
def test_another_file_is_refused(tmp_path, text):
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(LabError, match="measure"):
        load(tmp_path / "c.json")


def test_it_can_be_stopped():
    def stop(done, what):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        calibrate(LENET, batches=(2, 4), progress=stop)


@pytest.mark.parametrize(
    ("changes", "busy"),
    [({}, False), ({"load_average": 0.6}, False), ({"load_average": 0.7}, True), ({"spread": 0.11}, True)],
)
def test_a_busy_machine_is_marked(changes, busy):
    assert made(**changes).busy is busy


def test_the_batches_to_measure_at_fit_the_network():
    assert default_batches(LENET) == (4, 32)
    small, large = default_batches(zoo.get("vgg16"))
    assert 2 <= small < large <= 8


def test_a_prediction_is_the_simulation_of_the_schedule():
    calibration, schedule = made(), all_reduce(2)
    found = predict(schedule, calibration, steps=3)
    assert found["seconds"] == pytest.approx(simulate(schedule, calibration.costs, 3).seconds)
    sent = traffic(schedule).times(3)
    assert (found["messages"], found["bytes"]) == (sent.messages, sent.bytes)


def test_ranks_that_share_cores_compute_for_longer():
    calibration, schedule = made(), all_reduce(4)
    twice = replace(calibration.costs, compute=slowed(calibration.costs.compute, 2.0))
    assert predict(schedule, calibration)["seconds"] == pytest.approx(simulate(schedule, twice).seconds)
    alone = predict(schedule, calibration, cores=4)["seconds"]
    assert alone == pytest.approx(simulate(schedule, calibration.costs).seconds)


def test_a_calibration_of_another_network_is_refused():
    with pytest.raises(LabError, match="calibrate"):
        predict(all_reduce(2), made(network="mlp"))


def test_a_link_needs_two_ranks():
    with pytest.raises(LabError, match="at least two"):
        calibrate(LENET, communicator=connect(1)[0], batches=(2, 4))


def test_messages_there_and_back_are_measured_one_way():
    sizes = (4, 65536, 262144)
    points = between_threads(lambda c: Emulated(c, SLOW), sizes)
    assert [point.bytes for point in points] == list(sizes)
    assert all(point.seconds >= SLOW.seconds(point.bytes) - SLOW.latency_s * 3 / 8 for point in points)


def test_ranks_beyond_the_first_two_are_given_the_curve():
    with ThreadPoolExecutor(3) as pool:
        curves = list(pool.map(lambda c: ping_pong(c, (4, 4096)), connect(3)))
    assert curves[0] == curves[2] and len(curves[2]) == 2


def test_what_small_messages_take_beyond_the_links_figures_is_overhead():
    points = tuple(
        Point(size, SLOW.seconds(size) + extra, 0.0) for size, extra in ((4, 1e-5), (64, 3e-5), (1024, 2e-5))
    )
    assert measuring.excess_s((*points, Point(2**20, 1.0, 0.0)), SLOW) == pytest.approx(2e-5)
    assert measuring.excess_s(points, None) == 0.0


def test_feeding_is_part_of_the_first_layer():
    compute = measuring.with_feed(made().costs.compute, Seconds(1.0, 2.0))
    assert compute.layers[0].fp == pytest.approx(Seconds(1.0001, 2.00001))
    assert compute.layers[1:] == made().costs.compute.layers[1:]
