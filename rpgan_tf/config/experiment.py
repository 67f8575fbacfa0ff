"""Experiment files: plain assignments, checked before TensorFlow is imported.

An experiment may set the `Options` below, those of every GAN (`rpgan_tf/gan.py`), of its GAN (`gans/<paper>.py`) and of
its nets (`nets/<net>.py`). An option is an annotated class attribute; the annotation says what it may be, and None
takes back what a base class offers. The sources are parsed, not imported, so a mistake is reported at once.
"""

import ast
import functools
import importlib.util
import json
import math
import os
import pathlib
import re
import traceback
import types
from typing import Literal

from rpgan_tf import projections
from rpgan_tf.config import presets
from rpgan_tf.data import mixtures, names
from rpgan_tf.errors import UserError, nearest
from rpgan_tf.files import image_folders, lpips_weights

Count = CountFrom2 = CountFrom8 = Whole = Size = SizeFrom8 = SizeFrom16 = SizeFrom32 = int
Positive = Negative = NonNegative = Share = Probability = float

NONE = (None, "", "None")  # what stands for no value


def _is_size(value, smallest):
    return value >= smallest and not value & (value - 1)


KINDS = {  # annotation: (type, what is said of it, what it must satisfy)
    "bool": (bool, "True or False", lambda value: True),
    "str": (str, "a text", lambda value: True),
    "Count": (int, "a whole number, at least 1", lambda value: value >= 1),
    "CountFrom2": (int, "a whole number, at least 2", lambda value: value >= 2),
    "CountFrom8": (int, "a whole number, at least 8", lambda value: value >= 8),
    "Size": (int, "a power of two >= 4", lambda value: _is_size(value, 4)),
    "SizeFrom8": (int, "a power of two >= 8", lambda value: _is_size(value, 8)),
    "SizeFrom16": (int, "a power of two >= 16", lambda value: _is_size(value, 16)),
    "SizeFrom32": (int, "a power of two >= 32", lambda value: _is_size(value, 32)),
    "Whole": (int, "a whole number, at least 0", lambda value: value >= 0),
    "Positive": (float, "a positive number", lambda value: 0 < value < math.inf),
    "Negative": (float, "a negative number", lambda value: -math.inf < value < 0),
    "NonNegative": (float, "a number >= 0", lambda value: 0 <= value < math.inf),
    "Share": (float, "a number >= 0 and below 1", lambda value: 0 <= value < 1),
    "Probability": (float, "a number above 0, at most 1", lambda value: 0 < value <= 1),
}


class Options:
    """The options of every experiment."""

    gan: str = "RPGAN"  # class in rpgan_tf/gans/
    net: str = "rpgan"  # module in rpgan_tf/nets/
    lfile: str = ""  # images: list file, folder, .zip, tfds:<name>[:<split>], digits[:<part>]; or mixture:<name>
    test_lfile: str = ""  # held-out images, whose losses are reported
    test_every: Count = 500  # iterations between reports of the held-out losses
    subset: Count | None = None  # train on this many of the images, drawn at random; None: on all
    mirror: bool = False  # train on the images and on their mirror images
    crop: bool = False  # resize the shorter side to imsz + 1, then crop at random; as the original of RP-GAN
    resize: Literal["no", "cover", "stretch"] = "no"  # cover: shorter side to imsz, centre; stretch: both sides
    resize_filter: Literal["bilinear", "bicubic", "lanczos3", "area"] = "bilinear"
    channels: Literal[1, 3] = 3  # of an image
    cache: Literal["memory", "disk"] | None = None  # decode each image once, and keep its pixels there
    cache_dir: str = "<wts_dir>/cache"  # where on disk
    imsz: Size = 64  # height and width of an image
    bsz: Count = 64  # images a batch, on all devices together
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"  # of convolutions and products
    sync_bn: bool = False  # normalize the batch of all devices as one, where there are several
    compile: Literal["auto", "xla", "graph", "eager"] = "auto"  # the step: by XLA or as a graph; auto: as the net says
    wts_dir: str = ""  # folder for weights and everything else that a run writes
    start_from: str = ""  # folder of another run, from whose newest weights a new run starts, array by array
    SAVEFREQ: Count = 1000  # iterations between saves
    MAXITER: Count = 100000  # iterations in all
    seed: Whole = 0  # of initial weights, noise, order of images and crops
    monitor_every: Whole = 100  # iterations between looks at the discriminators, into monitor.jsonl; 0: none
    evaluate_every: Whole = 0  # iterations between evaluations, at saves; 0: none
    evaluate_metrics: str = "fid"  # what they measure, as --metrics of tools/evaluate.py
    evaluate_samples: Count | None = None  # None: as many as tools/evaluate.py takes
    evaluate_reference: str = "train"  # what samples are compared with, as --reference of tools/evaluate.py
    extractor: str = ""  # of features; "": digits for the embedded digits, else inception
    lpips_weights: str | None = None  # .npz of tools/convert_lpips.py; for GLeaD, ppl_w, projection to w


