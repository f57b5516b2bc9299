"""Sizes of convolutions and dense layers against the layer records."""

import pytest

from labkit.errors import LabError
from labkit.kernels.sizes import ConvSizes, DenseSizes
from labkit.network import Conv, Dense

CASES = [
    (Conv(5, 3), (2, 7, 9)),
    (Conv(6, 3, 2, stride=(2, 3), padding=(1, 0), groups=3), (9, 11, 8)),
    (Conv(4, 1, stride=2), (3, 8, 8)),
]


@pytest.mark.parametrize(("layer", "shape"), CASES)
def test_output_and_macs_are_those_of_the_record(layer, shape):
    sizes = ConvSizes.of(layer, shape, 4)
    assert layer.output_shape(shape) == (sizes.K, sizes.P, sizes.Q)
    assert sizes.macs == 4 * layer.macs(shape)
    assert sizes.layer == layer


def test_dense():
    assert DenseSizes.of(Dense(7), (5,), 3).macs == 3 * Dense(7).macs((5,))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"N": 0}, "N=0"),
        ({"pad_h": -1}, "padding"),
        ({"R": 9}, "does not fit"),
        ({"groups": 2, "K": 3}, "groups=2"),
        ({"C": 3, "groups": 2, "K": 4}, "C=3"),
    ],
)
def test_impossible_sizes_are_refused(wrong, named):
    right = {"N": 1, "C": 4, "H": 6, "W": 6, "K": 4, "R": 3, "S": 3}
    with pytest.raises(LabError, match=named):
        ConvSizes(**{**right, **wrong})


def test_chosen_connections_are_refused():
    layer = Conv(2, 3, connections=((0,), (0, 1)))
    with pytest.raises(LabError, match="connections"):
        ConvSizes.of(layer, (2, 5, 5), 1)
