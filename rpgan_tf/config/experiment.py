"""Experiment files: plain assignments, checked before TensorFlow is imported.

An experiment sets options of every experiment (`options.py`), of every GAN (`rpgan_tf/gan.py`), of its GAN
(`gans/<paper>.py`) and of its nets (`nets/<net>.py`).
"""

import ast
import json
import pathlib
import traceback
import types
from collections.abc import Iterable
from typing import Any

from rpgan_tf.config import checks, declared, kinds, presets
from rpgan_tf.config.options import Options
from rpgan_tf.errors import UserError, nearest


def load(name: str, overrides: dict[str, Any] | None = None) -> types.SimpleNamespace:
    """Load the experiment `name` (exp/<name>.py below the current folder, or a path to a .py file).

    Args:
        name: of the experiment.
        overrides: {option: value}, as `parse_overrides` returns it for --set; wins over the file.

    Returns:
        Every option, resolved and checked (files are not looked at: see `check_files`).

    Raises:
        UserError: no such experiment, unknown option, wrong type, missing lfile or wts_dir.
    """
    path = pathlib.Path(name if name.endswith(".py") else f"exp/{name}.py")
    if not path.is_file():
        known = [file.stem for file in pathlib.Path("exp").glob("*.py")]
        raise UserError(f"no experiment '{name}': expected a file '{path}'; {nearest(path.stem, known)}")
    options = resolve(_assignments(path) | (overrides or {}), str(path))
    for key in ("lfile", "wts_dir"):
        if not getattr(options, key):
            raise UserError(f"{path}: '{key}' is missing; add {key} = '...' or --set {key}=...")
    return options


def _assignments(path: pathlib.Path) -> dict[str, Any]:
    """Run an experiment file and return {name: value} of its assignments, without private names."""
    text, values = path.read_bytes(), dict[str, Any]()
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
    return {key: value for key, value in values.items() if key in assigned and not key.startswith("_")}


def resolve(values: dict[str, Any], source: str = "options") -> types.SimpleNamespace:
    """Return every option with its value from `values`, its preset or its default, checked; raises `UserError`.

    Args:
        values: {option: value}. The text "None" of the command line takes back an option that cannot be None.
        source: of the values, for messages.
    """
    gan, net = (str(values.get(key, getattr(Options, key))) for key in ("gan", "net"))
    for key, name, names in (("gan", gan, declared.gans()), ("net", net, declared.nets())):
        if name not in names:
            raise UserError(f"{source}: unknown {key} '{name}'; {nearest(name, names)}")
    known = declared.of(gan, net)
    unknown = [key for key, value in values.items() if not declared.offers(known, key) and value not in kinds.NONE]
    if unknown:
        raise UserError(f"{source}: {_unknown(unknown, gan, net)}")
    values = {key: value for key, value in values.items() if not _taken_back(key, value, known)}
    given = {key for key, value in values.items() if value not in kinds.NONE}

    def typed(key):
        annotation, default, fixed = known[key]
        return default if fixed else kinds.typed(key, values.get(key, default), annotation, source)

    if values.get("cfg"):
        bsz = typed("bsz") if "bsz" in values else None
        values = presets.values(typed("cfg"), typed("imsz"), bsz, typed("accumulation")) | values
    options = {key: typed(key) for key in sorted(known, key=lambda key: known[key].fixed)}
    checks.check_rules(options, given, source)
    checks.check_data(options, given, source)
    for key in ("filts", "cache_dir"):
        if options[key]:
            options[key] = options[key].replace("<wts_dir>", options["wts_dir"] or ".")
    return types.SimpleNamespace(**options)


def _taken_back(key, value, known):
    """Return whether an option is not to be set: it is not offered, or cannot be None and is "None" as typed."""
    if not declared.offers(known, key):
        return True
    return isinstance(value, kinds.Text) and value == "None" and not kinds.admits_none(known[key].annotation)


def _unknown(keys, gan, net):
    """Return the message for options that gan and net do not offer: who does, or the nearest known option."""
    owners = {key: _owners(key) for key in keys}
    for key in keys:
        if not owners[key]:
            known = declared.of(gan, net)
            return f"unknown option '{key}'; {nearest(key, [name for name in known if declared.offers(known, name)])}"
    listed = ", ".join(owners[keys[0]][:4]) + ", ..." * (len(owners[keys[0]]) > 4)
    return (
        f"gan = '{gan}' with net = '{net}' has no option '{keys[0]}' ({listed} has): change gan or net, or leave out "
        f"options of others: --set {' '.join(f'{key}=None' for key in keys)}"
    )


def _owners(key):
    """Return the GANs and nets that offer an option, as they are written in an experiment."""
    owners = [f"gan = '{name}'" for name in declared.gans() if declared.offers(declared.of_gan(name), key)]
    return owners + [f"net = '{name}'" for name in declared.nets() if declared.offers(declared.of_net(name), key)]


def parse_overrides(assignments: Iterable[str]) -> dict[str, Any]:
    """Parse ["key=value", ...] to {key: text}; `resolve` reads each text as the type of its option."""
    overrides = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key.strip():
            raise UserError(f"--set expects key=value, received '{assignment}'")
        overrides[key.strip()] = kinds.Text(text)
    return overrides


def to_json(options: types.SimpleNamespace) -> str:
    """Return the resolved options as JSON text, without those that experiments cannot set, except for `filts`."""
    fixed = {key for key, option in declared.of(options.gan, options.net).items() if option.fixed} - {"filts"}
    return json.dumps({key: value for key, value in vars(options).items() if key not in fixed}, indent=2) + "\n"


def changes(options: types.SimpleNamespace, path: pathlib.Path) -> list[str]:
    """Return a line for each option that differs from the file at `path`, written when the run was last started.

    Raises:
        UserError: the run was of another GAN, or of another net.
    """
    try:
        before = json.loads(path.read_text())
    except (OSError, ValueError):  # a run of the original, say
        return []
    now = vars(options)
    differing = [key for key in before if key in now and before[key] != now[key]]
    for key in ("gan", "net"):
        if key in differing:
            raise UserError(
                f"the run in '{options.wts_dir}' was trained with {key} = '{before[key]}', received '{now[key]}'; "
                "start a new run with --set wts_dir=..."
            )
    return [f"changed since the last start: {key} = {before[key]!r} -> {now[key]!r}" for key in differing]
