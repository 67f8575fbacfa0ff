"""Published datasets, read one image after the other, cropped, resized, and written for training.

The layout written is that of the program of arXiv 2006.06676: 00000/img00000000.png, ..., with labels in a file
dataset.json (see `rpgan_tf.files.image_folders`). TensorFlow is imported only for tfds:.
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
from collections.abc import Callable, Iterator

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
        num_images: N.
        each: iterator over (where the user finds it, image, L, RGB or RGBA); raises `UserError`.
        labels: of the N images, or None.
    """

    num_images: int
    each: Iterator[tuple[str, PIL.Image.Image]]
    labels: image_folders.Labels | None


def find(source: str) -> Originals:
    """Return the images that `source` names; raises `UserError`."""
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


def _open_collection(source: str) -> Originals:
    """Return the images below a folder or in a .zip, sorted by name."""
    collection = image_folders.find("SOURCE", source)
    names = image_folders.images_among(collection.names())
    if not names:
        raise UserError(f"no images in '{source}'; expected {EXPECTED}")
    each = (_decode(f"'{name}' of '{source}'", collection.read, name) for name in names)
    return Originals(len(names), each, image_folders.read_labels("SOURCE", source, names))


def _open_tfds(source: str) -> Originals:
    """Return the images of tensorflow-datasets, and the classes of its feature `label`."""
    from rpgan_tf.data import sources

    found = sources.find("SOURCE", source)
    each = (_decode(found.place(i), bytes, item) for i, item in enumerate(found.items.numpy()))
    return Originals(len(found.items), each, sources.find_labels("SOURCE", source))


def _open_lmdb(path: pathlib.Path) -> Originals:
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
                yield _decode(f"{key!r} of '{path}'", bytes, contents)

    return Originals(count, each(), None)


def _open_cifar(path: pathlib.Path) -> Originals:
    """Return the 50,000 images of CIFAR-10 for training: records of a class and [3, 32, 32] pixels."""
    try:
        with tarfile.open(path) as archive:
            names = sorted(archive.getnames())
            files = [archive.extractfile(name) for name in names if re.search(r"(^|/)data_batch_\d\.bin$", name)]
            contents = [file.read() for file in files if file is not None]
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


def _open_mnist(path: pathlib.Path) -> Originals:
    """Return the images of a file of MNIST, with the labels of the file beside it."""
    pixels = _read_idx(path)
    classes = _read_idx(path.with_name(path.name.replace("images-idx3", "labels-idx1")))
    if pixels.ndim != 3 or classes.shape != pixels.shape[:1]:
        shapes = f"{list(pixels.shape)} and {list(classes.shape)}"
        raise UserError(f"'{path}' and its labels: expected [N, H, W] and [N], received {shapes}; fetch both again")
    return _of_arrays(path, pixels, classes)


def _read_idx(path: pathlib.Path) -> np.ndarray:
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


def _of_arrays(path: pathlib.Path, pixels: np.ndarray, classes: np.ndarray) -> Originals:
    """Return images uint8 [N, H, W(, 3)] with their classes [N]."""
    each = ((f"image {i} of '{path}'", PIL.Image.fromarray(image)) for i, image in enumerate(pixels))
    return Originals(len(pixels), each, image_folders.Labels(classes.astype(np.int64), int(classes.max()) + 1))


def _decode(place: str, read: Callable[..., bytes], item) -> tuple[str, PIL.Image.Image]:
    """Return (place, image) of the bytes that `read(item)` returns; raises `UserError`."""
    try:
        with PIL.Image.open(io.BytesIO(read(item))) as image:
            return place, image_folders.to_8_bits(image)
    except image_folders.UNREADABLE:
        raise UserError(f"{place} is damaged or no image: expected a whole one; replace it or remove it") from None


def fit(
    place: str,
    image: PIL.Image.Image,
    size: int | None,
    transform: str | None,
    resample: PIL.Image.Resampling,
    background: str = "white",
) -> PIL.Image.Image:
    """Crop and resize an image, laid over a background if it is transparent.

    Args:
        place: where the user finds the image.
        image: the image.
        size: pixels of both sides; None for those of the part that is cut out.
        transform: "center-crop" for the largest square; "center-crop-wide" for the largest 4:3 part, the format of
            LSUN's cars, with black above and below; None for images that are square.
        resample: filter of Pillow.
        background: a colour, such as "white" or "#ff8000".

    Raises:
        UserError: the image is not square, and there is no `transform`.
    """
    image = image_folders.on_background(image, background)
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


def write(
    out: str | pathlib.Path,
    originals: Originals,
    count: int,
    fitted: Callable[[str, PIL.Image.Image], PIL.Image.Image],
) -> None:
    """Write the first images, and their labels, as a new .zip or folder, whole or not at all.

    Args:
        out: path; a .zip is written if it ends in .zip.
        originals: the images.
        count: how many of them are written.
        fitted: function from (place, image) to the image to write; all must have one size.

    Raises:
        UserError: an image is damaged or has another size, or `out` cannot be written.
    """

    def save_all(save):
        written: list[str] = []
        first = None
        with progress.bar(count, f"writing {out}") as bar:
            for i, (place, original) in enumerate(itertools.islice(originals.each, count)):
                image, file = fitted(place, original), io.BytesIO()
                first = first or image.size
                if image.size != first:
                    received, expected = ("x".join(map(str, size)) for size in (image.size, first))
                    raise UserError(
                        f"{place} is {received} pixels: expected {expected}, as those before it; set --size"
                    )
                image.save(file, "PNG", compress_level=0)
                written.append(f"{i // 1000:05d}/img{i:08d}.png")
                save(written[-1], file.getvalue())
                bar.update()
        labels = None if originals.labels is None else list(zip(written, originals.labels.values.tolist()))
        save(image_folders.LABELS, json.dumps({"labels": labels}).encode())

    def save_zip(file):
        with zipfile.ZipFile(file, "w") as archive:
            save_all(archive.writestr)

    if str(out).endswith(".zip"):
        atomic.write(out, save_zip)
    else:
        atomic.write_folder(out, save_all)
