#!/usr/bin/env python3
"""Train an experiment, or resume it from its last save.

    ./train.py face48
    ./train.py digits --set bsz=32 wts_dir=models/digits_32
    ./train.py face48 --dry_run
    ./train.py face48 --memory_report --set bsz=16 chunk=12
    ./train.py digits --show_augmentation out.png --set aug=light
    ./train.py face48 --strategy mirrored:2     on two GPUs; without one, on two parts of the CPU

Weights, log, options and TensorBoard's files go to the experiment's wts_dir. Ctrl-C or SIGTERM saves and stops.
"""

import json
import pathlib
import types
from collections.abc import Sequence

from rpgan_tf import command, config, projections
from rpgan_tf.devices import processor, strategies
from rpgan_tf.errors import UserError
from rpgan_tf.evaluation import protocol
from rpgan_tf.files import atomic, provenance


def main(argv: Sequence[str], forced: dict | None = None) -> None:
    """Run the command.

    Args:
        argv: its arguments.
        forced: options that override the experiment and --set.
    """
    parser = command.Parser(__doc__)
    parser.add_experiment()
    parser.add_strategy(machines=True)
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--dry_run", action="store_true", help="check options and files, print the options, stop")
    instead.add_argument(
        "--memory_report",
        action="store_true",
        help="estimate the memory of a device from the graph of an iteration, print it, stop; lfile is not read. Not "
        "counted: TensorFlow itself, workspace of convolutions, transfers among devices, and the arrays of a save, "
        "which take the size of weights and optimizers once more",
    )
    instead.add_argument(
        "--show_augmentation", metavar="PNG", help="draw real images, and below what D is shown of them; stop"
    )
    arguments = parser.parse_args(argv)
    options = command.load_options(arguments.name, arguments.set, forced)
    if arguments.memory_report:
        config.check_filters(options)
        report_memory(options, arguments.strategy)
        return
    if arguments.show_augmentation and options.aug == "no":
        raise UserError("--show_augmentation draws what aug does to images, received aug = 'no'; --set aug=light")
    config.check_files(options)
    if options.evaluate_every:
        protocol.check_run(options)
    folder = pathlib.Path(options.wts_dir)
    resumed = any(folder.glob("iter_*.gmodel.npz"))
    changes = config.changes(options, folder / "options.json") if resumed else []
    if arguments.dry_run:
        print(config.to_json(options), end="")
        return
    if arguments.show_augmentation:
        show_augmentation(options, arguments.show_augmentation)
        return

    command.start_tensorflow(arguments.strategy)
    strategies.check_batch(options)
    with strategies.rejoining(arguments.strategy):
        train(options, changes, strategies.is_chief(arguments.strategy))


def report_memory(options: types.SimpleNamespace, strategy: str) -> None:
    """Print an estimate of the memory that training takes."""
    command.start_tensorflow()
    from rpgan_tf.training import memory

    count = strategies.planned(strategy)
    strategies.check_batch(options, count)
    lines = memory.describe(memory.report(options, count))
    divided = "the discriminators divided, " * strategies.divide_discriminators(options, count)
    where = "one device" if count == 1 else f"each of {count} devices"
    print(f"{divided}{options.bsz // count} images of a batch on {where}:")
    print("\n".join(lines))
    print(f"without TensorFlow itself, and the workspace of convolutions on {processor.line()}")


def show_augmentation(options: types.SimpleNamespace, path: str) -> None:
    """Draw real images, and below what the discriminator is shown of them."""
    command.start_tensorflow()
    from rpgan_tf.sampling import augmentations, pictures

    pictures.save_png(path, augmentations.picture(options))
    print(f"wrote {path}")


def train(options: types.SimpleNamespace, changes: list[str], chief: bool) -> None:
    """Build the GAN, restore its last save, and train.

    Args:
        options: from `rpgan_tf.config`.
        changes: lines about options that differ from those of the last start.
        chief: whether this process writes the files.
    """
    import tensorflow as tf

    import rpgan_tf
    from rpgan_tf import checkpoint, factory
    from rpgan_tf.data import faults, stream
    from rpgan_tf.training import callbacks

    gan, batches = rpgan_tf.build(options), factory.batches(options)
    lines = changes + checkpoint.restore(gan, options.wts_dir)
    if not lines:
        lines = [f"new run in '{options.wts_dir}'"]
        lines += checkpoint.transfer(gan, options.start_from) if options.start_from else []
    if gan.num_replicas > 1:
        lines.append(f"{gan.num_replicas} devices: {options.bsz // gan.num_replicas} images of a batch on each")
    if callbacks.divided_among_machines(options):
        lines.append("discriminators are divided among machines: no looks at them, no losses of held-out images")
    for line in lines:
        print(line, flush=True)
    start = int(gan.iteration.numpy())
    strategies.check_start(start)
    if start >= options.MAXITER:
        print(f"nothing to do: iteration {start} of {options.MAXITER} is reached")
        return
    images = stream.distributed(options, start, batches=batches)
    print(f"images from {options.lfile}, projections {options.filts or 'none'}", flush=True)
    if chief:
        record(options)
    run = callbacks.for_run(gan, options) if chief else callbacks.for_worker(gan, options)
    try:
        gan.fit(images, steps_per_epoch=options.MAXITER - start, callbacks=run, verbose=0, shuffle=False)
    except tf.errors.OpError:
        fault = faults.find_fault(options, int(gan.iteration.numpy()), 1, batches)
        if fault is None and options.test_lfile:
            fault = faults.find_held_out_fault(options)
        if fault is None:
            raise
        run.on_train_end()  # every iteration before a bad image is good: end as after Ctrl-C
        raise UserError(fault) from None


def record(options: types.SimpleNamespace) -> None:
    """Write the filters, the options and the provenance to the folder of the run."""
    folder = pathlib.Path(options.wts_dir)
    if options.filts:
        projections.keep(options.filts, options.wts_dir)
    atomic.write_text(folder / "options.json", config.to_json(options))
    atomic.write_text(folder / "run.json", json.dumps(provenance.record([options.seed]), indent=2) + "\n")


if __name__ == "__main__":
    command.run(main)
