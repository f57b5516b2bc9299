"""Pieces cover the flat vector of parameters, in the order and the sizes that their makers say."""

from itertools import pairwise
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st
from schedule_cases import TINY

from labkit.errors import LabError
from labkit.network import zoo
from labkit.schedule.pieces import Piece, arrays, buckets, chunks, layer_ranges, overlapping, whole

NETWORKS = ("lenet5", "alexnet", "vgg16", "resnet18_32", "mlp")


def test_a_piece_is_half_open():
    assert Piece(3, 8).values == 5


@pytest.mark.parametrize("name", NETWORKS)
def test_layers_follow_each_other_and_end_with_the_parameters(name):
    network = zoo.get(name)
    ranges = layer_ranges(network)
    assert len(ranges) == len(network)
    assert ranges[0].start == 0 and ranges[-1].stop == network.parameters
    assert all(a.stop == b.start for a, b in pairwise(ranges))
    assert whole(network) == (Piece(0, network.parameters),)


def test_layer_ranges_of_a_network_worked_out_by_hand():
    assert layer_ranges(TINY) == ((0, 8), (8, 8), (8, 17), (17, 25), (25, 25))
    assert arrays(TINY) == ((0, 6), (6, 8), (8, 14), (14, 17), (17, 23), (23, 25))


@pytest.mark.parametrize("name", NETWORKS)
def test_arrays_are_the_networks_own(name):
    network = zoo.get(name)
    pieces = arrays(network)
    assert [piece.values for piece in pieces] == [prod(shape) for shape in network.weights().values()]
    assert [piece.start for piece in pieces] == [0, *[piece.stop for piece in pieces[:-1]]]


@given(st.integers(1, TINY.parameters))
def test_chunks_are_even_and_complete(count):
    pieces = chunks(TINY, count)
    assert len(pieces) == count and pieces[0].start == 0 and pieces[-1].stop == TINY.parameters
    assert all(a.stop == b.start for a, b in pairwise(pieces))
    assert max(p.values for p in pieces) - min(p.values for p in pieces) <= 1


@pytest.mark.parametrize("count", [0, -1, TINY.parameters + 1])
def test_chunks_that_cannot_be_are_refused(count):
    with pytest.raises(LabError, match=r"chunks of 25 parameters — choose a whole number from 1 to 25"):
        chunks(TINY, count)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("size", [0, 1, 4096, 2**20, 10**10])
def test_buckets_are_whole_layers_last_first_and_full(name, size):
    network = zoo.get(name)
    pieces = buckets(network, size)
    assert pieces[0].stop == network.parameters and pieces[-1].start == 0
    assert all(a.start == b.stop for a, b in pairwise(pieces))
    assert {piece.start for piece in pieces} <= {part.start for part in layer_ranges(network)}
    assert all(4 * piece.values >= size for piece in pieces[:-1])
    first_layers = [next(p for p in reversed(layer_ranges(network)) if p.start == b.start and p.values) for b in pieces]
    assert all(4 * (b.stop - layer.stop) < max(size, 1) for b, layer in zip(pieces, first_layers, strict=True))


def test_buckets_of_one_layer_each():
    assert buckets(TINY, 0) == ((17, 25), (8, 17), (0, 8))
    assert buckets(TINY, 4 * 9) == ((8, 25), (0, 8))
    with pytest.raises(LabError, match="buckets of -1 bytes — give a number of bytes from 0 up"):
        buckets(TINY, -1)


def test_overlapping_shares_at_least_one_value():
    pieces = (Piece(0, 5), Piece(5, 9), Piece(9, 12))
    assert overlapping(pieces, 4, 6) == (0, 1)
    assert overlapping(pieces, 5, 9) == (1,)
    assert overlapping(pieces, 7, 7) == overlapping((Piece(6, 6),), 5, 9) == ()
    assert overlapping(pieces, 12, 20) == ()
