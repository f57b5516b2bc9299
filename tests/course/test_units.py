"""Units convert within their kind, and numbers are spelled as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.course.units import SCALES, convert, spell
from labkit.errors import LabError

UNITS = [(kind, unit) for kind, scales in SCALES.items() for unit in scales]


@pytest.mark.parametrize(
    ("value", "unit", "wanted", "result"),
    [
        (1.5, "s", "ms", 1500),
        (1, "GB", "MB", 1000),
        (1, "MiB", "bytes", 1048576),
        (50, "%", "of 1", 0.5),
        (2, "million", "", 2e6),
        (3, "samples", "samples", 3),
    ],
)
def test_conversions(value, unit, wanted, result):
    assert convert(value, unit, wanted) == pytest.approx(result, rel=1e-12)


@given(st.sampled_from(UNITS), st.sampled_from(UNITS), st.floats(1e-6, 1e6))
def test_there_and_back_or_refused(one, other, value):
    if one[0] == other[0]:
        assert convert(convert(value, one[1], other[1]), other[1], one[1]) == pytest.approx(value, rel=1e-9)
    else:
        with pytest.raises(LabError, match="cannot be compared"):
            convert(value, one[1], other[1])


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (120, "ms", "120 ms"),
        (0.5, "s", "0.5 s"),
        (1234567, "bytes", "1,234,567 bytes"),
        (12345.678, "", "12,345.7"),
        (60.95432, "MB", "60.95 MB"),
        (1.25e-7, "s", "1.25e-07 s"),
        (1e20, "", "1e+20"),
        (0, "points", "0 points"),
        ("conv1", "", "conv1"),
    ],
)
def test_spelling(value, unit, text):
    assert spell(value, unit) == text