OF_IMAGES = ("subset", "mirror", "crop", "resize", "resize_filter", "channels", "imsz", "cache", "cache_dir")
OF_POINTS = "toy"  # the net for data that are no images
PACKAGE = pathlib.Path(__file__).parent.parent


def load(name, overrides=None):
    """Load the experiment `name` (exp/<name>.py below the current folder, or a path to a .py file).

    Args:
        name: str.
        overrides: dict of option -> value, or of what `parse_overrides` makes of --set; wins over the file.

    Returns:
        `types.SimpleNamespace` with every option resolved and checked (files are not looked at: see `check_files`).

    Raises:
        UserError: no such experiment, unknown option, wrong type, missing lfile or wts_dir.
    """
    path = pathlib.Path(name if name.endswith(".py") else f"exp/{name}.py")
    if not path.is_file():
        known = [file.stem for file in pathlib.Path("exp").glob("*.py")]
        raise UserError(f"no experiment '{name}': expected a file '{path}'; {nearest(path.stem, known)}")
    text, values = path.read_bytes(), {}
    try:
        tree = ast.parse(text, str(path))
        exec(compile(tree, str(path), "exec"), values)
    except (Exception, SystemExit) as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        line = frames[-1].lineno if frames else getattr(error, "lineno", "?")
        raise UserError(
            f"{path}, line {line}: {type(error).__name__}: {error}; expected plain assignments such as imsz = 64"
        ) from None
    assigned = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    values = {key: values[key] for key in values if key in assigned and not key.startswith("_")}
    options = resolve(values | (overrides or {}), str(path))
    for key in ("lfile", "wts_dir"):
        if not getattr(options, key):
            raise UserError(f"{path}: '{key}' is missing; add {key} = '...' or --set {key}=...")
    return options


def resolve(values, source="options"):
    """Return every option with its value from `values` or its default, checked; raises `UserError`."""
    values = dict(values)
    gans, nets = _gans(), _nets()
    gan, net = (str(values.get(key, getattr(Options, key))) for key in ("gan", "net"))
    if gan not in gans:
        raise UserError(f"{source}: unknown gan '{gan}'; {nearest(gan, gans)}")
    if net not in nets:
        raise UserError(f"{source}: unknown net '{net}'; {nearest(net, nets)}")
    of_gan, of_net = _of_gan(gan), _of_net(net)
    declared = _annotated(_classes("config/experiment.py")["Options"][1]) | of_net | of_gan
    for key, value in values.items():
        if not declared.get(key) and value not in NONE:
            raise UserError(f"{source}: {_unknown(key, gan, net, declared, gans, nets)}")

    def typed(key):
        return _typed(key, values.get(key, declared[key][1]), declared[key][0], source)

    if values.get("cfg"):
        bsz = typed("bsz") if "bsz" in values else None
        values = presets.values(typed("cfg"), typed("imsz"), bsz, typed("accumulation")) | values
    options = {key: typed(key) for key, option in declared.items() if option}
    if options["seed"] >= 2**31:
        raise UserError(f"{source}: option 'seed' must be in 0 .. 2^31 - 1, received {options['seed']}")
    if options["crop"] and options["resize"] != "no":
        raise UserError(
            f"{source}: crop = True resizes by itself and excludes resize = '{options['resize']}'; keep one of them"
        )
    if options["channels"] == 1 and names.STACKED in (options["lfile"], options["test_lfile"]):
        raise UserError(
            f"{source}: '{names.STACKED}' has a digit in each of three channels: expected channels = 3, received 1"
        )
    if options["lfile"] == names.STACKED and (options["subset"] or options["mirror"]):
        raise UserError(f"{source}: '{names.STACKED}' is drawn without end: expected subset = None and mirror = False")
    if options["cache"] and options["lfile"] in names.DIGITS:
        raise UserError(
            f"{source}: lfile = '{options['lfile']}' is in memory as it is: expected cache = None, received "
            f"'{options['cache']}'"
        )
    if options["cache"] != "disk" and "cache_dir" in values:
        raise UserError(
            f"{source}: cache_dir is of cache = 'disk', received cache = {options['cache']!r}; change one of them"
        )
    if options["evaluate_every"] % options["SAVEFREQ"]:
        raise UserError(
            f"{source}: what is evaluated is saved: evaluate_every must be a multiple of SAVEFREQ = "
            f"{options['SAVEFREQ']}, received {options['evaluate_every']}"
        )
    options.setdefault("filts", None)
    if options["filts"] and "filts" not in of_net:
        raise UserError(
            f"{source}: net = '{net}' has no discriminators for projections, received filts = '{options['filts']}'; "
            f"take net = 'rpgan', or a gan without filts (gan = '{gan}')"
        )
    if of_gan.get("filts") and not options["filts"]:
        raise UserError(
            f"{source}: gan = '{gan}' needs filts, a file of tools/rproj.py, received None; gan = 'Baseline' has none"
        )
    if options["precision"] != "float32" and "num_half" in options:
        raise UserError(
            f"{source}: net = '{net}' has half precision of its own: expected num_half = 4 (or another number of "
            f"resolutions) and half = 'float16' or 'bfloat16', received precision = '{options['precision']}'"
        )
    if options.get("divide") == "discriminators" and not options["filts"]:
        raise UserError(
            f"{source}: divide = 'discriminators' is for those of filts, received filts = None; take divide = 'batch'"
        )
    if options["filts"]:
        options["filts"] = options["filts"].replace("<wts_dir>", options["wts_dir"] or ".")
    options["cache_dir"] = options["cache_dir"].replace("<wts_dir>", options["wts_dir"] or ".")
    if "aug" in options and (options["aug"] == "fixed") != (options["aug_p"] is not None):
        raise UserError(
            f"{source}: aug_p is the probability of aug = 'fixed', which needs it, and of no other aug: received aug = "
            f"'{options['aug']}' with aug_p = {options['aug_p']}; change one of them"
        )
    if options.get("num_classes") and "style_mixing" not in options:
        raise UserError(
            f"{source}: gan = '{gan}' knows no labels: expected num_classes = 0, received {options['num_classes']}; "
            "take gan = 'StyleGAN2', 'GGDR' or 'GLeaD'"
        )
    for key in ("aug_pipe", "ada_target", "ada_kimg"):
        if key in values and (options["aug"] == "no" or (options["aug"] == "fixed" and key != "aug_pipe")):
            raise UserError(f"{source}: {key} is of aug = 'ada', received aug = '{options['aug']}'; change one of them")
    _check_kind_of_data(options, values, source)
    return types.SimpleNamespace(**options)


