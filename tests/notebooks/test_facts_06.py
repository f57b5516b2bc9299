"""Numbers that the prose of notebook 06 and its instructor's notes state, from the same calls that its cells make."""

import numpy as np
import pytest

from labkit.course.bank.nb06_overlap_buckets import SLACK, cuts_of, overlap_step, step_ms
from labkit.course.parallel import apart, gradient_of, on_threads, one_process
from labkit.data import load, shard
from labkit.engine import Model
from labkit.limits import collectives as closed
from labkit.limits.crossing import KEUPER, KEUPER_LINK, crossing
from labkit.machine.links import NAMED, parse_link
from labkit.network import zoo
from labkit.run.job import Job
from labkit.schedule.costs import Costs, flops_costs
from labkit.schedule.simulate import collective_seconds, simulate
from labkit.schedule.traffic import traffic
from labkit.schedule.validate import validate
from labkit.schemes import build, cost
from labkit.widgets.parallel_plots import use_of

LENET5 = zoo.get("lenet5")
SLOW = parse_link("emulated:2000,25")
WHOLE = {"overlap": False}
CORE = Costs(flops_costs(LENET5, 30e9), SLOW, overhead_s=30e-6)


def step_of(schedule, costs=CORE):
    """Milliseconds of a step, after the first ones."""
    return 1e3 * simulate(schedule, costs, steps=10, events=False).seconds / 10


def test_shards():
    x, labels = load("digits", shape=LENET5.input_shape).train.take(range(33))
    model = Model(LENET5, batch=33, threads=1)
    whole = gradient_of(model, x, labels)

    def off(sizes, weights):
        ends = np.cumsum(sizes)
        found = [gradient_of(model, x[e - n : e], labels[e - n : e]) for n, e in zip(sizes, ends, strict=True)]
        mixed = sum(w * g for w, g in zip(weights, found, strict=True))
        return np.linalg.norm(mixed - whole) / np.linalg.norm(whole)

    assert [p.stop - p.start for p in (shard(33, 0, 2), shard(33, 1, 2))] == [16, 17]
    assert off((16, 17), (0.5, 0.5)) == pytest.approx(0.0204, abs=2e-4)
    assert off((25, 8), (0.5, 0.5)) == pytest.approx(0.40, abs=0.005)
    assert off((16, 17), (16 / 33, 17 / 33)) < 1e-5


def test_two_ranks_and_one():
    schedule, job = build("allreduce", LENET5, ranks=2, batch=33, overlap=False), Job(steps=20)
    two = on_threads(schedule, job)
    assert 0 < apart(two, on_threads(build("single", LENET5, 1, 33), job)) < 1e-5
    assert apart(two, one_process(schedule, job)) == 0
    assert two.traffic == traffic(schedule).times(20)
    assert [two.traffic.of(r).bytes for r in range(2)] == [20 * n for n in cost("allreduce", LENET5, 2, 33).bytes]


def test_the_ring_s_bytes():
    assert 4 * LENET5.parameters == 246_824
    assert max(cost("allreduce", LENET5, ranks=4, batch=60).bytes) / 1e3 == pytest.approx(370.2, abs=0.05)
    assert cost("allreduce", LENET5, ranks=64, batch=64).messages[0] == 126


def test_who_is_fastest():
    def took(name, n):
        return closed.seconds("allreduce", name, 4, n, SLOW)

    names = ("ring", "halving", "doubling", "tree")
    wins = next(n for n in range(10_000, 1_000_000, 1_000) if took("ring", n) < took("doubling", n))
    assert wins == 401_000 and SLOW.latency_s * SLOW.bytes_per_s == pytest.approx(50_000)
    assert min(names, key=lambda name: took(name, 4_000)) == "doubling"
    assert min(names, key=lambda name: took(name, 800_000)) == "halving"
    assert all(min(names, key=lambda name, n=n: took(name, n)) != "tree" for n in (4_000, 40_000, 400_000, 800_000))


def test_a_tree_of_three():
    assert closed.seconds("allreduce", "tree", 3, 0, SLOW) / SLOW.latency_s == 4
    assert collective_seconds("allreduce", "tree", 3, 250, SLOW) / SLOW.latency_s == pytest.approx(2, abs=0.1)
    for p in (3, 6):
        ring = collective_seconds("allreduce", "ring", p, 3_000, SLOW)
        assert closed.seconds("allreduce", "ring", p, 12_000, SLOW) == pytest.approx(ring)


