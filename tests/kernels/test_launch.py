"""Grids, blocks and shared memory of the three mappings."""

import pytest

from labkit.errors import LabError
from labkit.kernels.launch import SHARED_BYTES, Launch, Work, choose

# LeNet-5's second convolution on 8 samples: 16 filters of 6 x 5 x 5, 10 x 10 outputs.
CONV2 = Work("conv2", 8, 16, {"data": 1600, "model": 800, "hybrid": 100}, {"model": 150, "hybrid": 150})


@pytest.mark.parametrize(
    ("mapping", "launch"),
    [
        ("data", Launch((8, 1, 1), 256)),
        ("model", Launch((16, 1, 1), 256, 600)),
        ("hybrid", Launch((8, 16, 1), 128, 600)),
    ],
)
def test_the_three_mappings(mapping, launch):
    found = choose(mapping, CONV2)
    assert found == launch
    assert (found.layer, found.mapping) == ("conv2", mapping)


def test_a_block_is_a_power_of_two_from_one_warp_to_the_most():
    blocks = [choose("data", Work("l", 1, 1, {"data": n}, {})).block for n in (1, 32, 33, 128, 129, 10**6)]
    assert blocks == [32, 32, 64, 128, 256, 256]


def test_blocks_are_counted():
    assert Launch((3, 4, 5), 32).blocks == 60


def test_a_filter_that_does_not_fit_names_the_layer_and_the_way_out():
    most = SHARED_BYTES // 4
    work = Work("fc6", 1, 4096, {"model": 1}, {"model": most + 1})
    with pytest.raises(LabError, match=r"fc6 takes 49,156 bytes.*49,152.*'fc6': 'data'"):
        choose("model", work)
    assert choose("model", Work("fc6", 1, 4096, {"model": 1}, {"model": most})).shared_bytes == SHARED_BYTES


def test_a_grid_that_is_too_high_names_the_layer():
    work = Work("fc1", 4, 65536, {"hybrid": 10}, {})
    with pytest.raises(LabError, match=r"fc1 takes 65,536 blocks.*'fc1': 'data'"):
        choose("hybrid", work)


def test_an_unknown_mapping_is_named():
    with pytest.raises(LabError, match=r"hybird.*hybrid"):
        choose("hybird", CONV2)
