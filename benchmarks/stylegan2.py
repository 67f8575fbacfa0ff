#!/usr/bin/env python3
"""Time the four phases of StyleGAN2's and GLeaD's iteration here and in plain PyTorch.

    benchmarks/stylegan2.py               both at the size and batch of the *_digits experiments
    benchmarks/stylegan2.py --width 2     twice the channels
    benchmarks/stylegan2.py --gan GLeaD   this one alone
    benchmarks/stylegan2.py --quick       the steps of D and G only, without torch.compile

Protocol. All sides start from the same weights and run the same phases in alternating rounds with a matrix product
(2048 x 2048 float32); medians over the rounds are printed, and the time of the first call, tracing included. The losses
of the first calls must agree to 1e-3. PyTorch's programs (benchmarks/pytorch_stylegan2.py) are given their latents,
noise and directions, so styles are not mixed; they run with scaled activations or grouped convolutions, in two layouts,
and with torch.compile where it can (it has no second derivatives, so that R1 and path lengths run as they are). The
fastest form of each phase is printed, and of the iteration that of one form. A side runs a phase three times in its
turn, since at first it meets the caches and the spinning threads of the side before. GFLOP counts two operations for
each multiplication and addition of the convolutions and matrix products in the phase's graph, without the filters of
resampling; `least` is their time at the rate of sgemm or, if longer, that of their bytes at the rate of a copy
(benchmarks/cost.py). An iteration is G, D, a quarter of G's path lengths and a sixteenth of D's R1.
"""

import functools
import time

import cost
import measuring
import numpy as np

from rpgan_tf import command, config
from rpgan_tf.errors import UserError

SETTINGS = {"imsz": 32, "bsz": 32, "zlen": 64, "w_dim": 64, "map_layers": 2, "style_mixing": 0}
GANS = {
    "StyleGAN2": {"net": "stylegan2"},
    "GLeaD": {"net": "glead", "res_d": 8, "res_g": 8, "real_loss": "mse", "fake_loss": "mse"},
}
SHARES = {"D": 1, "D R1": 1 / 16, "G": 1, "G paths": 1 / 4}  # of an iteration
CALLS = 3  # in a turn
FORMS = ("scaled", "scaled channels_last", "grouped", "grouped channels_last", "compiled scaled channels_last")


def main(argv):
    """Time as `argv` says."""
    global programs, randomness, replicas, rpgan_tf, tf, torch
    parser = command.Parser(__doc__)
    measuring.add_options(parser, "the steps of D and G only, without torch.compile")
    parser.add_argument("--width", type=command.count, default=1, help="multiple of 32 channels (default 1)")
    parser.add_argument("--gan", choices=GANS, help="one of the two alone")
    arguments = parser.parse_args(argv)
    try:
        import torch
    except ImportError:
        raise UserError("this needs PyTorch: pip install 'rpgan_tf[benchmarks]'") from None
    command.start_tensorflow()
    import pytorch_stylegan2 as programs
    import tensorflow as tf

    import rpgan_tf
    from rpgan_tf import randomness
    from rpgan_tf.devices import replicas

    forms = FORMS[:-1] if arguments.quick else FORMS
    shares = {phase: share for phase, share in SHARES.items() if share == 1 or not arguments.quick}
    width = {"channel_base": 512 * arguments.width, "channel_max": 32 * arguments.width}
    table = measuring.Table(arguments)
    table(
        "GAN       phase     | GFLOP  least ms |  here ms of sgemm  first s | PyTorch ms form                          "
        "| PyTorch / here"
    )
    for name in [arguments.gan] if arguments.gan else GANS:
        gan = rpgan_tf.build(config.resolve({"gan": name} | SETTINGS | GANS[name] | width))
        calls, firsts, works = sides(gan, shares, forms)
        turns = {side: lambda call=call: [call() for _ in range(CALLS)] for side, call in calls.items()}
        seconds, machine = measuring.medians_and_machine(turns, arguments.rounds)
        seconds = {side: spent / CALLS for side, spent in seconds.items()}
        for side in {side for side, _ in calls}:
            seconds[side, "iteration"] = sum(share * seconds[side, phase] for phase, share in shares.items())
        works["iteration"] = [sum(share * works[phase][i] for phase, share in shares.items()) for i in range(2)]
        for phase in (*shares, "iteration"):
            table(f"{name:9} {line(phase, machine, works[phase], seconds, firsts, forms)}")
        best, form = min((seconds[form, "iteration"], form) for form in forms)
        title = f"{name} bsz={gan.options.bsz} imsz={gan.options.imsz} channel_max={gan.options.channel_max}"
        table(f"{title}: best PyTorch ({form}) / here {best / seconds['here', 'iteration']:.2f}")
    table(f"sgemm: {machine.flops / 1e9:.0f} GFLOP/s, copy: {machine.memory / 1e9:.0f} GB/s")
    table.close()


