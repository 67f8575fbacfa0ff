"""Datasets as others publish them, read one image after the other, cropped, resized, and written for training.

What is written has the layout of the program of arXiv 2006.06676: 00000/img00000000.png, ..., with labels in a file
dataset.json (see `rpgan_tf.files.image_folders`). TensorFlow is imported for tfds: alone.
"""

import gzip
import io
import itertools
import json
import math
import pathlib
import re
import tarfile
import typing
import zipfile

import numpy as np
import PIL.Image

from rpgan_tf.data import names
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic, image_folders, progress

EXPECTED = (
    "a folder or a .zip of images, cifar-10-binary.tar.gz, train-images-idx3-ubyte.gz, a folder of LSUN with data.mdb, "
    "or tfds:<name>[:<split>]"
)
FILTERS = {"lanczos": PIL.Image.Resampling.LANCZOS, "box": PIL.Image.Resampling.BOX}
TRANSFORMS = ("center-crop", "center-crop-wide")


class Originals(typing.NamedTuple):
    """Images as they were published.

    Attributes:
        count: N.
        each: iterator over (where the user finds it, image of Pillow, L or RGB); raises `UserError`.
        labels: `image_folders.Labels` of the N images, or None.
    """

    count: int
    each: typing.Iterator
    labels: image_folders.Labels | None


def find(source):
    """Return the `Originals` that `source` names; raises `UserError`."""
    path = pathlib.Path(source)
    if names.is_tfds(source):
        return _open_tfds(source)
    if not path.exists():
        raise UserError(f"no file or folder '{source}'; expected {EXPECTED}")
    if (path / "data.mdb").is_file():
        return _open_lmdb(path)
    if image_folders.is_collection(source):
        return _open_collection(source)
    if path.name.endswith("-images-idx3-ubyte.gz"):
        return _open_mnist(path)
    if path.name.endswith((".tar.gz", ".tgz", ".tar")):
        return _open_cifar(path)
    raise UserError(f"cannot read '{source}'; expected {EXPECTED}")


def _open_collection(source):
    """Return the images below a folder or in a .zip, sorted by name."""
    collection, suffixes = image_folders.find("SOURCE", source), image_folders.suffixes()
    names = [name for name in collection.names() if name.lower().endswith(suffixes)]
    if not names:
        raise UserError(f"no images in '{source}'; expected {EXPECTED}")
    each = (_decode(f"'{name}' of '{source}'", collection.read, name) for name in names)
    return Originals(len(names), each, image_folders.read_labels("SOURCE", source, names))


def _open_tfds(source):
    """Return the images of tensorflow-datasets, and the classes of its feature `label`."""
    from rpgan_tf.data import sources

    found = sources.find("SOURCE", source)
    each = (_decode(found.place(i), bytes, item) for i, item in enumerate(found.items.numpy()))
    return Originals(len(found.items), each, sources.find_labels("SOURCE", source))


def _open_lmdb(path):
    """Return the images of a category of LSUN, in the order of their keys."""
    try:
        import lmdb
    except ImportError:
        raise UserError(f"'{path}' is a database of LSUN and needs lmdb: pip install lmdb") from None
    try:
        database = lmdb.open(str(path), readonly=True, lock=False)
        count = database.stat()["entries"]
    except lmdb.Error as error:
        raise UserError(f"'{path}' is damaged: {error}; fetch it again") from None

    def each():
        with database.begin() as transaction:
            for key, contents in transaction.cursor():
                yield _decode(f"{key} of '{path}'", bytes, contents)

    return Originals(count, each(), None)


def _open_cifar(path):
    """Return the 50,000 images of CIFAR-10 for training: records of a class and [3, 32, 32] pixels."""
    try:
        with tarfile.open(path) as archive:
            names = sorted(archive.getnames())
            contents = [
                archive.extractfile(name).read() for name in names if re.search(r"(^|/)data_batch_\d\.bin$", name)
            ]
    except (*image_folders.UNREADABLE, tarfile.TarError):
        raise UserError(f"'{path}' is damaged: expected a whole cifar-10-binary.tar.gz; fetch it again") from None
    if any(re.search(r"(^|/)data_batch_\d$", name) for name in names):
        raise UserError(
            f"'{path}' is CIFAR-10 as pickled by Python, which is not read since a pickle may run any program: "
            "expected cifar-10-binary.tar.gz of https://www.cs.toronto.edu/~kriz/cifar.html"
        )
    if not contents or any(len(part) % 3073 for part in contents):
        raise UserError(f"'{path}' has no whole data_batch_1.bin, ...: expected cifar-10-binary.tar.gz")
    records = np.frombuffer(b"".join(contents), np.uint8).reshape(-1, 3073)
    pixels = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return _of_arrays(path, pixels, records[:, 0])


