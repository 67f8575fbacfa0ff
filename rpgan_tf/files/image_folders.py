"""Image files below a folder or in a .zip, and their labels. Needs no TensorFlow.

Labels stand in a file dataset.json, as the program of arXiv 2006.06676 has it: {"labels": [[name, label], ...]}, where
a label is the number of a class or a list of numbers, and a name has / between folders.
"""

import io
import json
import os
import pathlib
import struct
import typing
import zipfile
import zlib

import numpy as np
import PIL.Image

from rpgan_tf.errors import UserError

LABELS = "dataset.json"
GREY = ("1", "L", "LA", "I", "I;16")  # modes of Pillow
UNREADABLE = (OSError, EOFError, ValueError, RuntimeError, SyntaxError, struct.error)  # of reading and decoding
UNREADABLE += (zipfile.BadZipFile, zlib.error, PIL.Image.DecompressionBombError)


class Labels(typing.NamedTuple):
    """Labels of N images.

    Attributes:
        values: int64 [N], classes; or float32 [N, num_classes].
        num_classes: length of a label, which of a class is one-hot.
    """

    values: np.ndarray
    num_classes: int


class Folder:
    """The files below a folder; their names are seen from there."""

    def __init__(self, path):
        self.path = path

    def names(self):
        """Return the names of all files, sorted."""
        folders = os.walk(self.path, followlinks=True)
        return sorted(
            os.path.relpath(os.path.join(folder, name), self.path) for folder, _, names in folders for name in names
        )

    def read(self, name):
        """Return the bytes of a file; raises one of `UNREADABLE`."""
        return pathlib.Path(self.path, name).read_bytes()


class Zip:
    """The files in a .zip, as those of a `Folder`; several threads may read."""

    def __init__(self, path):
        self.archive = zipfile.ZipFile(path)

    def names(self):
        return sorted(self.archive.namelist())

    def read(self, name):
        try:
            return self.archive.read(name)
        except KeyError:
            raise FileNotFoundError(name) from None

    def checksum(self, name):
        """Return the CRC-32 of a file's bytes and their number, without reading them."""
        found = self.archive.getinfo(name)
        return found.CRC, found.file_size


def find(option, path):
    """Return the `Folder` or the `Zip` at `path`, the value of an option; raises `UserError`."""
    if os.path.isdir(path):
        return Folder(path)
    try:
        return Zip(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise UserError(f"cannot read {option} = '{path}': {error}; expected a whole .zip of images") from None


def is_collection(path):
    """Return whether a path is that of a folder, or named as a .zip."""
    return os.path.isdir(path) or path.lower().endswith(".zip")


def suffixes():
    """Return the suffixes of all images that Pillow reads."""
    return tuple(suffix for suffix, kind in PIL.Image.registered_extensions().items() if kind in PIL.Image.OPEN)


def is_grey(image):
    """Return whether an image of Pillow has no colours."""
    return image.mode in GREY


def to_8_bits(image):
    """Return an image of Pillow as L, if it is grey, or RGB; alpha is dropped, of 16 bits the upper 8 remain."""
    if image.mode.startswith("I"):
        return PIL.Image.fromarray(np.uint8(np.asarray(image) >> 8))
    return image.convert("L" if is_grey(image) else "RGB")


def as_png(contents):
    """Return the bytes of any image as those of a PNG without compression; raises one of `UNREADABLE`."""
    file = io.BytesIO()
    with PIL.Image.open(io.BytesIO(contents)) as image:
        to_8_bits(image).save(file, "PNG", compress_level=0)
    return file.getvalue()


def read_labels(option, path, names=None):
    """Read the labels in the dataset.json of a folder or a .zip.

    Args:
        option, path: as for `find`.
        names: of the images whose labels are wanted; None: all that are named there.

    Returns:
        `Labels`; None where there are none.

    Raises:
        UserError: dataset.json is damaged, or has no label for one of the names.
    """
    where = f"{LABELS} of {option} = '{path}'"
    try:
        pairs = json.loads(find(option, path).read(LABELS))["labels"]
        if pairs is None:
            return None
        numbers = {name: number for number, (name, _) in enumerate(pairs)}
        labels = _to_labels(np.array([label for _, label in pairs]))
    except FileNotFoundError:
        return None
    except (*UNREADABLE, KeyError, TypeError) as error:
        raise UserError(
            f"{where} cannot be read: {type(error).__name__}: {error}; expected "
            '{"labels": [[name, label], ...]}, all labels being classes 0, 1, ... or lists of as many numbers'
        ) from None
    if names is None:
        return labels
    for name in names:
        if name not in numbers:
            raise UserError(
                f"{where} has no label for '{name}': expected one for each image; add it, or remove the image"
            )
    return labels._replace(values=labels.values[[numbers[name] for name in names]])


def _to_labels(values):
    if values.ndim == 1 and values.dtype.kind == "i" and values.min(initial=0) >= 0:
        return Labels(np.int64(values), int(values.max(initial=0)) + 1)
    if values.ndim == 2 and values.dtype.kind in "if" and np.all(np.isfinite(values)):
        return Labels(np.float32(values), values.shape[1])
    raise ValueError(f"labels are {values.dtype} {list(values.shape)}")


def check_labels(option, path, found, num_classes):
    """Raise a `UserError` unless labels, of length `found` or 0 where there are none, have the length `num_classes`."""
    if not found:
        raise UserError(
            f"num_classes = {num_classes} needs labels, and {option} = '{path}' has none: expected a folder or a .zip "
            f"with a {LABELS}, a data set of tfds: with the feature label, or digits; or set num_classes=0"
        )
    if found != num_classes:
        raise UserError(
            f"{option} = '{path}' has labels of {found} classes: received num_classes = {num_classes}; set "
            f"num_classes={found}, or 0 to use no labels"
        )
