"""Checks of options against each other, by the rules that classes declare, and of the files that they name.

A class of a GAN or a net declares `rules`, pairs of a condition and a message. The condition is a Python expression
that must hold. Its names are the options, `given` (the set of those that the experiment sets, but to None), `of_net`
(the set of those that the net offers), `min` and `max`. The message has options as {fields}.

A class declares `needs`, functions "module:name" that check the files it reads: they take the options and raise a
`UserError`.
"""

import importlib
import importlib.util
import os
import pathlib
import types
from typing import Any

from rpgan_tf import projections
from rpgan_tf.config import declared
from rpgan_tf.data import mixtures, names
from rpgan_tf.errors import UserError
from rpgan_tf.files import image_folders

OF_IMAGES = ("subset", "mirror", "crop", "resize", "resize_filter", "channels", "imsz", "cache", "cache_dir")


def check_rules(options: dict[str, Any], given: set[str], source: str) -> None:
    """Check resolved options against the rules of the GAN, the net and every experiment; raises `UserError`."""
    gan, net = options["gan"], options["net"]
    of_net = {key for key, option in declared.of_net(net).items() if not option.fixed}
    known = options | {"given": given, "of_net": of_net, "min": min, "max": max, "__builtins__": {}}
    for condition, message in declared.literals("rules", gan, net):
        if not eval(condition, known):
            raise UserError(f"{source}: {message.format_map(options)}")


def check_data(options: dict[str, Any], given: set[str], source: str) -> None:
    """Check that the data suit the net and each other.

    Points are images of one pixel with a channel for each coordinate: `imsz` and `channels` are set accordingly.

    Raises:
        UserError: they do not.
    """
    lfile, test_lfile = options["lfile"], options["test_lfile"]
    if options["points"]:
        _check_points(options, given, source)
        return
    for key, value in (("lfile", lfile), ("test_lfile", test_lfile)):
        if names.is_mixture(value):
            of_points = [net for net in declared.nets() if declared.of(options["gan"], net)["points"].default]
            raise UserError(
                f"{source}: {key} = '{value}' has points, and net = '{options['net']}' is for images; take net = "
                f"{' or '.join(map(repr, of_points))}"
            )
    if options["channels"] == 1 and names.STACKED in (lfile, test_lfile):
        raise UserError(
            f"{source}: '{names.STACKED}' has a digit in each of three channels: expected channels = 3, received 1"
        )
    if lfile == names.STACKED and (options["subset"] or options["mirror"]):
        raise UserError(f"{source}: '{names.STACKED}' is drawn without end: expected subset = None and mirror = False")
    if options["cache"] and lfile in names.DIGITS:
        raise UserError(
            f"{source}: lfile = '{lfile}' is in memory as it is: expected cache = None, received '{options['cache']}'"
        )


def _check_points(options, given, source):
    """Check the data of a net for points, and set `imsz` and `channels`."""
    lfile, test_lfile = options["lfile"], options["test_lfile"]
    if not names.is_mixture(lfile):
        raise UserError(
            f"{source}: net = '{options['net']}' is for points: expected lfile = 'mixture:<name>', received lfile = "
            f"'{lfile}'"
        )
    for key in OF_IMAGES:
        if key in given:
            raise UserError(
                f"{source}: option '{key}' is of images, and lfile = '{lfile}' has points; leave it out: --set "
                f"{key}=None"
            )
    options |= {"imsz": 1, "channels": mixtures.find(lfile).dims}
    if test_lfile and mixtures.find(test_lfile).dims != options["channels"]:
        raise UserError(f"{source}: test_lfile = '{test_lfile}' has points of another dimension than lfile = '{lfile}'")


def check_files(options: types.SimpleNamespace) -> None:
    """Raise a `UserError` unless the files that training reads are there and fit, and its folders can be written."""
    check_filters(options)
    for function in declared.literals("needs", options.gan, options.net):
        module, _, name = function.partition(":")
        getattr(importlib.import_module(module), name)(options)
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
    folders = {}
    for key in ("lfile", "test_lfile"):
        source = getattr(options, key)
        if key == "lfile" or source:
            check_source(key, source)
            found = check_labels(key, source, options.num_classes)
            folders[key] = found.folders if found else ()
    if all(folders.values()) and len(set(folders.values())) > 1:
        names = ["'" + "', '".join(folders[key][:3]) + "'" for key in ("lfile", "test_lfile")]
        raise UserError(
            f"test_lfile = '{options.test_lfile}' has other classes than lfile: expected subfolders {names[0]}, ..., "
            f"received {names[1]}, ...; rename them"
        )


def check_filters(options: types.SimpleNamespace) -> None:
    """Raise a `UserError` unless the filters, if there are any, fit the data and the run trained so far."""
    if options.filts:
        filters = projections.load(options.filts)
        projections.check_fit(filters, options.imsz, options.filts, options.channels)
        projections.check_active(options.active, len(filters.kernels))
        projections.check_chunk(options.chunk, options.active or len(filters.kernels))
        projections.check_kept(filters, options.filts, options.wts_dir)


def check_source(key: str, source: str, argument: str | None = None) -> None:
    """Raise a `UserError` if there are no data at `source`, the value of option `key` or of a command's `argument`."""
    names.check_digits(key, source)
    if names.is_mixture(source):
        mixtures.find(source)
    elif source in names.DIGITS:
        if importlib.util.find_spec("sklearn") is None:
            raise UserError(f"{key} = '{source}' needs scikit-learn, which is not installed: pip install scikit-learn")
    elif not names.is_tfds(source) and not pathlib.Path(source).exists():
        raise UserError(
            f"images not found: {key} = '{source}' is no list file and no folder or .zip; expected {names.EXPECTED}; "
            f"set it with {argument or f'--set {key}='}..."
        )


def check_labels(key: str, source: str, num_classes: int) -> image_folders.Labels | None:
    """Return the labels in a folder or .zip, if the option is given; raise a `UserError` unless data have such.

    Those of tfds: are checked when they are read.
    """
    if not num_classes or names.is_tfds(source):
        return None
    if source in names.DIGITS:
        image_folders.check_labels(key, source, 0 if source == names.STACKED else 10, num_classes)
        return None
    labels = image_folders.read_labels(key, source) if image_folders.is_collection(source) else None
    image_folders.check_labels(key, source, labels.num_classes if labels else 0, num_classes)
    return labels


def check_classes(options: types.SimpleNamespace) -> None:
    """Raise a `UserError` if labels are lists of numbers, and the net has scales and shifts for classes."""
    if not options.num_classes or not image_folders.is_collection(options.lfile):
        return
    labels = image_folders.read_labels("lfile", options.lfile)
    if labels and labels.values.ndim == 2:
        raise UserError(
            f"net = '{options.net}' is for classes, and lfile = '{options.lfile}' has lists of numbers as labels: "
            f"expected numbers of classes in its {image_folders.LABELS}; change net, or set num_classes=0"
        )
