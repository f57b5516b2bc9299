"""Augmentations: what they do to an image, that they are drawn per sample, and that the draw can be repeated."""

import numpy as np
import pytest

from labkit.engine.augment import Flip, Noise, Rotate, Shift, augment, describe, get, turn
from labkit.errors import LabError

ALL = [Shift(2), Flip(), Rotate(20), Noise(0.3)]


@pytest.fixture
def x():
    return np.random.default_rng(0).standard_normal((6, 3, 9, 7)).astype(np.float32)


@pytest.mark.parametrize("how", [(a,) for a in ALL] + [tuple(ALL)], ids=str)
def test_shape_type_and_repeatability(x, how):
    before = x.copy()
    y = augment(x, how, seed=3, epoch=1, step=5)
    assert y.shape == x.shape and y.dtype == np.float32 and y.flags.c_contiguous
    assert np.array_equal(x, before)
    assert np.array_equal(y, augment(x, how, seed=3, epoch=1, step=5))
    others = [augment(x, how, seed=4, epoch=1, step=5), augment(x, how, seed=3, epoch=2, step=5)]
    others.append(augment(x, how, seed=3, epoch=1, step=6))
    assert not any(np.array_equal(y, other) for other in others)


@pytest.mark.parametrize("how", [(a,) for a in ALL], ids=str)
def test_a_rank_draws_its_part_of_the_whole_batch(x, how):
    whole = augment(x, how, seed=1, step=2)
    parts = [augment(x[:2], how, seed=1, step=2), augment(x[2:], how, seed=1, step=2, first=2)]
    assert np.array_equal(np.concatenate(parts), whole)


def test_nothing_asked_nothing_done(x):
    assert augment(x, ()) is x
    for still in (Shift(0), Flip(0.0), Noise(0.0)):
        assert np.array_equal(augment(x, (still,)), x)
    np.testing.assert_allclose(augment(x, (Rotate(0),)), x, atol=1e-6)


def test_shift_moves_every_image_by_whole_pixels_in_all_directions():
    x = np.zeros((300, 2, 9, 9), np.float32)
    x[:, 0, 4, 4], x[:, 1, 3, 5] = 1, 2
    y = augment(x, (Shift(2),))
    where = np.argwhere(y[:, 0] == 1)
    assert len(where) == 300
    moves = where[:, 1:] - 4
    assert {tuple(m) for m in moves} == {(a, b) for a in range(-2, 3) for b in range(-2, 3)}
    assert np.array_equal(np.argwhere(y[:, 1] == 2)[:, 1:], moves + np.array([3, 5]))


def test_shift_repeats_the_edge():
    x = np.tile(np.arange(5, dtype=np.float32), (200, 1, 4, 1))
    y = augment(x, (Shift(1),))
    rows = {tuple(image[0, 0]) for image in y}
    assert rows == {(0, 1, 2, 3, 4), (0, 0, 1, 2, 3), (1, 2, 3, 4, 4)}


def test_flip_mirrors_about_as_many_as_asked(x):
    many = np.tile(x[:1], (1000, 1, 1, 1))
    mirrored = (augment(many, (Flip(0.25),)) == many[..., ::-1]).all(axis=(1, 2, 3))
    assert 190 < mirrored.sum() < 310
    assert np.array_equal(augment(x, (Flip(1.0),)), x[..., ::-1])


def test_a_quarter_turn_is_exact():
    x = np.random.default_rng(1).standard_normal((2, 3, 6, 6))
    np.testing.assert_allclose(turn(x, np.full(2, np.pi / 2)), np.rot90(x, axes=(2, 3)), atol=1e-12)
    np.testing.assert_allclose(turn(x, np.array([np.pi, 0])), [x[0, :, ::-1, ::-1], x[1]], atol=1e-12)


def test_turning_there_and_back_keeps_a_smooth_picture():
    grid = np.linspace(-1, 1, 33)
    x = np.exp(-8 * ((grid[:, None] - 0.2) ** 2 + grid**2))[None, None]
    angle = np.array([0.3])
    assert np.abs(turn(turn(x, angle), -angle) - x).max() < 0.03
    assert np.abs(turn(x, angle) - x).max() > 0.1


def test_noise_has_its_standard_deviation():
    y = augment(np.zeros((50, 1, 20, 20), np.float32), (Noise(0.5),))
    assert y.std() == pytest.approx(0.5, rel=0.03) and abs(y.mean()) < 0.02


def test_names_and_refusals():
    for augmentation in ALL:
        settings = describe(augmentation)
        assert get(settings.pop("name"), **settings) == augmentation
    for wrong in (lambda: Shift(-1), lambda: Shift(1.5), lambda: Flip(1.1), lambda: Rotate(181), lambda: Noise(-0.1)):
        with pytest.raises(LabError, match="with"):
            wrong()
    with pytest.raises(LabError, match="did you mean 'rotate'"):
        get("rotation")
