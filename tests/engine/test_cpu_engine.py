"""The cpu backend as a whole: networks of the zoo against the reference, memory, NaN, threads, code kept on disk."""

import os
import tracemalloc

import numpy as np
import pytest

from labkit.engine import threads
from labkit.engine.cpu import scratch, smooth, vectors
from labkit.engine.cpu.compiled import drop_stale
from labkit.engine.cpu.winograd_conv import suits
from labkit.engine.model import Model
from labkit.engine.ops import Draw, prepare
from labkit.errors import LabError
from labkit.network import Conv, MaxPool, Network, ReLU, zoo


def batch(network: Network, n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(11)
    x = rng.normal(size=(n, *network.input_shape)).astype(np.float32)
    return x, rng.integers(0, network.output_shape[0], n)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-9), (np.float32, 2e-2)], ids=["float64", "float32"])
@pytest.mark.parametrize("name", ["lenet5", "lenet5_1998", "alexnet_star", "resnet18_32", "resnet18_star", "mlp"])
def test_networks_have_the_gradients_of_the_reference(name, dtype, tolerance):
    """Compared as one vector. In float32 a value next to zero may fall on the other side of a ReLU."""
    network = zoo.get(name)
    x, labels = batch(network, 3)
    cpu, reference = (Model(network, backend, batch=4, dtype=dtype, threads=1) for backend in ("cpu", "reference"))
    found, expected = cpu.gradients_of(x, labels), reference.gradients_of(x, labels)
    assert found.loss == pytest.approx(expected.loss, rel=max(tolerance / 100, 1e-10))
    difference = np.linalg.norm(cpu.gradients.flat - reference.gradients.flat)
    assert difference <= tolerance * np.linalg.norm(reference.gradients.flat)


def test_a_step_allocates_nothing_that_stays():
    network = zoo.get("resnet18_32")
    x, labels = batch(network, 2)
    model = Model(network, "cpu", batch=2, threads=1)
    for _ in range(2):
        model.gradients_of(x, labels)
    shared = scratch.held_bytes()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(5):
            model.gradients_of(x, labels)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 20_000  # one map of the smallest layer is larger
    assert scratch.held_bytes() == shared


@pytest.mark.parametrize("layer", [ReLU(), MaxPool(2), MaxPool(3, stride=1), Conv(16, 3, padding=1), Conv(3, 2)])
def test_nan_is_not_swallowed(layer):
    """The trainer tells a diverged run by it."""
    shape = (16, 6, 6)
    x = np.zeros((1, *shape), np.float32)
    x[0, 3, 2, 2] = np.nan
    weights = {name: np.ones(s, np.float32) for name, s in layer.weights(shape).items()}
    y = prepare("cpu", layer, (shape,), 1, np.float32).forward((x,), weights, {}, True, Draw())
    assert np.isnan(y).any()


def test_runs_with_the_same_threads_are_bit_identical():
    network = zoo.get("resnet18_32")
    x, labels = batch(network, 5)
    gradients = []
    for _ in range(2):
        model = Model(network, "cpu", batch=5, threads=2)
        model.gradients_of(x, labels)
        gradients.append(model.gradients.flat.copy())
    assert np.array_equal(*gradients)


def test_tanh_and_exp_are_accurate_to_float32():
    x = np.concatenate([np.linspace(-12, 12, 20_001), np.logspace(-30, 1, 2_000)]).astype(np.float32)
    found = prepare("cpu", zoo.get("lenet5")["tanh1"].layer, ((x.size,),), 1, np.float32).forward(
        (x.copy()[None],), {}, {}, True, Draw()
    )[0]
    exact = np.tanh(x.astype(np.float64))
    assert np.max(np.abs(found - exact) / np.maximum(np.abs(exact), 1e-37)) < 3e-7
    assert np.all(np.abs(found) <= 1)
    inside = np.linspace(-80, 80, 999).astype(np.float32)
    powers = np.array([smooth.exp_float32(v) for v in inside])
    assert np.allclose(powers, np.exp(inside.astype(np.float64)), rtol=5e-7)


def test_winograd_takes_only_what_it_can_do():
    assert suits(Conv(64, 3, padding=1), (64, 32, 32))
    assert suits(Conv(256, 5, padding=2, groups=2), (96, 14, 14))
    assert not suits(Conv(64, 3, stride=2, padding=1), (64, 32, 32))
    assert not suits(Conv(64, 3, padding=3), (64, 32, 32))
    assert not suits(Conv(64, 3), (3, 32, 32))
    assert not suits(Conv(64, 3, padding=1), (64, 2, 2))  # a tile is twice as wide as the map


def test_vectors_divide_a_cache_line():
    assert 64 % vectors.VECTOR_BYTES == 0
    assert vectors.lanes_of(np.float32) == 2 * vectors.lanes_of(np.float64)


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "2"])
def test_threads_have_to_be_a_positive_integer(wrong):
    with pytest.raises(LabError, match="threads="), threads.limit(wrong):
        pass


def test_limits_of_threads_nest():
    with threads.limit(3) as outer:
        assert (outer, threads.current()) == (3, 3)
        with threads.limit(1):
            assert threads.current() == 1
        assert threads.current() == 3
    assert threads.current() == 1


@pytest.mark.parametrize(("n", "most"), [(1, 4), (7, 3), (8, 2), (3, 3)])
def test_spread_covers_every_item_once(n, most):
    seen: list[tuple[int, int, int]] = []
    with threads.limit(most):
        threads.spread(lambda first, end, part: seen.append((first, end, part)), n)
    items = sorted(i for first, end, _ in seen for i in range(first, end))
    assert items == list(range(n))
    assert sorted(part for _, _, part in seen) == list(range(min(n, most)))


def test_an_error_in_one_part_is_raised():
    def fail(first: int, end: int, part: int) -> None:
        if part == 1:
            raise ValueError("part 1")

    with threads.limit(2), pytest.raises(ValueError, match="part 1"):
        threads.spread(fail, 4)


def test_compiled_code_older_than_a_source_is_dropped(tmp_path):
    kept = tmp_path / "__pycache__"
    kept.mkdir()
    for name, age_s in (("old.nbi", 100), ("new.nbc", 0)):
        (kept / name).write_bytes(b"")
        now = (tmp_path / "__pycache__" / name).stat().st_mtime
        os.utime(kept / name, (now - age_s, now - age_s))
    source = tmp_path / "loops.py"
    source.write_text("")
    now = source.stat().st_mtime
    os.utime(source, (now - 50, now - 50))
    drop_stale(tmp_path)
    assert [path.name for path in kept.iterdir()] == ["new.nbc"]


def test_compiled_code_is_dropped_for_a_newer_source_in_another_folder_that_it_calls(tmp_path):
    own, other = tmp_path / "own", tmp_path / "other"
    kept = own / "__pycache__" / "loops.nbc"
    for path, age_s in ((own / "loops.py", 100), (kept, 50), (other / "pieces.py", 0)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
        now = path.stat().st_mtime
        os.utime(path, (now - age_s, now - age_s))
    drop_stale(own)
    assert kept.exists()
    drop_stale(own, other)
    assert not kept.exists()
