"""How a record was made: its command, date, seeds, machine and versions."""

import datetime
import importlib.metadata
import pathlib
import platform
import shlex
import sys
from collections.abc import Iterable

import rpgan_tf
from rpgan_tf.devices import processor

ROOT = pathlib.Path(__file__).parents[2]  # where train.py is


def record(seeds: Iterable[int]) -> dict:
    """Return the provenance of a record that this command makes; its machine is from `processor.describe`."""
    return {
        "command": shlex.join([_from_root(sys.argv[0]), *sys.argv[1:]]),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "seeds": list(seeds),
        "machine": processor.describe(),
        "versions": {
            "rpgan_tf": rpgan_tf.__version__,
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in ("tensorflow", "keras", "numpy")},
        },
    }


def _from_root(name: str) -> str:
    """Return the path of a command relative to the folder of train.py, if it is below."""
    path = pathlib.Path(name).absolute()
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name