def _open_mnist(path):
    """Return the images of a file of MNIST, with the labels of the file beside it."""
    pixels = _read_idx(path)
    classes = _read_idx(path.with_name(path.name.replace("images-idx3", "labels-idx1")))
    if pixels.ndim != 3 or classes.shape != pixels.shape[:1]:
        shapes = f"{list(pixels.shape)} and {list(classes.shape)}"
        raise UserError(f"'{path}' and its labels: expected [N, H, W] and [N], received {shapes}; fetch both again")
    return _of_arrays(path, pixels, classes)


def _read_idx(path):
    """Return the uint8 array of a file *-ubyte.gz: two zeros, 8, the number of axes, their lengths, values."""
    try:
        contents = gzip.decompress(path.read_bytes())
        zeros, kind, num_axes = int.from_bytes(contents[:2]), contents[2], contents[3]
        shape = np.frombuffer(contents, ">u4", num_axes, 4).tolist()
        if (zeros, kind, len(contents)) != (0, 8, 4 + 4 * num_axes + math.prod(shape)):
            raise ValueError("its length is not that of its header")
        return np.frombuffer(contents, np.uint8, offset=4 + 4 * num_axes).reshape(shape)
    except FileNotFoundError:
        raise UserError(f"no file '{path}': expected it beside the images") from None
    except (*image_folders.UNREADABLE, IndexError) as error:
        raise UserError(f"'{path}' is damaged: {error}; fetch it again") from None


def _of_arrays(path, pixels, classes):
    """Return images uint8 [N, H, W(, 3)] with their classes [N]."""
    each = ((f"image {i} of '{path}'", PIL.Image.fromarray(image)) for i, image in enumerate(pixels))
    return Originals(len(pixels), each, image_folders.Labels(np.int64(classes), int(classes.max()) + 1))


def _decode(place, read, item):
    """Return (place, image) of the bytes that `read(item)` gives; raises `UserError`."""
    try:
        with PIL.Image.open(io.BytesIO(read(item))) as image:
            return place, image_folders.to_8_bits(image)
    except image_folders.UNREADABLE:
        raise UserError(f"{place} is damaged or no image: expected a whole one; replace it or remove it") from None


def fit(place, image, size, transform, resample):
    """Crop and resize an image.

    Args:
        place: where the user finds it.
        image: of Pillow.
        size: pixels of the sides; None: as large as what is cut out.
        transform: "center-crop", the largest square; "center-crop-wide", the largest part that is 4:3, as LSUN's cars
            are, with black above and below; None for images that are square.
        resample: filter of Pillow.

    Raises:
        UserError: it is no square, and there is no `transform`.
    """
    width, height = image.size
    if transform is None and width != height:
        raise UserError(f"{place} is {width}x{height} pixels: expected a square; add --transform center-crop")
    ratio = 4 / 3 if transform == "center-crop-wide" else 1
    wide, high = min(width, round(height * ratio)), min(height, round(width / ratio))
    left, top = (width - wide) // 2, (height - high) // 2
    size = size or wide
    image = image.crop((left, top, left + wide, top + high)).resize((size, round(size / ratio)), resample)
    square = PIL.Image.new(image.mode, (size, size))
    square.paste(image, (0, (size - image.height) // 2))
    return square


def write(out, originals, count, fitted):
    """Write the first images of `originals`, and their labels, as a new .zip or folder, whole or not at all.

    Args:
        out: path, of a .zip if it ends so.
        originals: `Originals`.
        count: int, how many.
        fitted: function from (place, image) to the image that is written; all must become of one size.

    Raises:
        UserError: an image is damaged or of another size, or `out` cannot be written.
    """

    def save_all(save):
        names, sizes = [], []
        with progress.bar(count, f"writing {out}") as bar:
            for i, (place, original) in enumerate(itertools.islice(originals.each, count)):
                image, file = fitted(place, original), io.BytesIO()
                sizes = sizes or [image.size]
                if image.size != sizes[0]:
                    received, expected = ("x".join(map(str, size)) for size in (image.size, sizes[0]))
                    raise UserError(
                        f"{place} is {received} pixels: expected {expected}, as those before it; set --size"
                    )
                image.save(file, "PNG", compress_level=0)
                names.append(f"{i // 1000:05d}/img{i:08d}.png")
                save(names[-1], file.getvalue())
                bar.update()
        labels = originals.labels and list(zip(names, originals.labels.values.tolist()))
        save(image_folders.LABELS, json.dumps({"labels": labels}).encode())

    def save_zip(file):
        with zipfile.ZipFile(file, "w") as archive:
            save_all(archive.writestr)

    if str(out).endswith(".zip"):
        atomic.write(out, save_zip)
    else:
        atomic.write_folder(out, save_all)
