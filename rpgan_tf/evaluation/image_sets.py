"""Sets of images to be measured, uint8 [N, H, W, C]: an .npz file, or what an `lfile` may say. Knows no metric.

Every set is read in batches, from any image on, so that memory does not grow with it. TensorFlow is imported when
encoded images are opened; an .npz file and sizes are read without it.
"""

import hashlib
import math
import os
import pathlib
import typing
import zipfile
import zlib

import numpy as np
import PIL.Image

from rpgan_tf.data import names
from rpgan_tf.errors import UserError
from rpgan_tf.files import image_folders, progress
from rpgan_tf.sampling import generators

ROUNDING = "clip(round(127.5 x + 127.5))"  # of x in [-1, 1], as `to_pixels` does


class ImageSet(typing.NamedTuple):
    """Images that can be gone through as often as needed.

    Attributes:
        name: what they are.
        shape: (H, W, C).
        count: N.
        batches: function from the number of an image, a multiple of `chunk`, to an iterator over those from there on,
            uint8 [chunk, H, W, C], in the end what is left; there may be more than N.
        origin: how they were brought to that shape.
        chunk: images in memory at once.
    """

    name: str
    shape: tuple
    count: int
    batches: typing.Callable
    origin: str
    chunk: int = generators.CHUNK

    def each(self, first=0):
        """Yield the batches from image `first` on, a multiple of `chunk`, up to `count`."""
        if first >= self.count:  # there may be more
            return
        for batch in self.batches(first):
            yield batch[: self.count - first]
            first += len(batch)
            if first >= self.count:
                return

    def spread(self, count):
        """Return the set of `count` images at equal distances in the order of this one, in smaller batches."""
        wanted = np.arange(count) * self.count // count

        def batches(first):
            seen = wanted[first] // self.chunk * self.chunk
            for batch in self.each(seen):
                places = wanted[first:] - seen
                if any(here := (0 <= places) & (places < len(batch))):
                    yield batch[places[here]]
                seen += len(batch)

        return self._replace(count=count, batches=batches)

    def hash(self):
        """Return the hash of all pixels."""
        digest = hashlib.sha256(repr((self.count, *self.shape)).encode())
        with progress.bar(self.count, f"reading {self.name}") as bar:
            for batch in self.each():
                digest.update(np.ascontiguousarray(batch))
                bar.update(len(batch))
        return digest.hexdigest()[:16]


def to_pixels(images):
    """Return images in [-1, 1] as uint8, rounded; raises `UserError` if one is not finite."""
    images = np.asarray(images)
    if not np.all(np.isfinite(images)):
        raise UserError("an image is not finite: did training diverge?")
    return np.uint8(np.clip(np.round(images * 127.5 + 127.5), 0, 255))


def open_data(source, options, of_training=False):
    """Return the images that `source`, a text as `lfile` takes, stands for, at the size that `options` say.

    With `of_training` they are those that are trained on: stacked digits differ from others. They are all of them, and
    none is mirrored, whatever `subset` and `mirror` say.
    """
    from rpgan_tf.data import stream

    count, batches = stream.once("lfile" if of_training else "reference", source, options)
    shape = options.imsz, options.imsz, options.channels
    if source in names.DIGITS:
        origin = "bicubic from 8x8"
    elif options.crop:
        origin = f"bilinear to a shorter side of {options.imsz + 1}, central crop"
    elif options.resize == "no":
        origin = "as stored"
    else:
        origin = f"resize {options.resize}, {options.resize_filter}"
    return ImageSet(source, shape, count, lambda first: map(to_pixels, batches(first, generators.CHUNK)), origin)


def open_npz(path):
    """Return the images of an .npz file: its array `arr_0`, as tools/dump.py writes it, or its only array.

    Raises:
        UserError: it is missing or damaged, or holds no uint8 [N, H, W, 1 or 3].
    """

    archive, _, shape = _open_array(path)
    archive.close()

    def batches(first):
        archive, file, _ = _open_array(path)
        with archive:
            file.seek(first * math.prod(shape[1:]), os.SEEK_CUR)
            for start in range(first, shape[0], generators.CHUNK):
                part = (min(generators.CHUNK, shape[0] - start), *shape[1:])
                try:
                    contents = file.read(math.prod(part))
                except (zipfile.BadZipFile, zlib.error) as error:
                    raise UserError(f"'{path}' is damaged: {error}") from None
                yield np.frombuffer(contents, np.uint8).reshape(part)

    return ImageSet(str(path), shape[1:], shape[0], batches, "as stored")


def _open_array(path):
    """Open the array of images in an .npz file: (the archive, the file in it at its first value, the shape)."""
    try:
        archive = zipfile.ZipFile(path)
        names = archive.namelist()
        name = "arr_0.npy" if "arr_0.npy" in names else names[0]
        file = archive.open(name)
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, is_fortran, kind = read(file)
    except FileNotFoundError:
        raise UserError(f"no file '{path}'") from None
    except (OSError, ValueError, IndexError, zipfile.BadZipFile) as error:
        raise UserError(f"cannot read '{path}': expected an .npz file of images; {error}") from None
    if len(shape) != 4 or shape[-1] not in (1, 3) or not all(shape) or kind != np.uint8 or is_fortran:
        raise UserError(
            f"'{path}': expected images, an array uint8 [N, H, W, 1 or 3] in C order as tools/dump.py writes it; "
            f"received {name.removesuffix('.npy')}, {kind} {list(shape)}"
        )
    return archive, file, shape


def find_size(path):
    """Return (H, W, C) of the images of an .npz file, or of the first image below a folder; reads no more of them.

    Raises:
        UserError: there is none.
    """
    if pathlib.Path(path).suffix == ".npz":
        return open_npz(path).shape
    paths = sorted(other for other in pathlib.Path(path).rglob("*") if other.suffix.lower() in image_folders.SUFFIXES)
    if not paths:
        raise UserError(f"no {', '.join(image_folders.SUFFIXES)} files below the folder '{path}'")
    try:
        with PIL.Image.open(paths[0]) as image:
            return image.height, image.width, 1 if image_folders.is_grey(image) else 3
    except OSError as error:
        raise UserError(f"cannot read '{paths[0]}' as an image: {error}") from None
