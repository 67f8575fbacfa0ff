"""Labels: of their images, drawn, and refused."""

import json

import numpy as np
import pytest
import tensorflow as tf

from rpgan_tf import config
from rpgan_tf.data import labels as data_labels
from rpgan_tf.data import stream
from rpgan_tf.errors import UserError
from tests.data.images import NAMES, SIDE, batches, dataset, levels, options, write_images, write_zip


def labelled(folder, pairs):
    """Write `NAMES` and dataset.json with these labels to a folder and a .zip; return both paths."""
    contents = write_images(folder / "images")
    text = json.dumps({"labels": pairs})
    (folder / "images" / "dataset.json").write_text(text)
    return folder / "images", write_zip(folder / "images.zip", contents | {"dataset.json": text})


CLASSES = {name: [2, 0, 3, 3, 0][n] for n, name in enumerate(sorted(NAMES))}
VECTORS = {name: [n / 4, -1.5, n] for n, name in enumerate(sorted(NAMES))}


@pytest.mark.parametrize("values, expected", [(CLASSES, np.eye(4)[[2, 0, 3, 3, 0]]), (VECTORS, list(VECTORS.values()))])
def test_labels_go_with_their_images(tmp_path, values, expected):
    expected = np.float32(expected)
    for path in labelled(tmp_path, [[name, values[name]] for name in NAMES]):
        source = options(path, bsz=3, num_classes=expected.shape[1], test_lfile=str(path))
        batched = dataset(source)
        assert batched.element_spec[1] == tf.TensorSpec([3, expected.shape[1]], tf.float32)
        for images, labels in batched.take(4).as_numpy_iterator():
            np.testing.assert_array_equal(labels, expected[levels(images)[:, 4, 4, 1] // 20])
        (images, labels), *_ = stream.held_out(source).as_numpy_iterator()
        np.testing.assert_array_equal(labels, expected[:3])
        assert next(stream.once("lfile", source.lfile, source)[1](0, 2)).shape == (2, SIDE, SIDE, 3)  # images alone
        found = data_labels.of_training(source)
        np.testing.assert_array_equal(data_labels.take(found, np.arange(5)), expected)
        drawn = data_labels.draw(found, 4000, [1, 2]).numpy()
        np.testing.assert_array_equal(drawn, data_labels.draw(found, 4000, [1, 2]))
        np.testing.assert_allclose(drawn.mean(axis=0), expected.mean(axis=0), atol=0.1)  # over 5 standard errors
        assert not np.array_equal(drawn, data_labels.draw(found, 4000, [1, 3]))


def test_labels_of_a_resumed_stream(tmp_path):
    path, _ = labelled(tmp_path, list(CLASSES.items()))
    source = options(path, bsz=3, num_classes=4, mirror=True, subset=4)
    received = list(dataset(source, 3).take(3).as_numpy_iterator())
    for (images, labels), expected in zip(received, list(dataset(source).take(6).as_numpy_iterator())[3:]):
        np.testing.assert_array_equal(images, expected[0])
        np.testing.assert_array_equal(labels, expected[1])


def test_labels_are_not_looked_at_without_num_classes(tmp_path):
    path, _ = labelled(tmp_path, "damaged")
    assert batches(options(path), 1).shape == (1, 4, SIDE, SIDE, 3)  # images alone
    assert next(iter(stream.held_out(options(path, test_lfile=str(path))))).shape == (4, SIDE, SIDE, 3)


@pytest.mark.parametrize("lfile, cut", [("digits", slice(None)), ("digits:test", slice(1500, None))])
def test_labels_of_digits(lfile, cut):
    datasets = pytest.importorskip("sklearn.datasets")
    classes = datasets.load_digits().target[cut]
    order = np.random.RandomState(0).permutation(len(classes))
    _, labels = next(iter(dataset(options(lfile, bsz=200, num_classes=10))))
    np.testing.assert_array_equal(labels, np.eye(10)[classes[order[:200]]])
    np.testing.assert_array_equal(data_labels.of_training(options(lfile, num_classes=10)).values, classes)


@pytest.mark.parametrize(
    "pairs, num_classes, message",
    [
        (
            list(CLASSES.items()),
            10,
            "has labels of 4 classes: received num_classes = 10; set num_classes=4, or 0 to use",
        ),
        (list(VECTORS.items()), 4, "has labels of 3 classes: received num_classes = 4"),
        (
            None,
            4,
            "num_classes = 4 needs labels, and lfile = '.*' has none: expected a folder or a .zip with a dataset.js",
        ),
        (list(CLASSES.items())[1:], 4, "dataset.json of lfile = '.*' has no label for 'a.png': expected one for each"),
        ("damaged", 4, 'dataset.json of lfile = .* cannot be read: ValueError.*; expected {"labels": '),
        ([], 4, "cannot be read: ValueError: labels are float64"),
        ([["a.png", -1]], 4, "cannot be read: ValueError: labels are int64"),
        ([["a.png", [1, 2]], ["b/2.PNG", [1]]], 4, "cannot be read: ValueError"),
        ([["a.png", True]], 1, "cannot be read: ValueError: labels are bool"),
        ([["a.png", [float("nan")]]], 1, "cannot be read: ValueError: labels are float64"),
        ([["a.png"]], 1, "cannot be read: ValueError"),
        (3, 1, "cannot be read: TypeError"),
    ],
)
def test_labels_that_are_refused_at_once(tmp_path, pairs, num_classes, message):
    for path in labelled(tmp_path, pairs):
        with pytest.raises(UserError, match=message) as caught:
            dataset(options(path, num_classes=num_classes))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("lfile", ["digits:stacked", "faces.txt"])
def test_data_without_labels(numbered, monkeypatch, lfile):
    monkeypatch.chdir(numbered.parent)
    with pytest.raises(UserError, match=f"num_classes = 10 needs labels, and lfile = '{lfile}' has none"):
        dataset(options(lfile, num_classes=10))


def test_labels_are_checked_before_tensorflow_is_imported(tmp_path):
    values = {"gan": "StyleGAN2", "net": "stylegan2", "imsz": 16, "wts_dir": str(tmp_path), "num_classes": 7}
    for path in labelled(tmp_path, list(CLASSES.items())):
        with pytest.raises(UserError, match=f"lfile = '{path}' has labels of 4 classes: received num_classes = 7"):
            config.check_files(config.resolve(values | {"lfile": str(path)}))
        config.check_files(config.resolve(values | {"lfile": str(path), "num_classes": 4}))
    with pytest.raises(UserError, match="lfile = 'digits' has labels of 10 classes: received num_classes = 7"):
        config.check_files(config.resolve(values | {"lfile": "digits"}))
    with pytest.raises(UserError, match="test_lfile = 'digits:stacked' has none"):
        config.check_files(
            config.resolve(values | {"lfile": "digits", "num_classes": 10, "test_lfile": "digits:stacked"})
        )


def test_subset_of_labels():
    found, every = (data_labels.of_training(options("digits", num_classes=10, subset=subset)) for subset in (100, None))
    chosen = np.sort(np.random.RandomState(0).permutation(1797)[:100])
    np.testing.assert_array_equal(found.values, every.values[chosen])
    assert found.num_classes == 10 and len(every.values) == 1797


FOLDERS = ["b cat/1.png", "b cat/deep/2.png", "a/1.png", "a/2.png", "c/0.png"]


@pytest.mark.parametrize("around", ["", "photos/inner/"])
def test_subfolders_are_classes(tmp_path, around):
    """Numbered by name; those around all images are none."""
    contents = list(write_images(tmp_path / "flat").values())
    names = [around + name for name in FOLDERS]
    for name, content in zip(names, contents):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    archive = write_zip(tmp_path / "in.zip", dict(zip(names, contents)))
    for path in (tmp_path / "in", archive):
        found = data_labels.of_training(options(path, num_classes=3))
        np.testing.assert_array_equal(found.values, [0, 0, 1, 1, 2])  # of a/1, a/2, b cat/1, b cat/deep/2, c/0
        assert found.folders == ("a", "b cat", "c")
        values = {"net": "dcgan", "gan": "DCGAN", "lfile": str(path), "wts_dir": str(tmp_path)}
        config.check_files(config.resolve(values | {"num_classes": 3}))
        with pytest.raises(UserError, match="has labels of 3 classes: received num_classes = 4; set num_classes=3"):
            config.check_files(config.resolve(values | {"num_classes": 4}))


def test_held_out_images_have_the_same_subfolders(tmp_path):
    contents = next(iter(write_images(tmp_path / "flat").values()))
    for split, names in (("train", "ab"), ("test", "bc")):
        for name in names:
            (tmp_path / split / name).mkdir(parents=True)
            (tmp_path / split / name / "0.png").write_bytes(contents)
    values = {"net": "dcgan", "gan": "DCGAN", "wts_dir": str(tmp_path), "num_classes": 2}
    splits = {"lfile": str(tmp_path / "train"), "test_lfile": str(tmp_path / "test")}
    with pytest.raises(UserError, match="test' has other classes than lfile: .* 'a', 'b', ..., received 'b', 'c', ..."):
        config.check_files(config.resolve(values | splits))
    config.check_files(config.resolve(values | splits | {"test_lfile": splits["lfile"]}))


def test_an_image_beside_subfolders_leaves_no_classes(tmp_path):
    write_images(tmp_path / "flat" / "a")
    write_images(tmp_path / "flat")
    with pytest.raises(UserError, match="has none: expected a folder or a .zip with a dataset.json or a subfolder"):
        data_labels.of_training(options(tmp_path / "flat", num_classes=2))


def test_lists_of_numbers_are_not_for_nets_with_classes(tmp_path):
    path, _ = labelled(tmp_path, list(VECTORS.items()))
    values = {"lfile": str(path), "wts_dir": str(tmp_path), "num_classes": 3}
    for net in ({"gan": "DCGAN", "net": "dcgan"}, {"gan": "SAGAN", "net": "sagan"}, {"gan": "Baseline"}):
        with pytest.raises(
            UserError, match="is for classes, and lfile = '.*' has lists of numbers as labels: expected"
        ):
            config.check_files(config.resolve(values | net))
    config.check_files(config.resolve(values | {"gan": "StyleGAN2", "net": "stylegan2", "imsz": 16}))
