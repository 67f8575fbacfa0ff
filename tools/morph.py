#!/usr/bin/env python3
"""Morph samples into each other, as a video.

tools/morph.py face48 out.mp4 137,65
tools/morph.py face48,100,20000 out.gif 137,65 65,1 --loop    seed 100, iteration 20000; back to the start
tools/morph.py rasgan_mnist frames 1,2 --path spherical       a folder of PNG files

a and b count the images of sample.py's grid with that seed, from 1, in reading order. Each pair has --frames frames; an
image that ends one pair and starts the next is shown once. Labels change linearly on either path. RP-GAN's nets need
the statistics that fixbn.py stores.
"""

import numpy as np

from rpgan_tf import command
from rpgan_tf.errors import UserError
from rpgan_tf.sampling import generators, latents, pictures, video


def main(argv: list[str]) -> None:
    """Draw the video that the command line asks for."""
    parser = command.Parser(__doc__)
    parser.add_experiment("NAME[,seed[,iteration]]")
    parser.add_argument("out", help="*.gif, *.mp4, or a folder for PNG files")
    parser.add_argument("pairs", nargs="+", metavar="a,b", help="numbers of two images, 1 to 150")
    parser.add_argument("--frames", type=int, default=60, help="of each pair (default 60)")
    parser.add_argument("--fps", type=float, default=30, help="frames a second (default 30)")
    parser.add_argument("--loop", action="store_true", help="go on from the last image to the first")
    parser.add_argument("--path", choices=("linear", "spherical"), default="linear", help="between latents")
    parser.add_strategy()
    arguments = parser.parse_args(argv)
    name, seed, iteration = command.split_name(arguments.name, 2)
    pairs = [command.parse_pair(text) for text in arguments.pairs]
    if arguments.frames < 2:
        raise UserError(f"expected --frames >= 2, received {arguments.frames}")
    video.check(arguments.out, arguments.fps)
    options = command.load_options(name, arguments.set)
    generators.check_images(options, "tools/morph.py")
    path = generators.find_weights(options, iteration, single=True)

    command.start_tensorflow(arguments.strategy)
    generate = generators.load(options, path)
    print(f"read {path}")
    if arguments.loop and pairs[-1][1] != pairs[0][0]:
        pairs.append([pairs[-1][1], pairs[0][0]])
    places = path_between(pairs, arguments.frames)
    if arguments.loop:
        places.pop()  # the first again
    z, labels = latents.inputs(options, seed or 0)
    interpolate = {"linear": linear, "spherical": spherical}[arguments.path]
    inputs = [np.float32([interpolate(z[a - 1], z[b - 1], t) for a, b, t in places])]
    if labels is not None:
        inputs.append(np.float32([linear(labels[a - 1], labels[b - 1], t) for a, b, t in places]))
    samples = generate(*inputs)
    video.save(arguments.out, (pictures.grid(sample[None], 1) for sample in samples), arguments.fps)
    print(f"wrote {arguments.out}: {len(samples)} frames")


def path_between(pairs: list[list[int]], frames: int) -> list[tuple[int, int, float]]:
    """Return the frames of a path through pairs of images: (a, b, t) is the place t in [0, 1] between a and b.

    A pair that starts with the image that the previous one ended with has a frame less.
    """
    places, end = [], None
    for a, b in pairs:
        places += [(a, b, t) for t in np.linspace(0, 1, frames)[int(a == end) :]]
        end = b
    return places


def linear(a: np.ndarray, b: np.ndarray, t: float) -> np.ndarray:
    """Return the latent at t of the straight line from a to b."""
    return (1 - t) * a + t * b


def spherical(a: np.ndarray, b: np.ndarray, t: float) -> np.ndarray:
    """Return the latent at t of the arc from a to b, which keeps the length that normal latents have.

    White, "Sampling Generative Networks", arXiv 1609.04468, section 2.
    """
    angle = np.arccos(np.clip(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)), -1, 1))
    if np.sin(angle) < 1e-6:
        return linear(a, b, t)
    return (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)


if __name__ == "__main__":
    command.run(main)
