#!/usr/bin/env python3
"""Draw random projections for RP-GAN.

tools/rproj.py filts/K12_dm12.npz 8,2,1,12 --seed 12
tools/rproj.py out.npz 8,2,1,12 4,2,1,12             several groups
tools/rproj.py out.npz 8,2,1,12 --channels 1         for grey images
tools/rproj.py out.npz 1,1,1,12 --channels 2         12 random directions of the plane, for points of two coordinates

A group k,stride,numf,K is K projections, each of numf filters of k x k pixels at that stride, i.i.d. normal and scaled
to unit L2 norm. Training needs projections of one size, stride and numf in a file.
"""

from rpgan_tf import command, projections
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic


def main(argv: list[str]) -> None:
    """Run the command."""
    parser = command.Parser(__doc__)
    parser.add_argument("out", metavar="OUT.npz", help="file to write")
    parser.add_argument("groups", nargs="+", metavar="k,stride,numf,K")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same filters (default 0)")
    parser.add_argument("--channels", type=int, default=3, help="of the images, or coordinates of points (default 3)")
    arguments = parser.parse_args(argv)
    if not arguments.out.endswith(".npz"):
        raise UserError(f"expected a file name that ends in .npz, received '{arguments.out}'")
    if arguments.seed < 0:
        raise UserError(f"expected --seed >= 0, received {arguments.seed}")
    if arguments.channels < 1:
        raise UserError(f"expected --channels >= 1, received {arguments.channels}")
    arrays = projections.draw([parse_group(text) for text in arguments.groups], arguments.seed, arguments.channels)
    atomic.save_arrays(arguments.out, arrays)
    print(f"wrote {arguments.out}: {arrays['nfilt']} projections, seed {arguments.seed}")


def parse_group(text: str) -> list[int]:
    """Return (k, stride, numf, K) of "k,stride,numf,K"."""
    numbers = [int(part) if part.isdecimal() else 0 for part in text.split(",")]
    if len(numbers) != 4 or min(numbers) < 1:
        raise UserError(f"expected k,stride,numf,K: four whole numbers >= 1, as 8,2,1,12; received '{text}'")
    return numbers


if __name__ == "__main__":
    command.run(main)
