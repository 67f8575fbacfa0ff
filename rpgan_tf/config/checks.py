"""Checks of options against each other and of the files that they name."""

import importlib.util
import os
import pathlib

from rpgan_tf import projections
from rpgan_tf.data import mixtures
from rpgan_tf.errors import UserError, nearest
from rpgan_tf.files import image_folders, lpips_weights

STACKED = "digits:stacked"
DIGITS = ("digits", "digits:train", "digits:test", STACKED)
OF_IMAGES = ("subset", "mirror", "crop", "resize", "resize_filter", "channels", "imsz", "cache", "cache_dir")
OF_POINTS = "toy"  # the net for data that are no images


def check_kind_of_data(options, values, source):
    """Check that images meet nets for images and points the net for points, which are 1 x 1 images of many channels."""
    if options["net"] != OF_POINTS:
        for key in ("lfile", "test_lfile"):
            if options[key].startswith("mixture:"):
                raise UserError(
                    f"{source}: {key} = '{options[key]}' has points, and net = '{options['net']}' is for images; "
                    f"take net = '{OF_POINTS}'"
                )
        return
    if not options["lfile"].startswith("mixture:"):
        expected = "expected lfile = 'mixture:<name>'"
        raise UserError(
            f"{source}: net = '{OF_POINTS}' is for points: {expected}, received lfile = '{options['lfile']}'"
        )
    for key in OF_IMAGES:
        if key in values:
            raise UserError(f"{source}: option '{key}' is of images, and lfile = '{options['lfile']}' has points")
    options |= {"imsz": 1, "channels": mixtures.find(options["lfile"]).dims}
    if options["test_lfile"] and mixtures.find(options["test_lfile"]).dims != options["channels"]:
        raise UserError(
            f"{source}: test_lfile = '{options['test_lfile']}' has points of another dimension than lfile = "
            f"'{options['lfile']}'"
        )


def check_files(options):
    """Raise a `UserError` unless the files that training reads are there and fit, and its folder can be written."""
    check_filters(options)
    if hasattr(options, "real_loss"):
        lpips_weights.load_for(options)
    for key in ("wts_dir", "cache_dir"):
        value = getattr(options, key)
        folder = pathlib.Path(value).absolute()
        while not folder.exists():
            folder = folder.parent
        if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
            raise UserError(f"cannot write {key} = '{value}': '{folder}' is no folder that you may write in")
    begun = any(pathlib.Path(options.wts_dir).glob("iter_*.gmodel.npz"))
    if options.start_from and not begun and not any(pathlib.Path(options.start_from).glob("iter_*.gmodel.npz")):
        raise UserError(
            f"no weights to start from: start_from = '{options.start_from}' has no iter_<N>.gmodel.npz; expected the "
            "wts_dir of another run"
        )
    for key in ("lfile", "test_lfile"):
        source = getattr(options, key)
        if key == "lfile" or source:
            check_source(key, source)
            check_labels(key, source, options.num_classes)


def check_filters(options):
    """Raise a `UserError` unless the filters, if there are any, fit, also those that a run was trained with."""
    if options.filts:
        filters = projections.load(options.filts)
        projections.check_fit(filters, options.imsz, options.filts, options.channels)
        projections.check_chunk(options.chunk, len(filters.kernels))
        projections.check_kept(filters, options.filts, options.wts_dir)


def check_source(key, source, argument=None):
    """Raise a `UserError` if there are no data where `source`, the value of option `key` or of an argument, says."""
    if source.startswith("mixture:"):
        mixtures.find(source)
    elif source.partition(":")[0] == "digits":
        if source not in DIGITS:
            raise UserError(f"no digits '{source}' for {key}; {nearest(source, DIGITS)}")
        if importlib.util.find_spec("sklearn") is None:
            raise UserError(f"{key} = '{source}' needs scikit-learn, which is not installed: pip install scikit-learn")
    elif not source.startswith("tfds:") and not pathlib.Path(source).exists():
        raise UserError(
            f"images not found: {key} = '{source}' is no list file and no folder or .zip; expected a text file "
            "with one image path a line, a folder or a .zip of images, tfds:<name>[:<split>], "
            "digits[:train|:test|:stacked] or mixture:<name>; "
            f"set it with {argument or f'--set {key}='}..."
        )


def check_labels(key, source, num_classes):
    """Raise a `UserError` unless the data have labels of length `num_classes` or that is 0; tfds: is read later."""
    if not num_classes or source.startswith("tfds:"):
        return
    if source in DIGITS:
        length = 0 if source == STACKED else 10
    else:
        labels = image_folders.read_labels(key, source) if image_folders.is_collection(source) else None
        length = labels.num_classes if labels else 0
    image_folders.check_labels(key, source, length, num_classes)
