"""Features of images in .npy files: written in chunks, gone on with where that was killed, read as np.memmap.

They are in a folder of the cache, so that those of a reference are computed once for all that is measured against it.
"""

import contextlib
import fcntl
import hashlib
import io
import itertools
import math
import os

import numpy as np

from rpgan_tf.evaluation import features, metrics
from rpgan_tf.files import atomic, progress

BLOCK = 1024  # features in memory at once
GROUP, GROUP_BYTES = 500, 2**26  # images for an extractor at once, at most; their pixels


def extract(path, images, extractor, with_logits=False):
    """Write the features of images to an .npy file, or go on where that was killed; return it as np.memmap.

    Rows are appended in groups to a file of another name that gets its own when all are there: whatever whole groups
    it holds are good. A second process waits for the first.

    Returns:
        float32 [N, features], the logits behind the features if wanted.
    """
    if not path.exists():
        width = extractor.num_features + (extractor.num_classes if with_logits else 0)
        header, part = io.BytesIO(), path.with_suffix(".part")  # one for all processes: the next goes on
        shape = {"descr": "<f4", "fortran_order": False, "shape": (images.count, width)}
        np.lib.format.write_array_header_1_0(header, shape)
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(open(part, "ab"))
            fcntl.flock(file, fcntl.LOCK_EX)
            if path.exists():  # the other process has done it
                part.unlink(missing_ok=True)
                return np.lib.format.open_memmap(path, "r")
            if not os.fstat(file.fileno()).st_nlink:  # and has deleted them since
                return extract(path, images, extractor, with_logits)
            chunks = max(min(GROUP, GROUP_BYTES // math.prod(images.shape)) // images.chunk, 1)
            size = chunks * images.chunk
            first = max(file.seek(0, os.SEEK_END) - header.tell(), 0) // (4 * width) // size * size
            file.truncate(header.tell() + first * 4 * width if first else 0)
            if not first:
                file.write(header.getvalue())
            bar = stack.enter_context(progress.bar(images.count, f"features of {images.name}", first))
            batches = images.each(first)
            while group := list(itertools.islice(batches, chunks)):
                found, logits = extractor(np.concatenate(group))
                rows = np.concatenate([found, logits], axis=1) if with_logits else found
                file.write(np.ascontiguousarray(rows, "<f4"))
                file.flush()
                bar.update(len(found))
            os.fsync(file.fileno())
            os.replace(part, path)
    return np.lib.format.open_memmap(path, "r")


def moments(rows):
    """Return the `metrics.Moments` of features [N, d], a block at a time."""
    found = metrics.Moments()
    for start in range(0, len(rows), BLOCK):
        found.update(rows[start : start + BLOCK])
    return found


def kept_moments(path, rows):
    """Return the moments of the features in the file `path`; they are kept beside it."""
    beside = path.with_suffix(".npz")
    with open(path, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # one process writes them
        if not beside.exists():
            atomic.save_arrays(beside, moments(rows).to_arrays())
    return metrics.Moments.from_arrays(atomic.load_arrays(beside))


def path_of(kind, *contents):
    """Return the file of features of a kind, "real" or "fake", that `contents` tell from all others."""
    folder = features.cache_folder() / "features"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{kind}_{hashlib.sha256(repr(contents).encode()).hexdigest()[:16]}.npy"
