"""Latents and labels: the numbers of the original, of StyleGAN2's program, and of the data."""

import itertools

import numpy as np
import pytest

import rpgan_tf
from rpgan_tf import config
from rpgan_tf.data import labels as of_data
from rpgan_tf.errors import UserError
from rpgan_tf.sampling import latents

NORMAL = {"gan": "RSGAN", "net": "dcgan", "zlen": 7, "lfile": "digits"}
LABELLED = {"gan": "StyleGAN2", "net": "stylegan2", "imsz": 16, "zlen": 7, "num_classes": 10, "lfile": "digits:train"}


def test_uniform_latents():
    expected = np.random.RandomState(5).rand(4, 1, 1, 3).reshape(4, 3) * 2 - 1
    for z in (latents.draw(5, 3, 4), latents.draw(5, 3, 4, "uniform")):
        np.testing.assert_array_equal(z, np.float32(expected))
        assert z.dtype == np.float32


def test_normal_latents():
    z = latents.draw(5, 3, prior="normal")
    assert z.shape == (150, 3) and z.dtype == np.float32
    np.testing.assert_array_equal(z, np.float32(np.random.RandomState(5).randn(150, 3)))


def test_latents_are_the_originals():
    z = rpgan_tf.images.latents(100, 7)
    expected = np.float32(np.random.RandomState(100).rand(150, 1, 1, 7) * 2 - 1)
    assert np.array_equal(z, expected[:, 0, 0])


def test_a_latent_of_each_seed():
    expected = [np.float32(np.random.RandomState(seed).randn(7)) for seed in (3, 8)]
    np.testing.assert_array_equal(latents.draw_each([3, 8], 7), expected)


@pytest.mark.parametrize("prior", ["uniform", "normal"])
def test_batches_are_parts_of_the_inputs(prior):
    options = config.resolve(NORMAL | {"prior": prior})
    batches = [z for z, labels in itertools.islice(latents.batches(options, 5, 3), 4) if labels is None]
    z, labels = latents.inputs(options, 5, 12)
    np.testing.assert_array_equal(np.concatenate(batches), z)
    np.testing.assert_array_equal(z, latents.draw(5, 7, 12, prior))
    assert labels is None


def test_numbers_of_inputs_by_default():
    assert len(latents.inputs(config.resolve(NORMAL), 0)[0]) == 150
    points = {"gan": "DCGAN", "net": "toy", "lfile": "mixture:ring8", "zlen": 2}
    assert len(latents.inputs(config.resolve(points), 0)[0]) == 2500


def test_labels_are_drawn_from_the_data():
    options = config.resolve(LABELLED)
    z, labels = latents.inputs(options, 5, 600)
    assert z.shape == (600, 7) and labels.shape == (600, 10) and labels.dtype == np.float32
    found = of_data.of_training(options)
    np.testing.assert_array_equal(labels, of_data.draw(found, 600, [5, 0]))
    shares = np.bincount(found.values) / len(found.values)
    np.testing.assert_allclose(labels.mean(axis=0), shares, atol=0.05)
    batches = [labels for _, labels in itertools.islice(latents.batches(options, 5, 4), 2)]
    np.testing.assert_array_equal(batches, [of_data.draw(found, 4, [5, i]) for i in range(2)])


def test_arguments_and_chunks():
    """Generators without labels get latents alone."""
    z, labels = np.arange(10).reshape(5, 2), np.arange(5)[:, None]
    assert len(latents.arguments(z)) == 1 and latents.arguments(z, labels)[1] is labels
    assert [[len(array) for array in part] for part in latents.chunks(2, z)] == [[2], [2], [1]]
    parts = list(latents.chunks(2, z, labels))
    np.testing.assert_array_equal(np.concatenate([part[1] for part in parts]), labels)
    np.testing.assert_array_equal(parts[1][0], z[2:4])


def test_labels_of_a_class():
    options = config.resolve(LABELLED)
    np.testing.assert_array_equal(latents.labels_of_class(options, 3, 2), np.eye(10)[[3, 3]])
    assert latents.labels_of_class(config.resolve(LABELLED | {"num_classes": 0}), None, 2) is None
    with pytest.raises(UserError, match="expected --class 0 to 9; received None"):
        latents.labels_of_class(options, None, 2)


def test_seeds():
    assert latents.parse_seeds("600-602") == [600, 601, 602]
    assert latents.parse_seeds("1, 5,7-9") == [1, 5, 7, 8, 9]
    assert latents.parse_seeds(f"{2**32 - 1}") == [2**32 - 1]
    assert latents.parse_range("3-5") == range(3, 6)
    for text in ("5", "5-3", "a-b", "5-", f"0-{2**32}", ""):
        assert latents.parse_range(text) is None
    for text in ("5-3", "a", "1,", "", "-1", "1-2-3"):
        with pytest.raises(UserError, match="expected seeds such as 600-605 or 1,5,7-9; received"):
            latents.parse_seeds(text)
