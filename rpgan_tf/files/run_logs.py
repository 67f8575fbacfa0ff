"""The text logs of a run: `train.log`, and every file of JSON lines (`monitor.jsonl`, `metrics.jsonl`).

A look is a line of `monitor.jsonl`: the statistics of the discriminators at one iteration. Knows NumPy only.
"""

import datetime
import json
import os
import pathlib
import re
from collections.abc import Mapping

import numpy as np

from rpgan_tf.errors import UserError

LOG = "train.log"
FILE = "monitor.jsonl"
LINE = re.compile(r"\[(\d+)\] \w+ Loss: G=([-+\w.]+)")
LINE_OF_EACH = re.compile(r"\[(\d+)\]\* (L\S+)")
TAIL = 4096  # bytes of a log that hold its last iteration


def append(path: str | os.PathLike, text: str, durable: bool = False) -> None:
    """Append lines to a text file in one write, on a new line if a killed process cut off the last one.

    Args:
        path: file, made with its folder if there is none.
        text: lines, each with its newline.
        durable: bool, return only when the disk has them.
    """
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab+", buffering=0) as file:
        cut_off = False
        if file.tell():
            file.seek(-1, os.SEEK_END)
            cut_off = file.read(1) != b"\n"
        file.write(b"\n" * cut_off + text.encode())
        if durable:
            os.fsync(file.fileno())


def append_record(path: str | os.PathLike, record: dict) -> None:
    """Append a dict to a file of JSON lines; return when the disk has it."""
    append(path, json.dumps(record, allow_nan=False) + "\n", durable=True)


def read_records(path: str | os.PathLike) -> list[dict]:
    """Return the dicts of a file of JSON lines, [] if there is no file; skip a line that a killed process cut off."""
    path = pathlib.Path(path)
    records = []
    for line in path.read_text().splitlines() if path.is_file() else []:
        try:
            records.append(json.loads(line))
        except ValueError:
            continue
    return records


def format_losses(losses: Mapping) -> str:
    """Return the mean losses of both nets as in `train.log`, from {"g_loss": [], "d_loss": []}."""
    return f"G={float(losses['g_loss']):.6f},D={float(losses['d_loss']):.6f}"


def loss_lines(iteration: int, time: datetime.datetime, optimizer: str, losses: Mapping) -> str:
    """Return an iteration's lines of `train.log`: the mean losses, and below the generator's loss for each of K.

    Args:
        iteration: number of completed iterations.
        time: when the last of them was completed.
        optimizer: its name.
        losses: {"g_loss": [], "d_loss": []}, and of a bank "g_losses" [K].
    """
    lines = f"{time:%Y-%m-%d %H:%M:%S} [{iteration:09d}] {optimizer} Loss: {format_losses(losses)}\n"
    if "g_losses" in losses:
        each = ",".join(f"L{i:02d}={loss:.3f}" for i, loss in enumerate(losses["g_losses"]))
        lines += f"[{iteration:09d}]* {each}\n"
    return lines


def remark(iteration: int, text: str) -> str:
    """Return any other line of `train.log`."""
    return f"[{iteration:09d}] {text}\n"


def last_iteration(path: str | os.PathLike) -> int:
    """Return the last iteration in a train.log, 0 if there is none."""
    path = pathlib.Path(path)
    if not path.is_file():
        return 0
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL))
        found = re.findall(rb"\[(\d{9})\]", file.read())
    return int(found[-1]) if found else 0


def read_losses(path: str | os.PathLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read the generator's losses in a train.log; an iteration that a resumed run repeated has its last ones.

    Returns:
        Iterations, int [N]; the mean loss over the discriminators, [N]; and the loss of each, [N, K], NaN in a line
        that was cut off.

    Raises:
        UserError: there is no such file, or it has no losses.
    """
    if not pathlib.Path(path).is_file():
        raise UserError(f"no file '{path}'; train the experiment first")
    means: dict[int, float] = {}
    each: dict[int, list[float]] = {}
    with open(path) as lines:
        for line in lines:
            if found := LINE.search(line):
                means[int(found[1])] = float(found[2])
            elif found := LINE_OF_EACH.match(line):
                each[int(found[1])] = [_number(part.partition("=")[2]) for part in found[2].split(",")]
    if not means:
        raise UserError(f"'{path}' has no loss lines; train the experiment first")
    iterations = sorted(means)
    mean = np.array([means[iteration] for iteration in iterations])
    if not each:  # a single discriminator
        return np.array(iterations), mean, mean[:, None]
    missing = [np.nan] * max(map(len, each.values()))
    rows = [each.get(iteration, missing) for iteration in iterations]
    return np.array(iterations), mean, np.array([row if len(row) == len(missing) else missing for row in rows])


def read_looks(wts_dir: str | os.PathLike) -> list[dict]:
    """Return the looks of a run, [] if it has none; null, which stands for a number that is not finite, becomes NaN."""
    return [
        {key: _with_nan(value) if isinstance(value, list) else value for key, value in look.items()}
        for look in read_records(pathlib.Path(wts_dir) / FILE)
    ]


def column(looks: list[dict], name: str) -> np.ndarray:
    """Return one statistic over N looks: [N, K], or [N] if a look has a single number."""
    return np.array([look[name] for look in looks], np.float64)


def to_line(look: dict) -> str:
    """Return a look as a line of `monitor.jsonl`, numbers in lists rounded to five significant digits."""
    rounded = {
        key: [_rounded(number) for number in value] if isinstance(value, list) else value for key, value in look.items()
    }
    return json.dumps(rounded, allow_nan=False) + "\n"


def moving(values: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the moving mean and standard deviation over `window` values: [..., N] -> twice [..., N - window + 1]."""
    windows = np.lib.stride_tricks.sliding_window_view(values, window, axis=-1)
    return windows.mean(axis=-1), windows.std(axis=-1)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:  # a line that was cut off
        return np.nan


def _rounded(number: float) -> float | None:
    return float(f"{number:.5g}") if np.isfinite(number) else None


def _with_nan(values: list) -> list:
    return [np.nan if value is None else value for value in values]
