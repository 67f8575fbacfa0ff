"""Order of training images: permutations, batches of an iteration, subset and mirror images, against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

import rpgan_tf
from rpgan_tf import config
from rpgan_tf.data import order, stream
from rpgan_tf.errors import UserError
from rpgan_tf.evaluation import image_sets
from tests.data.images import SIDE, batches, dataset, encode, levels, options, vary, write_list


@pytest.mark.parametrize("batch_size", [1, 4, 5, 12])
@pytest.mark.parametrize("seed", [0, 3])
def test_order_is_one_permutation_after_the_other(numbered, batch_size, seed):
    random = np.random.RandomState(seed)
    order = np.concatenate([random.permutation(5) for _ in range(15)])[: 6 * batch_size]
    images = levels(batches(options(numbered, bsz=batch_size, seed=seed), 6))
    np.testing.assert_array_equal(images[..., 0, 0, 0].ravel(), order)


@pytest.mark.parametrize("start", [1, 3, 8])
@pytest.mark.parametrize("crop", [False, True])
def test_a_resumed_stream_is_the_uninterrupted_one(request, start, crop):
    source = options(request.getfixturevalue("mixed_sizes" if crop else "numbered"), crop=crop)
    np.testing.assert_array_equal(batches(source, 3, start), batches(source, start + 3)[start:])


def test_a_dataset_can_be_iterated_twice(mixed_sizes):
    images = dataset(options(mixed_sizes, crop=True)).take(3)
    first, second = (list(images.as_numpy_iterator()) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("crop", [False, True])
def test_shape_is_static(numbered, crop):
    assert dataset(options(numbered, crop=crop)).element_spec == tf.TensorSpec([4, SIDE, SIDE, 3], tf.float32)


@pytest.mark.parametrize(
    "lfile, shape", [("digits", [SIDE, SIDE, 3]), ("mixture:ring8", [2]), ("mixture:1200d", [1200])]
)
@pytest.mark.parametrize("number, size", [(lambda i: 3, 24), (lambda i: 1 + (i == 900), None)])
def test_shape_is_static_if_all_iterations_are_alike(lfile, shape, number, size):
    images = dataset(options(lfile, pack=2), batches=number)
    assert images.element_spec == tf.TensorSpec([size, *shape], tf.float32)
    assert next(iter(images)).shape == [24 if size else 8, *shape]


# Batches of an iteration


def varied(options, count, start=0):
    return list(dataset(options, start, vary).take(count).as_numpy_iterator())


@pytest.fixture(params=["numbered", "mixed_sizes", "digits", "mixture:grid9"])
def any_source(request):
    crop = request.param == "mixed_sizes"
    is_name = request.param.startswith(("digits", "mixture"))
    lfile = request.param if is_name else request.getfixturevalue(request.param)
    return options(lfile, crop=crop, pack=2, bsz=3, seed=5)


def test_batches_of_an_iteration_are_consecutive(any_source):
    received = varied(any_source, 7)
    assert [len(element) for element in received] == [18, 6, 12, 18, 6, 12, 18]
    expected = dataset(any_source, batches=lambda i: 1).take(15).as_numpy_iterator()
    np.testing.assert_array_equal(np.concatenate(received), np.concatenate(list(expected)))


@pytest.mark.parametrize("start", [1, 4, 9])
def test_a_resumed_stream_of_varied_batches_is_the_uninterrupted_one(any_source, start):
    for received, expected in zip(varied(any_source, 4, start), varied(any_source, start + 4)[start:], strict=True):
        np.testing.assert_array_equal(received, expected)


def test_positions_by_hand(numbered):
    random = np.random.RandomState(0)
    order = np.concatenate([random.permutation(5) for _ in range(20)])
    first, second = varied(options(numbered), 2, start=4)  # 3 + 1 + 2 + 3 batches of 4 images come before
    np.testing.assert_array_equal(levels(first)[:, 0, 0, 0], order[36:40])
    np.testing.assert_array_equal(levels(second)[:, 0, 0, 0], order[40:48])


def test_a_late_start_takes_no_steps_through_the_images(numbered):
    taken = order.of_iterations(options(numbered, bsz=1), np.arange(10**6), 10**6 - 3, lambda i: 1)
    entries = [int(next(taken).entries[0]) for _ in range(5)]
    random = np.random.RandomState(0)
    expected = np.concatenate([random.permutation(10**6)[-3:], random.permutation(10**6)[:2]])
    np.testing.assert_array_equal(entries, expected)


def test_the_gan_says_how_many_batches(numbered):
    source = options(numbered, d_steps=3, accumulation=2, pack=2)
    received = next(iter(rpgan_tf.data.dataset(source)))
    np.testing.assert_array_equal(received, varied_by(source, 6))
    assert received.shape == (48, SIDE, SIDE, 3)


def varied_by(options, number):
    return next(iter(dataset(options, batches=lambda i: number)))


# Subset and mirror images


@pytest.fixture
def ramps(tmp_path):
    """A list of five images; pixel x of image n is 8 n + x, so that an image and its mirror image are told apart."""
    rows = [np.broadcast_to(np.uint8(8 * n + np.arange(SIDE))[None, :, None], (SIDE, SIDE, 3)) for n in range(5)]
    return write_list(tmp_path, [encode(np.ascontiguousarray(row)) for row in rows])


def test_mirror_doubles_the_images(ramps):
    order = np.random.RandomState(0).permutation(10)
    rows = levels(batches(options(ramps, bsz=10, mirror=True), 1))[0, :, 3, :, 1]
    expected = [8 * (n % 5) + (np.arange(SIDE)[::-1] if n >= 5 else np.arange(SIDE)) for n in order]
    np.testing.assert_array_equal(rows, expected)


@pytest.mark.parametrize("seed", [0, 3])
def test_subset_is_drawn_by_the_seed(ramps, seed):
    chosen = sorted(np.random.RandomState(seed).permutation(5)[:3])
    order = np.random.RandomState(seed).permutation(6)
    rows = levels(batches(options(ramps, bsz=6, mirror=True, subset=3, seed=seed), 1))[0, :, 3, :, 1]
    np.testing.assert_array_equal(rows.min(axis=1) // 8, [chosen[n % 3] for n in order])
    np.testing.assert_array_equal(rows[:, 0] > rows[:, -1], order >= 3)


def test_subset_that_is_too_large(numbered):
    with pytest.raises(UserError, match="has 5 images: expected subset of at most as many, received 6; set a smaller"):
        dataset(options(numbered, subset=6))
    assert batches(options(numbered, subset=5), 1).shape == (1, 4, SIDE, SIDE, 3)


def test_what_is_measured_and_held_out_is_whole_and_not_mirrored(numbered):
    source = options(numbered, subset=2, mirror=True, test_lfile=str(numbered))
    before = dict(vars(source))
    assert image_sets.open_data(str(numbered), source, of_training=True).count == 5
    received = next(image_sets.open_data(str(numbered), source, of_training=True).each())
    np.testing.assert_array_equal(received[:, 0, 0, 0], np.arange(5))
    assert levels(next(iter(stream.held_out(source))))[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
    assert vars(source) == before  # nothing is handed on by an attribute


@pytest.mark.parametrize("values", [{"subset": 3}, {"mirror": True}])
def test_subset_and_mirror_are_of_images_that_end(values):
    with pytest.raises(UserError, match="'digits:stacked' is drawn without end: expected subset = None and mirror"):
        config.resolve({"lfile": "digits:stacked", "gan": "DCGAN", "net": "dcgan"} | values)
    with pytest.raises(UserError, match=f"option '{next(iter(values))}' is of images, and lfile = 'mixture:ring8' has"):
        config.resolve({"lfile": "mixture:ring8", "gan": "DCGAN", "net": "toy"} | values)
