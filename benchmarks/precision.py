#!/usr/bin/env python3
"""Time an iteration in float32 and in mixed_bfloat16: whether `precision` pays on this machine.

    benchmarks/precision.py            RP-GAN, DCGAN, WGAN-GP, SAGAN, RealnessGAN
    benchmarks/precision.py --quick    RP-GAN with 12 small discriminators

Protocol. Both run iterations on the same random images in alternating rounds; medians over the rounds are printed.
It pays on processors that multiply in bfloat16; mixed_float16 is for GPUs. `G` and `D` are relative differences of the
losses of the first iteration from those in float32.
"""

import measuring

from rpgan_tf import command, config

BANK = {"imsz": 32, "bsz": 64, "f1": 128, "df": 32, "filts": "filts/K12_dm12.npz"}
NETS = {"imsz": 64, "bsz": 16, "ngf": 32, "ndf": 32, "zlen": 100}
SETTINGS = {
    "RPGAN": BANK,
    "DCGAN": NETS | {"gan": "DCGAN", "net": "dcgan"},
    "WGANGP": NETS | {"gan": "WGANGP", "net": "dcgan", "d_norm": "layer"},
    "SAGAN": NETS | {"gan": "SAGAN", "net": "sagan"},
    "RealnessGAN": NETS | {"gan": "RealnessGAN", "net": "realness"},
}
SMALL = BANK | {"bsz": 8, "f1": 32, "df": 4}


def main(argv):
    """Time as `argv` says."""
    arguments = measuring.begin(__doc__, argv, "RP-GAN with 12 small discriminators")
    table = measuring.Table(arguments)
    table("GAN         | float32 ms  mixed_bfloat16 ms  float32 / bfloat16 |       G        D")
    for name, values in {"RPGAN": SMALL}.items() if arguments.quick else SETTINGS.items():
        calls = {kind: iteration(values | {"precision": kind}) for kind in ("float32", "mixed_bfloat16")}
        (g_loss, d_loss), other = (call() for call in calls.values())
        float32, half = measuring.medians(calls, arguments.rounds).values()
        table(
            f"{name:11} | {float32 * 1e3:10.1f} {half * 1e3:18.1f} {float32 / half:19.2f} | "
            f"{abs(other[0] - g_loss) / abs(g_loss):7.1e}  {abs(other[1] - d_loss) / abs(d_loss):7.1e}"
        )
    table.close()


def iteration(values):
    """Return a call of one iteration that returns the losses of G and D."""
    import rpgan_tf

    gan = rpgan_tf.build(config.resolve(values))
    step, real = measuring.compiled(gan), measuring.random_images(gan)

    def call():
        logs = step(real)
        return float(logs["g_loss"]), float(logs["d_loss"])

    return call


if __name__ == "__main__":
    command.run(main)
