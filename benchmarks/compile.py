#!/usr/bin/env python3
"""Time an iteration of each net as a graph and compiled by XLA: the measurements behind `compile = 'auto'`.

    benchmarks/compile.py            an experiment of each net, on the embedded digits and on points
    benchmarks/compile.py --quick    the nets for points only

Protocol. Graph and XLA run iterations in alternating rounds from the same weights; medians over the rounds are printed,
with the time of the first iteration, tracing and compiling included, nothing loaded from a cache. `faults` are minor
page faults of an iteration: memory that is freed and mapped anew takes the kernel's time. `auto` is the library's
choice. Images are random.
"""

import time

import measuring

from rpgan_tf import command, config

EXPERIMENTS = "gan_ring8 digits dcgan_digits wgangp_digits ralsgan_digits sagan_digits realness_digits".split()


def main(argv):
    """Time as `argv` says."""
    arguments = measuring.begin(__doc__, argv, "the nets for points only")
    table = measuring.Table(arguments)
    columns = " ".join(f"| {kind:>5} ms   faults  first s" for kind in ("graph", "XLA"))
    table(f"experiment        net       {columns} | graph / XLA  auto")
    for name in EXPERIMENTS[: 1 if arguments.quick else None]:
        options = config.load(name)
        steps, first = {}, {}
        for kind in ("graph", "xla"):
            steps[kind], first[kind], auto = iteration(options, kind)
        usages = measuring.usages(steps, arguments.rounds)
        ms = {kind: usages[kind].seconds * 1e3 for kind in steps}
        sides = (f"{ms[kind]:8.1f} {usages[kind].faults:8,.0f} {first[kind]:8.1f}" for kind in steps)
        choice = "XLA" if auto else "graph"
        table(f"{name:17} {options.net:9} | {' | '.join(sides)} | {ms['graph'] / ms['xla']:11.2f}  {choice}")
    table.close()


def iteration(options, kind):
    """Return a call of an iteration, the seconds of the first, and whether `auto` chooses XLA."""
    import rpgan_tf

    gan = rpgan_tf.build(options)
    step, real = measuring.compiled(gan, jit_compile=kind == "xla"), measuring.random_images(gan)
    start = time.perf_counter()
    step(real)["d_loss"].numpy()
    return lambda: step(real)["d_loss"].numpy(), time.perf_counter() - start, gan.jit_compile


if __name__ == "__main__":
    command.run(main)
