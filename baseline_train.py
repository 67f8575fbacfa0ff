#!/usr/bin/env python3
"""Train an experiment against a single discriminator on the whole image; otherwise as train.py.

./baseline_train.py face1
"""

from collections.abc import Sequence

import train
from rpgan_tf import command


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    train.main(argv, forced={"gan": "Baseline", "filts": None})


if __name__ == "__main__":
    command.run(main)
