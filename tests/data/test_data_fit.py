"""Fitting images to a network's input, against Pillow and against what can be worked out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from labkit.data.fit import LUMA, fit, interpolation
from labkit.errors import LabError


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).random(shape, dtype=np.float32)


def test_same_size_is_left_alone():
    images = noise(2, 3, 5, 7)
    assert np.array_equal(fit(images, (3, 5, 7)), images)


def test_28_becomes_32_by_two_zeros_on_each_side():
    images = noise(2, 1, 28, 28)
    out = fit(images, (1, 32, 32))
    assert np.array_equal(out[:, :, 2:30, 2:30], images)
    assert out.sum(dtype=np.float64) == pytest.approx(images.sum(dtype=np.float64))


def test_padding_ends_at_four_pixels_and_an_odd_border_puts_more_last():
    image = np.ones((1, 1, 8, 8), np.float32)
    assert fit(image, (1, 12, 11))[0, 0].sum() == 64  # zeros around it
    assert fit(image, (1, 13, 12))[0, 0].sum() == pytest.approx(13 * 12)  # resized: all ones
    odd = fit(image, (1, 8, 11))[0, 0, 0]
    assert odd.tolist() == [0] + [1] * 8 + [0, 0]
    assert fit(image, (1, 11, 8))[0, 0, :, 0].tolist() == [0] + [1] * 8 + [0, 0]


@settings(max_examples=60, deadline=None)
@given(size=st.tuples(st.integers(1, 40), st.integers(1, 40)), to=st.tuples(st.integers(1, 70), st.integers(1, 70)))
def test_bilinear_resize_is_pillows(size, to):
    images = noise(2, 1, *size)
    out = fit(images, (1, *to))
    padded = all(0 <= b - a <= 4 for a, b in zip(size, to, strict=True))
    for image, got in zip(images[:, 0], out[:, 0], strict=True):
        if padded:
            assert got.sum() == pytest.approx(image.sum(), rel=1e-5)
        else:
            theirs = np.asarray(Image.fromarray(image).resize(to[::-1], Image.Resampling.BILINEAR))
            assert np.allclose(got, theirs, atol=1e-5)


def test_a_ramp_stays_a_ramp():
    ramp = np.tile(np.arange(16, dtype=np.float32), (1, 1, 4, 1))
    wide = fit(ramp, (1, 4, 48))[0, 0, 0]
    assert np.allclose(np.diff(wide)[2:-2], 1 / 3, atol=1e-5)
    halved = fit(ramp, (1, 2, 8))[0, 0, 0]
    assert np.allclose(np.diff(halved)[1:-1], 2, atol=1e-5)


@given(old=st.integers(1, 60), new=st.integers(1, 60))
def test_interpolation_weights_sum_to_one(old, new):
    matrix = interpolation(old, new)
    assert matrix.shape == (new, old)
    assert np.allclose(matrix.sum(axis=1), 1, atol=1e-6)
    assert matrix.min() >= 0


def test_channels_replicate_and_become_luma():
    grey = noise(2, 1, 6, 6)
    assert np.array_equal(fit(grey, (3, 6, 6)), np.repeat(grey, 3, axis=1))
    colour = noise(2, 3, 6, 6)
    assert np.allclose(fit(colour, (1, 6, 6))[:, 0], sum(w * colour[:, c] for c, w in enumerate(LUMA)), atol=1e-6)
    assert sum(LUMA) == pytest.approx(1)


def test_luma_is_pillows():
    pixels = np.random.default_rng(2).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    ours = fit((pixels.transpose(2, 0, 1)[None] / 255).astype(np.float32), (1, 9, 7))[0, 0]
    assert np.abs(ours * 255 - np.asarray(Image.fromarray(pixels).convert("L"))).max() < 1


@pytest.mark.parametrize("shape", [(2, 6, 6), (4, 6, 6)])
def test_other_channels_are_refused(shape):
    with pytest.raises(LabError, match="channels"):
        fit(noise(1, 3, 6, 6), shape)


def test_results_are_contiguous_float32():
    for shape in ((1, 9, 9), (3, 20, 20), (1, 4, 3)):
        out = fit(noise(2, 3, 8, 8), shape)
        assert out.flags.c_contiguous
        assert out.dtype == np.float32
        assert out.shape == (2, *shape)
