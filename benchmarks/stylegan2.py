#!/usr/bin/env python3
"""Time the four phases of StyleGAN2's iteration as graphs and compiled by XLA, against the machine's matrix product.

    benchmarks/stylegan2.py             GLeaD at 32x32 with a batch of 8: a small net with all phases
    benchmarks/stylegan2.py --width 2   twice the channels
    benchmarks/stylegan2.py --quick     the steps of D and G only

Protocol. Graph and XLA run the same phases in alternating rounds with a matrix product (2048 x 2048 float32); medians
over the rounds are printed, and the time of tracing and compiling. The losses of the first calls must agree, except
path lengths, whose directions XLA draws differently; styles are not mixed, for the same reason. GFLOP counts two
operations for each multiplication and addition of the convolutions and matrix products in the phase's graph, nothing
else; `least` is their time at the rate of sgemm or, if longer, that of their bytes at the rate of a copy
(benchmarks/cost.py). An iteration is G, D, a quarter of G's path lengths and a sixteenth of D's R1.
"""

import math
import time

import cost
import measuring

from rpgan_tf import command, config

SETTINGS = {"gan": "GLeaD", "net": "glead", "imsz": 32, "res_d": 8, "res_g": 8, "bsz": 8, "mbstd_group": 8}
SETTINGS |= {"zlen": 32, "w_dim": 32, "map_layers": 2, "style_mixing": 0, "real_loss": "mse", "fake_loss": "mse"}
SHARES = {"D": 1, "D R1": 1 / 16, "G": 1, "G paths": 1 / 4}  # of an iteration


def main(argv):
    """Time as `argv` says."""
    parser = command.Parser(__doc__)
    measuring.add_options(parser, "the steps of D and G only")
    parser.add_argument("--width", type=command.count, default=1, help="multiple of 32 channels (default 1)")
    arguments = parser.parse_args(argv)
    values = SETTINGS | {"channel_base": 512 * arguments.width, "channel_max": 32 * arguments.width}
    command.start_tensorflow()
    global tf
    import tensorflow as tf

    import rpgan_tf

    shares = {name: share for name, share in SHARES.items() if share == 1 or not arguments.quick}
    sides = {}
    for kind in ("graph", "XLA"):
        for name, phase in phases(rpgan_tf.build(config.resolve(values))).items():
            if name in shares:
                started = time.perf_counter()
                function = tf.function(phase, autograph=False, jit_compile=kind == "XLA")
                sides[kind, name] = function, float(function()), time.perf_counter() - started
    for name in shares:
        losses = [sides[kind, name][1] for kind in ("graph", "XLA")]
        if name != "G paths" and not math.isclose(*losses, rel_tol=1e-3, abs_tol=1e-5):
            raise SystemExit(f"the two sides differ in {name}: {losses}")
    calls = {key: lambda function=function: float(function()) for key, (function, _, _) in sides.items()}
    seconds, machine = measuring.medians_and_machine(calls, arguments.rounds)

    table = measuring.Table(arguments)
    table("phase     | GFLOP  least ms | graph ms of sgemm  first s |   XLA ms of sgemm  first s | graph / XLA")
    total = [0, 0, 0, 0]
    for name, share in shares.items():
        work, moved = cost.of_graph(sides["graph", name][0].get_concrete_function().graph)
        numbers = work, machine.seconds(work, moved), seconds["graph", name], seconds["XLA", name]
        total = [before + share * each for before, each in zip(total, numbers)]
        table(line(name, machine, numbers, [sides[kind, name][2] for kind in ("graph", "XLA")]))
    table(line("iteration", machine, total, [None, None]))
    table(f"sgemm: {machine.flops / 1e9:.0f} GFLOP/s, copy: {machine.memory / 1e9:.0f} GB/s")
    table.close()


def line(name, machine, numbers, firsts):
    """Return a line of the table, from (FLOP, least seconds, seconds of both sides) and the seconds of first calls."""
    work, least, *times = numbers
    text = f"{name:9} | {work / 1e9:5.2f} {least * 1e3:9.1f} |"
    for each, first in zip(times, firsts):
        share = work / each / machine.flops
        text += f" {each * 1e3:8.1f} {share:8.0%} {'' if first is None else f'{first:.0f}':>8} |"
    return text + f" {times[0] / times[1]:6.1f}"


def phases(gan):
    """Return {name: function that runs a phase and returns its loss}."""
    real = tf.random.stateless_uniform([8, 32, 32, 3], [1, 2], -1, 1)
    z = gan.latents(8, 0)

    def paths():
        gan.path_step(z[:4])
        return tf.identity(gan.path_length)

    def r1():
        gan.r1_step(real)
        return tf.identity(gan.r1_penalty)

    of_g, of_d = (lambda: gan.g_step(None, z)["g_loss"]), (lambda: gan.d_step(real, z)["d_loss"])
    return dict(zip(SHARES, (of_d, r1, of_g, paths)))


if __name__ == "__main__":
    command.run(main)