@pytest.mark.parametrize(("network", "tree", "ring"), [("AlexNet", 5.2, 13.2), ("GoogLeNet", 8.1, 25.5)])
def test_four_to_eight_nodes(network, tree, ring):
    (row,) = (one for one in KEUPER if (one.network, one.device) == (network, "K80"))
    found = [crossing(name, row.compute_s, row.model_bytes, KEUPER_LINK) for name in ("tree", "ring")]
    assert found == pytest.approx([tree, ring], abs=0.05)


def test_master_and_seven_workers():
    timeline = simulate(build("master", LENET5, ranks=8, batch=720), CORE, steps=3)
    assert use_of(timeline, 7)[0] == pytest.approx(0.06, abs=0.003)
    message = SLOW.seconds(4 * LENET5.parameters)
    assert message == pytest.approx(0.012, abs=2e-4) and 2 * message == pytest.approx(0.024, abs=3e-4)
    ring, master = (
        build(name, LENET5, ranks=2, batch=720, **how) for name, how in (("allreduce", WHOLE), ("master", {}))
    )
    assert traffic(ring).of(0).bytes == traffic(master).of(0).bytes
    assert step_of(master) - step_of(ring) == pytest.approx(1e3 * (message - SLOW.latency_s), abs=0.3)
    alone = simulate(build("single", LENET5, 1, 360), CORE).seconds
    assert alone == pytest.approx(0.027, abs=1e-3)


def test_chunks():
    tried = (1, 2, 4, 8, 16, 32, 64)
    two, eight = ({K: step_of(build("chunked", LENET5, p, 720, chunks=K)) for K in tried} for p in (2, 8))
    assert min(two, key=two.get) == 16 and list(eight.values()) == sorted(eight.values())
    assert 1 - two[16] / step_of(build("master", LENET5, 2, 720)) == pytest.approx(0.15, abs=0.005)
    assert [cost("chunked", LENET5, 8, 720, chunks=K).total_messages for K in tried] == [7 * (1 + K) for K in tried]


def test_the_shortcut_learns_nothing():
    job, shortcut = Job(steps=60), build("error-average", LENET5, ranks=2, batch=33)
    cut, honest = on_threads(shortcut, job), on_threads(build("allreduce", LENET5, ranks=2, batch=33), job)
    start, last, other = cut.losses[0], np.mean(cut.losses[-5:]), np.mean(honest.losses[-5:])
    assert (start - last) / (start - other) < 0.05
    assert validate(shortcut)[0].kind == "maths"


def test_buckets():
    took = {}
    for least in (0, 32_768, 65_536, 2**20):
        schedule = build("allreduce", LENET5, ranks=2, batch=720, bucket_bytes=least)
        took[len(schedule.pieces)] = step_of(schedule)
    assert set(took) == {1, 2, 3, 5} and min(took, key=took.get) == 2
    first, _ = build("allreduce", LENET5, ranks=2, batch=720, bucket_bytes=65_536).pieces
    assert first.values / LENET5.parameters == pytest.approx(0.96, abs=0.005)
    work = [sum(phase.of(360) for phase in layer) for layer in CORE.compute.layers]
    assert sum(work[:6]) / sum(work) == pytest.approx(0.84, abs=0.005)


def test_par_of_the_exercise_leaves_room():
    """A step that does not overlap is clearly over par."""
    args = ("lenet5", 0, 2, 720)
    end = cuts_of(*args[:2])[0][1]

    def in_turns(cuts):
        return [f"F0:{end}", f"B0:{end}", *(f"allreduce g{n} ring" for n in range(len(cuts))), f"U0:{end}"]

    assert step_ms(in_turns, args) > 1.05 * SLACK * step_ms(overlap_step, args)


def test_strong_scaling():
    alexnet = zoo.get("alexnet")
    compute = flops_costs(alexnet, 2e12, 240e9)
    alone = simulate(build("single", alexnet, 1, 256), Costs(compute, NAMED["fdr"])).seconds

    def speed(link, algorithm, p):
        schedule = build("allreduce", alexnet, p, 256, algorithm=algorithm, bucket_bytes=25_000_000)
        return alone / simulate(schedule, Costs(compute, NAMED[link]), events=False).seconds

    assert alone == pytest.approx(0.85, abs=0.005)
    assert speed("fdr", "ring", 8) > 7.5 and speed("fdr", "ring", 64) == pytest.approx(10.66, abs=0.05)
    assert speed("ethernet10", "ring", 4) > speed("ethernet10", "ring", 8)
    assert speed("fdr", "tree", 64) < speed("fdr", "tree", 4)
    assert 2 * 4 * alexnet.parameters / NAMED["fdr"].bytes_per_s == pytest.approx(0.073, abs=1e-3)
