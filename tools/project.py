#!/usr/bin/env python3
"""Project images to codes w of StyleGAN2, GGDR or GLeaD: search the codes whose images by G are nearest.

tools/project.py stylegan2_digits out/                              the first image of test_lfile, or else of lfile
tools/project.py stylegan2_ffhq256 out/ 2000 --images me.png --set resize=cover lpips_weights=data/lpips_vgg.npz
tools/project.py stylegan2_digits out/ --images faces/ --count 4 --video out/search.mp4

Writes out/projected.png, images with their projections below, and out/w.npz, the input of tools/generate.py --w. The
distance is LPIPS if lpips_weights is set (tools/convert_lpips.py; the paper uses VGG16), else the mean squared error.
The search optimizes one code for all layers, and noise maps, which are not kept.
"""

import argparse
import pathlib

import numpy as np
import tqdm

from rpgan_tf import command
from rpgan_tf.errors import UserError
from rpgan_tf.files import lpips_weights
from rpgan_tf.sampling import generators, latents, pictures, video, w_codes

FRAMES = 200  # of a video at most, of each image


def main(argv: list[str]) -> None:
    """Search the codes of the images that the command line names."""
    arguments = parse(argv)
    options = command.load_options(arguments.name, arguments.set)
    w_codes.check_net(options, "tools/project.py")
    label = latents.labels_of_class(options, arguments.label, 1)
    source = w_codes.choose_images(options, arguments.images)
    weights = lpips_weights.load_for_metric(options, "lpips_weights") if options.lpips_weights else None
    path = generators.find_weights(options, arguments.iteration)

    command.start_tensorflow(arguments.strategy)
    from rpgan_tf.sampling import projector

    generator = w_codes.load(options, path)
    print(f"read {path}")
    print(f"distance: {'LPIPS by ' + lpips_weights.net_of(weights) if weights else 'mean squared error'}")
    search = projector.Projector(generator, distance_by(weights), arguments.steps, label, arguments.seed)
    targets, codes, found, frames = w_codes.read_images(options, source, arguments.count), [], [], []
    every = -(-arguments.steps // FRAMES)
    for i, target in enumerate(targets):
        steps = tqdm.tqdm(search.project(target), f"image {i + 1}", arguments.steps, disable=None)
        for step, (code, distance) in enumerate(steps):
            steps.set_postfix(distance=f"{distance:.4f}", refresh=False)
            last = step == arguments.steps - 1
            if last or (arguments.video and step % every == 0):
                image = generator.synthesize(code)[0]
                frames.append(pictures.pairs(target[None], image, 1))
        codes.append(code)
        found.append(image[0])
        print(f"image {i + 1}: distance {distance:.4f}")
    out = pathlib.Path(arguments.out)
    pictures.save_png(out / "projected.png", pictures.pairs(targets, found))
    w_codes.save_codes(out / "w.npz", np.concatenate(codes))
    print(f"wrote {out / 'projected.png'} and {out / 'w.npz'}")
    if arguments.video:
        video.save(arguments.video, frames, arguments.fps)
        print(f"wrote {arguments.video}: {len(frames)} frames")


def parse(argv: list[str]) -> argparse.Namespace:
    """Return the checked arguments of a command line."""
    parser = command.Parser(__doc__)
    parser.add_experiment()
    parser.add_argument("out", help="folder for the picture and the codes")
    parser.add_argument("iteration", nargs="?", type=int, help="newest by default")
    parser.add_argument("--images", metavar="LFILE", help="a picture, or any value of lfile: a list, folder, .zip, ...")
    parser.add_argument("--count", type=int, default=1, help="number of images (default 1)")
    parser.add_argument("--steps", type=int, default=1000, help="for each image (default 1000)")
    parser.add_argument("--seed", type=int, default=303, help="of the noise (default 303)")
    parser.add_argument("--class", type=int, dest="label", metavar="N", help="class, for nets with labels")
    parser.add_argument("--video", metavar="FILE", help="*.gif, *.mp4, or a folder: the search")
    parser.add_argument("--fps", type=float, default=30, help="frames a second (default 30)")
    parser.add_strategy()
    arguments = parser.parse_args(argv)
    if min(arguments.count, arguments.steps) < 1:
        raise UserError("expected --count and --steps of at least 1")
    if not 0 <= arguments.seed < 2**31:
        raise UserError(f"expected --seed in 0 .. 2^31 - 1, received {arguments.seed}")
    if arguments.video:
        video.check(arguments.video, arguments.fps)
    return arguments


def distance_by(weights: dict[str, np.ndarray] | None):
    """Return the distance [B] of images [B, H, W, C], reduced to 256 pixels: LPIPS, or the mean squared error."""
    import tensorflow as tf

    from rpgan_tf.nets.lpips import LPIPS, at_most_256

    distance = LPIPS(weights) if weights else lambda a, b: tf.reduce_mean((a - b) ** 2, axis=[1, 2, 3])
    return lambda a, b: distance(at_most_256(a), at_most_256(b))


if __name__ == "__main__":
    command.run(main)
