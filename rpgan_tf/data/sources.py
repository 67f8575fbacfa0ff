"""Where images are: a list, a folder, a .zip, a picture, tensorflow-datasets. Knows nothing of what becomes of them."""

import os
import pathlib
import re
import typing

import numpy as np
import tensorflow as tf

from rpgan_tf.data import names
from rpgan_tf.errors import UserError
from rpgan_tf.files import image_folders

SUFFIXES = (".png", ".jpg", ".jpeg")
EXPECTED = (
    "a text file with one image path a line, a folder or a .zip of images, tfds:<name>[/<config>][:<split>], "
    "digits[:train|:test|:stacked], or mixture:<name>"
)


class Source(typing.NamedTuple):
    """Encoded images.

    Attributes:
        items: string [n], paths or the bytes of PNG and JPEG files; or int32 [n], which file it is.
        read: function from an item, [], to the bytes, string [].
        place: function from an index to where the user finds that image.
        removal: how the user takes an image out.
        stamp: function from an index to bytes that are others where the image is another, or the same file was written
            again.
    """

    items: tf.Tensor
    read: typing.Callable
    place: typing.Callable
    removal: str
    stamp: typing.Callable


def find(option, lfile):
    """Return the `Source` that `lfile`, the value of an option, stands for; raises `UserError`."""
    if names.is_tfds(lfile):
        return _open_tfds(option, lfile)
    if os.path.isdir(lfile):
        return _open_folder(option, lfile)
    if image_folders.is_collection(lfile):
        return _open_zip(option, lfile)
    if lfile.lower().endswith(SUFFIXES):
        return _of_paths([os.fsencode(lfile)], lambda entry: f"'{lfile}'", "remove it")
    return _open_list(option, lfile)


def find_labels(option, lfile):
    """Return the `image_folders.Labels` of the images of `find`, None where there are none; raises `UserError`."""
    if names.is_tfds(lfile):
        return _find_tfds_labels(option, lfile)
    if image_folders.is_collection(lfile):
        return image_folders.read_labels(option, lfile, _names(option, lfile))
    return None


def _open_list(option, lfile):
    """Return the images that a text file lists, one path a line, seen from the current folder."""
    try:
        text = pathlib.Path(lfile).read_text(encoding="utf-8-sig")
        if "\0" in text:
            raise ValueError("it holds null bytes")
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {option} = '{lfile}' as text: {error}; expected {EXPECTED}") from None
    lines = [line.strip() for line in text.split("\n")]
    numbers = [number for number, line in enumerate(lines) if line]
    if not numbers:
        raise UserError(f"{option} = '{lfile}' lists no images; expected {EXPECTED}")
    return _of_paths(
        [lines[number].encode() for number in numbers],
        lambda entry: f"{lfile}, line {numbers[entry] + 1}: '{lines[numbers[entry]]}'",
        "remove the line",
    )


def _of_paths(paths, place, removal):
    """Return the `Source` of files at paths, bytes."""

    def stamp(entry):
        try:
            found = os.stat(paths[entry])
        except OSError:  # what is missing is found when it is read
            return b""
        return repr((found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)).encode()

    return Source(tf.constant(paths), tf.io.read_file, place, removal, stamp)


def _names(option, lfile):
    """Return the names of the images below a folder or in a .zip, sorted."""
    suffixes = SUFFIXES if os.path.isdir(lfile) else image_folders.suffixes()
    names = [name for name in image_folders.find(option, lfile).names() if name.lower().endswith(suffixes)]
    if not names:
        kind = "below the folder" if os.path.isdir(lfile) else "in the .zip"
        raise UserError(f"no {', '.join(SUFFIXES)} files {kind} {option} = '{lfile}'; expected {EXPECTED}")
    return names


def _open_folder(option, lfile):
    """Return all .png, .jpg and .jpeg files below a folder, sorted by path."""
    paths = [os.path.join(lfile, name) for name in _names(option, lfile)]
    return _of_paths([os.fsencode(path) for path in paths], lambda entry: f"'{paths[entry]}'", "remove it")


def _open_zip(option, lfile):
    """Return all images in a .zip, sorted by name; what is not PNG or JPEG is read by Pillow."""
    archive, names = image_folders.find(option, lfile), _names(option, lfile)

    def read(entry):
        name = names[entry]
        try:
            contents = archive.read(name)
            return contents if name.lower().endswith(SUFFIXES) else image_folders.as_png(contents)
        except image_folders.UNREADABLE:
            return b""  # which is no image, either

    def load(entry):
        return tf.ensure_shape(tf.numpy_function(read, [entry], tf.string), [])

    def stamp(entry):
        return f"{names[entry]} {archive.checksum(names[entry])}".encode()

    return Source(tf.range(len(names)), load, lambda entry: f"{lfile}: '{names[entry]}'", "remove it", stamp)


def _open_tfds(option, lfile):
    """Read the images of a split of tensorflow-datasets.

    They are those of its feature `image`, else of its first image feature by name. They are held in memory as they are
    encoded, since any of them may be the next; they are counted from 0.
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


def _find_tfds_labels(option, lfile):
    """Return the classes in the feature `label` of tensorflow-datasets, or None."""

    def choose(features, tfds):
        return "label" if isinstance(features.get("label"), tfds.features.ClassLabel) else None

    classes, feature = _read_tfds(option, lfile, choose)
    if classes is None:
        return None
    classes = classes.numpy()
    if np.any(classes < 0):
        raise UserError(
            f"{option} = '{lfile}' has images whose label is not known; choose another split, or num_classes=0"
        )
    return image_folders.Labels(classes, feature.num_classes)


def _divide(option, lfile):
    """Return name and split of tfds:<name>[:<split>]."""
    match = re.fullmatch(r"tfds:([^:]+(?::[\d.*]+)?)(?::(\D.*))?", lfile)
    if not match:
        raise UserError(f"cannot read {option} = '{lfile}'; expected {EXPECTED}")
    return match[1], match[2] or "train"


def _read_tfds(option, lfile, choose):
    """Read one feature of a split of tensorflow-datasets, in stored order; it is downloaded and prepared if need be.

    Args:
        option, lfile: as for `find`.
        choose: function from {key: feature} and the module to a key, or None.

    Returns:
        The values [n], encoded if they are images, and the feature; twice None if none was chosen.
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
    except Exception as error:  # its many kinds: unknown name, version or split, no network, no space, a missing module
        lines = str(error).splitlines() or [""]
        reason = " ".join(lines[:1] + [line for line in lines if line.startswith("Did you mean")])
        raise UserError(
            f"cannot read {option} = '{lfile}': {type(error).__name__}: {reason}; expected tfds:<name>[:<split>] "
            "of https://www.tensorflow.org/datasets with a network, or a data set prepared below TFDS_DATA_DIR"
        ) from None
    return values, features[key]


def _is_picture(feature, tfds):
    """Return whether a feature is an image to look at: no label map, and no floats, which are stored as RGBA."""
    return type(feature) is tfds.features.Image and feature.np_dtype != np.float32
