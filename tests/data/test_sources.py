"""Sources of images: lists, folders and .zip files."""

import io
import itertools
import zipfile

import numpy as np
import PIL.Image
import pytest

from rpgan_tf.data import faults, sources, stream
from rpgan_tf.errors import UserError
from rpgan_tf.files import image_folders
from tests.data.images import (
    DEEP,
    WHOLE,
    batches,
    dataset,
    encode,
    flat,
    high_bytes,
    levels,
    one,
    options,
    picture,
    scaled,
    write_images,
    write_zip,
)


def test_list_of_relative_paths_mixed_kinds_and_blank_lines(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").write_bytes(encode(flat(10)))
    (tmp_path / "a" / "zwölf 2.jpeg").write_bytes(encode(flat(200), "JPEG"))
    (tmp_path / "3").write_bytes(encode(flat(30)))  # the bytes decide, not the name
    (tmp_path / "list").write_bytes("\ufeff\r\na/1.png\r\n\r\n  a/zwölf 2.jpeg \r\n3".encode())
    images = levels(batches(options("list", bsz=3), 1))[0]
    assert sorted(images[:, 4, 4, 1]) == [10, 30, 200]


def test_folder_holds_every_image_below_it_sorted(tmp_path):
    names = ["b/c/4.Jpg", "b/2.PNG", "a.png", "b/10.jpeg", "é.JPEG"]
    for value, name in enumerate(sorted(names)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(encode(flat(value * 20), "PNG" if name.lower().endswith("png") else "JPEG"))
    (tmp_path / "b" / "notes.txt").write_text("not an image")
    (tmp_path / "folder.png").mkdir()
    images = levels(batches(options(tmp_path, bsz=5), 1))[0]
    np.testing.assert_array_equal(images[:, 4, 4, 1], np.random.RandomState(0).permutation(5) * 20)


def test_folder_may_hold_links(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "images").mkdir()
    (tmp_path / "elsewhere" / "1.png").write_bytes(encode(flat(9)))
    (tmp_path / "images" / "link").symlink_to(tmp_path / "elsewhere")
    assert np.all(levels(batches(options(tmp_path / "images"), 1)) == 9)


def test_links_to_a_parent_multiply_nothing(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "1.png").write_bytes(encode(flat(9)))
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path)
    (tmp_path / "again").symlink_to(tmp_path / "a")
    assert image_folders.Folder(str(tmp_path)).names() == ["a/b/1.png"]


def test_what_is_no_image_is_named_once(tmp_path, capsys):
    """Files that systems hide are not worth a word."""
    contents = {"1.png": encode(flat(9)), "a.txt": b"", "b.txt": b"", "LICENCE": b"", "._1.png": b"", ".DS_Store": b""}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    line = "files that are no images are left out: 2 .txt, 1 without suffix"
    for source in (tmp_path, write_zip(tmp_path.parent / "odd.zip", contents | {"__MACOSX/._1.png": b"", "d/": b""})):
        for _ in range(2):
            sources.find("lfile", str(source))
        assert capsys.readouterr().err == f"{source}: {line}\n"


def test_folder_of_other_kinds(tmp_path):
    """By their contents, whatever their suffix says."""
    kinds = {"1.webp": "WEBP", "2.gif": "GIF", "3.bmp": "BMP", "4.tiff": "TIFF", "5.png": "JPEG", "6.jpg": "WEBP"}
    for i, (name, kind) in enumerate(kinds.items()):
        (tmp_path / name).write_bytes(encode(flat(40 * i), kind))
    received = levels(batches(options(tmp_path, bsz=6), 1)[0])[:, 4, 4, 1]
    np.testing.assert_allclose(np.sort(received), 40 * np.arange(6), atol=1)
    assert faults.find_fault(options(tmp_path, bsz=6), 0, 1, one) is None


# .zip


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_zip_and_folder_are_the_same_images_in_the_same_order(tmp_path, compression):
    contents = write_images(tmp_path / "images") | {"notes.txt": b"none", "b/": b""}
    path = write_zip(tmp_path / "images.ZIP", contents, compression=compression)
    first, second = (batches(options(source, bsz=3), 4) for source in (path, tmp_path / "images"))
    np.testing.assert_array_equal(first, second)
    received = np.concatenate([batch for batch in stream.once("lfile", str(path), options(path))[1](0, 2)])
    np.testing.assert_array_equal(levels(received)[:, 4, 4, 1], np.arange(5) * 20)


def test_zip_of_other_kinds(tmp_path):
    pairs = [*itertools.product(("BMP", "WEBP", "TIFF", "GIF"), ("RGB", "L")), ("TIFF", "CMYK")]
    contents = {}
    for kind, mode in pairs:
        values = {"lossless": True} if kind == "WEBP" else {}
        image = picture("P" if (kind, mode) == ("GIF", "RGB") else mode)
        contents[f"{mode}.{kind.lower()}"] = encode(image, kind, **values)
    path = write_zip(tmp_path / "images.zip", contents)
    received = levels(batches(options(path, bsz=len(contents)), 1)[0])
    for entry, image in zip(np.random.RandomState(0).permutation(len(contents)), received, strict=True):
        encoded = contents[sorted(contents)[entry]]
        np.testing.assert_array_equal(image, PIL.Image.open(io.BytesIO(encoded)).convert("RGB"))


def test_zip_of_16_bits_keeps_the_high_byte(tmp_path):
    path = write_zip(tmp_path / "images.zip", {"1.tiff": encode(DEEP[..., 0], "TIFF")})
    np.testing.assert_array_equal(batches(options(path, bsz=1), 1)[0, 0], scaled(high_bytes(DEEP[..., :1])))


def test_zips_that_are_refused_at_once(tmp_path):
    with pytest.raises(UserError, match="no images in the .zip lfile = .*; expected a text file"):
        dataset(options(write_zip(tmp_path / "none.zip", {"notes.txt": b""})))
    (tmp_path / "cut.zip").write_bytes(b"PK")
    for name, reason in (("cut.zip", "File is not a zip file"), ("nowhere.zip", "No such file")):
        with pytest.raises(
            UserError, match=f"cannot read lfile = '.*{name}': .*{reason}.*; expected a whole .zip of im"
        ):
            dataset(options(tmp_path / name))


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "lists no images"),
        (b"\n  \n", "lists no images"),
        (WHOLE["png"], "as text: 'utf-8' codec"),
        (b"a.png\0b.png", "as text: it holds null bytes"),
        (None, "No such file"),
    ],
)
def test_lists_that_are_refused_at_once(tmp_path, content, reason):
    if content is not None:
        (tmp_path / "faces.txt").write_bytes(content)
    with pytest.raises(UserError, match=f"faces.txt.*{reason}.*; expected a text file with one image path a line"):
        dataset(options(tmp_path / "faces.txt"))


def test_folder_without_images_is_refused_at_once(tmp_path):
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(UserError, match="no images below the folder"):
        dataset(options(tmp_path))
