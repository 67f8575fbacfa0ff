#!/usr/bin/env python3
"""Draw single images of StyleGAN2, GGDR or GLeaD, by seed, with truncation; or of saved codes.

tools/generate.py stylegan2_digits out/ --seeds 600-605 --trunc 0.7      out/seed0600.png ...
tools/generate.py stylegan2_digits out/ 2000 --seeds 1,5,7-9 --noise_mode none    iteration 2000
tools/generate.py my_conditional out/ --seeds 0-9 --class 3
tools/generate.py stylegan2_digits out/ --seeds 0-9 --save_w codes.npz   the codes, too
tools/generate.py stylegan2_digits out/ --w codes.npz                    images of codes: out/w00.png ...
tools/generate.py stylegan2_digits out/ --rows 85,100,75 --cols 55,821 --styles 0-3   mixed styles: out/mixed.png

The same seed and weights give the images of StyleGAN2's program. With --rows and --cols, each mixed image has the codes
of its row's seed, except those of --styles, which are its column's; unmixed images are at the left and on top. Weights
are the moving average of G; with --set ema=0, those of G itself.
"""

import pathlib

import numpy as np

from rpgan_tf import command
from rpgan_tf.errors import UserError
from rpgan_tf.sampling import generators, latents, pictures, w_codes


def main(argv: list[str]) -> None:
    """Draw the images that the command line asks for."""
    parser = command.Parser(__doc__)
    parser.add_experiment()
    parser.add_argument("out", help="folder for PNG files")
    parser.add_argument("iteration", nargs="?", type=int, help="newest by default")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--seeds", metavar="600-605", help="an image for each")
    what.add_argument("--w", metavar="FILE.npz", help="an image for each of its codes")
    what.add_argument("--rows", metavar="SEEDS", help="seeds of the rows; with --cols")
    parser.add_argument("--cols", metavar="SEEDS", help="seeds of the columns, for the codes of --styles")
    parser.add_argument("--styles", default="0-6", metavar="0-6", help="codes of the columns (default 0-6)")
    parser.add_argument("--trunc", type=float, default=1.0, metavar="PSI", help="w_avg + PSI (w - w_avg) (default 1)")
    parser.add_argument("--class", type=int, dest="label", metavar="N", help="class, for nets with labels")
    parser.add_argument("--noise_mode", choices=w_codes.NOISE, default="const", help="(default const)")
    parser.add_argument("--save_w", metavar="FILE.npz", help="write the codes")
    parser.add_strategy()
    arguments = parser.parse_args(argv)
    if bool(arguments.rows) != bool(arguments.cols):
        raise UserError("--rows and --cols are given together: the seeds of rows and of columns")
    if arguments.w and (arguments.trunc != 1 or arguments.label is not None):
        raise UserError("--w has codes already: --trunc and --class are for seeds; leave them out")
    seeds, columns, styles = (
        latents.parse_seeds(text)
        for text in (arguments.seeds or arguments.rows or "0", arguments.cols or "0", arguments.styles)
    )
    options = command.load_options(arguments.name, arguments.set)
    w_codes.check_net(options, "tools/generate.py")
    if not arguments.w:
        latents.labels_of_class(options, arguments.label, 1)
    path = generators.find_weights(options, arguments.iteration)

    command.start_tensorflow(arguments.strategy)
    generator, out = w_codes.load(options, path), pathlib.Path(arguments.out)
    print(f"read {path}")

    def codes_of(seeds):
        labels = latents.labels_of_class(options, arguments.label, len(seeds))
        z = latents.draw_each(seeds, options.zlen)
        return generator.codes(z, labels, truncation=arguments.trunc).numpy()

    if arguments.w:
        codes = w_codes.load_codes(arguments.w, generator)
        names = [f"w{i:02d}" for i in range(len(codes))]
    else:
        codes, names = codes_of(seeds), [f"seed{seed:04d}" for seed in seeds]
    if arguments.save_w:
        w_codes.save_codes(arguments.save_w, codes)
        print(f"wrote {arguments.save_w}")
    if arguments.rows:
        if max(styles) >= generator.num_codes:
            raise UserError(f"expected --styles of 0 to {generator.num_codes - 1}, received {arguments.styles}")
        picture = mixed(generator, codes, codes_of(columns), styles, arguments.noise_mode)
        pictures.save_png(out / "mixed.png", picture)
        print(f"wrote {out / 'mixed.png'}")
        return
    for name, image in zip(names, w_codes.synthesize(generator, codes, arguments.noise_mode)):
        pictures.save_png(out / f"{name}.png", image)
    print(f"wrote {len(names)} images to {out}/: {names[0]}.png to {names[-1]}.png")


def mixed(generator, rows: np.ndarray, columns: np.ndarray, styles: list[int], noise: str) -> np.ndarray:
    """Draw the grid of mixed styles.

    Args:
        generator: of `nets.stylegan2`.
        rows, columns: codes [R, num_codes, w_dim] and [C, num_codes, w_dim].
        styles: numbers of the codes that come from the column.
        noise: one of `w_codes.NOISE`.

    Returns:
        uint8 [(R + 1) H, (C + 1) W, channels]: images of the columns on top, of the rows at the left, mixed inside.
    """
    codes = np.repeat(rows[:, None], len(columns), axis=1)
    codes[:, :, styles] = columns[None, :, styles]
    codes = np.concatenate([codes.reshape(-1, *rows.shape[1:]), rows, columns])
    drawn = w_codes.synthesize(generator, codes, noise)
    inner, left, top = np.split(drawn, [len(rows) * len(columns), len(rows) * len(columns) + len(rows)])
    lines = [np.zeros_like(top[:1]), top]
    for i, line in enumerate(np.split(inner, len(rows))):
        lines += [left[i : i + 1], line]
    return pictures.tile(np.concatenate(lines), len(columns) + 1)


if __name__ == "__main__":
    command.run(main)
