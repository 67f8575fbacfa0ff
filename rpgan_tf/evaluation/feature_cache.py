"""Features of images in .npy files: written in groups, resumed after a kill, read as np.memmap.

The files are in the cache, so that features of a reference are computed once for all measurements against it.
"""

import contextlib
import fcntl
import hashlib
import io
import itertools
import math
import os
import pathlib

import numpy as np

from rpgan_tf.evaluation import features, image_sets, metrics
from rpgan_tf.files import atomic, progress, user_cache

BLOCK = 1024  # features in memory at once
GROUP, GROUP_BYTES = 500, 2**26  # images in a call of the extractor, and bytes of their pixels, at most


def extract(
    path: pathlib.Path,
    images: image_sets.ImageSet,
    extractor: features.Extractor,
    with_logits: bool = False,
) -> np.ndarray:
    """Write the features of images to an .npy file, unless it exists; return it as np.memmap.

    Rows are appended in groups to a .part file that is renamed when complete. The next process resumes from its whole
    groups; a second process at the same time waits for the first.

    Args:
        path: the file.
        images: N images.
        extractor: of d features.
        with_logits: whether rows end with the logits.

    Returns:
        float32 [N, d], or [N, d + num_classes].
    """
    if not path.exists():
        width = extractor.num_features + ((extractor.num_classes or 0) if with_logits else 0)
        header, part = io.BytesIO(), path.with_suffix(".part")  # one name for all processes: the next resumes
        shape = {"descr": "<f4", "fortran_order": False, "shape": (images.count, width)}
        np.lib.format.write_array_header_1_0(header, shape)
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(open(part, "ab"))
            fcntl.flock(file, fcntl.LOCK_EX)
            if path.exists():  # the other process has written it
                part.unlink(missing_ok=True)
                return np.lib.format.open_memmap(path, "r")
            if not os.fstat(file.fileno()).st_nlink:  # and has deleted it since
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
                rows = np.concatenate([found, logits], axis=1) if logits is not None and with_logits else found
                file.write(np.ascontiguousarray(rows, "<f4").data)
                file.flush()
                bar.update(len(found))
            os.fsync(file.fileno())
            os.replace(part, path)
    return np.lib.format.open_memmap(path, "r")


def moments(rows: np.ndarray) -> metrics.Moments:
    """Return the moments of features [N, d], read a block at a time."""
    found = metrics.Moments()
    for start in range(0, len(rows), BLOCK):
        found.update(rows[start : start + BLOCK])
    return found


def kept_moments(path: pathlib.Path, rows: np.ndarray) -> metrics.Moments:
    """Return the moments of the features [N, d] in a file; they are kept beside it."""
    beside = path.with_suffix(".npz")
    with open(path, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # one process writes them
        if not beside.exists():
            atomic.save_arrays(beside, moments(rows).to_arrays())
    return metrics.Moments.from_arrays(atomic.load_arrays(beside))


def path_of(kind: str, *contents: object) -> pathlib.Path:
    """Return the file of features of a kind, "real" or "fake", named by a hash of `contents`."""
    folder = user_cache.folder() / "features"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{kind}_{hashlib.sha256(repr(contents).encode()).hexdigest()[:16]}.npy"
