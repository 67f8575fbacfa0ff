#!/usr/bin/env python3
"""Time RP-GAN's iteration as K, the batch and the resolution grow, and compare it with the machine's limits.

    benchmarks/growth.py            K from 1 to 96, batches of 8 to 128, 16x16 to 128x128
    benchmarks/growth.py --quick    three small settings

Protocol. Rounds alternate an iteration with sgemm and a copy (measuring.py); medians over the rounds are printed.
`least` is a lower bound for this arithmetic: its time at the rate of sgemm or, if longer, that of its bytes at the rate
of the copy (benchmarks/cost.py).
"""

import tempfile

import cost
import measuring

from rpgan_tf import command, config, projections
from rpgan_tf.files import atomic

BASE = {"num_discriminators": 12, "bsz": 16, "df": 32, "imsz": 32, "f1": 128}
GROWTH = {
    "num_discriminators": (1, 3, 6, 12, 24, 48, 96),
    "bsz": (8, 16, 32, 64, 128),
    "imsz": (16, 32, 64, 128),
}


def main(argv):
    """Time as `argv` says."""
    arguments = measuring.begin(__doc__, argv, "three small settings")
    table = measuring.Table(arguments)
    table(" K bsz imsz |     ms  GFLOP  GFLOP/s  of sgemm | least ms | sgemm GFLOP/s  copy GB/s")
    for key, values in GROWTH.items():
        for value in values[:1] if arguments.quick else values:
            size = BASE | {key: value}
            work = cost.Work(**size)
            calls = {"iteration": iteration(size)}
            seconds, machine = measuring.medians_and_machine(calls, arguments.rounds)
            rate = work.iteration / seconds["iteration"]
            table(
                f"{work.num_discriminators:2d} {work.bsz:3d} {work.imsz:4d} | {seconds['iteration'] * 1e3:6.1f} "
                f"{work.iteration / 1e9:6.2f} {rate / 1e9:8.0f} {rate / machine.flops:9.0%} | "
                f"{machine.seconds(work.iteration, work.bytes) * 1e3:8.1f} | "
                f"{machine.flops / 1e9:13.0f} {machine.memory / 1e9:10.0f}"
            )
    table.close()


def iteration(size):
    """Return a call of one iteration of `size`."""
    import rpgan_tf

    values = {key: size[key] for key in ("bsz", "df", "imsz", "f1")} | {"zlen": 100}
    with tempfile.TemporaryDirectory() as folder:
        atomic.save_arrays(f"{folder}/filts.npz", projections.draw([(8, 2, 1, size["num_discriminators"])], seed=0))
        gan = rpgan_tf.build(config.resolve(values | {"filts": f"{folder}/filts.npz"}))
    step, real = measuring.compiled(gan), measuring.random_images(gan)
    return lambda: step(real)["d_loss"].numpy()


if __name__ == "__main__":
    command.run(main)
