"""Which samples a rank is given: together those of one process, in its order, whatever the shares."""

import by_hand
import numpy as np
import pytest

from labkit.data import batches, load
from labkit.errors import LabError
from labkit.network import zoo
from labkit.run.job import Job
from labkit.run.rank.feed import Feed, training_samples
from labkit.schedule import equal_shares

NETWORK = by_hand.small()
SPLIT = load("digits", NETWORK.input_shape).train.subset(slice(0, 23))
SHARES = (*(equal_shares(7, ranks, micros) for ranks, micros in ((1, 1), (3, 1), (3, 2), (2, 5), (9, 1))),)
UNEVEN = (((), (5, 1), (0, 1)), ((2,), (0,), (5,)))


def feeds(shares) -> list[Feed | None]:
    schedule = by_hand.schedule(NETWORK, shares, [], [[] for _ in shares])
    return [Feed(schedule, rank, SPLIT, seed=3) if share else None for rank, share in enumerate(shares)]


@pytest.mark.parametrize("start", [0, 3, 5])
@pytest.mark.parametrize("shares", [*SHARES, *UNEVEN], ids=str)
def test_all_ranks_together_take_every_global_batch_in_order(shares, start):
    sources = [feed.steps(start) for feed in feeds(shares) if feed]
    wanted = [(x, y) for epoch in range(3) for x, y in batches(SPLIT, 7, seed=3, epoch=epoch)][start : start + 6]
    for x, labels in wanted:
        micros = [micro for source in sources for micro in next(source)]
        np.testing.assert_array_equal(np.concatenate([m.x for m in micros]), x)
        np.testing.assert_array_equal(np.concatenate([m.labels for m in micros]), labels)
        assert [m.first for m in micros] == [sum(len(m.x) for m in micros[:i]) for i in range(len(micros))]
        assert [m.weight * len(x) for m in micros] == pytest.approx([len(m.x) for m in micros])


@pytest.mark.parametrize("shares", [*SHARES, *UNEVEN], ids=str)
def test_no_micro_batch_is_larger_than_its_share(shares):
    for share, feed in zip(shares, feeds(shares), strict=True):
        for _, micros in zip(range(9), feed.steps() if feed else (), strict=False):
            assert all(len(m.x) <= most for m, most in zip(micros, share, strict=True))


def test_the_size_of_a_global_batch_is_known_before_it_is_read():
    feed = feeds(equal_shares(7, 2))[0]
    assert [feed.samples_of(step) for step in range(6)] == [7, 7, 7, 2, 7, 7]


def test_samples_of_a_job_fit_the_network():
    assert len(training_samples(zoo.get("lenet5"), Job(data="synthetic"))) > 0
    assert training_samples(NETWORK, Job()).shape == NETWORK.input_shape
    with pytest.raises(LabError, match="10 classes"):
        training_samples(by_hand.chain("eight", (1, 8, 8), {"f": by_hand.Flatten(), "d": by_hand.Dense(8)}), Job())
