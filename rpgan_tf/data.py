"""Images from a list file, a folder, tensorflow-datasets or scikit-learn's digits, as an endless stream of batches.

Order and crops are functions of (seed, position) alone, so a stream can start anywhere. Nothing here knows what the
images are for.
"""

import itertools
import os
import pathlib
import re
import typing

import numpy as np
import PIL.Image
import tensorflow as tf

from rpgan_tf.errors import UserError

CROP = -1  # what crops are drawn for; `rpgan_tf.gan` counts its own roles up from 0
SUFFIXES = (".png", ".jpg", ".jpeg")
EXPECTED = "a text file with one image path a line, a folder of images, tfds:<name>[/<config>][:<split>], or digits"


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


def dataset(options, start=0):
    """Return the images of `options.lfile` as an endless dataset of batches.

    The order is the original's: `RandomState(seed).permutation(n)`, and whenever the images are used up, the next
    permutation of the same generator; batches run across its ends. Batch i holds positions (start + i) * bsz, ...

    Args:
        options: `lfile`, `crop`, `imsz`, `bsz` and `seed` of `rpgan_tf.config`.
        start: int, iteration of the first batch.

    Returns:
        `tf.data.Dataset` of float32 [bsz, imsz, imsz, 3] in [-1, 1]. Iterating it raises a `tf.errors.OpError` at the
        first batch with an image that is missing, damaged or, without `crop`, not imsz x imsz: see `find_fault`.

    Raises:
        UserError: there are no images, or `lfile` cannot be read.
    """
    if options.lfile == "digits":
        pixels = tf.constant(digits(options.imsz))
        batches = _indices(options, len(pixels), start).map(lambda _, entries: tf.gather(pixels, entries))
    else:
        source = _open(options.lfile)

        def load(position, entry):
            image = _decode(source.read(source.items[entry]))
            if options.crop:
                return _random_crop(image, options.imsz, tf.random.fold_in([options.seed, CROP], position))
            return tf.ensure_shape(image, [options.imsz, options.imsz, 3])

        images = _indices(options, len(source.items), start).unbatch()
        images = images.map(load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        batches = images.batch(options.bsz, drop_remainder=True)
    return batches.map(lambda images: tf.cast(images, tf.float32) * 2 / 255 - 1).prefetch(tf.data.AUTOTUNE)


def find_fault(options, first_iteration, num_iterations):
    """Find the image that stopped a run, by looking at one image after the other.

    Args:
        options: as for `dataset`.
        first_iteration: int, the first iteration whose batch is looked at.
        num_iterations: int, how many batches are looked at.

    Returns:
        What is wrong with the first image that is missing, damaged or, without `crop`, not imsz x imsz, and how to mend
        it; or None.
    """
    if options.lfile == "digits":
        return None
    source = _open(options.lfile)
    batches = itertools.islice(_order(options, len(source.items), first_iteration), num_iterations)
    for entry in dict.fromkeys(entry for _, entries in batches for entry in entries):
        fault = _fault(source, source.items[entry], options)
        if fault:
            return f"{source.place(entry)} {fault}"
    return None


def digits(size):
    """Return scikit-learn's 1797 digits (8x8, 0 .. 16) as grey RGB images uint8 [1797, size, size, 3].

    Raises:
        UserError: scikit-learn is not installed.
    """
    try:
        import sklearn.datasets
    except ImportError:
        raise UserError("lfile = 'digits' needs scikit-learn: pip install scikit-learn") from None
    small = np.uint8(sklearn.datasets.load_digits().images * 255 / 16)
    large = [PIL.Image.fromarray(image).resize((size, size), PIL.Image.Resampling.BICUBIC) for image in small]
    return np.repeat(np.stack(large)[..., None], 3, axis=-1)


def _order(options, num_images, start):
    """Yield (positions, entries), int64 [bsz] each, of iterations start, start + 1, ...: position p takes entry p."""
    random = np.random.RandomState(options.seed)
    permutations = (random.permutation(num_images) for _ in itertools.count())
    entries = itertools.islice(itertools.chain.from_iterable(permutations), start * options.bsz, None)
    for position in itertools.count(start * options.bsz, options.bsz):
        yield np.arange(position, position + options.bsz), np.array(list(itertools.islice(entries, options.bsz)))


def _indices(options, num_images, start):
    """Return `_order` as a dataset."""
    signature = (tf.TensorSpec([options.bsz], tf.int64),) * 2
    return tf.data.Dataset.from_generator(lambda: _order(options, num_images, start), output_signature=signature)


def _decode(contents):
    """Decode the bytes of a PNG or JPEG file, string [], to RGB uint8 [H, W, 3]; raises `tf.errors.OpError`.

    Grey, palette and 16-bit images become 8-bit RGB; alpha is dropped, as in the original.
    """
    head = tf.strings.substr(contents, 0, 3)
    tf.debugging.Assert((head == b"\x89PN") | (head == b"\xff\xd8\xff"), ["neither PNG nor JPEG"])
    image = tf.io.decode_image(contents, channels=3, expand_animations=False)
    return tf.ensure_shape(image, [None, None, 3])


def _random_crop(image, size, seed):
    """Resize an image so that its shorter side is size + 1 (rarely size, by rounding), then crop at random.

    uint8 [H, W, 3] -> float32 [size, size, 3] in 0 .. 255. Sides and pixels are the original's: float32 arithmetic,
    truncated; bilinear without half-pixel centers. The seed, int [2], decides the place; every place is as likely.
    """
    sides = tf.cast(tf.shape(image)[:2], tf.float32)
    sides = tf.cast((size + 1.0) / tf.reduce_min(sides) * sides, tf.int32)
    resized = tf.raw_ops.ResizeBilinear(images=image[None], size=sides, align_corners=False, half_pixel_centers=False)
    return tf.image.stateless_random_crop(resized[0], [size, size, 3], seed)


def _fault(source, item, options):
    """Return what is wrong with an image and how to mend it, or None."""
    try:
        contents = source.read(item)
    except tf.errors.OpError as error:
        reason = error.message.partition(" [Op:")[0].rpartition("; ")[2]
        expected = f"expected a PNG or JPEG file, seen from '{os.getcwd()}'"
        return f"cannot be read: {reason}; {expected}; correct the path or {source.removal}"
    try:
        height, width, _ = _decode(contents).shape
    except tf.errors.OpError:
        return f"is damaged or no image: expected a whole PNG or JPEG file; replace it or {source.removal}"
    size = options.imsz
    if not options.crop and (height, width) != (size, size):
        return f"is {width}x{height} pixels: expected {size}x{size}; resize it, {source.removal}, or set crop = True"


def _open(lfile):
    """Return the `Source` that `lfile` stands for; raises `UserError`."""
    if lfile.startswith("tfds:"):
        return _open_tfds(lfile)
    if os.path.isdir(lfile):
        return _open_folder(lfile)
    return _open_list(lfile)


def _open_list(lfile):
    """Return the images that a text file lists, one path a line, seen from the current folder."""
    try:
        text = pathlib.Path(lfile).read_text(encoding="utf-8-sig")
        if "\0" in text:
            raise ValueError("it holds null bytes")
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read lfile = '{lfile}' as text: {error}; expected {EXPECTED}") from None
    lines = [line.strip() for line in text.split("\n")]
    numbers = [number for number, line in enumerate(lines) if line]
    if not numbers:
        raise UserError(f"lfile = '{lfile}' lists no images; expected {EXPECTED}")
    return Source(
        tf.constant([lines[number] for number in numbers]),
        tf.io.read_file,
        lambda entry: f"{lfile}, line {numbers[entry] + 1}: '{lines[numbers[entry]]}'",
        "remove the line",
    )


def _open_folder(lfile):
    """Return all .png, .jpg and .jpeg files below a folder, sorted by path."""
    folders = os.walk(lfile, followlinks=True)
    paths = [os.path.join(folder, name) for folder, _, names in folders for name in names]
    paths = sorted(path for path in paths if path.lower().endswith(SUFFIXES))
    if not paths:
        raise UserError(f"no {', '.join(SUFFIXES)} files below the folder lfile = '{lfile}'; expected {EXPECTED}")
    items = tf.constant([os.fsencode(path) for path in paths])
    return Source(items, tf.io.read_file, lambda entry: f"'{paths[entry]}'", "remove it")


def _open_tfds(lfile):
    """Read a split of tensorflow-datasets, in stored order; it is downloaded and prepared first if need be.

    The images are those of its feature `image`, else of its first image feature by name. They are held in memory as
    they are encoded, since any of them may be the next; they are counted from 0.
    """
    match = re.fullmatch(r"tfds:([^:]+(?::[\d.*]+)?)(?::(\D.*))?", lfile)
    if not match:
        raise UserError(f"cannot read lfile = '{lfile}'; expected {EXPECTED}")
    name, split = match[1], match[2] or "train"
    try:
        import tensorflow_datasets as tfds
    except ImportError:
        raise UserError(f"lfile = '{lfile}' needs tensorflow-datasets: pip install tensorflow-datasets") from None
    try:
        builder = tfds.builder(name, data_dir=os.environ.get("TFDS_DATA_DIR"))
        features = dict(sorted(builder.info.features.items()))
        images = [key for key in features if _is_picture(features[key], tfds)]
        if not images:
            raise UserError(f"lfile = '{lfile}' has no images, only {', '.join(features)}; choose another data set")
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
            f"cannot read lfile = '{lfile}': {type(error).__name__}: {reason}; expected tfds:<name>[:<split>] "
            "of https://www.tensorflow.org/datasets with a network, or a data set prepared below TFDS_DATA_DIR"
        ) from None
    return Source(items, tf.identity, lambda entry: f"tfds:{name}:{split}, image {entry}", "choose a split without it")


def _is_picture(feature, tfds):
    """Return whether a feature is an image to look at: no label map, and no floats, which are stored as RGBA."""
    return type(feature) is tfds.features.Image and feature.np_dtype != np.float32
