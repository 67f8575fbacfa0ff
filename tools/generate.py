#!/usr/bin/env python3
"""Draw single images of StyleGAN2, GGDR or GLeaD, by seed, with truncation; or of saved codes.

tools/generate.py stylegan2_digits out/ --seeds 600-605 --trunc 0.7      out/seed0600.png ...
tools/generate.py stylegan2_digits out/ 2000 --seeds 1,5,7-9 --noise_mode none    iteration 2000
tools/generate.py my_conditional out/ --seeds 0-9 --class 3
tools/generate.py stylegan2_digits out/ --seeds 0-9 --save_w codes.npz   the codes, too
tools/generate.py stylegan2_digits out/ --w codes.npz                    images of codes: out/w00.png ...
tools/generate.py stylegan2_digits out/ --rows 85,100,75 --cols 55,821 --styles 0-3   mixed styles: out/mixed.png

The same seed and weights give the images of StyleGAN2's program. With --rows and --cols, the codes of --styles of each
image of a row are replaced by those of a column's, whose images stand at the left and on top. Weights are those that
samples come from: the moving average of G, unless --set ema=0.
"""

import pathlib

import numpy as np

from rpgan_tf import command
from rpgan_tf.errors import UserError
from rpgan_tf.sampling import generators, pictures, w_codes


def main(argv):
    """Draw as `argv` says."""
    parser = command.Parser(__doc__)
    parser.add_experiment()
    parser.add_argument("out", help="folder for PNG files")
    parser.add_argument("iteration", nargs="?", type=int, help="newest by default")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--seeds", metavar="600-605", help="an image of each")
    what.add_argument("--w", metavar="FILE.npz", help="an image of each of its codes")
    what.add_argument("--rows", metavar="SEEDS", help="of which most codes are; with --cols")
    parser.add_argument("--cols", metavar="SEEDS", help="of which the codes of --styles are")
    parser.add_argument("--styles", default="0-6", metavar="0-6", help="numbers of codes (default 0-6)")
    parser.add_argument("--trunc", type=float, default=1.0, metavar="PSI", help="w_avg + PSI (w - w_avg) (default 1)")
    parser.add_argument("--class", type=int, dest="label", metavar="N", help="of nets with labels")
    parser.add_argument("--noise_mode", choices=w_codes.NOISE, default="const", help="(default const)")
    parser.add_argument("--save_w", metavar="FILE.npz", help="write the codes")
    parser.add_strategy()
    arguments = parser.parse_args(argv)
    if bool(arguments.rows) != bool(arguments.cols):
        raise UserError("--rows and --cols are given together: the seeds of rows and of columns")
    if arguments.w and (arguments.trunc != 1 or arguments.label is not None):
        raise UserError("--w has codes already: --trunc and --class are for seeds; leave them out")
    seeds = w_codes.parse_seeds(arguments.seeds or arguments.rows or "0")
    columns = w_codes.parse_seeds(arguments.cols or "0")
    chosen = w_codes.parse_seeds(arguments.styles)
    options = command.load_options(arguments.name, arguments.set)
    w_codes.check(options, "tools/generate.py")
    if not arguments.w:
        w_codes.one_hot(options, arguments.label, 1)
    path = generators.find(options, arguments.iteration)

    command.start_tensorflow(arguments.strategy)
    generator, out = w_codes.load(options, path), pathlib.Path(arguments.out)
    print(f"read {path}")

    def codes_of(seeds):
        labels = w_codes.one_hot(options, arguments.label, len(seeds))
        return generator.codes(w_codes.latents(options, seeds), labels, truncation=arguments.trunc).numpy()

    if arguments.w:
        codes, names = w_codes.load_codes(arguments.w, generator), None
    else:
        codes, names = codes_of(seeds), [f"seed{seed:04d}" for seed in seeds]
    if arguments.save_w:
        w_codes.save_codes(arguments.save_w, codes)
        print(f"wrote {arguments.save_w}")
    if arguments.rows:
        if max(chosen) >= generator.num_codes:
            raise UserError(f"expected --styles of 0 to {generator.num_codes - 1}, received {arguments.styles}")
        picture = mixed(generator, codes, codes_of(columns), chosen, arguments.noise_mode)
        pictures.save_png(out / "mixed.png", picture)
        print(f"wrote {out / 'mixed.png'}")
        return
    names = names or [f"w{i:02d}" for i in range(len(codes))]
    for name, image in zip(names, w_codes.synthesize(generator, codes, arguments.noise_mode)):
        pictures.save_png(out / f"{name}.png", image)
    print(f"wrote {len(names)} images to {out}/: {names[0]}.png to {names[-1]}.png")


def mixed(generator, rows, columns, chosen, noise):
    """Return the grid uint8 [(R + 1) H, (C + 1) W, channels] of mixed codes: [R, ...] and [C, num_codes, w_dim]."""
    codes = np.repeat(rows[:, None], len(columns), axis=1)
    codes[:, :, chosen] = columns[None, :, chosen]
    codes = np.concatenate([codes.reshape(-1, *rows.shape[1:]), rows, columns])
    drawn = w_codes.synthesize(generator, codes, noise)
    inner, left, top = np.split(drawn, [len(rows) * len(columns), len(rows) * len(columns) + len(rows)])
    lines = [np.concatenate([np.zeros_like(top[:1]), top])]
    lines += [
        np.concatenate([left[i : i + 1], inner[i * len(columns) : (i + 1) * len(columns)]]) for i in range(len(rows))
    ]
    return np.concatenate([np.concatenate(list(line), axis=1) for line in lines], axis=0)


if __name__ == "__main__":
    command.run(main)
