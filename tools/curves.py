#!/usr/bin/env python3
"""Draw the training curves of runs as in figure 2 of RP-GAN's paper: generator losses, mean (thick) and each D (thin).

tools/curves.py digits digits1 out.png
tools/curves.py digits models/seeds/digits_1 models/seeds/digits_2 out.png --samples

A RUN is an experiment, the folder of a run, or NAME@FOLDER; runs that differ only in their seed are drawn as one curve
in a band from the lowest to the highest. Losses are drawn over iterations and over seconds of training, and below them
gradient norms at the image and accuracies, if the runs have a monitor.jsonl. --samples adds samples of the same latents
at several saves.
"""

import pathlib

from rpgan_tf import command
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic


def main(argv):
    """Draw as `argv` says."""
    parser = command.Parser(__doc__)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="experiment or folder of a trained run")
    parser.add_argument("out", metavar="OUT.png", help="file to write")
    parser.add_argument("--samples", action="store_true", help="add samples")
    parser.add_strategy()
    arguments = parser.parse_args(argv)
    if pathlib.Path(arguments.out).suffix != ".png":
        raise UserError(f"expected a file name that ends in .png, received '{arguments.out}'")
    from rpgan_tf.studies import rpgan_figure2

    groups = rpgan_figure2.grouped([rpgan_figure2.Run(text) for text in arguments.runs])
    if arguments.samples:
        command.start_tensorflow(arguments.strategy)
    figure = rpgan_figure2.draw(groups, arguments.samples)
    atomic.write(arguments.out, lambda file: figure.savefig(file, format="png", dpi=100))
    print(f"wrote {arguments.out}: {'; '.join(f'{label} ({len(runs)})' for label, runs in groups.items())}")


if __name__ == "__main__":
    command.run(main)
