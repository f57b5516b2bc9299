"""Bookkeeping between rank 0 and the others, and what ranks on several machines are summed up to."""

import threading

import pytest

from labkit.errors import LabError
from labkit.run.communicators.threads import connect
from labkit.run.mpi.joined_run import _summed_up
from labkit.run.mpi.post import Post


def together(size, work):
    """What work(post) returns on each of `size` ranks."""
    found = [None] * size

    def one(communicator):
        found[communicator.rank] = work(Post(communicator, timeout_s=20.0))

    threads = [threading.Thread(target=one, args=(communicator,)) for communicator in connect(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.parametrize("size", [1, 2, 5])
def test_parcels_of_all_and_a_word_to_all(size):
    def work(post):
        rank = post.communicator.rank
        post.send({"rank": rank}, bytes([rank]) * 10_000 * rank)
        got = post.all("parcels") if rank == 0 else None
        return got, post.tell({"from": rank})

    found = together(size, work)
    assert found[0][0] == [({"rank": rank}, bytes([rank]) * 10_000 * rank) for rank in range(size)]
    assert [told for _, told in found] == [{"from": 0}] * size


def test_several_parcels_of_one_rank_come_in_order():
    def work(post):
        if post.communicator.rank:
            for number in range(20):
                post.send({"number": number})
            return None
        got = []
        while len(got) < 20:
            if parcel := post.new():
                got.append(parcel[1]["number"])
        return got

    assert together(2, work)[0] == list(range(20))


def test_a_rank_that_says_nothing_is_waited_for_in_vain():
    zero, _ = connect(2)
    post = Post(zero, timeout_s=0.05)
    post.send({})
    with pytest.raises(LabError, match=r"waited 0.05 s for the first word of all ranks"):
        post.all("the first word")


def test_cores_of_ranks_that_a_launcher_has_tied_to_some():
    """Two ranks tied to a core each have two; those of one machine count once; a quota holds for a machine."""

    def rank(host, cpus, quota=2**20):
        return {"fault": None, "host": host, "cpus": cpus, "quota": quota}

    assert _summed_up([rank("a", [0]), rank("a", [1])]) == {"fault": None, "cores": 2, "hosts": 1}
    assert _summed_up([rank("a", [0, 1]), rank("a", [0, 1])])["cores"] == 2
    assert _summed_up([rank("a", [0, 1]), rank("b", [0, 1]), rank("b", [2, 3], 3)]) == {
        "fault": None,
        "cores": 5,
        "hosts": 2,
    }
    broken = [rank("a", [0]), rank("a", [1]) | {"fault": ["no data", "get it", 2]}]
    assert _summed_up(broken)["fault"] == ["no data", "get it", 2]
