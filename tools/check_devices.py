#!/usr/bin/env python3
"""Check that several devices compute the same as one: train toys of all objectives on both, and compare.

tools/check_devices.py --strategy mirrored:4                    four GPUs; without one, four parts of the CPU
tools/check_devices.py --processes 3                            three processes of this machine, on its CPU
tools/check_devices.py RPGAN GLeaD --strategy mirrored:2 --iterations 50
TF_CONFIG=... tools/check_devices.py --strategy multiworker     on each of several machines
tools/check_devices.py --processes 2 --record                   for the table in docs/devices.md (tools/results.py)

losses   largest difference of a loss of the last iteration
weights  largest difference of a weight
way      distance between the final weights of G or D (the larger), relative to their distance from the initial ones

The exit code is 1 if more than rounding differs. Batch normalization is over all devices (sync_bn) and nothing is
compiled by XLA; most toys run eagerly, since their graphs take longer to build than the iterations. Adam's epsilon is
1e-4: with 1e-8, rounding becomes whole steps where a gradient is 0, as for biases before a normalization.
"""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from rpgan_tf import command, config, projections
from rpgan_tf.config import declared
from rpgan_tf.devices import strategies
from rpgan_tf.errors import UserError, nearest
from rpgan_tf.files import atomic, provenance

POINTS = {"net": "toy", "lfile": "mixture:ring8", "zlen": 4, "g_width": 8, "d_width": 5}
DIGITS = {"imsz": 16, "channels": 1, "zlen": 4, "lfile": "digits:train"}
SINGLE = DIGITS | {"net": "rpgan", "ksz": 4, "f1": 8, "df": 4}
BANK = SINGLE | {"filts": "filts.npz"}
STYLES = DIGITS | {"w_dim": 4, "map_layers": 1, "channel_base": 64, "channel_max": 4, "mbstd_group": 1}
STYLES |= {"d_interval": 2, "g_interval": 2, "ema": 0.9}
DECODER = STYLES | {"net": "glead", "res_d": 8, "res_g": 8}
MSE = {"real_loss": "mse", "fake_loss": "mse"}
SETTINGS = {  # by GAN; the others are trained on POINTS as they are
    "RPGAN": BANK,
    "Baseline": SINGLE,
    "DCGAN": DIGITS | {"net": "dcgan", "ngf": 8, "ndf": 8},
    "WGAN": POINTS | {"clip": 1, "warmup_steps": 3, "warmup_iterations": 1, "warmup_every": 0},
    "WGANGP": POINTS | {"d_steps": 2},
    "SAGAN": DIGITS | {"net": "sagan", "imsz": 32, "ngf": 8, "ndf": 8},
    "RaSGAN": POINTS | {"g_real": "stale", "d_steps": 2},
    "RaLSGAN": POINTS | {"pack": 2, "weight_decay": 0.01, "ema": 0.9},
    "RaHingeGAN": POINTS | {"accumulation": 2},
    "R3GAN": DIGITS | {"net": "r3gan", "channel_base": 64, "channel_max": 16, "group_width": 8, "schedule_kimg": 0.1},
    # With seed 0, a change of the last bit of D's weights has as large an effect on one device.
    "RealnessGAN": DIGITS | {"net": "realness", "ngf": 8, "ndf": 8, "seed": 1},
    "StyleGAN2": STYLES | {"net": "stylegan2", "pl_weight": 0},  # GLeaD checks path lengths
    "GGDR": DECODER | {"heads": False, "pl_weight": 0},
    "GLeaD": DECODER | MSE | {"num_classes": 10, "aug": "ada", "ada_kimg": 1, "aug_pipe": "blit"},
}
CASES = {gan: SETTINGS.get(gan, POINTS) | {"gan": gan} for gan in declared.gans()} | {
    "divided": BANK | {"gan": "RPGAN", "divide": "discriminators", "accumulation": 2, "aug": "ada", "ada_kimg": 0.1},
    "RPR3GAN": BANK | {"gan": "R3GAN", "penalty": 1, "schedule_kimg": 0.1, "final_ema_kimg": 0.1},
    "divR3GAN": BANK | {"gan": "R3GAN", "penalty": 1, "divide": "discriminators", "pack": 2, "aug": "light"},
    "labels": SETTINGS["SAGAN"] | {"gan": "SAGAN", "num_classes": 10},
    "dividedlabels": BANK | {"gan": "WGANGP", "divide": "discriminators", "num_classes": 10},
    "RPRaSGAN": BANK | {"gan": "RaSGAN", "prior": "uniform", "d_steps": 2, "aug": "ada", "ada_kimg": 0.1},
}
GRAPHS = "RPGAN", "divided", "dividedlabels", "RaSGAN", "RealnessGAN"  # the others run eagerly
EPSILON = 1e-4
FEWEST = 8  # images of a batch
ROUNDING = 1e-3  # relative to a loss or to the way
RECORDS = pathlib.Path("docs/results/devices")


