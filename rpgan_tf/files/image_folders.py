"""Image files below a folder or in a .zip, and their labels. Needs no TensorFlow.

Labels stand in a file dataset.json, as in the program of arXiv 2006.06676: {"labels": [[name, label], ...]}, where a
label is the number of a class or a list of numbers, and a name has / between folders. Without that file, each subfolder
is a class.
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
import PIL.ExifTags
import PIL.Image
import PIL.ImageOps

from rpgan_tf.errors import UserError

LABELS = "dataset.json"
GREY = ("1", "L", "LA", "I", "I;16")  # modes of Pillow
UNREADABLE = (  # errors of reading and decoding
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    SyntaxError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
    PIL.Image.DecompressionBombError,
)


class Labels(typing.NamedTuple):
    """Labels of N images.

    Attributes:
        values: int64 [N], classes; or float32 [N, num_classes].
        num_classes: length of a label; that of a class is one-hot.
        folders: names of the classes, if they are subfolders.
    """

    values: np.ndarray
    num_classes: int
    folders: tuple[str, ...] = ()

    @property
    def classes(self) -> np.ndarray:
        """Classes, int64 [N]: of a list of numbers, that of the largest."""
        return self.values if self.values.ndim == 1 else np.argmax(self.values, axis=1)


class Folder:
    """Files below a folder; their names are relative to it."""

    def __init__(self, path: str):
        self.path = path

    def names(self) -> list[str]:
        """Return the names of all files that are not hidden, sorted; a folder that links lead to counts once."""
        found: list[str] = []
        seen: set[str] = set()
        for folder, folders, names in os.walk(self.path, followlinks=True):
            folders[:] = [name for name in sorted(folders) if not _is_hidden(name)]
            if os.path.realpath(folder) in seen:
                folders.clear()
                continue
            seen.add(os.path.realpath(folder))
            found += [os.path.relpath(os.path.join(folder, name), self.path) for name in names if not _is_hidden(name)]
        return sorted(found)

    def read(self, name: str) -> bytes:
        """Return the bytes of a file; raises one of `UNREADABLE`."""
        return pathlib.Path(self.path, name).read_bytes()


class Zip:
    """Files in a .zip, with the methods of `Folder`; several threads may read."""

    def __init__(self, archive: zipfile.ZipFile):
        self.archive = archive

    @classmethod
    def open(cls, option: str, path: str) -> "Zip":
        """Open the .zip at `path`, the value of an option; raises `UserError`."""
        try:
            return cls(zipfile.ZipFile(path))
        except (OSError, zipfile.BadZipFile) as error:
            raise UserError(f"cannot read {option} = '{path}': {error}; expected a whole .zip of images") from None

    def names(self) -> list[str]:
        """Return the names of all files that are not hidden, sorted."""
        names = [name for name in self.archive.namelist() if not name.endswith("/")]
        return sorted(name for name in names if not any(map(_is_hidden, name.split("/"))))

    def read(self, name: str) -> bytes:
        try:
            return self.archive.read(name)
        except KeyError:
            raise FileNotFoundError(name) from None

    def checksum(self, name: str) -> tuple[int, int]:
        """Return CRC-32 and number of a file's bytes, without reading them."""
        found = self.archive.getinfo(name)
        return found.CRC, found.file_size


def find(option: str, path: str) -> Folder | Zip:
    """Return the folder or the .zip at `path`, the value of an option; raises `UserError`."""
    return Folder(path) if os.path.isdir(path) else Zip.open(option, path)


def is_collection(path: str) -> bool:
    """Return whether a path is that of a folder, or ends in .zip."""
    return os.path.isdir(path) or path.lower().endswith(".zip")


def _is_hidden(name: str) -> bool:
    """Return whether systems hide a file or folder of this name, or write it beside others: .DS_Store, ._cat.png."""
    return name.startswith(".") or name == "__MACOSX"


def suffixes() -> tuple[str, ...]:
    """Return the suffixes of all images that Pillow reads."""
    extensions = PIL.Image.registered_extensions()  # loads what OPEN lists
    kinds = set(PIL.Image.OPEN) - {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}  # whose pixels need other programs
    return tuple(suffix for suffix, kind in extensions.items() if kind in kinds)


def is_grey(image: PIL.Image.Image) -> bool:
    """Return whether an image has no colours."""
    return image.mode in GREY


def to_8_bits(image: PIL.Image.Image) -> PIL.Image.Image:
    """Return an image upright as EXIF says, as L, RGB, or RGBA if it has alpha; drop the lower 8 of 16 bits."""
    image = PIL.ImageOps.exif_transpose(image)
    if image.has_transparency_data:
        return image.convert("RGBA")
    if image.mode.startswith("I"):
        return PIL.Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert("L" if is_grey(image) else "RGB")


