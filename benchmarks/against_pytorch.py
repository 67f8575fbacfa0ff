#!/usr/bin/env python3
"""Time whole iterations of this library against programs in plain PyTorch that do the same arithmetic.

    benchmarks/against_pytorch.py            RP-GAN at three sizes, DCGAN, WGAN-GP, SAGAN, RealnessGAN, R3GAN
    benchmarks/against_pytorch.py --quick    small nets
    benchmarks/against_pytorch.py --eager    without torch.compile

Protocol. Both sides run in one process with the same number of threads and start from the same weights and latents; the
losses of their first iteration must agree to 1e-3. Rounds alternate over all sides; medians over the rounds are
printed. This library's side, `here`, is `train_step` as `fit` compiles it, which draws latents, too; PyTorch's were
drawn before. The PyTorch programs (benchmarks/pytorch.py) are written as a user would: for RP-GAN a loop over the
discriminators, grouped convolutions, torch.func.vmap, and torch.compile of the first two; with the fused Adam; also
with images and kernels in the memory format channels_last. `of here` is the time over this library's; `cores` the CPU
time over the wall time, in which PyTorch's idle threads spin for a while; `system` the kernel's share of the CPU time;
`faults` are minor page faults of an iteration. `least` is a lower bound: the time of this library's convolutions and
products at the rate of sgemm or, if longer, of their bytes at that of a copy (benchmarks/cost.py). On processors that
multiply in bfloat16, RP-GAN and DCGAN also run in `precision = 'mixed_bfloat16'` against PyTorch's autocast, without
vmap, which fails there; losses must agree to 1e-2. For CPUs only: on a GPU, the calls would have to wait for the
device.
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
LAST = "channels_last"
FORMS = "loop", f"loop {LAST}", "grouped", f"grouped {LAST}", "vmap", "compiled loop", "compiled grouped"
FORMS_OF_ZOO = "plain", LAST
ZOO = {
    "DCGAN": {"net": "dcgan"},
    "WGANGP": {"net": "dcgan", "d_norm": "layer"},
    "SAGAN": {"net": "sagan"},
    "RealnessGAN": {"net": "realness"},
    "R3GAN": {"net": "r3gan", "ema_kimg": None, "schedule_kimg": None, "final_ema_kimg": None},
}
SIZE, SMALL = {"bsz": 16, "imsz": 64, "ngf": 32, "ndf": 32}, {"bsz": 4, "imsz": 32, "ngf": 8, "ndf": 8}
SIZES = {  # of GANs whose nets have other options
    "R3GAN": (
        {"bsz": 16, "imsz": 32, "channel_base": 4096, "channel_max": 128},
        {"bsz": 4, "imsz": 16, "channel_base": 256, "channel_max": 32},
    ),
}
BFLOAT16 = "RPGAN", "DCGAN"  # the first size of each


def main(argv):
    """Time as `argv` says."""
    parser = command.Parser(__doc__)
    measuring.add_options(parser, "one small size of each, without torch.compile")
    parser.add_argument("--eager", action="store_true", help="without torch.compile, whose code may need AVX-512")
    arguments = parser.parse_args(argv)
    forms = FORMS[:5] if arguments.quick or arguments.eager else FORMS
    global np, randomness, replicas, rpgan_tf, tf, torch, torch_programs
    try:
        import torch
    except ImportError:
        raise UserError("this needs PyTorch: pip install 'rpgan_tf[benchmarks]'") from None
    command.start_tensorflow()
    import numpy as np
    import pytorch as torch_programs
    import tensorflow as tf

    import rpgan_tf
    from rpgan_tf import randomness
    from rpgan_tf.devices import replicas

    tf.get_logger().setLevel("ERROR")  # many GANs of a class are no retracing
    table = measuring.Table(arguments)
    table(measuring.COLUMNS)
    with tempfile.TemporaryDirectory() as folder:
        for title, values in settings(arguments.quick, folder).items():
            torch.compiler.reset()  # else the compiled forms of many sizes are too many, and run uncompiled
            sides, work = both_sides(values, forms)
            usages, machine = measuring.usages_and_machine(sides, arguments.rounds)
            for line in measuring.comparison(title, usages, work and machine.seconds(*work)):
                table(line)
    table(f"threads of PyTorch: {torch.get_num_threads()}")
    table.close()


def settings(quick, folder):
    """Return {title: values of an experiment}; those in bfloat16 if the processor has it. Filters go to the folder."""
    found = {}
    for num, *sizes in [(2, 8, 8, 16, 32)] if quick else BANKS:
        size = dict(zip(("bsz", "df", "imsz", "f1"), sizes))
        filts = f"{folder}/K{num}.npz"
        atomic.save_arrays(filts, projections.draw([(8 if size["imsz"] > 16 else 4, 2, 1, num)], seed=0))
        found[title("RPGAN", {"K": num} | size)] = size | {"zlen": 100, "filts": filts}
    for name, values in ZOO.items():
        size = SIZES.get(name, (SIZE, SMALL))[quick]
        found[title(name, size)] = {"gan": name, "zlen": 100} | values | size
    if measuring.multiplies_bfloat16():
        for name in BFLOAT16:
            first = next(title for title in found if title.startswith(name))
            found[first.replace(name, f"{name} bfloat16")] = found[first] | {"precision": "mixed_bfloat16"}
    return found


def title(name, size):
    """Return the name of a GAN with its size."""
    return " ".join([name, *(f"{key}={value}" for key, value in size.items())])


def both_sides(values, forms):
    """Check that the sides agree; return {side: call}, and the (FLOP, bytes) of an iteration in float32, else None."""
    options = config.resolve(values)
    tolerance = {"float32": 1e-3, "mixed_bfloat16": 1e-2}[options.precision]
    if options.precision != "float32":
        forms = [form for form in forms if form != "vmap"]  # autocast leaves its biases float32, which fails
    if "filts" in values:
        sides, work = checked_sides(options, forms, tolerance)
    else:
        one = types.SimpleNamespace(**vars(options) | {"d_steps": 1})
        checked_sides(one, FORMS_OF_ZOO, tolerance)  # one step of D, since rounding grows with steps
        sides, work = checked_sides(options, FORMS_OF_ZOO, 0.1)
    if options.precision != "float32":
        gan = rpgan_tf.build(config.resolve(values | {"precision": "float32"}))
        return {"here": sides["here"], "here, float32": here(gan, measuring.random_images(gan))[1]} | sides, None
    return sides, work


def checked_sides(options, forms, tolerance):
    """Check that the first losses agree within `tolerance`; return {side: call}, and the (FLOP, bytes)."""
    gan = rpgan_tf.build(options)
    real = measuring.random_images(gan)
    programs = {form: torch_program(gan, form, real) for form in forms}
    step, call = here(gan, real)
    logs = step(real)
    losses = ("d_losses", "g_losses") if "d_losses" in logs else ("d_loss", "g_loss")
    for form, program in programs.items():
        check(f"{options.gan}, {form}", program(), [logs[name] for name in losses], tolerance)
    return {"here": call} | programs, cost.of_iteration(gan, real[: options.bsz])


def here(gan, real):
    """Return the step of this library, and a call of one iteration that waits for its end."""
    step = measuring.compiled(gan)
    return step, lambda: step(real)["d_loss"].numpy()


def torch_program(gan, form, real):
    """Return a call of one iteration of PyTorch's program, with the latents of the first iteration of `gan`."""
    options, count = gan.options, gan.schedule(gan.options, 0).batches
    of_bank = options.gan == "RPGAN"
    make = getattr(torch_programs, options.gan)
    program = make(gan, form.removesuffix(f" {LAST}")) if of_bank else make(gan)
    images = to_torch(real).permute(0, 3, 1, 2).contiguous()
    if form.endswith(LAST):
        program, images = torch_programs.channels_last(program), images.contiguous(memory_format=torch.channels_last)
    if options.precision == "mixed_bfloat16":
        torch_programs.bfloat16(program)
    z_g = to_torch(gan.latents(options.bsz, randomness.G_STEP))
    z_d = [to_torch(gan.latents(options.bsz, randomness.D_STEP, i)) for i in range(count)]
    if of_bank:
        return functools.partial(program, images, z_g, *z_d)
    seeds = [gan.noise_seed(randomness.PENALTY, i) for i in range(count)]
    u = [to_torch(tf.random.stateless_uniform([options.bsz, 1, 1, 1], seed, alg="philox")) for seed in seeds]
    more = drawn_by_realness(gan) if options.gan == "RealnessGAN" else ()
    return functools.partial(program, images.chunk(count), z_g, z_d, u, *more)


def drawn_by_realness(gan):
    """Return the anchors of RealnessGAN's first iteration, and the noise [B, A] of D's four calls."""
    shape, first = [gan.options.bsz, gan.options.num_outcomes], int(gan.discriminator.counter) + 1
    noise = [replicas.normal(shape, [gan.options.seed, first + i]) for i in range(4)]
    return [to_torch(each) for each in gan.draw()], [to_torch(each) for each in noise]


def to_torch(tensor):
    """Return a TensorFlow tensor as a PyTorch one."""
    return torch.from_numpy(np.array(tensor))


def check(side, received, expected, tolerance=1e-3):
    """Exit unless the losses of PyTorch's program equal those of this library within `tolerance`."""
    difference = max(np.abs(np.asarray(a) - np.asarray(b)).max() for a, b in zip(received, expected))
    if not difference < tolerance:
        raise SystemExit(f"{side}: the first losses differ by {difference}")


if __name__ == "__main__":
    command.run(main)
