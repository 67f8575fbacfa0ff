#!/usr/bin/env python3
"""Show samples of fixed latents over a run, as a video.

tools/timelapse.py digits out.gif
tools/timelapse.py digits,100 out.mp4 --fps 2     seed 100, two iterations a second

Each saved generator, one every SAVEFREQ iterations, is a frame: sample.py's grid.
"""

import tqdm

from rpgan_tf import checkpoint, command
from rpgan_tf.sampling import generators, latents, pictures, video


def main(argv: list[str]) -> None:
    """Draw the video that the command line asks for."""
    parser = command.Parser(__doc__)
    parser.add_experiment("NAME[,seed]")
    parser.add_argument("out", help="*.gif, *.mp4, or a folder for PNG files")
    parser.add_argument("--fps", type=float, default=4, help="frames a second (default 4)")
    parser.add_strategy()
    arguments = parser.parse_args(argv)
    name, seed = command.split_name(arguments.name, 1)
    video.check(arguments.out, arguments.fps)
    options = command.load_options(name, arguments.set)
    generators.find_weights(options)
    kind = generators.weights_kind(options)
    iterations = checkpoint.saved_iterations(options.wts_dir, kind)

    command.start_tensorflow(arguments.strategy)
    inputs, frames = latents.inputs(options, seed or 0), []
    for iteration in tqdm.tqdm(iterations, unit="model"):
        generate = generators.load(options, checkpoint.path_of(options.wts_dir, iteration, kind))
        frames.append(pictures.picture(generate(*inputs), options))
    video.save(arguments.out, frames, arguments.fps)
    print(f"wrote {arguments.out}: iterations {', '.join(map(str, iterations))}")


if __name__ == "__main__":
    command.run(main)
