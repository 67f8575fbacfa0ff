"""Decoded images, kept in memory or in a file on disk, so that each is read and decoded once.

The file holds an array int64 [n, 3] as np.save writes it, the shapes of all images, then the pixels of one image after
the other. It is mapped, not read: the system keeps as much of it in memory as there is room for. With cache = 'memory'
the file has no name and ends with the process.

On disk, its name is a hash of the list, the images and the versions that decode them; when one of these changes, a new
file is made. A file is whole and never changed, so any number of runs can share it.
"""

import contextlib
import hashlib
import os
import pathlib
import re
import shutil
import time
import types
import typing
from collections.abc import Callable

import numpy as np
import PIL
import tensorflow as tf

from rpgan_tf.data import sources
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic, progress

Decode = Callable[[tf.Tensor], tf.Tensor]  # from the number of an image, int64 [], to uint8 [H, W, channels]
kept: dict[tuple[str, str], Decode] = {}  # kept for the process: TensorFlow never unmaps a file
ENOUGH = 100  # images from which the size of all is estimated
ABANDONED = 3600  # seconds since the last write to a partial file after which its writer counts as killed


def keep(options: types.SimpleNamespace, source: sources.Source, entries: np.ndarray, decode: Decode) -> Decode:
    """Decode images and keep them, unless they are kept already.

    Args:
        options: from `rpgan_tf.config`.
        source: n encoded images.
        entries: int64 [m], the images to keep.
        decode: function from the number of an image to its pixels.

    Returns:
        The function from the number of an image that is kept to its pixels.

    Raises:
        UserError: memory, or space on the disk, is too small; or images changed while they were decoded.
        tf.errors.OpError: an image is missing or damaged.
    """
    name = f"{_hash(options, source, entries)}.pixels"
    if (options.cache, name) not in kept:

        def fill(file, room):
            size = _fill(file, room, options, source, entries, decode)
            if f"{_hash(options, source, entries)}.pixels" != name:
                raise UserError(f"images of {options.lfile} changed while they were decoded; start again")
            return size

        make = _in_memory if options.cache == "memory" else _on_disk
        shapes, pixels = make(options, name, fill)
        kept[options.cache, name] = _reader(shapes, pixels, options.channels)
    return kept[options.cache, name]


def _hash(options: types.SimpleNamespace, source: sources.Source, entries: np.ndarray) -> str:
    """Return the hash of everything on which the pixels depend."""
    decoding = tf.__version__, PIL.__version__, options.channels, options.background
    digest = hashlib.sha256(repr((*decoding, len(source.items))).encode())
    for entry in entries:
        stamp = source.stamp(entry)
        digest.update(f"{entry} {len(stamp)} ".encode() + stamp)
    return digest.hexdigest()[:32]


def _in_memory(options: types.SimpleNamespace, name: str, fill: Callable) -> tuple[np.ndarray, tf.Tensor]:
    """Return shapes and pixels that `fill` writes to memory."""
    if not hasattr(os, "memfd_create"):
        raise UserError("cache = 'memory' needs Linux: expected cache = 'disk', or None")
    descriptor = os.memfd_create(name)  # stays open: TensorFlow maps the file by this number
    try:
        with open(descriptor, "wb", closefd=False) as file:
            size = fill(file, _free_memory())
    except BaseException:
        os.close(descriptor)
        raise
    print(f"keeping {size} of pixels in memory", flush=True)
    return _map(f"/proc/self/fd/{descriptor}")


def _free_memory() -> int:
    """Return the bytes that the system reports as available."""
    (kilobytes,) = re.findall(r"MemAvailable: +(\d+) kB", pathlib.Path("/proc/meminfo").read_text())
    return int(kilobytes) * 1024


def _on_disk(options: types.SimpleNamespace, name: str, fill: Callable) -> tuple[np.ndarray, tf.Tensor]:
    """Return shapes and pixels in the file of that name; `fill` writes it if it is missing."""
    path = pathlib.Path(options.cache_dir) / name
    try:
        found = _map(path)
        print(f"decoded images are kept in '{path}'", flush=True)
        return found
    except (OSError, EOFError, ValueError):  # missing, or no longer whole
        pass
    for part in path.parent.glob(".*.pixels.*.part"):
        with contextlib.suppress(OSError):  # another run may remove it first
            if time.time() - part.stat().st_mtime > ABANDONED:
                part.unlink()
    sizes: list[str] = []
    atomic.write(path, lambda file: sizes.append(fill(file, shutil.disk_usage(path.parent).free)))
    print(f"keeping {sizes[0]} of pixels in '{path}'", flush=True)
    return _map(path)


def _fill(
    file: typing.BinaryIO,
    room: int,
    options: types.SimpleNamespace,
    source: sources.Source,
    entries: np.ndarray,
    decode: Decode,
) -> str:
    """Write shapes and pixels to a file with room for so many bytes; return their size, as text."""
    shapes, size = np.zeros((len(source.items), 3), np.int64), 0
    np.save(file, shapes)  # reserves their place
    images = tf.data.Dataset.from_tensor_slices(entries).map(decode, num_parallel_calls=tf.data.AUTOTUNE)
    with progress.bar(len(entries), f"decoding {options.lfile}") as bar:
        for done, (entry, image) in enumerate(zip(entries, images.as_numpy_iterator()), start=1):
            shapes[entry], size = image.shape, size + image.size
            needed = max(size, size * len(entries) // done) if done >= min(ENOUGH, len(entries)) else size
            if needed > room:
                place = f"in '{options.cache_dir}'" if options.cache == "disk" else "in memory"
                raise UserError(
                    f"cache = '{options.cache}' takes about {_text(needed)} for {len(entries)} images, and there are "
                    f"{_text(room)} {place}; expected cache = None, a place with more room, or a smaller subset"
                )
            file.write(image)
            bar.update()
    file.seek(0)
    np.save(file, shapes)
    return _text(size)


def _text(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _map(path: str | pathlib.Path) -> tuple[np.ndarray, tf.Tensor]:
    """Return the shapes and all bytes of a file of `_fill`; raises OSError, EOFError or ValueError."""
    with open(path, "rb") as file:
        shapes = np.load(file, allow_pickle=False)
        size = file.tell() + shapes.prod(axis=-1).sum()
    if size != os.path.getsize(path):
        raise ValueError("not whole")
    return shapes, tf.raw_ops.ImmutableConst(dtype=tf.uint8, shape=[size], memory_region_name=str(path))


def _reader(shapes: np.ndarray, pixels: tf.Tensor, channels: int) -> Decode:
    """Return the function from the number of an image to its pixels."""
    sizes = shapes.prod(axis=-1)
    starts = len(pixels) - sizes.sum() + np.cumsum(sizes) - sizes
    shapes, sizes, starts = tf.constant(shapes), tf.constant(sizes), tf.constant(starts)

    def read(entry):
        image = tf.reshape(tf.slice(pixels, [starts[entry]], [sizes[entry]]), shapes[entry])
        return tf.ensure_shape(image, [None, None, channels])

    return read
