"""Kinds of option values: the annotation of an option names its kind, which says what a value may be."""

import ast
import math
import re
from collections.abc import Callable
from typing import Annotated, Any, TypeAlias, TypeVar

from rpgan_tf.errors import UserError

Count: TypeAlias = int
CountFrom2: TypeAlias = int
CountFrom8: TypeAlias = int
Whole: TypeAlias = int
Size: TypeAlias = int
SizeFrom8: TypeAlias = int
SizeFrom16: TypeAlias = int
SizeFrom32: TypeAlias = int
Positive: TypeAlias = float
Negative: TypeAlias = float
NonNegative: TypeAlias = float
Share: TypeAlias = float
Probability: TypeAlias = float
Value = TypeVar("Value")
Color: TypeAlias = str
Fixed: TypeAlias = Annotated[Value, "experiments cannot set it"]

Rules: TypeAlias = list[tuple[str, str]]  # (condition, message), see `checks`

NONE = (None, "", "None")  # each stands for no value


def _is_size(value, smallest):
    return value >= smallest and not value & (value - 1)


KINDS: dict[str, tuple[type, str, Callable[[Any], bool]]] = {  # annotation: (type, description, condition)
    "bool": (bool, "True or False", lambda value: True),
    "str": (str, "a text", lambda value: True),
    "Color": (
        str,
        "'white', 'black' or '#rrggbb'",
        lambda value: bool(re.fullmatch("white|black|#[0-9a-fA-F]{6}", value)),
    ),
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


class Text(str):
    """A value as typed on the command line, read as the type of its option."""


def admits_none(annotation: str) -> bool:
    """Return whether an option with this annotation may be None."""
    return "None" in _parts(annotation)


def typed(key: str, value: Any, annotation: str, source: str) -> Any:
    """Check `value` and convert it to the type that `annotation` names; whole floats are accepted as integers.

    Raises:
        UserError: the value has another type, or violates the condition of its kind.
    """
    received = f"{value!r}"
    if admits_none(annotation) and value in NONE:
        return None
    first = _parts(annotation)[0]
    kind: type
    if annotation.startswith("Literal["):
        choices = ast.literal_eval(first.removeprefix("Literal"))
        kind, expected, fits = type(choices[0]), f"one of {', '.join(map(repr, choices))}", choices.__contains__
    else:
        kind, expected, fits = KINDS[first]
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


def _parts(annotation):
    return [part.strip() for part in annotation.split("|")]
