"""The commands' common parts: parser, start of TensorFlow, and exit codes.

Exit codes: 0 success, 2 a user's mistake (one line on stderr, no traceback), 1 a fault of ours (with its traceback).
"""

import argparse
import os
import sys
import tempfile
import types
from collections.abc import Callable
from typing import Any, NoReturn

from absl.flags import argparse_flags

from rpgan_tf import config
from rpgan_tf.devices import strategies
from rpgan_tf.errors import UserError
from rpgan_tf.files import xla_cache


class Parser(argparse_flags.ArgumentParser):
    """Argument parser whose usage text is a command's docstring; mistakes are `UserError`s."""

    machines = False  # whether --strategy includes several machines

    def __init__(self, docstring: str | None) -> None:
        super().__init__(
            description=docstring, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
        )

    def add_experiment(self, form: str = "NAME") -> None:
        """Add the experiment's name, shown as `form`, and the option --set."""
        self.add_argument("name", metavar=form, help="experiment: exp/NAME.py below this folder, or a .py file")
        self.add_argument(
            "--set",
            nargs="+",
            action="extend",
            default=[],
            metavar="key=value",
            help="override options of the experiment",
        )

    def add_extractor(self) -> None:
        """Add the option --extractor."""
        forms = "digits, inception[:PATH], keras:NAME[:WEIGHTS], random:NAME[:SEED]"
        self.add_argument("--extractor", default="", metavar="NAME", help=forms)

    def add_strategy(self, machines: bool = False) -> None:
        """Add the option --strategy, with or without those for several machines."""
        self.machines = machines
        self.add_argument("--strategy", default="auto", metavar="KIND", help=strategies.forms(machines))

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        arguments = super().parse_args(args, namespace)
        if "strategy" in arguments:
            strategies.check(arguments.strategy, self.machines)
        return arguments

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; usage: {' '.join(self.format_usage().split()[1:])}")


def load_options(name: str, assignments: list[str], forced: dict | None = None) -> types.SimpleNamespace:
    """Load an experiment, overridden by the key=value texts of --set, and both by the options `forced`."""
    return config.load(name, config.parse_overrides(assignments) | (forced or {}))


def split_name(text: str, count: int) -> tuple:
    """Split "NAME[,number ...]" into the name and `count` integers, None for those that are missing."""
    name, *parts = text.split(",")
    try:
        numbers = [int(part) for part in parts]
    except ValueError:
        numbers = [-1]
    if len(numbers) > count or any(not 0 <= number < 2**32 for number in numbers):
        raise UserError(f"expected NAME and up to {count} whole numbers between commas, received '{text}'")
    return name, *numbers, *[None] * (count - len(numbers))


def parse_pair(text: str) -> list[int]:
    """Return the two image numbers of "a,b"."""
    numbers = [int(part) if part.isdecimal() else 0 for part in text.split(",")]
    if len(numbers) != 2 or not all(1 <= number <= 150 for number in numbers):
        raise UserError(f"expected a pair a,b of image numbers from 1 to 150, as 137,65; received '{text}'")
    return numbers


def count(text: str) -> int:
    """Return the whole number >= 1 of an argument: a `type` for `add_argument`."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number, at least 1; received '{text}'")
    return int(text)


def start_tensorflow(strategy: str = "one") -> None:
    """Import TensorFlow and start a strategy, under which everything runs from then on.

    Without TF_CPP_MIN_LOG_LEVEL in the environment, TensorFlow's messages about the machine are hidden. OMP_NUM_THREADS
    sets the threads of an operation, as in the original.

    Args:
        strategy: text of --strategy, already checked.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ or "tensorflow" in sys.modules:
        import tensorflow as tf
    else:
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
        stderr = os.dup(2)
        with tempfile.TemporaryFile() as unseen:
            os.dup2(unseen.fileno(), 2)
            try:
                import tensorflow as tf
            finally:
                os.dup2(stderr, 2)
                os.close(stderr)
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isdecimal():
        tf.config.threading.set_intra_op_parallelism_threads(int(threads))
    xla_cache.start()
    strategies.start(strategy)


def run(main: Callable[[list[str]], None]) -> None:
    """Run `main(argv)` as a command, and exit with its code."""
    try:
        main(sys.argv[1:])
    except UserError as error:
        print(f"{os.path.basename(sys.argv[0])}: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # the reader of our output is gone, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:  # such as a path without permission, or too long
        if error.filename is None:
            raise
        print(f"{os.path.basename(sys.argv[0])}: cannot use '{error.filename}': {error.strerror}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
