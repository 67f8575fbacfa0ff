"""Sets of images to measure, uint8 [N, H, W, C]: an .npz file, or any value of `lfile`. Knows no metric.

Sets are read in batches, from any image on, so that memory does not grow with them. TensorFlow is imported when encoded
images are opened; .npz files and sizes are read without it.
"""

import dataclasses
import hashlib
import math
import os
import pathlib
import types
import typing
import zipfile
import zlib
from collections.abc import Callable, Iterator

import numpy as np
import PIL.Image

from rpgan_tf.data import names
from rpgan_tf.errors import UserError
from rpgan_tf.files import image_folders, progress
from rpgan_tf.sampling import generators, pictures


@dataclasses.dataclass(frozen=True)
class ImageSet:
    """Images that can be iterated over any number of times.

    Attributes:
        name: for the protocol and messages.
        shape: (H, W, C).
        count: N.
        batches: function from the number of an image, a multiple of `chunk`, to an iterator over batches from there on,
            uint8 [chunk, H, W, C], the last one possibly smaller; it may go beyond N.
        origin: how the images were brought to that shape.
        chunk: images in memory at once.
    """

    name: str
    shape: tuple[int, ...]
    count: int
    batches: Callable[[int], Iterator[np.ndarray]]
    origin: str
    chunk: int = generators.CHUNK

    def each(self, first: int = 0) -> Iterator[np.ndarray]:
        """Yield the batches from image `first` on, a multiple of `chunk`, up to `count`."""
        if first >= self.count:  # `batches` may go on
            return
        for batch in self.batches(first):
            yield batch[: self.count - first]
            first += len(batch)
            if first >= self.count:
                return

    def spread(self, count: int) -> "ImageSet":
        """Return the set of `count` equally spaced images of this one, in smaller batches."""
        return self.take(equally_spaced(self.count, count))

    def take(self, wanted: np.ndarray) -> "ImageSet":
        """Return the set of the images with these numbers, int [n], ascending, in smaller batches."""

        def batches(first):
            seen = wanted[first] // self.chunk * self.chunk
            for batch in self.each(seen):
                last = np.searchsorted(wanted, seen + len(batch))
                if first < last:
                    yield batch[wanted[first:last] - seen]
                first, seen = max(first, last), seen + len(batch)

        return dataclasses.replace(self, count=len(wanted), batches=batches)

    def mirrored(self) -> "ImageSet":
        """Return the set of the mirror images."""
        return dataclasses.replace(
            self,
            name=f"{self.name}, mirrored",
            batches=lambda first: (batch[:, :, ::-1] for batch in self.batches(first)),
        )

    def pixels(self) -> np.ndarray:
        """Return all images, uint8 [N, H, W, C]."""
        return np.concatenate(list(self.each()))

    def hash(self) -> str:
        """Return a short hash of all pixels."""
        digest = hashlib.sha256(repr((self.count, *self.shape)).encode())
        with progress.bar(self.count, f"reading {self.name}") as bar:
            for batch in self.each():
                digest.update(np.ascontiguousarray(batch).data)
                bar.update(len(batch))
        return digest.hexdigest()[:16]


def equally_spaced(of: int, count: int) -> np.ndarray:
    """Return `count` equally spaced numbers below `of`, int64 [count]."""
    return np.arange(count) * of // count


def open_data(source: str, options: types.SimpleNamespace, of_training: bool = False) -> ImageSet:
    """Open a value of `lfile` as a set of images of the size in `options`; `subset` and `mirror` are ignored.

    Args:
        source: list, folder, .zip, digits, ...
        options: from `rpgan_tf.config`.
        of_training: whether stacked digits are those of training, or held-out ones.
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

    def pixels(first):
        return map(pictures.to_pixels, batches(first, generators.CHUNK))

    return ImageSet(source, shape, count, pixels, origin)


def open_npz(path: str | pathlib.Path) -> ImageSet:
    """Open the images of an .npz file: its array `arr_0`, as tools/dump.py writes it, or its first array.

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


def _open_array(path: str | pathlib.Path) -> tuple[zipfile.ZipFile, typing.IO[bytes], tuple[int, ...]]:
    """Open the array of images in an .npz file: return the archive, its member at the first pixel, and the shape."""
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


def find_size(path: str | pathlib.Path) -> tuple[int, ...]:
    """Return (H, W, C) of the images of an .npz file, or of the first image below a folder, and read no others.

    Raises:
        UserError: there is none.
    """
    if pathlib.Path(path).suffix == ".npz":
        return open_npz(path).shape
    found = image_folders.images_among(image_folders.Folder(str(path)).names())
    if not found:
        raise UserError(f"no images below the folder '{path}'")
    first = pathlib.Path(path, found[0])
    try:
        with PIL.Image.open(first) as image:
            return image.height, image.width, 1 if image_folders.is_grey(image) else 3
    except OSError as error:
        raise UserError(f"cannot read '{first}' as an image: {error}") from None