def on_background(image: PIL.Image.Image, background: str) -> PIL.Image.Image:
    """Return an image of `to_8_bits` without alpha: L or RGB, over a colour such as 'white' or '#ff8000'."""
    if image.mode != "RGBA":
        return image
    whole = PIL.Image.new("RGBA", image.size, background)
    whole.alpha_composite(image)
    return whole.convert("RGB")


def as_png(contents: bytes) -> bytes:
    """Return any encoded image as `to_8_bits`, as PNG without compression; PNG and JPEG that are upright as they are.

    Raises one of `UNREADABLE`.
    """
    file = io.BytesIO()
    with PIL.Image.open(io.BytesIO(contents)) as image:
        upright = image.getexif().get(PIL.ExifTags.Base.Orientation, 1) == 1
        if upright and image.format in ("PNG", "JPEG", "MPO"):  # MPO: a JPEG that holds several
            return contents
        to_8_bits(image).save(file, "PNG", compress_level=0)
    return file.getvalue()


def read_labels(option: str, path: str, names: list[str] | None = None) -> Labels | None:
    """Read the labels of a folder or a .zip: those in its dataset.json, else its subfolders.

    Args:
        option, path: as for `find`.
        names: of the images whose labels are wanted; None for all that dataset.json names, or that are there.

    Returns:
        `Labels`, in the order of the names; None if there are none.

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
        return of_subfolders(image_names(option, path) if names is None else names)
    except (*UNREADABLE, KeyError, TypeError) as error:
        raise UserError(
            f"{where} cannot be read: {type(error).__name__}: {error}; expected "
            '{"labels": [[name, label], ...]}, all labels being classes 0, 1, ... or lists of equal length'
        ) from None
    if names is None:
        return labels
    for name in names:
        if name not in numbers:
            raise UserError(
                f"{where} has no label for '{name}': expected one for each image; add it, or remove the image"
            )
    return labels._replace(values=labels.values[[numbers[name] for name in names]])


def image_names(option: str, path: str) -> list[str]:
    """Return the names of the images below a folder or in a .zip, sorted."""
    return images_among(find(option, path).names())


def images_among(names: list[str]) -> list[str]:
    """Return the names with a suffix of an image that Pillow reads."""
    known = suffixes()
    return [name for name in names if name.lower().endswith(known)]


def of_subfolders(names: list[str]) -> Labels | None:
    """Return the classes of images by their first subfolders, which are numbered by name; None without any.

    Folders around all images are no classes: a .zip of a folder has the classes of that folder.
    """
    folders = [name.replace(os.sep, "/").split("/")[:-1] for name in names]
    while folders and all(folders) and len({parts[0] for parts in folders}) == 1:
        folders = [parts[1:] for parts in folders]
    if not folders or not all(folders):
        return None
    found, values = np.unique([parts[0] for parts in folders], return_inverse=True)
    return Labels(values.astype(np.int64), len(found), tuple(found.tolist()))


def _to_labels(values: np.ndarray) -> Labels:
    if values.ndim == 1 and values.dtype.kind == "i" and values.min(initial=0) >= 0:
        return Labels(values.astype(np.int64), int(values.max(initial=0)) + 1)
    if values.ndim == 2 and values.dtype.kind in "if" and np.all(np.isfinite(values)):
        return Labels(values.astype(np.float32), values.shape[1])
    raise ValueError(f"labels are {values.dtype} {list(values.shape)}")


def no_labels(option: str, path: str, num_classes: int) -> UserError:
    """Return the error that images have no labels; arguments as for `check_labels`."""
    return UserError(
        f"num_classes = {num_classes} needs labels, and {option} = '{path}' has none: expected a folder or a .zip "
        f"with a {LABELS} or a subfolder for each class, a data set of tfds: with the feature label, or digits; or set "
        "num_classes=0"
    )


def check_labels(option: str, path: str, found: int, num_classes: int) -> None:
    """Raise a `UserError` unless labels have the length `num_classes`.

    Args:
        option, path: as for `find`.
        found: length of the labels, 0 if there are none.
        num_classes: expected length.
    """
    if not found:
        raise no_labels(option, path, num_classes)
    if found != num_classes:
        raise UserError(
            f"{option} = '{path}' has labels of {found} classes: received num_classes = {num_classes}; set "
            f"num_classes={found}, or 0 to use no labels"
        )
