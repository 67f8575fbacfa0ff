#!/usr/bin/env python3
"""Compare the estimate of --memory_report with the memory that an iteration takes, at once and in chunks of K.

    benchmarks/memory.py            RP-GAN with 12 discriminators, DCGAN, SAGAN
    benchmarks/memory.py --quick    smaller batches

Protocol. `reported` is the line "activations and gradients when they are most"; `taken` is the peak of TensorFlow's
allocator in an iteration above its level before, a median over the rounds, in which the settings take turns. Neither
includes weights, optimizers and images. The allocator of the CPU has these statistics in builds with oneDNN.
"""

import statistics
import time

import measuring

from rpgan_tf import command, config

BANK = {"df": 32, "f1": 64, "imsz": 64, "filts": "filts/K12_dm12.npz"}
SETTINGS = {
    "RPGAN, all 12 at once": BANK,
    "RPGAN, chunk = 6": BANK | {"chunk": 6},
    "RPGAN, chunk = 3": BANK | {"chunk": 3},
    "RPGAN, chunk = 1": BANK | {"chunk": 1},
    "DCGAN": {"gan": "DCGAN", "net": "dcgan", "ngf": 32, "ndf": 32, "imsz": 64},
    "SAGAN": {"gan": "SAGAN", "net": "sagan", "ngf": 32, "ndf": 32, "imsz": 64},
}


def main(argv):
    """Compare as `argv` says."""
    arguments = measuring.begin(__doc__, argv, "smaller batches")
    import tensorflow as tf

    import rpgan_tf
    from rpgan_tf.training import memory

    tf.get_logger().setLevel("ERROR")  # one function for each setting is no retracing
    memory_info, device = tf.config.experimental.get_memory_info, "CPU:0"
    table = measuring.Table(arguments)
    bsz, reported, steps = 8 if arguments.quick else 64, {}, {}
    for name, values in SETTINGS.items():
        options = config.resolve(values | {"bsz": bsz, "MAXITER": 1})
        reported[name] = memory.report(options)["iteration"]
        steps[name] = tf.function(rpgan_tf.build(options).train_step, autograph=False)
    images = tf.random.stateless_uniform([bsz, 64, 64, 3], [1, 2], -1, 1)
    taken, seconds = ({name: [] for name in steps} for _ in range(2))
    for round_number in range(arguments.rounds + 2):
        for name, step in steps.items():
            before, start = memory_info(device)["current"], time.perf_counter()
            tf.config.experimental.reset_memory_stats(device)
            float(step(images)["d_loss"])
            if round_number >= 2:
                seconds[name].append(time.perf_counter() - start)
                taken[name].append(memory_info(device)["peak"] - before)
    table(f"{f'{bsz} images of 64x64':21} | reported MiB  taken MiB  taken / reported | ms an iteration")
    for name, size in reported.items():
        height = statistics.median(taken[name])
        table(
            f"{name:21} | {size / 2**20:12.0f} {height / 2**20:10.0f} {height / size:17.2f} | "
            f"{statistics.median(seconds[name]) * 1e3:15.0f}"
        )
    table.close()


if __name__ == "__main__":
    command.run(main)
