#!/usr/bin/env python3
"""Time the four phases of StyleGAN2's iteration as graphs and compiled by XLA, against the machine's matrix product.

    benchmarks/stylegan2.py             GLeaD at 32x32 with a batch of 8: a small net, with all that the phases can have
    benchmarks/stylegan2.py --width 2   twice the channels

Protocol. Graph and XLA run the same phases in alternating rounds with a matrix product (2048 x 2048 float32); medians
over the rounds are printed, and the time that tracing and compiling took. The losses of their first calls must agree,
but for path lengths, since XLA draws other directions; styles are not mixed, for the same reason.
GFLOP counts two operations for each multiplication and addition of the convolutions and matrix products that stand in
the phase's graph, nothing else. An iteration is G, D, a quarter of G's path lengths and a sixteenth of D's R1.
"""

import math
import statistics
import time

from rpgan_tf import command, config

SETTINGS = {"gan": "GLeaD", "net": "glead", "imsz": 32, "res_d": 8, "res_g": 8, "bsz": 8, "mbstd_group": 8}
SETTINGS |= {"zlen": 32, "w_dim": 32, "map_layers": 2, "style_mixing": 0, "real_loss": "mse", "fake_loss": "mse"}
SHARES = {"D": 1, "D R1": 1 / 16, "G": 1, "G paths": 1 / 4}  # of an iteration


def main(argv):
    """Time as `argv` says."""
    parser = command.Parser(__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="timed rounds after two that are not (default 9)")
    parser.add_argument("--width", type=int, default=1, help="multiple of 32 channels (default 1)")
    arguments = parser.parse_args(argv)
    values = SETTINGS | {"channel_base": 512 * arguments.width, "channel_max": 32 * arguments.width}
    command.start_tensorflow()
    global np, tf
    import numpy as np
    import tensorflow as tf

    import rpgan_tf

    sides = {}
    for kind in ("graph", "XLA"):
        for name, phase in phases(rpgan_tf.build(config.resolve(values))).items():
            started = time.perf_counter()
            function = tf.function(phase, autograph=False, jit_compile=kind == "XLA")
            sides[kind, name] = function, float(function()), time.perf_counter() - started
    for name in ("D", "D R1", "G"):
        losses = [sides[kind, name][1] for kind in ("graph", "XLA")]
        if not math.isclose(*losses, rel_tol=1e-3, abs_tol=1e-5):
            raise SystemExit(f"the two sides differ in {name}: {losses}")
    matrix = tf.random.stateless_normal([2048, 2048], [1, 2])
    product = tf.function(lambda: tf.matmul(matrix, matrix)[0, 0])
    calls = {key: function for key, (function, _, _) in sides.items()} | {"product": product}
    seconds = {key: [] for key in calls}
    for round_number in range(arguments.rounds + 2):
        for key, call in calls.items():
            start = time.perf_counter()
            float(call())  # waits for the result
            if round_number >= 2:
                seconds[key].append(time.perf_counter() - start)
    seconds = {key: statistics.median(times) for key, times in seconds.items()}
    sgemm = 2 * 2048**3 / seconds["product"]

    print("phase     | GFLOP | graph ms of sgemm  first s |   XLA ms of sgemm  first s | graph / XLA")
    work = {name: operations(sides["graph", name][0].get_concrete_function().graph) for name in SHARES}
    for name in SHARES:
        print(line(name, work[name], sgemm, [(seconds[kind, name], sides[kind, name][2]) for kind in ("graph", "XLA")]))
    mean = [(sum(SHARES[name] * seconds[kind, name] for name in SHARES), None) for kind in ("graph", "XLA")]
    print(line("iteration", sum(share * work[name] for name, share in SHARES.items()), sgemm, mean))
    print(f"sgemm: {sgemm / 1e9:.0f} GFLOP/s")


def line(name, work, sgemm, times):
    """Return a line of the table; `times` are (seconds, seconds of the first call) of graph and XLA."""
    text = f"{name:9} | {work / 1e9:5.2f} |"
    for each, first in times:
        text += f" {each * 1e3:8.1f} {work / each / sgemm:8.0%} {'' if first is None else f'{first:.0f}':>8} |"
    return text + f" {times[0][0] / times[1][0]:6.1f}"


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


def operations(graph):
    """Return the floating point operations of the convolutions and matrix products in a graph."""
    total = 0
    for op in graph.get_operations():
        shapes = [tensor.shape for tensor in op.inputs]
        if op.type == "MatMul":
            inner = shapes[0][0] if op.get_attr("transpose_a") else shapes[0][1]
            total += 2 * op.outputs[0].shape.num_elements() * inner
        elif op.type.startswith("Conv2D"):
            kernel = op.outputs[0].shape if op.type == "Conv2DBackpropFilter" else shapes[1]
            out = op.outputs[0].shape if op.type == "Conv2D" else shapes[2]
            total += 2 * out.num_elements() * kernel[0] * kernel[1] * kernel[2]
    return total


if __name__ == "__main__":
    command.run(main)
