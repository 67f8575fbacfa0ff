#!/usr/bin/env python3
"""Draw interpolations between samples, one row of 11 images for each pair a,b.

./interp.py face48 out.png 137,65
./interp.py face48,100,20000 out.png 137,65 1,150    seed 100, iteration 20000

a and b count the images of sample.py's grid with that seed, from 1, in reading order; a row starts at a and ends at b.
RP-GAN's nets need the statistics that fixbn.py stores.
"""

import numpy as np

from rpgan_tf import command
from rpgan_tf.sampling import generators, latents, pictures

STEPS = 11


def main(argv: list[str]) -> None:
    """Draw the rows that the command line asks for."""
    parser = command.Parser(__doc__)
    parser.add_experiment("NAME[,seed[,iteration]]")
    parser.add_argument("out", help="PNG file to write")
    parser.add_argument("pairs", nargs="+", metavar="a,b", help="numbers of two images, 1 to 150")
    parser.add_strategy()
    arguments = parser.parse_args(argv)
    name, seed, iteration = command.split_name(arguments.name, 2)
    pairs = [command.parse_pair(text) for text in arguments.pairs]
    options = command.load_options(name, arguments.set)

    generators.check_images(options, "interp.py")
    path = generators.find_weights(options, iteration, single=True)

    command.start_tensorflow(arguments.strategy)
    generate = generators.load(options, path)
    print(f"read {path}")
    inputs = latents.arguments(*latents.inputs(options, seed or 0))
    t = np.linspace(0, 1, STEPS)[:, None]
    rows = [generate(*(np.float32(x[a - 1] * (1 - t) + x[b - 1] * t) for x in inputs)) for a, b in pairs]
    pictures.save_png(arguments.out, pictures.grid(np.concatenate(rows), columns=STEPS))
    print(f"wrote {arguments.out}")


if __name__ == "__main__":
    command.run(main)
