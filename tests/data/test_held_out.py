"""Held-out data: once, in stored order, with central crops."""

import numpy as np
import pytest
import tensorflow as tf

from rpgan_tf.data import digits, stream
from rpgan_tf.errors import UserError
from tests.data.images import SIDE, batches, encode, flat, held_out, levels, options, resize, scaled, write_list


def test_held_out_images_come_once_in_stored_order(numbered):
    received = held_out(numbered, bsz=2)
    assert [levels(batch)[:, 0, 0, 0].tolist() for batch in received] == [[0, 1], [2, 3]]
    np.testing.assert_array_equal(received[1][1], scaled(flat(3)))
    assert [batch.shape for batch in held_out(numbered, bsz=1, pack=4)] == [(4, SIDE, SIDE, 3)]
    assert len(held_out(numbered, bsz=5)) == 1


def test_held_out_shape_is_static(numbered):
    images = stream.held_out(options("digits", test_lfile=str(numbered), pack=1))
    assert images.element_spec == tf.TensorSpec([4, SIDE, SIDE, 3], tf.float32)


@pytest.mark.parametrize("shape", [(7, 9), (30, 13), (12, 12)])
def test_held_out_crop_is_the_central_one(tmp_path, shape):
    pixels = np.uint8(np.random.RandomState(2).randint(0, 256, (*shape, 3)))
    received = held_out(write_list(tmp_path, [encode(pixels)]), bsz=1, crop=True)[0][0]
    resized = scaled(resize(pixels, SIDE))
    top, left = (resized.shape[0] - SIDE) // 2, (resized.shape[1] - SIDE) // 2
    np.testing.assert_allclose(received, resized[top : top + SIDE, left : left + SIDE], atol=2e-6)


def test_held_out_images_are_resized_as_others(mixed_sizes):
    values = {"resize": "cover", "bsz": 7}
    received = held_out(mixed_sizes, **values)[0]
    order = np.random.RandomState(0).permutation(7)
    np.testing.assert_array_equal(received[order], batches(options(mixed_sizes, **values), 1)[0])


def test_held_out_digits():
    received = np.concatenate(held_out("digits:test", bsz=99))
    np.testing.assert_array_equal(received, scaled(digits.images("digits", SIDE)[1500:]))


def test_held_out_points():
    received = held_out("mixture:ring8:test", bsz=300, pack=2)
    assert len(received) == 16  # 9,600 of 10,000 points
    trained_on = batches(options("mixture:ring8:test", bsz=600), 16)
    np.testing.assert_array_equal(received, trained_on)


def test_held_out_mistakes(numbered):
    expected = "has 5 images: expected at least one batch of bsz \\* pack = 6; add images, or set a smaller bsz"
    with pytest.raises(UserError, match=f"test_lfile = '{numbered}' {expected}"):
        held_out(numbered, bsz=3, pack=2)
    with pytest.raises(UserError, match="cannot read test_lfile = 'nowhere' as text"):
        held_out("nowhere")
