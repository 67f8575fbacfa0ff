"""Encoded images and their labels: of a list, a folder, a .zip, a picture, tensorflow-datasets."""

import collections
import functools
import os
import pathlib
import re
import sys
import types
import typing
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from rpgan_tf.data import names
from rpgan_tf.errors import UserError
from rpgan_tf.files import image_folders


class Source(typing.NamedTuple):
    """Encoded images.

    Attributes:
        items: string [n], paths or the bytes of files; or int32 [n], numbers of files.
        read: function from an item, [], to the bytes, string [].
        place: function from the number of an image to where the user finds it.
        removal: how the user takes an image out.
        stamp: function from the number of an image to bytes that change with the image, or when its file is rewritten.
    """

    items: tf.Tensor
    read: Callable[[tf.Tensor], tf.Tensor]
    place: Callable[[int], str]
    removal: str
    stamp: Callable[[int], bytes]


def find(option: str, lfile: str) -> Source:
    """Return the images that an option names.

    Args:
        option: name of the option, for messages.
        lfile: its value.

    Raises:
        UserError: there are no images, or they cannot be read.
    """
    if names.is_tfds(lfile):
        return _open_tfds(option, lfile)
    if os.path.isdir(lfile):
        return _open_folder(option, lfile)
    if image_folders.is_collection(lfile):
        return _open_zip(option, lfile)
    if lfile.lower().endswith(image_folders.suffixes()):
        return _of_paths([os.fsencode(lfile)], lambda entry: f"'{lfile}'", "remove it")
    return _open_list(option, lfile)


def find_labels(option: str, lfile: str) -> image_folders.Labels | None:
    """Return the labels of the images of `find`, None if they have none; raises `UserError`."""
    if names.is_tfds(lfile):
        return _find_tfds_labels(option, lfile)
    if image_folders.is_collection(lfile):
        return image_folders.read_labels(option, lfile, _names(option, lfile))
    return None


def _open_list(option: str, lfile: str) -> Source:
    """Return the images that a text file lists, one path a line, relative to the current folder."""
    try:
        text = pathlib.Path(lfile).read_text(encoding="utf-8-sig")
        if "\0" in text:
            raise ValueError("it holds null bytes")
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {option} = '{lfile}' as text: {error}; expected {names.EXPECTED}") from None
    lines = [line.strip() for line in text.split("\n")]
    numbers = [number for number, line in enumerate(lines) if line]
    if not numbers:
        raise UserError(f"{option} = '{lfile}' lists no images; expected {names.EXPECTED}")
    return _of_paths(
        [lines[number].encode() for number in numbers],
        lambda entry: f"{lfile}, line {numbers[entry] + 1}: '{lines[numbers[entry]]}'",
        "remove the line",
    )


def _of_paths(paths: list[bytes], place: Callable[[int], str], removal: str) -> Source:
    """Return the images in files at paths."""

    def stamp(entry):
        try:
            found = os.stat(paths[entry])
        except OSError:  # a missing file is reported when it is read
            return b""
        return repr((found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)).encode()

    return Source(tf.constant(paths), tf.io.read_file, place, removal, stamp)


def _names(option: str, lfile: str) -> list[str]:
    """Return the names of the images below a folder or in a .zip, sorted."""
    every = image_folders.find(option, lfile).names()
    found = image_folders.images_among(every)
    if not found:
        kind = "below the folder" if os.path.isdir(lfile) else "in the .zip"
        raise UserError(f"no images {kind} {option} = '{lfile}'; expected {names.EXPECTED}")
    others = collections.Counter(pathlib.Path(name).suffix for name in set(every) - {*found, image_folders.LABELS})
    if others:
        report_others(lfile, ", ".join(f"{count} {kind or 'without suffix'}" for kind, count in others.most_common()))
    return found


@functools.cache  # once a process
def report_others(lfile: str, others: str) -> None:
    """Print which files are no images, in one line."""
    print(f"{lfile}: files that are no images are left out: {others}", file=sys.stderr, flush=True)


def _open_folder(option: str, lfile: str) -> Source:
    """Return all images below a folder that Pillow reads, sorted by path."""
    paths = [os.path.join(lfile, name) for name in _names(option, lfile)]
    return _of_paths([os.fsencode(path) for path in paths], lambda entry: f"'{paths[entry]}'", "remove it")


