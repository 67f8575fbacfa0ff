#!/usr/bin/env python3
"""Reconstruct images with GLeaD: its G generates them from the outputs of its D.

tools/reconstruct.py glead_digits out.png                  the first images of test_lfile, or else of lfile
tools/reconstruct.py glead_digits out.png 2000 --images faces/ --count 16     iteration 2000, images of a folder
tools/reconstruct.py glead_digits out.png --raw            by the G that D was trained with, not by its average

Upper rows show the images, resized as in the experiment, lower rows their reconstructions: D's heads predict features,
an image and w, from which G continues (arXiv 2212.03752, section 3.2). The mean squared error is printed.
"""

import numpy as np

from rpgan_tf import checkpoint, command
from rpgan_tf.errors import UserError
from rpgan_tf.sampling import generators, pictures, w_codes


def main(argv: list[str]) -> None:
    """Draw the images that the command line asks for, and their reconstructions."""
    parser = command.Parser(__doc__)
    parser.add_experiment()
    parser.add_argument("out", help="PNG file to write")
    parser.add_argument("iteration", nargs="?", type=int, help="newest by default")
    parser.add_argument("--images", metavar="LFILE", help="a picture, or any value of lfile: a list, folder, .zip, ...")
    parser.add_argument("--count", type=int, default=16, help="number of images (default 16)")
    parser.add_argument("--raw", action="store_true", help="use the G that was trained with this D")
    parser.add_strategy()
    arguments = parser.parse_args(argv)
    if arguments.count < 1:
        raise UserError(f"expected --count of at least 1, received {arguments.count}")
    options = command.load_options(arguments.name, arguments.set)
    w_codes.check_net(options, "tools/reconstruct.py", heads=True)
    source = w_codes.choose_images(options, arguments.images)
    kind = "gmodel" if arguments.raw else generators.weights_kind(options)
    path = checkpoint.find_file(options.wts_dir, kind, arguments.iteration)
    d_path = checkpoint.find_file(options.wts_dir, "dmodel", generators.iteration_of(path))

    command.start_tensorflow(arguments.strategy)
    from rpgan_tf.nets import glead

    generator, discriminator = w_codes.load(options, path), glead.build_discriminator(options)
    checkpoint.load_npz(discriminator, d_path)
    print(f"read {path}\nread {d_path}")
    real = w_codes.read_images(options, source, arguments.count)

    def reconstruct(part):
        return glead.reconstruct(generator, discriminator.decode(discriminator.features(part)))

    again = generators.in_chunks(reconstruct, real)
    pictures.save_png(arguments.out, pictures.pairs(real, again))
    print(f"wrote {arguments.out}: {len(real)} images, mean squared error {np.mean((again - real) ** 2):.4f}")


if __name__ == "__main__":
    command.run(main)