def main(argv):
    """Train, compare and print as `argv` says."""
    parser = command.Parser(__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(CASES)}; all by default")
    parser.add_argument("--iterations", type=command.count, default=20, metavar="N", help="of each (default 20)")
    parser.add_argument("--processes", type=command.count, metavar="N", help="of this machine, instead of --strategy")
    parser.add_argument("--record", action="store_true", help=f"also write the numbers to {RECORDS}")
    parser.add_strategy(machines=True)
    arguments = parser.parse_args(argv)
    for name in arguments.names:
        if name not in CASES:
            raise UserError(f"no '{name}'; {nearest(name, CASES)}")
    if arguments.processes == 1:
        raise UserError("--processes must be at least 2, received 1")
    names = arguments.names or list(CASES)
    if arguments.processes is None:
        what, rows = arguments.strategy, check(names, arguments.iterations, arguments.strategy)
    elif arguments.strategy == "auto":
        with workers(arguments.processes, ["--iterations", str(arguments.iterations), *names]):
            what, rows = f"{arguments.processes} processes", check(names, arguments.iterations, "multiworker")
    else:
        raise UserError(f"expected --processes or --strategy, received both; leave out --strategy {arguments.strategy}")
    if arguments.record and rows:
        seeds = sorted({CASES[name].get("seed", 0) for name in rows})
        record = provenance.record(seeds) | {"iterations": arguments.iterations, "what": what, "rows": rows}
        name = "_".join(what.replace(":", " ").split())
        atomic.write_text(RECORDS / f"{name}.json", json.dumps(record, indent=1) + "\n")
    differ = [name for name, row in rows.items() if not row["same"]]
    if differ:
        sys.exit(f"several devices do not compute the same as one: {', '.join(differ)}")


@contextlib.contextmanager
def workers(count, arguments):
    """Make this process the first of `count` workers on this machine, and start the others with the same arguments."""
    tasks = strategies.local_tasks(count)
    os.environ |= {"CUDA_VISIBLE_DEVICES": "", "TF_CONFIG": tasks[0]}
    line = [sys.executable, __file__, *arguments, "--strategy", "multiworker"]
    others = [subprocess.Popen(line, env=os.environ | {"TF_CONFIG": task}) for task in tasks[1:]]
    try:
        yield
    except BaseException:
        for each in others:
            each.kill()
        raise
    finally:
        for each in others:
            each.wait()


def check(names, iterations, strategy):
    """Train each case on one device and under a strategy, and print the differences.

    Returns:
        {name: {"losses", "weights", "way": float, "same": whether that is rounding}} on the first of several machines,
        {} on the others.
    """
    command.start_tensorflow(strategy)
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")  # no warnings about strategies without graphs
    count, chief = strategies.count(), strategies.is_chief(strategy)
    if count == 1:
        raise UserError("there is one device only: expected several; set --strategy mirrored:2, or --processes 2")
    step, rows = 2 * count, {}  # path lengths use every second image of a device
    batch = -(-FEWEST // step) * step
    with tempfile.TemporaryDirectory() as folder:
        filters = os.path.join(folder, BANK["filts"])
        atomic.save_arrays(filters, projections.draw([(8, 2, 1, count)], seed=1, channels=1))
        if chief:
            print(f"{count} devices, {batch} images of a batch, {iterations} iterations", flush=True)
            print(f"{'':11s} {'losses':>8s} {'weights':>8s} {'way':>8s}", flush=True)
        for name in names:
            values = CASES[name] | {"bsz": batch, "wts_dir": folder, "MAXITER": iterations, "sync_bn": True}
            options = config.resolve(values | ({"filts": filters} if "filts" in values else {}))
            if chief:
                with strategies.outside():
                    one = train(options, name not in GRAPHS)
            several = train(options, name not in GRAPHS)
            if chief:
                apart, same = compare(one, several)
                rows[name] = dict(zip(("losses", "weights", "way"), map(float, apart))) | {"same": same}
                text = " ".join(f"{number:8.1e}" for number in apart)
                print(f"{name:11s} {text}{'' if same else '  more than rounding'}", flush=True)
    return rows


def train(options, eagerly):
    """Train a toy.

    Returns:
        {name: loss of the last iteration}, all weights as a list of arrays, and the ways that G and D went: final minus
        initial weights, float64 [number of weights] each.
    """
    import numpy as np

    import rpgan_tf
    from rpgan_tf import factory
    from rpgan_tf.data import stream
    from rpgan_tf.devices import replicas

    def trained(net):
        return np.concatenate([np.ravel(array) for array in replicas.get(net.trainable_weights)]).astype(np.float64)

    gan = rpgan_tf.build(options)
    gan.compile(run_eagerly=eagerly, jit_compile=False)
    for optimizer in (gan.g_optimizer, gan.d_optimizer):
        optimizer.epsilon = EPSILON
    nets = gan.generator, gan.discriminator
    starts = [trained(net) for net in nets]
    images = stream.distributed(options, batches=factory.batches(options))
    history = gan.fit(images, steps_per_epoch=options.MAXITER, verbose=0, shuffle=False).history
    losses = {name: np.float64(values[-1]) for name, values in history.items()}
    return losses, replicas.get(gan.weights), [trained(net) - a for net, a in zip(nets, starts)]


def compare(one, several):
    """Return (losses, weights, way) of the table for two results of `train`, and whether they are rounding."""
    import numpy as np

    losses = [np.max(np.abs(each - several[0][name])) for name, each in one[0].items()]
    weights = max(np.max(np.abs(np.float64(a) - b), initial=0) for a, b in zip(one[1], several[1]))
    way = max(np.linalg.norm(a - b) / np.linalg.norm(a) for a, b in zip(one[2], several[2]))
    sizes = [np.max(np.abs(each)) for each in one[0].values()]
    same = way <= ROUNDING and all(loss <= ROUNDING * max(size, 1) for loss, size in zip(losses, sizes))
    return (max(losses), weights, way), bool(same)


if __name__ == "__main__":
    command.run(main)
