#!/usr/bin/env python3
"""Time whole iterations of this library against programs in plain PyTorch that do the same arithmetic.

    benchmarks/against_pytorch.py            RP-GAN at three sizes, DCGAN, WGAN-GP and SAGAN
    benchmarks/against_pytorch.py --quick    small nets

Protocol. Both sides run in one process with the same number of threads and start from the same weights and latents; the
losses of their first iteration must agree to 1e-3. Rounds alternate over all sides; medians over the rounds are
printed. This library's side is `train_step` as `fit` compiles it. The PyTorch programs (benchmarks/pytorch.py) are
written as a user would: for RP-GAN a loop over the discriminators, grouped convolutions, torch.func.vmap, and
torch.compile of the first two; with the fused Adam. Both sides draw their latents beforehand. `least` is a lower bound:
the time of this library's convolutions and products at the rate of sgemm or, if longer, of their bytes at that of a
copy (benchmarks/cost.py). For CPUs only: on a GPU, the calls would have to wait for the device.
"""

import functools
import tempfile
import types

import cost
import measuring

from rpgan_tf import command, config, projections
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic

BANKS = [  # K, bsz, df, imsz, f1
    (12, 64, 32, 32, 128),
    (12, 16, 32, 64, 256),
    (4, 32, 128, 32, 128),
]
FORMS = ("loop", "grouped", "vmap", "compiled loop", "compiled grouped")
ZOO = {
    "DCGAN": {"net": "dcgan", "ngf": 32, "ndf": 32},
    "WGANGP": {"net": "dcgan", "ngf": 32, "ndf": 32, "d_norm": "layer"},
    "SAGAN": {"net": "sagan", "ngf": 32, "ndf": 32},
}


def main(argv):
    """Time as `argv` says."""
    parser = command.Parser(__doc__)
    measuring.add_options(parser, "one small size of each, without torch.compile")
    arguments = parser.parse_args(argv)
    try:
        import torch
    except ImportError:
        raise UserError("this needs PyTorch: pip install 'rpgan_tf[benchmarks]'") from None
    command.start_tensorflow()
    global np, randomness, rpgan_tf, tf, torch_programs
    import numpy as np
    import pytorch as torch_programs
    import tensorflow as tf

    import rpgan_tf
    from rpgan_tf import randomness

    table = measuring.Table(arguments)
    table(f"{'GAN, size':38} | least ms  here ms | {'PyTorch ms':75} | best PyTorch / here")

    def measure(name, setting, sides, work):
        seconds, machine = measuring.medians_and_machine(sides, arguments.rounds)
        table(line(name, setting, seconds, machine.seconds(*work)))

    banks = [(2, 8, 8, 16, 32)] if arguments.quick else BANKS
    for setting in banks:
        measure("RPGAN", setting, *bank_sides(*setting, FORMS[:3] if arguments.quick else FORMS))
    for name, values in ZOO.items():
        if arguments.quick:
            values = values | {"imsz": 32, "bsz": 4, "ngf": 8, "ndf": 8}
        options = config.resolve({"gan": name, "imsz": 64, "bsz": 16, "zlen": 100} | values)
        size = (1, options.bsz, options.ndf, options.imsz, options.ngf)
        zoo_sides(
            types.SimpleNamespace(**vars(options) | {"d_steps": 1})
        )  # checks one step of D, since rounding grows with steps
        measure(name, size, *zoo_sides(options, tolerance=0.1))
    table(f"threads of PyTorch: {torch.get_num_threads()}")
    table.close()


def line(name, setting, seconds, least):
    """Return a line of the table."""
    others = {side: seconds[side] for side in seconds if side != "here"}
    best = min(others.values()) / seconds["here"]
    keys = dict(zip(("K", "bsz", "df", "imsz", "f1"), setting))
    size = f"{name} " + " ".join(f"{key}={value}" for key, value in keys.items())
    times = ", ".join(f"{side} {value * 1e3:.0f}" for side, value in others.items())
    return f"{size:38} | {least * 1e3:8.0f} {seconds['here'] * 1e3:8.0f} | {times:75} | {best:.2f}"


def bank_sides(num, bsz, df, imsz, f1, forms):
    """Check that the sides of RP-GAN agree; return {side: call}, and the FLOP and bytes of an iteration."""
    with tempfile.TemporaryDirectory() as folder:
        kernels = [(8, 2, 1, num)] if imsz > 16 else [(4, 2, 1, num)]
        atomic.save_arrays(f"{folder}/filts.npz", projections.draw(kernels, seed=0))
        options = config.resolve(dict(bsz=bsz, df=df, imsz=imsz, f1=f1, zlen=100, filts=f"{folder}/filts.npz"))
        gan = rpgan_tf.build(options)
    real = measuring.random_images(gan)
    z_g, z_d = (to_torch(gan.latents(bsz, role)) for role in (randomness.G_STEP, randomness.D_STEP))
    theirs = to_torch(real).permute(0, 3, 1, 2).contiguous()
    programs = {form: torch_programs.RPGAN(gan, form) for form in forms}
    step = measuring.compiled(gan)
    logs = step(real)
    for form, program in programs.items():
        d_losses, g_losses = program(theirs, z_g, z_d)
        check(form, [d_losses, g_losses], [logs["d_losses"], logs["g_losses"]])
    calls = {form: functools.partial(program, theirs, z_g, z_d) for form, program in programs.items()}
    return {"here": lambda: step(real)["d_loss"].numpy()} | calls, cost.of_iteration(gan, real)


def zoo_sides(options, tolerance=1e-3):
    """Check that the sides of another GAN agree; return {side: call}, and the FLOP and bytes of an iteration."""
    gan = rpgan_tf.build(options)
    count, size = gan.schedule(options, 0).batches, options.bsz
    real = measuring.random_images(gan)
    z_d = [to_torch(gan.latents(size, randomness.D_STEP, i)) for i in range(count)]
    z_g = to_torch(gan.latents(size, randomness.G_STEP))
    seeds = [gan.noise_seed(randomness.PENALTY, i) for i in range(count)]
    u = [to_torch(tf.random.stateless_uniform([size, 1, 1, 1], seed, alg="philox")) for seed in seeds]
    theirs = to_torch(real).permute(0, 3, 1, 2).contiguous().chunk(count)
    program, step = getattr(torch_programs, options.gan)(gan), measuring.compiled(gan)
    logs = step(real)
    check(options.gan, program(theirs, z_g, z_d, u), [logs["d_loss"], logs["g_loss"]], tolerance)
    sides = {"here": lambda: step(real)["d_loss"].numpy(), "plain": lambda: program(theirs, z_g, z_d, u)}
    return sides, cost.of_iteration(gan, real[:size])


def to_torch(tensor):
    """Return a TensorFlow tensor as a PyTorch one."""
    import torch

    return torch.from_numpy(np.array(tensor))


def check(side, received, expected, tolerance=1e-3):
    """Exit unless the losses of PyTorch's program equal those of this library within `tolerance`."""
    difference = max(np.abs(np.asarray(a) - np.asarray(b)).max() for a, b in zip(received, expected))
    if not difference < tolerance:
        raise SystemExit(f"{side}: the first losses differ by {difference}")


if __name__ == "__main__":
    command.run(main)
