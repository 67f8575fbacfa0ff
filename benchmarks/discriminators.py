#!/usr/bin/env python3
"""Compare iterations of RP-GAN that train all of K discriminators with those that train some, weight, drop or redraw.

    benchmarks/discriminators.py            batches of 64
    benchmarks/discriminators.py --quick    batches of 16

Protocol. Every side is RP-GAN with 12 discriminators, at the sizes of the experiment digits, but for what its row says.
Rounds alternate over the sides; medians are printed, and beside them the time over that of `K = 12`. `reported` is the
line "activations and gradients when they are most" of --memory_report; `taken` is the peak of TensorFlow's allocator in
an iteration above its level before. Neither includes weights and optimizers, which `permanent` counts, those of D
alone: K = 96 has eight times as many, and copies of those that take part. The aims: `96, 12 active` within 15 % of
`K = 12`, every weighting but the minimum norm within 3 %.
"""

import statistics
import tempfile
import time

import measuring

from rpgan_tf import command, config, projections
from rpgan_tf.files import atomic

BASE = {"zlen": 64, "f1": 128, "df": 32, "imsz": 32, "MAXITER": 1}
SETTINGS = {  # K, options
    "K = 12": (12, {}),
    "K = 96, 12 active": (96, {"active": 12}),
    "softmax": (12, {"weighting": "softmax"}),
    "softmax_detached": (12, {"weighting": "softmax_detached"}),
    "hypervolume": (12, {"weighting": "hypervolume"}),
    "minimum_norm": (12, {"weighting": "minimum_norm"}),
    "feedback_dropout = 0.5": (12, {"feedback_dropout": 0.5}),
    "redraw = 1": (12, {"redraw": 1}),
    "redraw = 1, new D": (12, {"redraw": 1, "redraw_discriminators": "new"}),
}


def main(argv):
    """Compare as `argv` says."""
    arguments = measuring.begin(__doc__, argv, "batches of 16")
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")  # one function for each setting is no retracing
    table = measuring.Table(arguments)
    bsz = 16 if arguments.quick else 64
    with tempfile.TemporaryDirectory() as folder:
        reported, steps = prepared(folder, bsz)
    images = tf.random.stateless_uniform([bsz, 32, 32, 3], [1, 2], -1, 1)
    seconds, taken = rounds(steps, images, arguments.rounds)
    table(f"{f'{bsz} images of 32x32':22} |      ms  over K = 12 | reported MiB  taken MiB | permanent MiB of D")
    for name, found in reported.items():
        ms, peak = (statistics.median(each[name]) for each in (seconds, taken))
        permanent = (found["weights of D"] + found["optimizer of D"]) / 2**20
        table(
            f"{name:22} | {ms * 1e3:7.1f} {ms / statistics.median(seconds['K = 12']):12.3f} | "
            f"{found['iteration'] / 2**20:12.1f} {peak / 2**20:10.1f} | {permanent:18.1f}"
        )
    table.close()


def prepared(folder, bsz):
    """Return {name: memory report} and {name: compiled step} of all settings."""
    import tensorflow as tf

    import rpgan_tf
    from rpgan_tf.training import memory

    reported, steps = {}, {}
    for name, (number, values) in SETTINGS.items():
        path = f"{folder}/K{number}.npz"
        atomic.save_arrays(path, projections.draw([(8, 2, 1, number)], seed=0))
        options = config.resolve(BASE | values | {"bsz": bsz, "filts": path})
        reported[name] = memory.report(options)
        steps[name] = tf.function(rpgan_tf.build(options).train_step, autograph=False)
    return reported, steps


def rounds(steps, images, number):
    """Return {name: seconds} and {name: bytes above the level before} of each round, after two that do not count."""
    import tensorflow as tf

    information, device = tf.config.experimental.get_memory_info, "CPU:0"
    seconds, taken = ({name: [] for name in steps} for _ in range(2))
    for round_number in range(number + 2):
        for name, step in steps.items():
            before, start = information(device)["current"], time.perf_counter()
            tf.config.experimental.reset_memory_stats(device)
            float(step(images)["d_loss"])
            if round_number >= 2:
                seconds[name].append(time.perf_counter() - start)
                taken[name].append(information(device)["peak"] - before)
    return seconds, taken


if __name__ == "__main__":
    command.run(main)
