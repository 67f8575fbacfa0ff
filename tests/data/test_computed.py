"""Data that are computed or come with a library: digits, stacked digits, points of mixtures."""

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from rpgan_tf.data import digits, faults, mixtures, names, stream
from rpgan_tf.errors import UserError
from tests.data import test_mixtures
from tests.data.images import SIDE, batches, dataset, levels, one, options, scaled


def test_names_tell_the_kinds_of_data_apart():
    computed = *names.DIGITS, "mixture:ring8", "mixture:ring8:test"
    assert all(map(names.is_computed, computed)) and [*map(names.is_mixture, computed)] == [False] * 4 + [True] * 2
    assert {*digits.PARTS, names.STACKED} == {*names.DIGITS}
    files = "faces.txt", "digits.txt", "mixture", "tfds:digits", "images.zip"
    assert not any(map(names.is_computed, files)) and [*map(names.is_tfds, files)] == [False] * 3 + [True, False]


def test_digits_shape_is_static():
    assert dataset(options("digits")).element_spec == tf.TensorSpec([4, SIDE, SIDE, 3], tf.float32)


def test_digits():
    datasets = pytest.importorskip("sklearn.datasets")
    small = datasets.load_digits().images
    images = levels(batches(options("digits", imsz=8, bsz=1797), 1))[0]
    order = np.random.RandomState(0).permutation(1797)
    np.testing.assert_array_equal(images, np.repeat(np.uint8(small[order] * 255 / 16)[..., None], 3, axis=-1))
    large = digits.images("digits", 32)
    assert large.shape == (1797, 32, 32, 3) and large.dtype == np.uint8
    expected = PIL.Image.fromarray(np.uint8(small[5] * 255 / 16)).resize((32, 32), PIL.Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(large[5], np.stack([np.array(expected)] * 3, axis=-1))
    assert faults.find_fault(options("digits"), 0, 3, one) is None


@pytest.mark.parametrize("suffix, cut", [(":train", slice(1500)), (":test", slice(1500, 1797)), ("", slice(None))])
def test_digits_splits(suffix, cut):
    images = digits.images("digits", SIDE, channels=1)[cut]
    assert images.shape == (len(range(1797)[cut]), SIDE, SIDE, 1)
    received = batches(options(f"digits{suffix}", bsz=len(images), channels=1), 1)[0]
    np.testing.assert_array_equal(received, scaled(images[np.random.RandomState(0).permutation(len(images))]))


def test_digits_unknown_split():
    with pytest.raises(UserError, match="no digits 'digits:tset' for lfile; did you mean 'digits:test'?"):
        dataset(options("digits:tset"))


def test_digits_resume():
    source = options("digits", imsz=8, bsz=700)
    np.testing.assert_array_equal(batches(source, 2, 3), batches(source, 5)[3:])


def test_stacked_digits_are_three_of_the_digits():
    images = levels(batches(options("digits:stacked", imsz=16, bsz=200), 1))[0]
    assert images.shape == (200, 16, 16, 3)
    known = {digit.tobytes(): entry for entry, digit in enumerate(digits.images("digits", 16, channels=1)[..., 0])}
    entries = np.array([[known[np.ascontiguousarray(image[..., i]).tobytes()] for i in range(3)] for image in images])
    assert len(np.unique(entries)) > 400  # of 600 draws from 1,797: 508 are expected
    assert not np.any(np.all(entries == entries[:, :1], axis=1))


def test_stacked_digits_depend_on_seed_and_position_alone():
    source = options("digits:stacked", imsz=8, bsz=6)
    first = np.concatenate(batches(source, 2))
    np.testing.assert_array_equal(first[6:], batches(source, 1, start=1)[0])
    np.testing.assert_array_equal(first[:8], batches(options("digits:stacked", imsz=8, bsz=8), 1)[0])
    assert not np.array_equal(first, np.concatenate(batches(options("digits:stacked", imsz=8, bsz=6, seed=1), 2)))
    held_out = next(iter(stream.held_out(options("digits", test_lfile="digits:stacked", imsz=8, bsz=12)))).numpy()
    assert held_out.shape == (12, 8, 8, 3) and not np.array_equal(held_out, first)


# Points


@pytest.mark.parametrize("name", ["ring8", "grid25", "1200d"])
def test_points_are_of_the_mixture(name):
    points = next(iter(dataset(options(f"mixture:{name}", bsz=4000), batches=lambda i: 1))).numpy()
    assert points.dtype == np.float32
    test_mixtures.check(points, mixtures.find(f"mixture:{name}"))


def test_points_depend_on_seed_and_position_alone():
    first, again, other, test = (
        np.concatenate(batches(options(lfile, bsz=size, seed=seed), 24 // size))
        for lfile, size, seed in [
            ("mixture:ring8", 4, 0),
            ("mixture:ring8", 12, 0),
            ("mixture:ring8", 4, 1),
            ("mixture:ring8:test", 4, 0),
        ]
    )
    np.testing.assert_array_equal(first, again)
    assert len(np.unique(np.concatenate([first, other, test]), axis=0)) == 3 * 24


def test_unknown_mixture():
    with pytest.raises(UserError, match="no mixture 'mixture:rign8'.*did you mean 'ring8'"):
        dataset(options("mixture:rign8"))
    assert faults.find_fault(options("mixture:ring8"), 0, 1, one) is None
