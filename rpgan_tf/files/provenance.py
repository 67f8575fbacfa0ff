"""Provenance of records: the command that wrote them, when, and with which versions. Needs no TensorFlow."""

import datetime
import importlib.metadata
import os
import pathlib
import platform
import shlex
import sys

import rpgan_tf

ROOT = pathlib.Path(__file__).parents[2]  # of the commands


def record() -> dict:
    """Return the command of this process, the date, the number of cores and the versions."""
    return {
        "command": shlex.join([_from_root(sys.argv[0]), *sys.argv[1:]]),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cores": os.cpu_count(),
        "versions": {
            "rpgan_tf": rpgan_tf.__version__,
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in ("tensorflow", "keras", "numpy")},
        },
    }


def _from_root(name: str) -> str:
    """Return the path of a command relative to the root folder, if it is below, else its name."""
    path = pathlib.Path(name).absolute()
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name
