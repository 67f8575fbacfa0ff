"""How the benchmarks measure: sides in turns, medians over rounds, the machine's own peaks beside them, records."""

import argparse
import datetime
import os
import pathlib
import statistics
import sys
import time

from rpgan_tf import files

RECORDS = pathlib.Path("docs/results/speed")


def add_options(parser, quick):
    """Add the options of all benchmarks to a parser; `quick` says what --quick leaves out."""
    parser.add_argument("--rounds", type=_positive, default=9, help="timed rounds after two that are not (default 9)")
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--record", action="store_true", help=f"write the table to {RECORDS}, too, for docs/speed.md")


def _positive(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number, at least 1; received '{text}'")
    return int(text)


def medians(calls, rounds):
    """Return {name: median seconds} of functions, each called once in every round, so that noise meets all alike.

    Args:
        calls: {name: function of nothing, which returns when its work is done}.
        rounds: those that count; two go before.
    """
    seconds = {name: [] for name in calls}
    for round_number in range(rounds + 2):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if round_number >= 2:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def peak_calls():
    """Return calls that show the machine's peaks, and what each does: {name: call}, {name: FLOP or bytes}.

    "sgemm" is a product of two float32 matrices 2048 x 2048, "copy" reads and writes 256 MB each.
    """
    import tensorflow as tf

    matrix = tf.random.stateless_normal([2048, 2048], [1, 2])
    long = tf.zeros([64 * 2**20])
    product = tf.function(lambda: tf.matmul(matrix, matrix)[0, 0])
    negative = tf.function(lambda: tf.negative(long))
    calls = {"sgemm": lambda: float(product()), "copy": lambda: negative()[0].numpy()}
    return calls, {"sgemm": 2 * 2048**3, "copy": 8 * 64 * 2**20}


class Table:
    """Prints lines, and at its end keeps them as a record if `--record` says so."""

    def __init__(self, arguments):
        self.name, self.lines = arguments.record and pathlib.Path(sys.argv[0]).stem, []

    def __call__(self, line):
        print(line, flush=True)
        self.lines.append(line)

    def close(self):
        """Write the record: the command, the date, the processors, and all lines."""
        if self.name:
            arguments = [argument for argument in sys.argv[1:] if argument != "--record"]
            said = f"$ {' '.join([f'benchmarks/{self.name}.py', *arguments])}"
            said += f"    # {datetime.date.today().isoformat()}, {os.cpu_count()} processors"
            RECORDS.mkdir(parents=True, exist_ok=True)
            files.write_text(RECORDS / f"{self.name}.txt", "\n".join([said, *self.lines]) + "\n")
