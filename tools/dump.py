#!/usr/bin/env python3
"""Write samples as single images, for programs that compare sets of images.

tools/dump.py face48 samples 10000              samples/00000.png ... samples/09999.png
tools/dump.py face48,100,20000 out.npz 50000    one array arr_0, uint8 [N, H, W, C]; seed 100, iteration 20000

Pixels are rounded to 8 bits. Points of a toy experiment are written as float32 [N, dims] to .npz. RP-GAN's nets need
the statistics that fixbn.py stores.
"""

import pathlib

import numpy as np
import tqdm

from rpgan_tf import command
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic
from rpgan_tf.sampling import generators, latents, pictures, video


def main(argv: list[str]) -> None:
    """Write the samples that the command line asks for."""
    parser = command.Parser(__doc__)
    parser.add_experiment("NAME[,seed[,iteration]]")
    parser.add_argument("out", help="folder for PNG files, or a file *.npz")
    parser.add_argument("count", type=int, help="number of samples")
    parser.add_strategy()
    arguments = parser.parse_args(argv)
    name, seed, iteration = command.split_name(arguments.name, 2)
    out, count = pathlib.Path(arguments.out), arguments.count
    if count < 1 or out.suffix not in ("", ".npz"):
        raise UserError(f"expected a folder or a file *.npz, and a number >= 1; received '{out}' and {count}")
    video.check_folder(out)
    options = command.load_options(name, arguments.set)
    if out.suffix != ".npz":
        generators.check_images(options, "tools/dump.py into a folder")
    path = generators.find_weights(options, iteration, single=True)

    command.start_tensorflow(arguments.strategy)
    generate = generators.load(options, path)
    print(f"read {path}")
    parts, first = [], 0
    with tqdm.tqdm(total=count, unit="sample") as bar:
        for chunk in latents.chunks(generators.CHUNK, *latents.inputs(options, seed or 0, count)):
            samples = generate(*chunk)
            samples = samples if samples.ndim == 2 else to_bytes(samples)
            if out.suffix == ".npz":
                parts.append(samples)
            else:
                for i, sample in enumerate(samples, first):
                    pictures.save_png(out / f"{i:05d}.png", sample)
            first += len(samples)
            bar.update(len(samples))
    if parts:
        atomic.save_arrays(out, {"arr_0": np.concatenate(parts)})
    print(f"wrote {out}: {count} samples")


def to_bytes(samples: np.ndarray) -> np.ndarray:
    """Return images in [-1, 1] as uint8, rounded."""
    return np.uint8(np.round((samples + 1) * 127.5))


if __name__ == "__main__":
    command.run(main)
