"""Sets of images: folders, lists, .npz files, data of experiments."""

import itertools
import pathlib

import numpy as np
import pytest

from rpgan_tf import config
from rpgan_tf.data import digits, names, stream
from rpgan_tf.errors import UserError
from rpgan_tf.evaluation import image_sets
from rpgan_tf.files import atomic
from rpgan_tf.sampling import pictures


def test_size_of_a_folder_is_that_of_its_first_image(tmp_path):
    """Files that systems write beside images are none."""
    pictures.save_png(str(tmp_path / "a.png"), np.zeros((20, 24, 3), np.uint8))
    (tmp_path / "._a.png").write_bytes(b"no image")
    assert image_sets.find_size(tmp_path) == (20, 24, 3)


def test_sets_of_images(project, extractor, monkeypatch, measure):
    """A set against itself has a distance of zero, whether folder, list or .npz."""
    monkeypatch.setenv("RPGAN_TF_CACHE", str(project / "cache"))
    pixels = np.random.default_rng(0).integers(0, 256, (70, 16, 16, 1), np.uint8)
    atomic.save_arrays("set.npz", {"arr_0": pixels})
    for i, image in enumerate(pixels):
        pictures.save_png(f"set/{i:02d}.png", image)
    pathlib.Path("set.txt").write_text("".join(f"set/{i:02d}.png\n" for i in range(70)))
    fids, hashes = [], set()
    for one, other in (("set", "set.npz"), ("set.npz", "set"), ("set", "set.txt"), ("set.npz", "set.npz")):
        (row,), _ = measure(one, "--reference", other, "--metrics", "fid,kid,pr,swd", "--again")
        fids.append(row["values"]["fid"])
        values = row["values"]
        assert values["swd"] < 0.1  # patches and directions are drawn anew for each side
        hashes |= {row["reference_hash"], row["weights_hash"]}
        assert (values["precision"], values["recall"], row["samples"], row["reference_images"]) == (1, 1, 70, 70)
    np.testing.assert_allclose(fids, 0, atol=1e-6)
    assert len(hashes) == 1
    assert sum(extractor.seen) == 5 * 70  # the reference once, the set four times
    (row,), _ = measure("set", "--reference", "set", "--samples", 60)
    assert row["samples"] == 60 and row["values"]["fid"] > 1e-6


def test_images_spread_over_a_set(tmp_path):
    pixels = np.arange(200, dtype=np.uint8).reshape(200, 1, 1, 1)
    atomic.save_arrays(tmp_path / "set.npz", {"x": pixels})
    found = image_sets.open_npz(tmp_path / "set.npz")
    np.testing.assert_array_equal(np.ravel(list(itertools.chain(*found.spread(8).each()))), np.arange(8) * 25)
    np.testing.assert_array_equal(np.ravel(list(itertools.chain(*found.spread(8).each(5)))), np.arange(5, 8) * 25)
    np.testing.assert_array_equal(np.concatenate(list(found.spread(200).each())), pixels)
    np.testing.assert_array_equal(np.concatenate(list(found.each(128))), pixels[128:])


def test_stacked_digits_of_training_and_of_tests_differ(project):
    options = config.load("tiny", {"lfile": names.STACKED, "test_lfile": names.STACKED})
    first, again, held_out = (next(image_sets.open_data(names.STACKED, options, kind).each()) for kind in (1, 1, 0))
    assert np.array_equal(first, again) and not np.array_equal(first, held_out)


def test_data_once_has_all_images_and_their_pixels(project):
    options = config.load("tiny")
    number, batches = stream.once("lfile", options.lfile, options)
    parts = list(batches(1700, 64))
    assert number == 1797 and [len(part) for part in parts] == [64, 33]
    np.testing.assert_array_equal(pictures.to_pixels(np.concatenate(parts)), digits.images("digits", 16)[1700:])


def test_an_image_of_the_reference_that_is_damaged_is_named(project):
    pictures.save_png("set/a.png", np.zeros((16, 16, 3), np.uint8))
    pathlib.Path("set/b.png").write_bytes(b"no image")
    with pytest.raises(UserError, match="'set/b.png' is damaged or no image"):
        image_sets.open_data("set", config.load("tiny")).hash()
