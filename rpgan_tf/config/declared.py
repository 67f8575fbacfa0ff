"""The options and rules that classes of GANs and nets declare, read from their sources by `ast` without importing them.

An option is an annotated class attribute with a value. `Fixed[...]` takes back an option of a base class: its value
stands, and experiments cannot set it. `ClassVar[...]` and fields of a NamedTuple are no options. Rules (see `checks`)
are lists of literals in class attributes; those of base classes apply, too.
"""

import ast
import functools
import pathlib
from typing import Any, NamedTuple

PACKAGE = pathlib.Path(__file__).parent.parent


class Option(NamedTuple):
    """An option as a class declares it."""

    annotation: str
    default: bool | int | float | str | None
    fixed: bool  # whether experiments cannot set it


def gans() -> list[str]:
    """Return the names of all GANs; classes with a leading underscore are only built upon."""
    return list(_modules())


def nets() -> list[str]:
    """Return the modules of nets: those that define, or import by name, a `build_generator`."""
    return [path.stem for path in sorted(PACKAGE.glob("nets/*.py")) if _find(path, "build_generator")]


def gan_module(gan: str) -> str:
    """Return the name of the module in `rpgan_tf.gans` that holds the class `gan`."""
    return _modules()[gan].stem


@functools.cache
def of_gan(gan: str) -> dict[str, Option]:
    """Return the options of a GAN and of the classes it is built on, {name: Option}."""
    return _merged(_lineage(_modules()[gan], gan))


@functools.cache
def of_net(net: str) -> dict[str, Option]:
    """Return the options of the classes of a module of nets, {name: Option}."""
    return _merged(_classes_of_net(net))


@functools.cache
def of(gan: str, net: str) -> dict[str, Option]:
    """Return all options of a GAN with a net, {name: Option}, in the order of options.json.

    Those of every experiment come first, then those of the net, then those of the GAN; an option stands where it is
    first offered.
    """
    options: dict[str, Option] = {}
    for declared in (_merged(_of_all()), of_net(net), of_gan(gan)):
        for key, option in declared.items():
            if not option.fixed and not offers(options, key):
                options.pop(key, None)
            options[key] = option
    return options


def offers(options: dict[str, Option], key: str) -> bool:
    """Return whether an experiment can set the option `key`."""
    return key in options and not options[key].fixed


def literals(attribute: str, gan: str, net: str) -> list[Any]:
    """Return the items of the lists that classes assign to `attribute`.

    Those of the GAN come first, then those of the net, then those of every experiment; subclasses come before their
    base classes.
    """
    nodes = [*_of_all(), *_classes_of_net(net), *_lineage(_modules()[gan], gan)]
    return [item for node in reversed(nodes) for item in _literal(node, attribute)]


def _of_all():
    return _lineage(PACKAGE / "config/options.py", "Options")


def _literal(node, attribute):
    """Return the list that a class assigns to `attribute`, empty if it does not."""
    for item in node.body:
        targets = item.targets if isinstance(item, ast.Assign) else [getattr(item, "target", None)]
        if [getattr(target, "id", None) for target in targets] == [attribute]:
            return ast.literal_eval(item.value)
    return []


@functools.cache
def _modules():
    """Return {GAN: path of its module}."""
    found = {}
    for path in sorted(PACKAGE.glob("gans/*.py")):
        for node in _body(path):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                if any(base.name == "GAN" for base in _lineage(path, node.name)):
                    found[node.name] = path
    return found


def _classes_of_net(net):
    """Return the classes that a module of nets defines or imports by name from other nets, after their base classes."""
    path = PACKAGE / "nets" / f"{net}.py"
    names = []
    for node in _body(path):
        if isinstance(node, ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rpgan_tf.nets."):
            names += [alias.name for alias in node.names]
    return list(dict.fromkeys(node for name in names for node in _lineage(path, name)))


def _lineage(path, name):
    """Return the class that a module calls `name`, after its base classes in this library."""
    found = _find(path, name)
    if found is None or not isinstance(found[1], ast.ClassDef):
        return []
    path, node = found
    return [ancestor for base in node.bases[::-1] for ancestor in _lineage(path, ast.unparse(base))] + [node]


def _find(path, name):
    """Return (path, node) of the class or function that a module calls `name` or `module.name`; None for others."""
    first, _, rest = name.partition(".")
    for node in _body(path):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name:
            return path, node
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == PACKAGE.name:
            place = PACKAGE.parent.joinpath(*node.module.split("."))
            for alias in node.names:
                if (alias.asname or alias.name) == first:
                    return _find(place / f"{alias.name}.py", rest) if rest else _find(f"{place}.py", alias.name)
    return None


@functools.cache
def _body(path):
    """Return the statements of a file of this library, none if there is no such file."""
    path = pathlib.Path(path)
    return ast.parse(path.read_bytes()).body if path.is_file() else []


def _merged(nodes):
    """Return the options that classes declare, {name: Option}; later classes win."""
    return {
        item.target.id: _option(item)
        for node in nodes
        if "NamedTuple" not in map(ast.unparse, node.bases)
        for item in node.body
        if isinstance(item, ast.AnnAssign)
        and isinstance(item.target, ast.Name)
        and item.value is not None
        and not ast.unparse(item.annotation).startswith("ClassVar")
    }


def _option(item):
    annotation = ast.unparse(item.annotation)
    fixed = annotation.startswith("Fixed[")
    if fixed:
        annotation = annotation.removeprefix("Fixed[").removesuffix("]")
    return Option(annotation, ast.literal_eval(item.value), fixed)
