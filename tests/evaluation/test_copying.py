"""tools/nearest.py: training images are found in samples that copy them, mirrored ones, too; pictures and mistakes."""

import json
import os
import pathlib

import numpy as np
import PIL.Image
import pytest

from rpgan_tf import command, config
from rpgan_tf.data import digits
from rpgan_tf.errors import UserError
from rpgan_tf.evaluation import copying
from rpgan_tf.files import atomic
from rpgan_tf.sampling import pictures
from tools import nearest

DIGITS = digits.images("digits", 16, 3)


@pytest.fixture
def compare(trained, capsys):
    """Run the command; return the row on standard output, and standard error."""

    def run(*arguments):
        capsys.readouterr()
        nearest.main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return json.loads(out), err

    return run


def test_samples_of_a_run(compare):
    row, said = compare("tiny,3", "out.png", 2, "--samples", 60, "--rows", 4, "--neighbours", 2)
    assert row["weights"] == "models/tiny/iter_2.gmodel.npz" and (row["seed"], row["samples"]) == (3, 60)
    assert (row["training"], row["training_images"], row["mirror"]) == ("digits", 1797, False)
    assert (row["held_out"], row["held_out_images"]) == ("training images, each without itself", 60)
    assert row["extractor"] == "means of 16 fields" and row["date"]
    assert row["pixels"]["median_held_out"] > 0 and row["pixels"]["c_t"] > 3  # of noise: farther
    assert "samples are farther than held-out images: no copying, but unlike the data" in said
    assert [each["sample"] for each in row["shown"]] == [0, 1, 2, 3]
    with PIL.Image.open("out.png") as image:
        assert image.size == (4 + 5 * (64 + 4) + 2 * 12, 16 + 4 * (64 + 16))
    files = sorted(path.suffix for path in (pathlib.Path(os.environ["RPGAN_TF_CACHE"]) / "features").iterdir())
    assert files == [".npy"]  # of the training images


def test_copies_are_found(compare):
    wanted = np.random.default_rng(0).choice(1797, 60, replace=False)
    atomic.save_arrays("copies.npz", {"arr_0": DIGITS[wanted]})
    row, said = compare("copies.npz", "out.png", "--experiment", "tiny", "--rows", 60)
    for place, found in zip(wanted, row["shown"]):
        assert found["pixels"][0] == [place, 0.0] and found["features"][0][1] < 1e-3
    assert row["pixels"]["share_near"] == 1 and row["pixels"]["c_t"] < -3
    assert said.count("samples are nearer than held-out images: copying") == 2
    expected = np.sqrt(np.mean((np.float64(DIGITS) - DIGITS[wanted[0]]) ** 2, axis=(1, 2, 3)))
    np.testing.assert_allclose([pair[1] for pair in row["shown"][0]["pixels"]], np.sort(expected)[:5], rtol=1e-12)


def test_mirror_images_are_training_images_if_the_run_had_them(compare):
    atomic.save_arrays("copies.npz", {"arr_0": DIGITS[:40][:, :, ::-1]})
    row, _ = compare("copies.npz", "a.png", "--experiment", "tiny")
    assert row["pixels"]["share_near"] < 0.5
    row, _ = compare("copies.npz", "b.png", "--experiment", "tiny", "--set", "mirror=True")
    assert [found["pixels"][0] for found in row["shown"]] == [[i, 0.0, "mirrored"] for i in range(10)]
    assert pixels_of("b.png", 0) == pixels_of("b.png", 1) != pixels_of("a.png", 1)  # the mirrored image is shown


def pixels_of(path, column):
    left = 4 + column * 68 + 12 * (column > 0)
    with PIL.Image.open(path) as image:
        return np.asarray(image)[16:80, left : left + 64].tolist()


