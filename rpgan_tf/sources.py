"""Where images are: a list file, a folder or tensorflow-datasets. Knows nothing of what becomes of them."""

import os
import pathlib
import re
import typing

import numpy as np
import tensorflow as tf

from rpgan_tf.errors import UserError

SUFFIXES = (".png", ".jpg", ".jpeg")
EXPECTED = (
    "a text file with one image path a line, a folder of images, tfds:<name>[/<config>][:<split>], "
    "digits[:train|:test|:stacked], or mixture:<name>"
)


class Source(typing.NamedTuple):
    """Encoded images.

    Attributes:
        items: string [n], paths or the bytes of PNG and JPEG files.
        read: function from an item, string [], to the bytes, string [].
        place: function from an index to where the user finds that image.
        removal: how the user takes an image out.
    """

    items: tf.Tensor
    read: typing.Callable
    place: typing.Callable
    removal: str


def find(option, lfile):
    """Return the `Source` that `lfile`, the value of an option, stands for; raises `UserError`."""
    if lfile.startswith("tfds:"):
        return _open_tfds(option, lfile)
    if os.path.isdir(lfile):
        return _open_folder(option, lfile)
    return _open_list(option, lfile)


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
    return Source(
        tf.constant([lines[number] for number in numbers]),
        tf.io.read_file,
        lambda entry: f"{lfile}, line {numbers[entry] + 1}: '{lines[numbers[entry]]}'",
        "remove the line",
    )


def _open_folder(option, lfile):
    """Return all .png, .jpg and .jpeg files below a folder, sorted by path."""
    folders = os.walk(lfile, followlinks=True)
    paths = [os.path.join(folder, name) for folder, _, names in folders for name in names]
    paths = sorted(path for path in paths if path.lower().endswith(SUFFIXES))
    if not paths:
        raise UserError(f"no {', '.join(SUFFIXES)} files below the folder {option} = '{lfile}'; expected {EXPECTED}")
    items = tf.constant([os.fsencode(path) for path in paths])
    return Source(items, tf.io.read_file, lambda entry: f"'{paths[entry]}'", "remove it")


def _open_tfds(option, lfile):
    """Read a split of tensorflow-datasets, in stored order; it is downloaded and prepared first if need be.

    The images are those of its feature `image`, else of its first image feature by name. They are held in memory as
    they are encoded, since any of them may be the next; they are counted from 0.
    """
    match = re.fullmatch(r"tfds:([^:]+(?::[\d.*]+)?)(?::(\D.*))?", lfile)
    if not match:
        raise UserError(f"cannot read {option} = '{lfile}'; expected {EXPECTED}")
    name, split = match[1], match[2] or "train"
    try:
        import tensorflow_datasets as tfds
    except ImportError:
        raise UserError(f"{option} = '{lfile}' needs tensorflow-datasets: pip install tensorflow-datasets") from None
    try:
        builder = tfds.builder(name, data_dir=os.environ.get("TFDS_DATA_DIR"))
        features = dict(sorted(builder.info.features.items()))
        images = [key for key in features if _is_picture(features[key], tfds)]
        if not images:
            raise UserError(f"{option} = '{lfile}' has no images, only {', '.join(features)}; choose another data set")
        if not builder.data_path.exists():
            print(f"{lfile} is not on this disk: downloading and preparing {name} in '{builder.data_dir}'", flush=True)
            builder.download_and_prepare()
        key = "image" if "image" in images else images[0]
        examples = builder.as_dataset(
            split=split,
            shuffle_files=False,
            decoders=tfds.decode.PartialDecoding({key: True}, decoders={key: tfds.decode.SkipDecoding()}),
            read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
        )
        items = next(iter(examples.map(lambda example: example[key]).batch(examples.cardinality())))
    except UserError:
        raise
    except Exception as error:  # its many kinds: unknown name, version or split, no network, no space, a missing module
        lines = str(error).splitlines() or [""]
        reason = " ".join(lines[:1] + [line for line in lines if line.startswith("Did you mean")])
        raise UserError(
            f"cannot read {option} = '{lfile}': {type(error).__name__}: {reason}; expected tfds:<name>[:<split>] "
            "of https://www.tensorflow.org/datasets with a network, or a data set prepared below TFDS_DATA_DIR"
        ) from None
    return Source(items, tf.identity, lambda entry: f"tfds:{name}:{split}, image {entry}", "choose a split without it")


def _is_picture(feature, tfds):
    """Return whether a feature is an image to look at: no label map, and no floats, which are stored as RGBA."""
    return type(feature) is tfds.features.Image and feature.np_dtype != np.float32
