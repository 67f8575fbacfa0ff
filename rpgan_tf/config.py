"""Experiment files: plain assignments, checked before TensorFlow is imported.

An experiment may set the options below, those of its GAN (the annotated class attributes in `gans/<paper>.py`) and
those of its nets (the same in `nets/<net>.py`). The sources are parsed, not imported, so a mistake is reported at once.
"""

import ast
import importlib.util
import json
import math
import os
import pathlib
import re
import traceback
import types

from rpgan_tf import projections
from rpgan_tf.errors import UserError, nearest

OPTIONS = {
    "gan": "RPGAN",  # class in rpgan_tf/gans/
    "net": "rpgan",  # module in rpgan_tf/nets/
    "filts": None,  # random projections: a file of tools/rproj.py; None for a discriminator on the image itself
    "lfile": "",  # images: list file, folder, tfds:<name>[:<split>], or digits
    "crop": False,  # resize the shorter side to imsz + 1, then crop at random; else images must be imsz x imsz
    "imsz": 64,  # height and width of an image
    "bsz": 64,  # images a batch
    "wts_dir": "",  # folder for weights and everything else that a run writes
    "SAVEFREQ": 1000,  # iterations between saves
    "MAXITER": 100000,  # iterations in all
    "seed": 0,  # of initial weights, noise, order of images and crops
}
PACKAGE = pathlib.Path(__file__).parent


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
    gans, nets = _classes("gans"), [path.stem for path in (PACKAGE / "nets").glob("[!_]*.py")]
    gan, net = (str(values.get(key, OPTIONS[key])) for key in ("gan", "net"))
    if gan not in gans:
        raise UserError(f"{source}: unknown gan '{gan}'; {nearest(gan, gans)}")
    if net not in nets:
        raise UserError(f"{source}: unknown net '{net}'; {nearest(net, nets)}")
    net_options = {}
    for node in _class_nodes(PACKAGE / "nets" / f"{net}.py"):
        net_options |= _annotated(node)
    gan_options = _declared(gan, gans)
    defaults = OPTIONS | net_options | gan_options
    for key in values:
        if key not in defaults:
            raise UserError(f"{source}: unknown option '{key}'; {nearest(key, defaults)}")
    options = {key: _typed(key, values.get(key, default), default, source) for key, default in defaults.items()}
    for key, value in options.items():
        if type(value) is int and value < 1 and key != "seed":
            raise UserError(f"{source}: option '{key}' must be at least 1, received {options[key]}")
    if not 0 < options.get("learning_rate", 1) < math.inf:
        received = options["learning_rate"]
        raise UserError(f"{source}: option 'learning_rate' must be a positive number, received {received}")
    if options["imsz"] & (options["imsz"] - 1) or options["imsz"] < 4:
        raise UserError(f"{source}: option 'imsz' must be a power of two >= 4, received {options['imsz']}")
    if not 0 <= options["seed"] < 2**31:
        raise UserError(f"{source}: option 'seed' must be in 0 .. 2^31 - 1, received {options['seed']}")
    if "filts" in gan_options and (options["filts"] is None) != (gan_options["filts"] is None):
        expected = "no filts" if gan_options["filts"] is None else "filts, a file of tools/rproj.py"
        raise UserError(
            f"{source}: gan = '{gan}' has {expected}; received filts = {options['filts']!r}; change one of them"
        )
    if options["filts"]:
        options["filts"] = options["filts"].replace("<wts_dir>", options["wts_dir"] or ".")
    return types.SimpleNamespace(**options)


def check_files(options):
    """Raise a `UserError` unless the files that training reads are there and fit, and its folder can be written."""
    if options.filts:
        filters = projections.load(options.filts)
        projections.check_fit(filters, options.imsz, options.filts)
        projections.check_kept(filters, options.filts, options.wts_dir)
    folder = pathlib.Path(options.wts_dir).absolute()
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"cannot write wts_dir = '{options.wts_dir}': '{folder}' is no folder that you may write in")
    source = options.lfile
    if source == "digits":
        if importlib.util.find_spec("sklearn") is None:
            raise UserError("lfile = 'digits' needs scikit-learn, which is not installed: pip install scikit-learn")
    elif not source.startswith("tfds:") and not pathlib.Path(source).exists():
        raise UserError(
            f"images not found: lfile = '{source}' is no list file and no folder; expected a text file with one image "
            "path a line, a folder of images, tfds:<name>[:<split>], or digits; set it with --set lfile=..."
        )


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


class Text(str):
    """A value as typed on the command line, to be read as the type of its option."""


def _typed(key, value, default, source):
    """Return `value` as the type of `default`; a float stands for an int when it is a whole number."""
    kind = str if default is None else type(default)
    received = f"{value!r}"
    if OPTIONS.get(key, default) is None and value in (None, "", "None"):
        return None
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
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        raise UserError(f"{source}: option '{key}' must be {kind.__name__}, received {received}")
    return str(value) if kind is str else value


def _class_nodes(path):
    return [node for node in ast.parse(path.read_bytes()).body if isinstance(node, ast.ClassDef)]


def _annotated(node):
    """Return the annotated class attributes of a class: its options and their defaults."""
    return {
        item.target.id: ast.literal_eval(item.value)
        for item in node.body
        if isinstance(item, ast.AnnAssign) and item.value is not None
    }


def _classes(package):
    """Return {class name: (module name, class node)} of a package of this library."""
    paths = sorted((PACKAGE / package).glob("[!_]*.py"))
    return {node.name: (path.stem, node) for path in paths for node in _class_nodes(path)}


def _declared(name, classes):
    """Return the options that a class and its bases in the same package declare."""
    if name not in classes:
        return {}
    node = classes[name][1]
    options = {}
    for base in reversed(node.bases):
        options |= _declared(re.split(r"\.", ast.unparse(base))[-1], classes)
    return options | _annotated(node)


def gan_module(name):
    """Return the name of the module in `rpgan_tf.gans` that holds the class `name`."""
    return _classes("gans")[name][0]