def _check_kind_of_data(options, values, source):
    """Check that images meet nets for images and points the net for points, which are 1 x 1 images of many channels."""
    if options["net"] != OF_POINTS:
        for key in ("lfile", "test_lfile"):
            if names.is_mixture(options[key]):
                raise UserError(
                    f"{source}: {key} = '{options[key]}' has points, and net = '{options['net']}' is for images; "
                    f"take net = '{OF_POINTS}'"
                )
        return
    if not names.is_mixture(options["lfile"]):
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
            check_labels(key, source, getattr(options, "num_classes", 0))


def check_filters(options):
    """Raise a `UserError` unless the filters, if there are any, fit, also those that a run was trained with."""
    if options.filts:
        filters = projections.load(options.filts)
        projections.check_fit(filters, options.imsz, options.filts, options.channels)
        projections.check_chunk(vars(options).get("chunk"), len(filters.kernels))
        projections.check_kept(filters, options.filts, options.wts_dir)


def check_source(key, source, argument=None):
    """Raise a `UserError` if there are no data where `source`, the value of option `key` or of an argument, says."""
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


def check_labels(key, source, num_classes):
    """Raise a `UserError` unless the data have labels of length `num_classes` or that is 0; tfds: is read later."""
    if not num_classes or names.is_tfds(source):
        return
    if source in names.DIGITS:
        length = 0 if source == names.STACKED else 10
    else:
        labels = image_folders.read_labels(key, source) if image_folders.is_collection(source) else None
        length = labels.num_classes if labels else 0
    image_folders.check_labels(key, source, length, num_classes)


def parse_overrides(assignments):
    """Turn ['key=value', ...] into a dict of texts."""
    overrides = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key.strip():
            raise UserError(f"--set expects key=value, received '{assignment}'")
        overrides[key.strip()] = Text(text)
    return overrides


def to_json(options):
    """Return the resolved options as JSON text."""
    return json.dumps(vars(options), indent=2) + "\n"


