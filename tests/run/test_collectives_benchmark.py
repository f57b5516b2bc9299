"""The benchmark of collectives: it runs, and it says what choosing by the prediction costs."""

import sys

import pytest


@pytest.fixture
def benchmark(root, monkeypatch):
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    sys.modules.pop("parallel_parts", None)
    from parallel_parts import collectives

    return collectives


def test_each_algorithm_is_measured(benchmark):
    rows = list(benchmark.collectives(("threads",), (2,), (1024,), runs=1))
    assert [row["algorithm"] for row in rows] == list(benchmark.ALGORITHMS)
    for row in rows:
        assert row["error"] == pytest.approx(row["predicted_s"] / row["measured_s"] - 1)
        assert row["measured_s"] > 0 and row["cpu_share"] >= 0
    large = [row | {"bytes": 2**16} for row in rows]
    assert [found["cases"] for found in benchmark.summary(rows + large)] == [10, 5]


def test_regret_is_of_the_algorithm_that_was_predicted_to_be_best(benchmark):
    def row(algorithm, predicted_s, measured_s, bytes_=1024):
        return {
            "algorithm": algorithm,
            "ranks": 2,
            "bytes": bytes_,
            "predicted_s": predicted_s,
            "measured_s": measured_s,
        }

    rows = [row("ring", 1.0, 1.2), row("tree", 1.1, 1.0), row("ring", 1.0, 1.0, 4096), row("tree", 2.0, 3.0, 4096)]
    assert benchmark.regret(rows) == pytest.approx([0.2, 0.0])
