#!/usr/bin/env python3
"""Put runs side by side: samples of the same latents above, generator losses over the iterations below.

tools/compare.py digits digits1 out.png

Samples are the first of sample.py's grid. Losses are the means over the discriminators in each run's train.log: a thin
line for every iteration, a thick one for the moving average over 50.
"""

import pathlib

import numpy as np

from rpgan_tf import command
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic, run_logs
from rpgan_tf.sampling import generators, latents, pictures

ROWS, COLUMNS, WINDOW = 6, 10, 50


def main(argv: list[str]) -> None:
    """Draw the runs that the command line names."""
    parser = command.Parser(__doc__)
    parser.add_argument("names", nargs="+", metavar="NAME", help="experiments that were trained")
    parser.add_argument("out", help="PNG file to write")
    parser.add_strategy()
    arguments = parser.parse_args(argv)
    runs = [command.load_options(name, []) for name in arguments.names]
    losses = [run_logs.read_losses(pathlib.Path(options.wts_dir) / "train.log")[:2] for options in runs]
    for options in runs:
        generators.check_images(options, "tools/compare.py")
    paths = [generators.find_weights(options) for options in runs]
    try:
        import matplotlib.figure
    except ImportError:
        raise UserError("tools/compare.py needs matplotlib: pip install matplotlib") from None

    command.start_tensorflow(arguments.strategy)

    figure = matplotlib.figure.Figure(figsize=(6 * len(runs), 8), layout="constrained")
    axes = figure.subplot_mosaic([arguments.names, ["loss"] * len(runs)], height_ratios=[4, 3])
    for name, options, path, (iterations, loss) in zip(arguments.names, runs, paths, losses):
        samples = generators.load(options, path)(*latents.inputs(options, 0))[: ROWS * COLUMNS]
        print(f"read {path}")
        framed = np.pad(samples, [(0, 0), (1, 1), (1, 1), (0, 0)])  # 0 is grey
        axes[name].imshow(pictures.grid(framed, COLUMNS), cmap="gray", vmin=0, vmax=255)  # the map is for grey ones
        axes[name].set_title(f"{name} ({options.gan}), {path.name.split('.')[0]}")
        axes[name].axis("off")
        (line,) = axes["loss"].plot(iterations, loss, linewidth=0.3, alpha=0.5)
        window = min(WINDOW, len(loss))
        mean = np.convolve(loss, np.ones(window) / window, "valid")
        axes["loss"].plot(iterations[window - 1 :], mean, color=line.get_color(), label=f"{name} ({options.gan})")
    lowest = min(loss.min() for _, loss in losses)
    axes["loss"].set(xlabel="iteration", ylabel="generator loss", ylim=(0 if lowest >= 0 else None, None))
    axes["loss"].legend()
    atomic.write(arguments.out, lambda file: figure.savefig(file, format="png", dpi=100))
    print(f"wrote {arguments.out}")


if __name__ == "__main__":
    command.run(main)