def changes(options, path):
    """Return lines that say which options differ from those at `path`, with which a run was last started.

    Raises:
        UserError: it was another GAN, or another net.
    """
    try:
        before = json.loads(path.read_text())
    except (OSError, ValueError):  # a run of the original, say
        return []
    differing = [key for key in before if key in vars(options) and before[key] != vars(options)[key]]
    for key in ("gan", "net"):
        if key in differing:
            raise UserError(
                f"the run in '{options.wts_dir}' was trained with {key} = '{before[key]}', received "
                f"'{vars(options)[key]}'; start a new run with --set wts_dir=..."
            )
    return [f"changed since the last start: {key} = {before[key]!r} -> {vars(options)[key]!r}" for key in differing]


class Text(str):
    """A value as typed on the command line, to be read as the type of its option."""


def _typed(key, value, annotation, source):
    """Return `value` as the `annotation` says; a float stands for an int when it is a whole number."""
    received = f"{value!r}"
    parts = [part.strip() for part in annotation.split("|")]
    if "None" in parts and value in NONE:
        return None
    if annotation.startswith("Literal["):
        choices = ast.literal_eval(parts[0].removeprefix("Literal"))
        kind, expected, fits = type(choices[0]), f"one of {', '.join(map(repr, choices))}", choices.__contains__
    else:
        kind, expected, fits = KINDS[parts[0]]
    if isinstance(value, Text) and kind is not str:
        try:
            value = {"true": True, "false": False}.get(value.lower(), value)
            value = ast.literal_eval(value) if isinstance(value, Text) else value
        except (ValueError, SyntaxError):
            pass
    if kind is int and isinstance(value, float) and value.is_integer():
        value = int(value)
    if kind is float and type(value) is int:
        value = float(value)
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)) or not fits(value):
        raise UserError(f"{source}: option '{key}' must be {expected}, received {received}")
    return str(value) if kind is str else value


def _unknown(key, gan, net, declared, gans, nets):
    """Return what to say of an option that gan and net have not: whose it is, or what it may have meant."""
    owners = [f"gan = '{name}'" for name in gans if _of_gan(name).get(key)]
    owners += [f"net = '{name}'" for name in nets if _of_net(name).get(key)]
    if owners:
        owners = ", ".join(owners[:4])
        return f"gan = '{gan}' with net = '{net}' has no option '{key}', {owners} would have; remove or change one"
    return f"unknown option '{key}'; {nearest(key, [name for name, option in declared.items() if option])}"


@functools.cache
def _body(path):
    """Return the statements of a file of this library."""
    return ast.parse(path.read_bytes()).body


def _class_nodes(path):
    return [node for node in _body(path) if isinstance(node, ast.ClassDef)]


def _annotated(node):
    """Return the annotated attributes of a class as {option: (annotation, default)}, None where it is taken back."""
    return {
        item.target.id: None if ast.unparse(item.annotation) == "None" else _option(item)
        for item in node.body
        if isinstance(item, ast.AnnAssign) and item.value is not None
    }


def _option(item):
    return ast.unparse(item.annotation), ast.literal_eval(item.value)


def _classes(pattern):
    """Return {class name: (module name, class node)} of files of this library."""
    paths = sorted(PACKAGE.glob(pattern))
    return {node.name: (path.stem, node) for path in paths for node in _class_nodes(path)}


def _gans():
    """Return the GANs that an experiment may name; classes with a leading underscore are only built upon."""
    return {name: found for name, found in _classes("gans/*.py").items() if not name.startswith("_")}


def _nets():
    """Return the modules of nets: those that have, or import by name, a `build_generator`."""
    return [path.stem for path in sorted(PACKAGE.glob("nets/*.py")) if "build_generator" in _names(path)]


def _names(path):
    """Return {name: node} of the classes and functions of a module, and of those it imports by name from other nets."""
    names = {}
    for node in _body(path):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            names[node.name] = node
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rpgan_tf.nets."):
            others = _names(path.with_name(node.module.rpartition(".")[2] + ".py"))
            names |= {alias.name: others[alias.name] for alias in node.names if alias.name in others}
    return names


def _of_net(net):
    """Return the options that the classes of a module of nets declare."""
    options = {}
    for node in _names(PACKAGE / "nets" / f"{net}.py").values():
        options |= _annotated(node)
    return options


def _of_gan(name):
    """Return the options that a GAN and the classes it is built on declare."""
    return _declared(name, _classes("gans/*.py") | _classes("gan.py"))


def _declared(name, classes):
    if name not in classes:
        return {}
    node = classes[name][1]
    options = {}
    for base in reversed(node.bases):
        options |= _declared(re.split(r"\.", ast.unparse(base))[-1], classes)
    return options | _annotated(node)


def gan_module(name):
    """Return the name of the module in `rpgan_tf.gans` that holds the class `name`."""
    return _gans()[name][0]
