"""What a run has written down of its course: the losses of `train.log`, and the looks of `monitor.jsonl`.

Knows NumPy only.
"""

import json
import pathlib
import re

import numpy as np

from rpgan_tf.errors import UserError

FILE = "monitor.jsonl"
LINE = re.compile(r"\[(\d+)\] \w+ Loss: G=([-+\w.]+)")
LINE_OF_EACH = re.compile(r"\[(\d+)\]\* (L\S+)")


def read_losses(path):
    """Read the generator's losses in a train.log; where a run was resumed, what came last counts.

    Returns:
        Iterations, int [N]; the mean over the discriminators, [N]; and the loss of each, [N, K], NaN in a line that was
        cut off.

    Raises:
        UserError: there is no such file, or there are no losses in it.
    """
    if not pathlib.Path(path).is_file():
        raise UserError(f"no file '{path}'; train the experiment first")
    means, each = {}, {}
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


def read_looks(wts_dir):
    """Return the looks in a run's `monitor.jsonl` as dicts, [] if there are none; see `training.monitor`.

    What is null in the file, since it was not finite, becomes NaN. A line that was cut off is skipped.
    """
    path = pathlib.Path(wts_dir) / FILE
    looks = []
    for line in path.read_text().splitlines() if path.is_file() else []:
        try:
            look = json.loads(line)
        except ValueError:
            continue
        looks.append({key: _with_nan(value) if isinstance(value, list) else value for key, value in look.items()})
    return looks


def column(looks, name):
    """Return one of the numbers of K discriminators over the looks: [N, K], or [N] of a single number."""
    return np.array([look[name] for look in looks], np.float64)


def to_line(look):
    """Return a look as a line of `monitor.jsonl`, its numbers rounded to five significant digits."""
    rounded = {
        key: [_rounded(number) for number in value] if isinstance(value, list) else value for key, value in look.items()
    }
    return json.dumps(rounded, allow_nan=False) + "\n"


def moving(values, window):
    """Return the moving mean and standard deviation over `window` values: [..., N] -> twice [..., N - window + 1]."""
    windows = np.lib.stride_tricks.sliding_window_view(values, window, axis=-1)
    return windows.mean(axis=-1), windows.std(axis=-1)


def _number(text):
    try:
        return float(text)
    except ValueError:  # a line that was cut off
        return np.nan


def _rounded(number):
    return float(f"{number:.5g}") if np.isfinite(number) else None


def _with_nan(values):
    return [np.nan if value is None else value for value in values]
