"""tensorflow-datasets, against its raw record files."""

import re

import numpy as np
import pytest
import tensorflow as tf

from rpgan_tf.data import faults, stream
from rpgan_tf.errors import UserError
from rpgan_tf.files import image_folders
from tests.data.images import SIDE, batches, dataset, levels, one, options, scaled
from tools import dataset as prepare_command


def test_labels_of_tfds(stored):
    images, labels = next(iter(dataset(options("tfds:tiny_grey", bsz=11, num_classes=20))))
    np.testing.assert_array_equal(labels, np.eye(20)[levels(images)[:, 0, 0, 0]])
    with pytest.raises(UserError, match="num_classes = 20 needs labels, and lfile = 'tfds:tiny_colour' has none"):
        dataset(options("tfds:tiny_colour", num_classes=20))


@pytest.mark.parametrize("suffix, cut", [("", slice(None)), (":train[:50%]", slice(6)), (":train[3:]", slice(3, None))])
def test_tfds_grey(stored, suffix, cut):
    images = np.stack(stored("tiny_grey", "image", "train"))[cut]
    order = np.random.RandomState(0).permutation(len(images))
    received = batches(options(f"tfds:tiny_grey{suffix}", bsz=len(images)), 1)[0]
    np.testing.assert_array_equal(received, scaled(images[order]))


def test_tfds_is_prepared_with_its_labels(stored, tmp_path):
    prepare_command.main(["tfds:tiny_grey:test", str(tmp_path / "tiny.zip")])
    images = stored("tiny_grey", "image", "test")
    received = next(stream.once("lfile", str(tmp_path / "tiny.zip"), options(""))[1](0, 3))
    np.testing.assert_array_equal(levels(received), images)
    found = image_folders.read_labels("lfile", str(tmp_path / "tiny.zip"))
    assert found.values.tolist() == [image[0, 0, 0] for image in images]


def test_tfds_version_and_other_split(stored):
    images = np.stack(stored("tiny_grey", "image", "test"))
    received = batches(options("tfds:tiny_grey:1.0.0:test", bsz=3), 1)[0]
    np.testing.assert_array_equal(received, scaled(images[np.random.RandomState(0).permutation(3)]))


def test_tfds_colour_takes_the_first_picture(stored):
    images = stored("tiny_colour", "photo", "train")
    received = levels(batches(options("tfds:tiny_colour", bsz=11, crop=True), 1))[0]
    expected = [images[entry][4, 4] for entry in np.random.RandomState(0).permutation(11)]
    assert np.abs(np.int32(received[:, 4, 4]) - expected).max() <= 2


def test_tfds_kept_in_memory(stored):
    sources = [options("tfds:tiny_colour", bsz=11, crop=True, cache=kind) for kind in ("memory", None)]
    np.testing.assert_array_equal(*(batches(source, 2) for source in sources))


def test_tfds_fault_names_the_image(stored):
    bad = [image.shape for image in stored("tiny_colour", "photo", "train")].index((SIDE + 1, SIDE, 3))
    source = options("tfds:tiny_colour", bsz=11)
    message = f"tfds:tiny_colour:train, image {bad} is 8x9 pixels: expected 8x8; "
    assert faults.find_fault(source, 0, 1, one).startswith(message)
    with pytest.raises(tf.errors.OpError):
        batches(source, 1)


def test_tfds_prepares_what_is_missing(tfds_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert sorted(levels(batches(options("tfds:drawn_later", bsz=11), 1))[0, :, 0, 0, 0]) == list(range(11))
    line = "tfds:drawn_later is not on this disk: downloading and preparing drawn_later in "
    assert f"{line}'{tmp_path}/drawn_later/1.0.0'" in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    "lfile, reason",
    [
        ("tfds:tiny_gray", "tiny_gray not found"),
        ("tfds:tiny_text", "has no images, only label, text"),
        ("tfds:tiny_grey:trian", r"Unknown split 'trian'. Should be one of \['train', 'test'\]"),
        ("tfds:tiny_grey:train[9:9]", "no data"),
        ("tfds:tiny_grey:train[:50", "Error parsing split"),
        ("tfds:no name", "failed"),
        ("tfds:", "expected a text file"),
    ],
)
def test_tfds_mistakes(stored, lfile, reason):
    with pytest.raises(UserError, match=f"lfile = '{re.escape(lfile)}'.*{reason}") as caught:
        dataset(options(lfile))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [6, 20])
def test_tfds_resized(stored, size):
    images = np.stack(stored("tiny_grey", "image", "train"))[..., :1]
    source = options("tfds:tiny_grey", bsz=11, channels=1, imsz=size, resize="cover")
    expected = images[np.random.RandomState(0).permutation(11), :1, :1]  # each is of one grey
    np.testing.assert_allclose(batches(source, 1)[0], scaled(np.tile(expected, (1, size, size, 1))), atol=1e-5)