def _open_zip(option: str, lfile: str) -> Source:
    """Return all images in a .zip that Pillow reads, sorted by name."""
    archive, members = image_folders.Zip.open(option, lfile), _names(option, lfile)

    def read(entry):
        try:
            return archive.read(members[entry])
        except image_folders.UNREADABLE:
            return b""  # decoding reports it

    def load(entry):
        return tf.ensure_shape(tf.numpy_function(read, [entry], tf.string), [])

    def stamp(entry):
        return f"{members[entry]} {archive.checksum(members[entry])}".encode()

    return Source(tf.range(len(members)), load, lambda entry: f"{lfile}: '{members[entry]}'", "remove it", stamp)


def _open_tfds(option: str, lfile: str) -> Source:
    """Return the images of a split of tensorflow-datasets, kept encoded in memory, since any of them may be next.

    They are those of the feature `image`, else of the first image feature by name, in stored order.
    """

    def choose(features, tfds):
        images = [key for key in features if _is_picture(features[key], tfds)]
        if not images:
            raise UserError(f"{option} = '{lfile}' has no images, only {', '.join(features)}; choose another data set")
        return "image" if "image" in images else images[0]

    items, _ = _read_tfds(option, lfile, choose)
    name, split = _divide(option, lfile)
    return Source(
        items,
        tf.identity,
        lambda entry: f"tfds:{name}:{split}, image {entry}",
        "choose a split without it",
        lambda entry: items[entry].numpy(),
    )


def _find_tfds_labels(option: str, lfile: str) -> image_folders.Labels | None:
    """Return the classes in the feature `label` of tensorflow-datasets, None if it has none."""

    def choose(features, tfds):
        return "label" if isinstance(features.get("label"), tfds.features.ClassLabel) else None

    classes, feature = _read_tfds(option, lfile, choose)
    if classes is None:
        return None
    classes = classes.numpy()
    if np.any(classes < 0):
        raise UserError(f"{option} = '{lfile}' has images without a label; choose another split, or num_classes=0")
    return image_folders.Labels(classes, feature.num_classes)


def _divide(option: str, lfile: str) -> tuple[str, str]:
    """Return name and split of tfds:<name>[:<split>]."""
    match = re.fullmatch(r"tfds:([^:]+(?::[\d.*]+)?)(?::(\D.*))?", lfile)
    if not match:
        raise UserError(f"cannot read {option} = '{lfile}'; expected {names.EXPECTED}")
    return match[1], match[2] or "train"


def _read_tfds(option: str, lfile: str, choose: Callable[[dict, types.ModuleType], str | None]):
    """Read one feature of a split of tensorflow-datasets, in stored order; download and prepare it if it is missing.

    Args:
        option, lfile: as for `find`.
        choose: function from {key: feature} and the module to a key, or None.

    Returns:
        The values [n], encoded if they are images, and the feature; (None, None) if `choose` returns None.
    """
    name, split = _divide(option, lfile)
    try:
        import tensorflow_datasets as tfds
    except ImportError:
        raise UserError(f"{option} = '{lfile}' needs tensorflow-datasets: pip install tensorflow-datasets") from None
    try:
        builder = tfds.builder(name, data_dir=os.environ.get("TFDS_DATA_DIR"))
        features = dict(sorted(builder.info.features.items()))
        key = choose(features, tfds)
        if key is None:
            return None, None
        if not builder.data_path.exists():
            print(f"{lfile} is not on this disk: downloading and preparing {name} in '{builder.data_dir}'", flush=True)
            builder.download_and_prepare()
        decoders = {key: tfds.decode.SkipDecoding()} if _is_picture(features[key], tfds) else None
        examples = builder.as_dataset(
            split=split,
            shuffle_files=False,
            decoders=tfds.decode.PartialDecoding({key: True}, decoders=decoders),
            read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
        )
        values = next(iter(examples.map(lambda example: example[key]).batch(examples.cardinality())))
    except UserError:
        raise
    except Exception as error:  # many kinds: unknown name, version or split, no network, no space, a missing module
        lines = str(error).splitlines() or [""]
        reason = " ".join(lines[:1] + [line for line in lines if line.startswith("Did you mean")])
        raise UserError(
            f"cannot read {option} = '{lfile}': {type(error).__name__}: {reason}; expected tfds:<name>[:<split>] "
            "of https://www.tensorflow.org/datasets with a network, or a data set prepared below TFDS_DATA_DIR"
        ) from None
    return values, features[key]


def _is_picture(feature, tfds: types.ModuleType) -> bool:
    """Return whether a feature holds pictures: not label maps, and not floats, which are stored as RGBA."""
    return type(feature) is tfds.features.Image and feature.np_dtype != np.float32