def line(phase, machine, work, seconds, firsts, forms):
    """Return a line of the table, from {(side, phase): seconds} and the seconds of first calls."""
    spent, first = seconds["here", phase], firsts.get(phase)
    best, form = min((seconds[form, phase], form) for form in forms)
    return (
        f"{phase:9} | {work[0] / 1e9:5.2f} {machine.seconds(*work) * 1e3:9.1f} | {spent * 1e3:8.1f} "
        f"{work[0] / spent / machine.flops:8.0%} {'' if first is None else f'{first:.1f}':>8} | "
        f"{best * 1e3:10.1f} {form:29} | {best / spent:14.2f}"
    )


def sides(gan, phases, forms):
    """Check that the losses of all sides agree.

    Returns:
        {(side, phase): call}, {phase: seconds of our first call}, {phase: (FLOP, bytes)}.
    """
    theirs = {form: phases_in_pytorch(gan, form) for form in forms}  # copies weights, before a step changes them
    firsts, works, calls = {}, {}, {}
    for phase, ours in phases_here(gan).items():
        if phase not in phases:
            continue
        function = tf.function(ours, autograph=False)
        started = time.perf_counter()
        expected = function().numpy()
        firsts[phase] = time.perf_counter() - started
        works[phase] = cost.of_graph(function.get_concrete_function().graph)
        calls["here", phase] = lambda function=function: function().numpy()
        for form in forms:
            calls[form, phase] = theirs[form][phase]
            check(form, phase, calls[form, phase](), expected)
    return calls, firsts, works


def check(side, phase, received, expected):
    """Exit unless the losses of PyTorch's program agree with ours."""
    if not np.allclose(received, expected, rtol=1e-3, atol=1e-6):
        raise SystemExit(f"{side}: the losses of {phase} differ: expected {expected}, received {received}")


def drawn(gan):
    """Return real images [B, H, W, 3], latents [B, zlen], and directions [B / pl_shrink, H, W, 3]."""
    real = measuring.random_images(gan)
    shape = [len(real) // gan.pl_shrink, *real.shape[1:]]
    directions = replicas.normal(shape, gan.noise_seed(randomness.DIRECTIONS))
    return real, gan.latents(len(real), randomness.G_STEP), directions


def phases_here(gan):
    """Return {name: function that runs a phase and returns its losses}."""
    real, z, directions = drawn(gan)

    def d():
        logs = gan.d_step(real, z)
        return tf.stack([logs[name] for name in ("d_loss", "real_term", "fake_term") if name in logs])

    def paths():
        gan.path_step(z[: len(directions)])
        return tf.reshape(gan.path_length, [1])

    def r1():
        gan.r1_step(real)
        return tf.reshape(gan.r1_penalty, [1])

    return dict(zip(SHARES, (d, r1, lambda: tf.reshape(gan.g_step(None, z)["g_loss"], [1]), paths)))


def phases_in_pytorch(gan, form):
    """Return the same of PyTorch's program."""
    real, z, directions = (to_torch(each) for each in drawn(gan))
    roles = [randomness.G_STEP, randomness.D_STEP, *(randomness.RECONSTRUCTION + i for i in range(3))]
    noise = {role: noise_of(gan, role, len(real)) for role in roles}
    noise[randomness.PATHS] = noise_of(gan, randomness.PATHS, len(directions))
    program, partial = getattr(programs, gan.options.gan)(gan, noise, form), functools.partial
    paths = partial(program.path_step, z[: len(directions)], directions)
    steps = partial(program.d_step, real, z), partial(program.r1_step, real), partial(program.g_step, z), paths
    return dict(zip(SHARES, steps))


def noise_of(gan, role, batch_size):
    """Return {layer of G: its noise [B, 1, size, size]} of a role, as `Generator.synthesize` draws it."""
    found = {}
    for i, size in enumerate(gan.generator.blocks):
        of_block = tf.random.fold_in(gan.noise_seed(randomness.NOISE + role), i)
        for j in range(2):
            noise = replicas.normal([batch_size, size, size, 1], tf.random.fold_in(of_block, j))
            found[f"synthesis/b{size}/conv{j}"] = to_torch(noise)
    return found


def to_torch(tensor):
    """Return a TensorFlow tensor as a PyTorch one; [B, H, W, C] becomes [B, C, H, W]."""
    found = torch.from_numpy(np.array(tensor))
    return found.permute(0, 3, 1, 2).contiguous() if found.ndim == 4 else found


if __name__ == "__main__":
    command.run(main)
