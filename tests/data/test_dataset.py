"""tools/dataset.py: what it reads, crops by hand, what it writes and that training reads it."""

import gzip
import io
import json
import pickle
import re
import sys
import tarfile
import types
import zipfile

import numpy as np
import PIL.ExifTags
import PIL.Image
import pytest

from rpgan_tf.data import stream
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic
from tests.conftest import ROOT, command
from tools import dataset

RANDOM = np.random.RandomState(5)
COLOUR, GREY = np.uint8(RANDOM.randint(0, 256, (21, 40, 3))), np.uint8(RANDOM.randint(0, 256, (40, 21)))
SQUARES = np.uint8(RANDOM.randint(0, 256, (5, 16, 16, 3)))
FILTERS = {"lanczos": PIL.Image.Resampling.LANCZOS, "box": PIL.Image.Resampling.BOX}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder, images, labels=None, suffix="png", **values):
    """Write {name: pixels} below a folder."""
    for name, pixels in images.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(pixels).save(folder / name, **values)
    if labels is not None:
        (folder / "dataset.json").write_text(json.dumps({"labels": labels}))


def prepare(*arguments):
    dataset.main(list(map(str, arguments)))


def read(path):
    """Return the names and images, as arrays, of a .zip that was written, and its labels."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert all(each.compress_type == zipfile.ZIP_STORED for each in archive.infolist())
        *names, last = archive.namelist()
        assert last == "dataset.json"
        images = [np.asarray(PIL.Image.open(io.BytesIO(archive.read(name)))) for name in names]
        return names, images, json.loads(archive.read(last))["labels"]


def fails(*arguments):
    """Return what is said of a mistake, after checking that nothing was written."""
    with pytest.raises(UserError) as caught:
        prepare(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Crops and filters


def test_center_crop(folder):
    write(folder / "in", {"colour.png": COLOUR, "grey.png": GREY})
    for name, method in FILTERS.items():
        prepare("in", f"{name}.zip", "--size", 8, "--transform", "center-crop", "--resize_filter", name)
        _, (colour, grey), _ = read(f"{name}.zip")
        expected = [PIL.Image.fromarray(COLOUR[:, 9:30]), PIL.Image.fromarray(GREY[9:30])]
        np.testing.assert_array_equal(colour, expected[0].resize((8, 8), method))
        np.testing.assert_array_equal(grey, expected[1].resize((8, 8), method))  # [8, 8]: grey stays grey


def test_box_filter_is_the_mean(folder):
    write(folder / "in", {"a.png": SQUARES[0]})
    prepare("in", "out.zip", "--size", 8, "--resize_filter", "box")
    rows = np.floor(SQUARES[0].reshape(16, 8, 2, 3).mean(axis=2) + 0.5)  # Pillow rounds in between, too
    expected = np.floor(rows.reshape(8, 2, 8, 3).mean(axis=1) + 0.5)
    np.testing.assert_array_equal(read("out.zip")[1][0], expected)


@pytest.mark.parametrize("shape, cut", [((21, 40), np.s_[:, 6:34]), ((40, 21), np.s_[12:28]), ((12, 16), np.s_[:])])
def test_center_crop_wide(folder, shape, cut):
    pixels = np.uint8(RANDOM.randint(1, 256, (*shape, 3)))
    write(folder / "in", {"a.png": pixels})
    prepare("in", "out.zip", "--size", 16, "--transform", "center-crop-wide")
    (image,) = read("out.zip")[1]
    assert image.shape == (16, 16, 3) and not np.any(image[:2]) and not np.any(image[-2:])
    expected = PIL.Image.fromarray(pixels[cut]).resize((16, 12), FILTERS["lanczos"])
    np.testing.assert_array_equal(image[2:14], expected)


def test_small_images_are_enlarged_and_whole_ones_kept(folder):
    write(folder / "in", {"a.png": SQUARES[0], "b.png": SQUARES[1][:5, :5]})
    prepare("in", "out.zip", "--size", 16)
    _, (first, second), _ = read("out.zip")
    np.testing.assert_array_equal(first, SQUARES[0])
    np.testing.assert_array_equal(second, PIL.Image.fromarray(SQUARES[1][:5, :5]).resize((16, 16), FILTERS["lanczos"]))


# Sources


def test_folder_and_zip_of_any_images(folder):
    names = ["b/2.bmp", "a.png", "b/c/4.webp"]
    write(folder / "in", dict(zip(names, SQUARES)), [[name, i] for i, name in enumerate(names)], lossless=True)
    (folder / "in" / "notes.txt").write_text("none")
    with zipfile.ZipFile("in.zip", "w") as archive:
        for path in (folder / "in").rglob("*.*"):
            archive.write(path, path.relative_to(folder / "in"))
    for source in ("in", "in.zip"):
        prepare(source, f"{source}.out.zip")
        names, images, labels = read(f"{source}.out.zip")
        assert names == [f"00000/img0000000{i}.png" for i in range(3)]
        np.testing.assert_array_equal(images, SQUARES[[1, 0, 2]])
        assert labels == [[names[0], 1], [names[1], 0], [names[2], 2]]


def test_a_thousand_images_a_folder_and_the_first_of_them(folder):
    write(folder / "in", {f"{i:04d}.png": np.full((4, 4), i % 256, np.uint8) for i in range(1003)})
    prepare("in", "out", "--max_images", 1002)
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["00000", "00001", "dataset.json"]
    names = sorted(path.name for path in (folder / "out" / "00001").iterdir())
    assert names == ["img00001000.png", "img00001001.png"]
    assert np.all(np.asarray(PIL.Image.open(folder / "out" / "00001" / names[1])) == 1001 % 256)
    assert json.loads((folder / "out" / "dataset.json").read_text()) == {"labels": None}


def write_tar(path, contents):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def test_cifar(folder, capsys):
    pixels, classes = np.uint8(RANDOM.randint(0, 256, (4, 32, 32, 3))), [3, 9, 0, 3]
    records = [bytes([c]) + p.transpose(2, 0, 1).tobytes() for c, p in zip(classes, pixels)]
    names = ["test_batch.bin", "data_batch_2.bin", "data_batch_1.bin", "batches.meta.txt"]
    contents = [records[3], records[2], records[0] + records[1], b"airplane"]
    write_tar("cifar-10-binary.tar.gz", {f"cifar-10-batches-bin/{n}": c for n, c in zip(names, contents)})
    prepare("cifar-10-binary.tar.gz", "out.zip")
    assert capsys.readouterr().out == "wrote out.zip: 3 images, labels of 10 classes\n"
    names, images, labels = read("out.zip")
    np.testing.assert_array_equal(images, pixels[:3])
    assert labels == [list(pair) for pair in zip(names, classes)]


def test_pickled_cifar_is_not_read(folder):
    write_tar("cifar-10-python.tar.gz", {"cifar-10-batches-py/data_batch_1": pickle.dumps({})})
    message = fails("cifar-10-python.tar.gz", "out.zip")
    assert "pickled by Python" in message and "expected cifar-10-binary.tar.gz" in message


def write_idx(path, array):
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    path.write_bytes(gzip.compress(header + np.uint8(array).tobytes()))


def test_mnist(folder):
    pixels, classes = np.uint8(RANDOM.randint(0, 256, (3, 28, 28))), np.array([7, 0, 7])
    write_idx(folder / "train-images-idx3-ubyte.gz", pixels)
    assert "train-labels-idx1-ubyte.gz': expected it beside" in fails("train-images-idx3-ubyte.gz", "out.zip")
    write_idx(folder / "train-labels-idx1-ubyte.gz", classes)
    prepare("train-images-idx3-ubyte.gz", "out.zip")
    names, images, labels = read("out.zip")
    np.testing.assert_array_equal(images, pixels)
    assert labels == [[name, c] for name, c in zip(names, [7, 0, 7])]
    write_idx(folder / "train-labels-idx1-ubyte.gz", classes[:2])
    assert "received [3, 28, 28] and [2]" in fails("train-images-idx3-ubyte.gz", "other.zip")


def test_lsun(folder):
    import lmdb

    with lmdb.open(str(folder / "bedroom"), map_size=2**20) as database, database.begin(write=True) as transaction:
        for key, pixels in zip((b"b", b"a"), SQUARES):
            file = io.BytesIO()
            PIL.Image.fromarray(pixels).save(file, "WEBP", lossless=True)
            transaction.put(key, file.getvalue())
    prepare("bedroom", "out.zip")
    np.testing.assert_array_equal(read("out.zip")[1], SQUARES[[1, 0]])


def test_lsun_needs_lmdb(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "lmdb", None)
    (folder / "bedroom").mkdir()
    (folder / "bedroom" / "data.mdb").write_bytes(b"")
    assert fails("bedroom", "out.zip") == "'bedroom' is a database of LSUN and needs lmdb: pip install lmdb"


# What is written


@pytest.mark.parametrize("out", ["out.zip", "out"])
@pytest.mark.parametrize("kind", ["classes", "vectors"])
def test_round_trip_to_an_element_of_training(folder, out, kind):
    values = [2, 0, 1, 1, 2] if kind == "classes" else [[0.25, -1.0, i] for i in range(5)]
    names = [f"{i}.png" for i in range(5)]
    write(folder / "in", dict(zip(names, SQUARES)), list(zip(names, values)))
    prepare("in", out)
    options = {"crop": False, "resize": "no", "channels": 3, "imsz": 16, "bsz": 5, "pack": 1, "seed": 0, "MAXITER": 1}
    options |= {"lfile": out, "subset": None, "mirror": False, "cache": None, "num_classes": 3, "background": "white"}
    options = types.SimpleNamespace(**options)
    images, labels = next(iter(stream.dataset(options, batches=lambda iteration: 1)))
    order = np.random.RandomState(0).permutation(5)
    np.testing.assert_array_equal(np.rint((images + 1) * 127.5), SQUARES[order])
    np.testing.assert_array_equal(labels, np.float32(np.eye(3)[values] if kind == "classes" else values)[order])


@pytest.mark.parametrize("out", ["out.zip", "out"])
def test_a_bad_image_leaves_nothing(folder, out):
    write(folder / "in", {"a.png": SQUARES[0], "c.png": SQUARES[1]})
    (folder / "in" / "b.png").write_bytes((folder / "in" / "a.png").read_bytes()[:-30])
    expected = "'b.png' of 'in' is damaged or no image: expected a whole one; replace it or remove it"
    assert fails("in", out) == expected
    assert [path.name for path in folder.iterdir()] == ["in"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["nowhere", "out.zip"], "no file or folder 'nowhere'; expected a folder or a .zip of images, cifar-10"),
        (["in/a.png", "out.zip"], "cannot read 'in/a.png'; expected a folder or a .zip"),
        (["empty", "out.zip"], "no images in 'empty'"),
        (["bad.zip", "out.zip"], "cannot read SOURCE = 'bad.zip': File is not a zip file; expected a whole .zip"),
        (["bad.tar.gz", "out.zip"], "'bad.tar.gz' is damaged: "),
        (["none.tar.gz", "out.zip"], "'none.tar.gz' has no whole data_batch_1.bin, ...: expected cifar-10-binary"),
        (["t10k-images-idx3-ubyte.gz", "out.zip"], "'t10k-images-idx3-ubyte.gz' is damaged: Not a gzipped file"),
        (["in", "out.zip"], "'b.png' of 'in' is 40x21 pixels: expected a square; add --transform center-crop"),
        (["in", "out.zip", "--transform", "center-crop"], "'b.png' of 'in' is 21x21 pixels: expected 16x16, as those"),
        (["in", "out.zip", "--size", "100"], "expected --size to be a power of two >= 4, received 100"),
        (
            ["in", "out.zip", "--background", "grey"],
            "expected --background to be 'white', 'black' or '#rrggbb', received",
        ),
        (["in", "out.zip", "--max_images", "0"], "expected --max_images >= 1, received 0"),
        (["in", "out.tar"], "expected OUT to be a folder or a file *.zip, received 'out.tar'"),
        (["in", "empty"], "'empty' is there already; give another name, or remove it"),
        (["in", "out.zip", "--transform", "crop"], "invalid choice: 'crop'"),
        (["labels", "out.zip"], "dataset.json of SOURCE = 'labels' has no label for 'a.png'"),
    ],
)
def test_mistakes_end_in_one_line_and_leave_nothing(folder, arguments, message):
    write(folder / "in", {"a.png": SQUARES[0], "b.png": COLOUR})
    write(folder / "labels", {"a.png": SQUARES[0]}, [["b.png", 1]])
    (folder / "empty").mkdir()
    for name in ("bad.zip", "bad.tar.gz", "t10k-images-idx3-ubyte.gz"):
        (folder / name).write_bytes(b"nothing")
    write_tar("none.tar.gz", {"notes.txt": b"none"})
    before = sorted(folder.rglob("*"))
    assert message in fails(*arguments)
    assert sorted(folder.rglob("*")) == before


def test_transparent_and_turned_images(folder):
    """Alpha is laid over the background, and a photograph is turned upright before it is cut."""
    exif = PIL.Image.Exif()
    exif[PIL.ExifTags.Base.Orientation] = 6  # turn it a quarter to the right
    half = PIL.Image.new("RGBA", (16, 16), (255, 0, 0, 0))
    half.paste((0, 0, 255, 255), (0, 0, 8, 16))
    (folder / "in").mkdir()
    half.save(folder / "in" / "half.png", exif=exif)
    for background, ground in ("#00ff00", (0, 255, 0)), ("white", (255, 255, 255)):
        prepare("in", background.strip("#"), "--background", background)
        (path,) = (folder / background.strip("#")).rglob("*.png")
        pixels = np.array(PIL.Image.open(path))
        assert pixels.shape == (16, 16, 3)
        assert (pixels[:8] == (0, 0, 255)).all() and (pixels[8:] == ground).all()


def test_the_command_starts_no_tensorflow(folder):
    write(folder / "in", {"a.png": SQUARES[0]})
    process = command("tools/dataset.py", "in", "out.zip")
    assert process.stdout == "wrote out.zip: 1 images, no labels\n" and not process.stderr
    lines = "import sys; from tools import dataset; dataset.main(['in', 'other']); print('tensorflow' in sys.modules)"
    assert re.search("^False$", command("-c", lines, PYTHONPATH=str(ROOT)).stdout, re.MULTILINE)


def test_a_file_whose_writer_fails_leaves_nothing(folder):
    def fail(*_):
        raise KeyboardInterrupt

    for write_to in (atomic.write, atomic.write_folder):
        with pytest.raises(KeyboardInterrupt):
            write_to(folder / "out", fail)
    with pytest.raises(UserError, match="cannot write '.*file/out': "):
        (folder / "file").write_text("")
        atomic.write_folder(folder / "file" / "out", fail)
    assert [path.name for path in folder.iterdir()] == ["file"]
