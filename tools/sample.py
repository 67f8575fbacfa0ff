#!/usr/bin/env python3
"""Draw a grid of 10 x 15 samples; of an experiment on points, a scatter plot of 2,500 over the data.

./sample.py face48 out.png
./sample.py face48,100 out.png                    seed 100 instead of 0
./sample.py face48 out.png 20000                  iteration 20000 instead of the newest
./sample.py face48 out.png --bgmodel              with the statistics that fixbn.py stored
./sample.py face48 out_{seed}.png --seeds 0-99    a grid for each of the seeds 0 to 99
./sample.py dcgan_digits_labels out.png --class 3 samples of one class, of a net with labels
./sample.py dcgan_digits_labels out.png --classes a class in each row

The same seed and weights give the pixels of the original: the 150 latents are one batch, normalized by its own
statistics. Nets with running averages use these; with --batch_statistics they use those of the batch, as programs that
stay in training mode do. Samples come from the moving average of the generator if there is one (ema); --set ema=0 takes
the generator itself. Nets with labels draw these with the frequencies of the training data. A batch of one class has
other statistics than batches in training, so --class and --classes need those that fixbn.py stored for RP-GAN's nets.
"""

import tqdm

from rpgan_tf import command
from rpgan_tf.errors import UserError
from rpgan_tf.sampling import generators, latents, pictures


def main(argv: list[str]) -> None:
    """Draw the samples that the command line asks for."""
    parser = command.Parser(__doc__)
    parser.add_experiment("NAME[,seed]")
    parser.add_argument("out", help="PNG file to write")
    parser.add_argument("iteration", nargs="?", type=int, help="newest by default")
    parser.add_argument("--bgmodel", action="store_true", help="use stored statistics instead of the batch's own")
    parser.add_argument("--batch_statistics", action="store_true", help="use the batch's own where there are averages")
    parser.add_argument("--seeds", metavar="FIRST-LAST", help="one picture each; out must hold {seed}")
    of_class = parser.add_mutually_exclusive_group()
    of_class.add_argument("--class", type=int, dest="label", metavar="N", help="class of all, for nets with labels")
    of_class.add_argument("--classes", action="store_true", help="a class in each row, for nets with labels")
    parser.add_strategy()
    arguments = parser.parse_args(argv)
    name, seed = command.split_name(arguments.name, 1)
    seeds = [seed or 0]
    if arguments.seeds:
        seeds = latents.parse_range(arguments.seeds)
        if seeds is None:
            raise UserError(f"expected --seeds FIRST-LAST, as 0-99; received '{arguments.seeds}'")
        if "{seed}" not in arguments.out or seed is not None:
            raise UserError(
                f"--seeds expects NAME without a seed and a name such as out_{{seed}}.png, received '{argv}'"
            )
    options = command.load_options(name, arguments.set)
    if arguments.bgmodel and arguments.batch_statistics:
        raise UserError("--bgmodel and --batch_statistics exclude each other; give one of them")
    if arguments.bgmodel and options.net != generators.FIXED_BY_FIXBN:
        raise UserError(
            f"--bgmodel is for net = '{generators.FIXED_BY_FIXBN}'; net = '{options.net}' needs no fixbn.py"
        )
    with_class = arguments.classes or arguments.label is not None
    if arguments.classes and not options.num_classes:
        raise UserError("--classes is for nets with labels, and num_classes = 0; leave it out")
    if arguments.label is not None:
        latents.labels_of_class(options, arguments.label, 1)
    if arguments.batch_statistics and with_class:
        raise UserError("--batch_statistics excludes --class and --classes, whose batches are not those of training")

    path = generators.find_weights(options, arguments.iteration, single=arguments.bgmodel or with_class)

    command.start_tensorflow(arguments.strategy)
    generate = generators.load(options, path, arguments.batch_statistics)
    print(f"read {path}")
    for seed in tqdm.tqdm(seeds, disable=len(seeds) == 1):
        out = arguments.out.replace("{seed}", str(seed))
        inputs = latents.by_class(options, seed) if arguments.classes else latents.inputs(options, seed)
        if arguments.label is not None:
            inputs = inputs[0], latents.labels_of_class(options, arguments.label, len(inputs[0]))
        pictures.save_png(out, pictures.picture(generate(*inputs), options))
        tqdm.tqdm.write(f"wrote {out}")


if __name__ == "__main__":
    command.run(main)