def test_new_images_are_no_copies(compare):
    atomic.save_arrays("new.npz", {"arr_0": DIGITS[1500:1650]})
    settings = "--set", "lfile=digits:train", "test_lfile=digits:test"
    row, said = compare("new.npz", "out.png", "--experiment", "tiny", *settings, "--closest")
    assert (row["training_images"], row["held_out"], row["held_out_images"]) == (1500, "digits:test", 150)
    assert abs(row["pixels"]["c_t"]) < 3 * row["pixels"]["c_t_deviation"]
    assert said.count("as near as held-out images, no sign of copying") == 2
    shown = [found["pixels"][0][1] for found in row["shown"]]
    assert shown == sorted(shown) and shown[0] <= row["pixels"]["near"]


def test_images_that_subset_leaves_out_are_held_out(project):
    training, held_out = copying.open_images("digits", "train", config.load("tiny", {"subset": 1000}))
    assert (training.count, held_out.count) == (1000, 797)
    both = np.concatenate([training.pixels(), held_out.pixels()])
    assert np.array_equal(np.unique(both, axis=0), np.unique(DIGITS, axis=0))
    assert copying.open_images("digits", "path", config.load("tiny", {"subset": 1000}))[0].count == 1797


@pytest.mark.parametrize(
    "line, message",
    [
        ("tiny out.png 3", "no file 'models/tiny/iter_3.gmodel.npz': there are iterations 2, 4"),
        ("tiny,1,2 out.png", "expected NAME and up to 1 whole numbers"),
        ("tiny out.png --reference test", "copies are of training images: expected --reference train or a path"),
        ("tiny out.png --set lfile=digits:stacked", "'digits:stacked' has no end, so a sample has no nearest image"),
        ("tiny out.png --experiment tiny", "--experiment is for a folder or an .npz file"),
        ("tiny out.png --neighbours 0", "expected a whole number, at least 1; received '0'"),
        ("tiny out.png --set test_lfile=no", "images not found: test_lfile = 'no'"),
        ("set.npz out.png", "'set.npz' is a set of images and has no data 'train'"),
        ("set.npz out.png 2 --experiment tiny", "'set.npz' is a set of images: an iteration and --statistics"),
        ("set.npz out.png --experiment tiny", "image sizes differ: the reference has 16x16x3"),
        ("points out.png", "tools/nearest.py draws images, and lfile = 'mixture:ring8' has points"),
    ],
)
def test_mistakes_are_told_before_tensorflow_starts(line, message, trained, monkeypatch):
    monkeypatch.setattr(command, "start_tensorflow", lambda strategy: pytest.fail("TensorFlow was started"))
    (trained / "exp/points.py").write_text("gan, net, lfile, wts_dir = 'RSGAN', 'toy', 'mixture:ring8', 'models/p'\n")
    atomic.save_arrays("set.npz", {"arr_0": np.zeros((3, 8, 8, 3), np.uint8)})
    with pytest.raises(UserError, match=message.replace("(", r"\(")):
        nearest.main(line.split())


def test_more_neighbours_than_images_and_other_sizes(compare):
    atomic.save_arrays("few.npz", {"arr_0": DIGITS[:3]})
    with pytest.raises(UserError, match="expected at least 5 other training images .* received 3 images"):
        compare("tiny", "out.png", "--reference", "few.npz", "--samples", 8)
    atomic.save_arrays("large.npz", {"arr_0": digits.images("digits", 20, 3)[:30]})
    with pytest.raises(UserError, match="image sizes differ: 'large.npz' has 20x20x3, samples 16x16x3"):
        compare("tiny", "out.png", "--reference", "large.npz", "--samples", 8)


def test_labels_of_a_picture():
    images = np.zeros((2, 3, 100, 100, 1), np.uint8)
    marked = np.zeros((2, 3), bool)
    texts = [["a", "b", "c"], ["d", "e", "f"]]
    plain = pictures.labelled(images, texts, {0: "one", 1: "two"}, marked)
    assert plain.shape == (16 + 2 * 116, 4 + 3 * 104 + 12, 3)
    marked[1, 2] = True
    red = pictures.labelled(images, texts, {0: "one", 1: "two"}, marked)
    rows, columns = np.nonzero((red != plain).any(axis=2))
    assert rows.min() > 232 and columns.min() >= 224
