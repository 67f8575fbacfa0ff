"""Files that appear whole or not at all, and .npz files that are never unpickled."""

import contextlib
import os
import pathlib
import shutil
import zipfile
from collections.abc import Callable, Mapping
from typing import BinaryIO

import numpy as np

from rpgan_tf.errors import UserError

Path = str | pathlib.Path


def write(path: Path, writer: Callable[[BinaryIO], object]) -> None:
    """Write a file through `writer(binary file)`: under another name, flushed to the disk, then renamed to `path`.

    Raises:
        UserError: the file cannot be written; an older one at `path` stays.
    """
    path = pathlib.Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")  # two processes may write it
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb") as file:
            writer(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    except BaseException as error:
        with contextlib.suppress(OSError):
            part.unlink()
        if not isinstance(error, OSError):
            raise
        raise UserError(f"cannot write '{path}': {error.strerror}; nothing there was changed") from None


def write_folder(path: Path, writer: Callable[[Callable[[str, bytes], None]], object]) -> None:
    """Write a new folder through `writer(save)`, `save` being a function of a name and bytes; then rename it to `path`.

    Raises:
        UserError: the folder cannot be written, for example since `path` is a folder with files.
    """
    path = pathlib.Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")

    def save(name, contents):
        (part / name).parent.mkdir(parents=True, exist_ok=True)
        (part / name).write_bytes(contents)

    try:
        part.mkdir(parents=True)
        writer(save)
        os.replace(part, path)
    except BaseException as error:
        shutil.rmtree(part, ignore_errors=True)
        if not isinstance(error, OSError):
            raise
        raise UserError(f"cannot write '{path}': {error.strerror}; nothing there was changed") from None


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    write(path, lambda file: file.write(text.encode()))


def put_between(path: Path, marks: tuple[str, str], lines: list[str]) -> None:
    """Replace the lines between two marks of a text file, and print so; do nothing unless it exists and has both."""
    path = pathlib.Path(path)
    text = path.read_text() if path.is_file() else ""
    if all(mark in text for mark in marks):
        before, after = text.partition(marks[0])[0], text.partition(marks[1])[2]
        write_text(path, "\n".join([before + marks[0], *lines, marks[1] + after]))
        print(f"wrote the tables in {path}")


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays as .npz."""
    write(path, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]  # it fits allow_pickle, too


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read all arrays of an .npz file; raises `UserError` if it is missing, damaged or pickled."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except FileNotFoundError:
        raise UserError(f"no file '{path}'") from None
    except (OSError, ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise UserError(f"cannot read '{path}': expected an .npz file of plain arrays; {error}") from None
