"""Decoded images that are kept, in memory or in a file on disk, so that each is read and decoded once.

They are one file: an array int64 [n, 3], the shapes of all images, as np.save writes it, then the pixels of one image
after the other. It is mapped, not read: what is on disk is in memory as far as there is some to spare. In memory, it is
a file without a name, which ends with the process.

On disk, its name is a hash of what the images are. Where the list, an image, or what decodes it has changed, there is
another file; what is there is whole, and never written to again, so that any number of runs can share it.
"""

import contextlib
import hashlib
import os
import pathlib
import re
import shutil
import time

import numpy as np
import PIL
import tensorflow as tf

from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic, progress

kept = {}  # {name: function}, what this process has open; TensorFlow does not let go of what it has mapped
ENOUGH = 100  # images that show how large all are
ABANDONED = 3600  # seconds for which nothing was written to a file that is not whole: its writer was killed


def keep(options, source, entries, decode):
    """Decode images once and keep them, or find them kept.

    Args:
        options: from `rpgan_tf.config`, with `cache`, `cache_dir` and `channels`.
        source: `sources.Source`.
        entries: int64 [m], which of its n images are kept.
        decode: function from an entry, int64 [], to its pixels, uint8 [H, W, channels].

    Returns:
        A function as `decode`, for these entries.

    Raises:
        UserError: there is not enough memory, or space on the disk; or images changed while they were decoded.
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
        kept[options.cache, name] = _reader(*make(options, name, fill), options.channels)
    return kept[options.cache, name]


def _hash(options, source, entries):
    """Return the hash of what becomes other pixels when it is another."""
    digest = hashlib.sha256(repr((tf.__version__, PIL.__version__, options.channels, len(source.items))).encode())
    for entry in entries:
        stamp = source.stamp(entry)
        digest.update(f"{entry} {len(stamp)} ".encode() + stamp)
    return digest.hexdigest()[:32]


def _in_memory(options, name, fill):
    """Return shapes and pixels that `fill` writes to memory."""
    if not hasattr(os, "memfd_create"):
        raise UserError("cache = 'memory' needs Linux: expected cache = 'disk', or None")
    descriptor = os.memfd_create(name)  # stays open: its number names what TensorFlow has mapped
    try:
        with open(descriptor, "wb", closefd=False) as file:
            size = fill(file, _free_memory())
    except BaseException:
        os.close(descriptor)
        raise
    print(f"keeping {size} of pixels in memory", flush=True)
    return _map(f"/proc/self/fd/{descriptor}")


def _free_memory():
    """Return how many bytes the system says can be taken."""
    return int(re.search(r"MemAvailable: +(\d+) kB", pathlib.Path("/proc/meminfo").read_text())[1]) * 1024


def _on_disk(options, name, fill):
    """Return shapes and pixels of the file of that name, which `fill` writes if it is not there."""
    path = pathlib.Path(options.cache_dir) / name
    try:
        found = _map(path)
        print(f"decoded images are kept in '{path}'", flush=True)
        return found
    except (OSError, EOFError, ValueError):  # not there, or no longer whole
        pass
    for part in path.parent.glob(".*.pixels.*.part"):
        with contextlib.suppress(OSError):  # another run may have been faster
            if time.time() - part.stat().st_mtime > ABANDONED:
                part.unlink()
    sizes = []
    atomic.write(path, lambda file: sizes.append(fill(file, shutil.disk_usage(path.parent).free)))
    print(f"keeping {sizes[0]} of pixels in '{path}'", flush=True)
    return _map(path)


def _fill(file, room, options, source, entries, decode):
    """Write shapes and pixels to a file; return their size, as text. `room` are the bytes that there are for it."""
    shapes, size = np.zeros((len(source.items), 3), np.int64), 0
    np.save(file, shapes)  # keeps their place
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


def _text(size):
    return f"{size / 1e6:,.1f} MB"


def _map(path):
    """Return the shapes and all bytes of a file that `_fill` wrote; raises OSError, EOFError or ValueError."""
    with open(path, "rb") as file:
        shapes = np.load(file, allow_pickle=False)
        size = file.tell() + shapes.prod(axis=-1).sum()
    if size != os.path.getsize(path):
        raise ValueError("not whole")
    return shapes, tf.raw_ops.ImmutableConst(dtype=tf.uint8, shape=[size], memory_region_name=str(path))


def _reader(shapes, pixels, channels):
    """Return the function from an entry to its pixels."""
    sizes = shapes.prod(axis=-1)
    starts = len(pixels) - sizes.sum() + np.cumsum(sizes) - sizes
    shapes, sizes, starts = tf.constant(shapes), tf.constant(sizes), tf.constant(starts)

    def read(entry):
        image = tf.reshape(tf.slice(pixels, [starts[entry]], [sizes[entry]]), shapes[entry])
        return tf.ensure_shape(image, [None, None, channels])

    return read
