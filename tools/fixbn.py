#!/usr/bin/env python3
"""Fix the batch statistics of a generator, so that it can draw images one by one and interpolate.

./fixbn.py face48
./fixbn.py face48 20000               iteration 20000 instead of the newest
./fixbn.py face48 --chunk 64          with less memory; the result is the same

Stores the moments of one batch of 2,048 latents with the weights, in iter_<N>.bgmodel.npz. Only RP-GAN's nets need it;
the others have running averages.
"""

from rpgan_tf import checkpoint, command
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic
from rpgan_tf.sampling import generators, latents

COUNT = 2048


def main(argv: list[str]) -> None:
    """Fix the statistics of the generator that the command line names."""
    parser = command.Parser(__doc__)
    parser.add_experiment()
    parser.add_argument("iteration", nargs="?", type=int, help="newest by default")
    parser.add_argument("--seed", type=int, default=0, help="of the latents (default 0)")
    parser.add_argument("--chunk", type=int, default=256, help="latents in memory at once (default 256)")
    parser.add_strategy()
    arguments = parser.parse_args(argv)
    if arguments.chunk < 1 or not 0 <= arguments.seed < 2**32:
        raise UserError(
            f"expected --chunk >= 1 and --seed in 0 .. 2^32 - 1, received {arguments.chunk}, {arguments.seed}"
        )
    options = command.load_options(arguments.name, arguments.set)

    if options.net != generators.FIXED_BY_FIXBN:
        raise UserError(
            f"there is nothing to fix: net = '{options.net}' has running averages in its model; fixbn.py is for "
            f"net = '{generators.FIXED_BY_FIXBN}'"
        )
    path = generators.find_weights(options, arguments.iteration)

    command.start_tensorflow(arguments.strategy)
    from rpgan_tf import factory

    generator = factory.build_generator(options)
    checkpoint.load_npz(generator, path)
    print(f"read {path}")
    z, labels = latents.inputs(options, arguments.seed, COUNT)
    statistics = generator.batch_statistics(z, arguments.chunk, labels)
    out = generators.fixed_path(path)
    atomic.save_arrays(out, generator.get_arrays() | checkpoint.name_statistics(statistics))
    print(f"wrote {out}")


if __name__ == "__main__":
    command.run(main)
