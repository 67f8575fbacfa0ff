#!/usr/bin/env python3
"""Train an experiment against a single discriminator on the image, without projections: as train.py otherwise.

./baseline_train.py face1
"""

import train
from rpgan_tf import command


def main(argv):
    """Train as `argv` says, with the single discriminator."""
    train.main(argv, forced={"gan": "Baseline", "filts": None})


if __name__ == "__main__":
    command.run(main)
