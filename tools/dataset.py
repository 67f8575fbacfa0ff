#!/usr/bin/env python3
"""Prepare a dataset for `lfile`: images of one size in a .zip or a folder, with their labels.

tools/dataset.py photos/ photos128.zip --size 128 --transform center-crop
tools/dataset.py ffhq/ ffhq256.zip --size 256 --resize_filter box           as for published FIDs of FFHQ at 256x256
tools/dataset.py bedroom_train_lmdb/ bedroom256.zip --size 256 --transform center-crop --max_images 100000
tools/dataset.py cars.zip cars512.zip --size 512 --transform center-crop-wide
tools/dataset.py cifar-10-binary.tar.gz cifar10.zip
tools/dataset.py train-images-idx3-ubyte.gz mnist32.zip --size 32           train-labels-idx1-ubyte.gz lies beside it
tools/dataset.py tfds:oxford_flowers102:train flowers/ --size 64 --transform center-crop

SOURCE is a folder or a .zip of any images that Pillow reads, with a dataset.json if there are labels; the 50,000
training images of CIFAR-10; MNIST; a category of LSUN, which needs lmdb; or a data set of tensorflow-datasets. OUT gets
PNG files without compression, 00000/img00000000.png and so on, and dataset.json; it appears whole or not at all.

Without --transform, images must be square; without --size, they must have one size. center-crop cuts out the largest
square, center-crop-wide the largest 4:3 part, with black above and below. Grey images stay grey, transparent ones are
laid over --background, and photographs are turned upright as their EXIF says.
"""

import functools
import pathlib

from rpgan_tf import command, config
from rpgan_tf.data import names, prepare
from rpgan_tf.errors import UserError


def main(argv: list[str]) -> None:
    """Prepare the dataset that the arguments describe."""
    parser = command.Parser(__doc__)
    parser.add_argument("source", metavar="SOURCE", help=prepare.EXPECTED)
    parser.add_argument("out", metavar="OUT", help="a new folder, or a new file *.zip")
    parser.add_argument(
        "--size", type=int, metavar="N", help="pixels of both sides, as option imsz; by default those of the images"
    )
    parser.add_argument("--transform", choices=prepare.TRANSFORMS)
    parser.add_argument("--resize_filter", choices=prepare.FILTERS, default="lanczos")
    parser.add_argument("--background", default="white", metavar="COLOR", help="of transparent images (default white)")
    parser.add_argument("--max_images", type=int, metavar="N", help="take only the first N")
    arguments = parser.parse_args(argv)
    out, size, most = pathlib.Path(arguments.out), arguments.size, arguments.max_images
    _, expected, is_size = config.KINDS["Size"]
    if size is not None and not is_size(size):
        raise UserError(f"expected --size to be {expected}, received {size}")
    _, expected, is_color = config.KINDS["Color"]
    if not is_color(arguments.background):
        raise UserError(f"expected --background to be {expected}, received '{arguments.background}'")
    if most is not None and most < 1:
        raise UserError(f"expected --max_images >= 1, received {most}")
    if out.suffix not in ("", ".zip"):
        raise UserError(f"expected OUT to be a folder or a file *.zip, received '{out}'")
    if out.exists():
        raise UserError(f"'{out}' is there already; give another name, or remove it")
    if names.is_tfds(arguments.source):
        command.start_tensorflow()
    originals = prepare.find(arguments.source)
    count = min(originals.num_images, most or originals.num_images)
    resample = prepare.FILTERS[arguments.resize_filter]
    fitted = functools.partial(
        prepare.fit, size=size, transform=arguments.transform, resample=resample, background=arguments.background
    )
    prepare.write(out, originals, count, fitted)
    labels = f"labels of {originals.labels.num_classes} classes" if originals.labels else "no labels"
    print(f"wrote {out}: {count} images, {labels}")


if __name__ == "__main__":
    command.run(main)
