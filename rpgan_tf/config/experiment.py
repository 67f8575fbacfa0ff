"""Experiment files: plain assignments, checked before TensorFlow is imported.

An experiment sets options of every experiment (`options.py`), of every GAN (`rpgan_tf/gan.py`), of its GAN
(`gans/<paper>.py`) and of its nets (`nets/<net>.py`).
"""

import ast
import json
import pathlib
import traceback
import types

from rpgan_tf.config import checks, declared, kinds, presets
from rpgan_tf.config.checks import DIGITS, STACKED
from rpgan_tf.config.options import Options
from rpgan_tf.errors import UserError, nearest


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
    gans, nets = declared.gans(), declared.nets()
    gan, net = (str(values.get(key, getattr(Options, key))) for key in ("gan", "net"))
    if gan not in gans:
        raise UserError(f"{source}: unknown gan '{gan}'; {nearest(gan, gans)}")
    if net not in nets:
        raise UserError(f"{source}: unknown net '{net}'; {nearest(net, nets)}")
    of_gan, of_net, known = declared.of_gan(gan), declared.of_net(net), declared.of(gan, net)
    for key, value in values.items():
        if not declared.offers(known, key) and value not in kinds.NONE:
            raise UserError(f"{source}: {_unknown(key, gan, net, known)}")

    def typed(key):
        annotation, default, fixed = known[key]
        return default if fixed else kinds.typed(key, values.get(key, default), annotation, source)

    if values.get("cfg"):
        bsz = typed("bsz") if "bsz" in values else None
        values = presets.values(typed("cfg"), typed("imsz"), bsz, typed("accumulation")) | values
    options = {key: typed(key) for key in sorted(known, key=lambda key: known[key].fixed)}
    if options["seed"] >= 2**31:
        raise UserError(f"{source}: option 'seed' must be in 0 .. 2^31 - 1, received {options['seed']}")
    if options["crop"] and options["resize"] != "no":
        raise UserError(
            f"{source}: crop = True resizes by itself and excludes resize = '{options['resize']}'; keep one of them"
        )
    if options["channels"] == 1 and STACKED in (options["lfile"], options["test_lfile"]):
        raise UserError(
            f"{source}: '{STACKED}' has a digit in each of three channels: expected channels = 3, received 1"
        )
    if options["lfile"] == STACKED and (options["subset"] or options["mirror"]):
        raise UserError(f"{source}: '{STACKED}' is drawn without end: expected subset = None and mirror = False")
    if options["cache"] and options["lfile"] in DIGITS:
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
    if options["filts"] and "filts" not in of_net:
        raise UserError(
            f"{source}: net = '{net}' has no discriminators for projections, received filts = '{options['filts']}'; "
            f"take net = 'rpgan', or a gan without filts (gan = '{gan}')"
        )
    if declared.offers(of_gan, "filts") and not options["filts"]:
        raise UserError(
            f"{source}: gan = '{gan}' needs filts, a file of tools/rproj.py, received None; gan = 'Baseline' has none"
        )
    if options["precision"] != "float32" and declared.offers(known, "num_half"):
        raise UserError(
            f"{source}: net = '{net}' has half precision of its own: expected num_half = 4 (or another number of "
            f"resolutions) and half = 'float16' or 'bfloat16', received precision = '{options['precision']}'"
        )
    if options["divide"] == "discriminators" and not options["filts"]:
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
    if options["num_classes"] and "style_mixing" not in options:
        raise UserError(
            f"{source}: gan = '{gan}' knows no labels: expected num_classes = 0, received {options['num_classes']}; "
            "take gan = 'StyleGAN2', 'GGDR' or 'GLeaD'"
        )
    for key in ("aug_pipe", "ada_target", "ada_kimg"):
        if key in values and (options["aug"] == "no" or (options["aug"] == "fixed" and key != "aug_pipe")):
            raise UserError(f"{source}: {key} is of aug = 'ada', received aug = '{options['aug']}'; change one of them")
    checks.check_kind_of_data(options, values, source)
    return types.SimpleNamespace(**options)


def parse_overrides(assignments):
    """Turn ['key=value', ...] into a dict of texts."""
    overrides = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key.strip():
            raise UserError(f"--set expects key=value, received '{assignment}'")
        overrides[key.strip()] = kinds.Text(text)
    return overrides


def to_json(options):
    """Return the resolved options as JSON text, without those that cannot be set, except for `filts`."""
    fixed = {key for key, option in declared.of(options.gan, options.net).items() if option.fixed} - {"filts"}
    return json.dumps({key: value for key, value in vars(options).items() if key not in fixed}, indent=2) + "\n"


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


def _unknown(key, gan, net, known):
    """Return what to say of an option that gan and net have not: whose it is, or what it may have meant."""
    owners = [f"gan = '{name}'" for name in declared.gans() if declared.offers(declared.of_gan(name), key)]
    owners += [f"net = '{name}'" for name in declared.nets() if declared.offers(declared.of_net(name), key)]
    if owners:
        owners = ", ".join(owners[:4])
        return f"gan = '{gan}' with net = '{net}' has no option '{key}', {owners} would have; remove or change one"
    return f"unknown option '{key}'; {nearest(key, [name for name in known if declared.offers(known, name)])}"
