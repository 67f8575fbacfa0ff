"""Draw figure 2 of RP-GAN's paper (arXiv 1705.07831) from runs: generator losses, gradient norms, accuracy, samples.

Runs that differ only in their seed are drawn as one curve.
"""

from __future__ import annotations

import json
import pathlib
import types
import typing
from collections.abc import Iterable, Sequence

import numpy as np

from rpgan_tf import checkpoint, command, config
from rpgan_tf.errors import UserError
from rpgan_tf.files import run_logs
from rpgan_tf.sampling import generators, latents, pictures
from rpgan_tf.studies.rpgan_claims import WINDOW

if typing.TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

COLUMNS, MOST_ROWS = 12, 8  # grid of samples
LOOKS = {"gradient_norm": "gradient norm at the image", "accuracy": "accuracy of the discriminators"}
OF_RUN = (  # options in which runs of one curve may differ
    *("seed", "wts_dir", "cache_dir", "MAXITER", "SAVEFREQ", "lfile", "extractor"),
    *("monitor_every", "evaluate_every", "evaluate_metrics", "evaluate_samples", "evaluate_reference"),
)


class Run:
    """A trained run, read from its folder.

    Args:
        text: name of an experiment, folder of a run, or both as NAME@FOLDER.

    Raises:
        UserError: there is no such experiment, or no log of a run.
    """

    def __init__(self, text: str):
        name, _, folder = text.rpartition("@")
        if not name and (pathlib.Path(folder) / "options.json").is_file():
            values = json.loads((pathlib.Path(folder) / "options.json").read_text()) | {"wts_dir": folder}
            named = {key: values[key] for key in ("gan", "net", "lfile", "filts") if key in values}
            # An older run lacks some of today's options.
            self.options = types.SimpleNamespace(**vars(config.resolve(named, folder)) | values)
        elif name:
            self.options = command.load_options(name, [f"wts_dir={folder}"])
        else:
            self.options = command.load_options(text, [])
        self.folder = pathlib.Path(self.options.wts_dir)
        self.iterations, self.loss, self.each = run_logs.read_losses(self.folder / "train.log")
        self.looks = run_logs.read_looks(self.folder)

    def seconds(self, iterations: np.ndarray) -> np.ndarray:
        """Return the seconds of training up to each of iterations [N], NaN after the last look."""
        known = [look["iteration"] for look in self.looks]
        return np.interp(iterations, [0, *known], [0, *run_logs.column(self.looks, "seconds")], right=np.nan)

    @property
    def kind(self) -> dict:
        """The options that runs of one curve share."""
        return {key: value for key, value in vars(self.options).items() if key not in OF_RUN}


