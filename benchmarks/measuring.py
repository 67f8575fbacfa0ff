"""Measure for the benchmarks: sides in turns, medians over rounds, the machine's peaks in the same rounds, records."""

import datetime
import os
import pathlib
import statistics
import sys
import time

import cost

from rpgan_tf import command
from rpgan_tf.files import atomic

RECORDS = pathlib.Path("docs/results/speed")


def add_options(parser, quick):
    """Add the common options of the benchmarks to a parser; `quick` is the help of --quick."""
    parser.add_argument(
        "--rounds", type=command.count, default=9, help="timed rounds, after two that do not count (default 9)"
    )
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--record", action="store_true", help=f"also write the table to {RECORDS}, for docs/speed.md")


def begin(docstring, argv, quick):
    """Parse the common options, start TensorFlow without the cache of XLA's code, and return the arguments."""
    os.environ["RPGAN_TF_XLA_CACHE"] = "0"  # first iterations compile
    parser = command.Parser(docstring)
    add_options(parser, quick)
    arguments = parser.parse_args(argv)
    command.start_tensorflow()
    return arguments


def medians(calls, rounds):
    """Return {name: median seconds} of functions, called in turn in every round, so that all meet the same noise.

    Args:
        calls: {name: function without arguments that returns when its work is done}.
        rounds: number of rounds that count; two more come first.
    """
    seconds = {name: [] for name in calls}
    for round_number in range(rounds + 2):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if round_number >= 2:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def medians_and_machine(calls, rounds):
    """Return `medians`, and the `cost.Machine` whose peaks were measured in the same rounds.

    Its FLOP/s are those of sgemm, a product of two float32 matrices 2048 x 2048; its bytes/s those of a copy, which
    reads and writes 256 MB.
    """
    import tensorflow as tf

    matrix = tf.random.stateless_normal([2048, 2048], [1, 2])
    long = tf.zeros([64 * 2**20])
    product = tf.function(lambda: tf.matmul(matrix, matrix)[0, 0])
    negative = tf.function(lambda: tf.negative(long))
    peaks = {"sgemm": lambda: float(product()), "copy": lambda: negative()[0].numpy()}
    seconds = medians(calls | peaks, rounds)
    machine = cost.Machine(flops=2 * 2048**3 / seconds.pop("sgemm"), memory=8 * 64 * 2**20 / seconds.pop("copy"))
    return seconds, machine


def compiled(gan, **how):
    """Return `train_step` as `fit` compiles it; `how` overrides arguments of tf.function."""
    import tensorflow as tf

    return tf.function(
        gan.train_step, **{"reduce_retracing": True, "jit_compile": gan.jit_compile, "autograph": False} | how
    )


def random_images(gan):
    """Return uniform noise in the shape of an iteration's real images, or points."""
    import tensorflow as tf

    options = gan.options
    shape = [gan.schedule(options, 0).batches * options.bsz * gan.pack, options.imsz, options.imsz, options.channels]
    return tf.random.stateless_uniform(shape if options.imsz > 1 else [shape[0], shape[3]], [1, 2], -1, 1)


class Table:
    """Prints lines, and writes them as a record at the end if `--record` is given."""

    def __init__(self, arguments):
        self.name, self.lines = arguments.record and pathlib.Path(sys.argv[0]).stem, []

    def __call__(self, line):
        print(line, flush=True)
        self.lines.append(line)

    def close(self):
        """Write the record: the command, the date, the processors, and all lines."""
        if self.name:
            arguments = [argument for argument in sys.argv[1:] if argument != "--record"]
            head = f"$ {' '.join([f'benchmarks/{self.name}.py', *arguments])}"
            head += f"    # {datetime.date.today().isoformat()}, {os.cpu_count()} processors"
            RECORDS.mkdir(parents=True, exist_ok=True)
            atomic.write_text(RECORDS / f"{self.name}.txt", "\n".join([head, *self.lines]) + "\n")
