#!/usr/bin/env python3
"""Draw a grid of 10 x 15 samples.

./sample.py face48 out.png
./sample.py face48,100 out.png          seed 100 instead of 0
./sample.py face48 out.png 20000        iteration 20000 instead of the newest
./sample.py face48 out.png --bgmodel    with the statistics that fixbn.py stored

The same seed and weights give the pixels of the original: the 150 latents are one batch, normalized by its own
statistics.
"""

from rpgan_tf import checkpoint, command, images


def main(argv):
    """Draw as `argv` says."""
    parser = command.Parser(__doc__)
    parser.add_experiment("NAME[,seed]")
    parser.add_argument("out", help="PNG file to write")
    parser.add_argument("iteration", nargs="?", type=int, help="newest by default")
    parser.add_argument("--bgmodel", action="store_true", help="use stored statistics instead of the batch's own")
    arguments = parser.parse_args(argv)
    name, seed = command.split_name(arguments.name, 1)
    options = command.load_options(name, arguments.set)

    path = checkpoint.find(options.wts_dir, "bgmodel" if arguments.bgmodel else "gmodel", arguments.iteration)

    command.start_tensorflow()
    from rpgan_tf import gan

    generator = gan.build_generator(options)
    statistics = None
    if arguments.bgmodel:
        statistics = checkpoint.load_bgmodel(generator, path)
    else:
        checkpoint.load_npz(generator, path)
    print(f"read {path}")
    images.save_png(arguments.out, images.grid(generator(images.latents(seed or 0, options.zlen), statistics)))
    print(f"wrote {arguments.out}")


if __name__ == "__main__":
    command.run(main)