def grouped(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Return {label: runs that differ only in their seed}."""
    kinds: list[dict] = []
    for run in runs:
        if run.kind not in kinds:
            kinds.append(run.kind)
    groups = {}
    for kind in kinds:
        mine = [run for run in runs if run.kind == kind]
        num = mine[0].each.shape[1]
        label = f"{kind['gan']}, K = {num}" if kind.get("filts") else f"{kind['gan']}, single discriminator"
        shown = ("gan", "filts")
        same = [other for other in kinds if all(other.get(key) == kind.get(key) for key in shown)]
        for key in kind:
            if key not in shown and any(other.get(key) != kind[key] for other in same):
                label += f", {key} = {kind[key]}"
        while label in groups:  # other filters of the same number
            label += "'"
        groups[label] = mine
    return groups


def draw(groups: dict[str, list[Run]], with_samples: bool = False) -> matplotlib.figure.Figure:
    """Return the figure of `grouped` runs: losses over iterations and over seconds, gradient norms and accuracy.

    Args:
        groups: as `grouped` returns them.
        with_samples: add samples of the same latents at up to eight iterations that the first run of each group saved.

    Raises:
        UserError: matplotlib is not installed, or there are no samples to draw.
    """
    try:
        import matplotlib.figure
    except ImportError:
        raise UserError("curves need matplotlib: pip install matplotlib") from None
    rows = {label: samples(runs[0].options) for label, runs in groups.items()} if with_samples else {}
    seen = all(run.looks for runs in groups.values() for run in runs)
    height, size = (9 if seen else 4.5), (2 if seen else 1)
    figure = matplotlib.figure.Figure(figsize=(13, height + (4.6 if rows else 0)), layout="constrained")
    parts = figure.subfigures(2, 1, squeeze=False, height_ratios=[height, 4.6])[:, 0] if rows else [figure]
    axes = parts[0].subplots(size, size, squeeze=False)
    for number, (label, runs) in enumerate(groups.items()):
        color = f"C{number}"
        iterations = _common([run.iterations for run in runs])
        draw_losses(axes[0, 0], iterations, runs, color, label)
        if seen:
            seconds = np.mean([run.seconds(iterations) for run in runs], axis=0)
            draw_losses(axes[0, 1], seconds, runs, color, label)
            for plot, name in zip(axes[1], LOOKS):
                draw_looks(plot, runs, name, color, label)
    _label(axes, [_finite(run.each[len(run.each) // 10 :]) for runs in groups.values() for run in runs])
    if rows:
        draw_samples(parts[1], rows)
    return figure


def _label(axes: np.ndarray, losses: list[np.ndarray]) -> None:
    """Set the labels and limits of the plots; `losses` are those that the plots of the first row must show."""
    highest, lowest = max(np.percentile(each, 99.5) for each in losses), min(np.min(each) for each in losses)
    for plot, x in zip(axes[0], ("iteration", "seconds of training, mean over the seeds")):
        plot.set(xlabel=x, ylabel="generator loss", ylim=(min(lowest, 0), 1.05 * highest), xlim=(0, None))
        plot.margins(x=0)
    axes[0, 0].legend(loc="upper right")
    if len(axes) > 1:
        for plot, text in zip(axes[1], LOOKS.values()):
            plot.set(xlabel="iteration", ylabel=text, xlim=(0, None))
            plot.set_title("mean, and the range of all discriminators and seeds", fontsize=9)
        axes[1, 0].set_yscale("log")
        axes[1, 1].set_ylim(None, 1.01)


def _finite(values: np.ndarray) -> np.ndarray:
    """Return the finite values, [1.0] without any, since a diverged run ends with others."""
    found = values[np.isfinite(values)]
    return found if found.size else np.ones(1)


def draw_losses(plot: matplotlib.axes.Axes, x: np.ndarray, runs: Sequence[Run], color: str, label: str) -> None:
    """Draw the moving mean of the loss as a thick line in a band over seeds, and thinly each D's loss of the first."""
    common = _common([run.iterations for run in runs])
    rows = [np.searchsorted(run.iterations, common) for run in runs]
    window = max(1, min(WINDOW, len(common) // 10))
    means = np.array([run_logs.moving(run.loss[row], window)[0] for run, row in zip(runs, rows)])
    single = runs[0].each.shape[1] == 1
    plot.plot(x, runs[0].each[rows[0]], color=color, linewidth=0.4, alpha=0.5 if single else 0.15, zorder=1)
    x = x[window - 1 :]
    if len(runs) > 1:
        plot.fill_between(x, means.min(0), means.max(0), color=color, alpha=0.35, linewidth=0, zorder=2)
        label += f", {len(runs)} seeds"
    plot.plot(x, means.mean(0), color=color, linewidth=2.2, label=label, zorder=3)


def draw_looks(plot: matplotlib.axes.Axes, runs: Sequence[Run], name: str, color: str, label: str) -> None:
    """Draw one statistic of the looks: its mean over discriminators and seeds, in the band of their range."""
    common = _common([[look["iteration"] for look in run.looks] for run in runs])
    kept = [[look for look in run.looks if look["iteration"] in set(common)] for run in runs]
    values = np.concatenate([run_logs.column(looks, name) for looks in kept], axis=1)  # [N, seeds * K]
    window = max(1, len(common) // 30)
    means = run_logs.moving(values.T, window)[0]
    x = common[window - 1 :]
    if len(means) > 1:
        plot.fill_between(x, means.min(0), means.max(0), color=color, alpha=0.25, linewidth=0)
    plot.plot(x, means.mean(0), color=color, linewidth=2, label=label)


def samples(options: types.SimpleNamespace) -> dict[int, np.ndarray]:
    """Return {iteration: one row of samples, uint8 [H, W, C]} of the same latents at up to eight saves of a run."""
    generators.check_images(options, "a picture of samples")
    generators.find_weights(options)
    kind = generators.weights_kind(options)
    known = checkpoint.saved_iterations(options.wts_dir, kind)
    known = [known[i] for i in np.unique(np.linspace(0, len(known) - 1, MOST_ROWS).round().astype(int))]
    inputs, rows = latents.inputs(options, 0), {}
    for iteration in known:
        drawn = generators.load(options, checkpoint.path_of(options.wts_dir, iteration, kind))(*inputs)[:COLUMNS]
        rows[iteration] = pictures.grid(np.pad(drawn, [(0, 0), (1, 1), (1, 1), (0, 0)]), COLUMNS)
    return rows


def draw_samples(figure: matplotlib.figure.FigureBase, groups: dict[str, dict[int, np.ndarray]]) -> None:
    """Draw the rows of `samples` of each curve side by side, with their iterations."""
    for plot, (label, rows) in zip(np.atleast_1d(figure.subplots(1, len(groups))), groups.items()):
        stacked = np.concatenate(list(rows.values()))
        plot.imshow(stacked, cmap="gray", vmin=0, vmax=255)  # colours ignore the map
        height = len(stacked) / len(rows)
        plot.set_yticks([(i + 0.5) * height for i in range(len(rows))], [f"{iteration:,}" for iteration in rows])
        plot.set_anchor("N")
        plot.set(xticks=[], title=f"{label}: same latents, by iteration")
        plot.tick_params(length=0)
        plot.spines[:].set_visible(False)


def _common(numbers: Iterable) -> np.ndarray:
    """Return the numbers that several ascending lists share, int [N]."""
    first, *others = numbers
    common = np.asarray(first)
    for other in others:
        common = np.intersect1d(common, other)
    return common
