#!/usr/bin/env python3
"""Is the generator copying? Draw samples beside their nearest training images, in pixels and in features.

tools/nearest.py digits nearest.png                      the newest iteration
tools/nearest.py digits,7 nearest.png 2000 --closest     iteration 2000, seed 7; the nearest of all samples
tools/nearest.py face48 out.png --extractor random:VGG16 --samples 5000 --neighbours 8
tools/nearest.py samples/ out.png --experiment face48    a folder or an .npz file, against face48's training images
tools/nearest.py samples.npz out.png --reference photos/ --set test_lfile=others/

Each row shows a sample, its nearest training images in pixels, with the root mean square difference in grey levels of
0 .. 255, and those in features, with the Euclidean distance; "m" marks mirror images, which `mirror` trains on. Red
distances are shorter than those of the nearest 1% of held-out images.

All samples together are compared with held-out images, those of test_lfile, or else those that `subset` leaves out, or
else training images, each without itself: medians, the share of samples nearer than 99% of held-out images, and the
three-sample test of Meehan, Chaudhuri, Dasgupta (arXiv 2004.05675), whose C_T is far below 0 for a generator that
copies. Standard error gets this as text, standard output a row of JSON. Extractors: as for tools/evaluate.py.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import sys
import types
import typing

import numpy as np

from rpgan_tf import command, config
from rpgan_tf.data import names
from rpgan_tf.errors import UserError
from rpgan_tf.evaluation import protocol
from rpgan_tf.files import provenance
from rpgan_tf.sampling import generators, pictures

if typing.TYPE_CHECKING:
    from rpgan_tf.evaluation import copying, image_sets

SAMPLES = 1000


def main(argv: list[str]) -> None:
    """Compare the samples that the command line names with training images."""
    arguments = parse(argv)
    if arguments.reference == "test":
        raise UserError("copies are of training images: expected --reference train or a path, received 'test'")
    options, seed = find_options(arguments)
    split, source, name = protocol.check(options, ["fid"], None, arguments.reference, arguments.extractor)
    check(options, source)
    found = None if seed is None else protocol.find_weights(options, arguments.iteration, arguments.statistics)

    command.start_tensorflow(arguments.strategy)
    from rpgan_tf.evaluation import copying, features, subjects

    stdout = sys.stdout  # only for the row: all other prints go to standard error
    with contextlib.redirect_stdout(sys.stderr):
        training, held_out = copying.open_images(source, split, options)
        subject = subjects.saved(options, *found, seed or 0) if found else subjects.collected(arguments.name, options)
        samples = subject.images(arguments.samples or (SAMPLES if found else None)).pixels()
        mirror, extractor = options.mirror and split == "train", features.find_extractor(str(name))
        row = {key: getattr(subject, key) for key in ("weights", "weights_hash", "seed", "prior", "statistics")}
        row |= {"samples": len(samples), "training": training.name, "training_images": training.count}
        row |= {"mirror": mirror, "held_out": held_out.name if held_out else "training images, each without itself"}
        row |= {"extractor": extractor.name, "extractor_key": extractor.key}
        spaces, row["held_out_images"] = copying.compare(
            training, mirror, samples, held_out, extractor, arguments.neighbours
        )
        print("; ".join(f"{key}: {value}" for key, value in row.items()))
        for name, space in spaces.items():
            print(copying.text_of(name, space.numbers))
        chosen = choose(spaces, arguments.rows, arguments.closest)
        pictures.save_png(arguments.out, draw(samples, chosen, training, spaces))
        print(f"wrote {arguments.out}")
        row |= {name: space.numbers for name, space in spaces.items()}
        row["shown"] = [describe(i, training.count, spaces) for i in chosen]
        print(json.dumps(row | provenance.record(())), file=stdout, flush=True)


def parse(argv: list[str]) -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = command.Parser(__doc__)
    parser.add_experiment("NAME[,seed]|FOLDER|FILE.npz")
    parser.add_argument("out", help="PNG file to write")
    parser.add_argument("iteration", nargs="?", type=int, help="newest by default")
    parser.add_argument("--samples", type=command.count, metavar="N", help="to compare (1,000; all of a set)")
    parser.add_argument("--rows", type=command.count, default=10, metavar="N", help="samples in the picture (10)")
    parser.add_argument("--neighbours", type=command.count, default=5, metavar="N", help="of each sample (5)")
    parser.add_argument("--closest", action="store_true", help="show the samples nearest to training images, in pixels")
    parser.add_argument("--reference", default="train", metavar="train|PATH", help="the training images")
    parser.add_extractor()
    parser.add_argument("--statistics", choices=["auto", "batch", "stored"], default="auto", help="for normalization")
    parser.add_argument("--experiment", metavar="NAME", help="experiment that a set of images is compared with")
    parser.add_strategy()
    return parser.parse_args(argv)


def find_options(arguments: argparse.Namespace) -> tuple[types.SimpleNamespace, int | None]:
    """Return the options, and the seed of a generator; None for a set of images."""
    if protocol.is_set(arguments.name):
        if arguments.iteration is not None or arguments.statistics != "auto":
            raise UserError(f"'{arguments.name}' is a set of images: an iteration and --statistics are for experiments")
        wanted = arguments.reference, arguments.experiment, arguments.set
        return protocol.options_of_set(arguments.name, *wanted), None
    name, seed = command.split_name(arguments.name, 1)
    if arguments.experiment:
        raise UserError(f"--experiment is for a folder or an .npz file, received the experiment '{name}'")
    options = command.load_options(name, arguments.set)
    generators.check_images(options, "tools/nearest.py")
    return options, seed or 0


def check(options: types.SimpleNamespace, source: str) -> None:
    """Raise a `UserError` if samples cannot be compared with the images of `source`."""
    if importlib.util.find_spec("sklearn") is None:
        raise UserError("tools/nearest.py needs scikit-learn: pip install scikit-learn")
    if source == names.STACKED:
        raise UserError(f"'{source}' has no end, so a sample has no nearest image; take another --reference")
    if options.test_lfile:
        config.check_source("test_lfile", options.test_lfile)


def choose(spaces: dict[str, copying.Space], count: int, closest: bool) -> np.ndarray:
    """Return the numbers of the samples to show: the first, or those nearest to a training image in pixels."""
    nearest = spaces["pixels"].found.distances[:, 0]
    return np.argsort(nearest, kind="stable")[:count] if closest else np.arange(min(count, len(nearest)))


def draw(
    samples: np.ndarray, chosen: np.ndarray, training: image_sets.ImageSet, spaces: dict[str, copying.Space]
) -> np.ndarray:
    """Return the picture: a row for each chosen sample, with its nearest training images, uint8 [H, W, 3]."""
    places = np.concatenate([space.found.places[chosen] for space in spaces.values()], axis=1)
    distances = np.concatenate([space.found.distances[chosen] for space in spaces.values()], axis=1)
    k = places.shape[1] // len(spaces)
    numbers, inverse = np.unique(places % training.count, return_inverse=True)
    images = training.take(numbers).pixels()[inverse.reshape(places.shape)]
    mirrored = places >= training.count
    images[mirrored] = images[mirrored][:, :, ::-1]
    near = np.repeat([space.near for space in spaces.values()], k)
    texts = [
        [f"sample {i}", *(f"{distance:.4g}{' m' * is_mirrored}" for distance, is_mirrored in zip(*row))]
        for i, *row in zip(chosen, distances, mirrored.tolist())
    ]
    headings = {0: "sample"} | {1 + i * k: f"nearest in {name}" for i, name in enumerate(spaces)}
    marked = np.pad(distances < near, [(0, 0), (1, 0)])
    return pictures.labelled(np.concatenate([samples[chosen][:, None], images], axis=1), texts, headings, marked)


def describe(i: int, count: int, spaces: dict[str, copying.Space]) -> dict:
    """Return a sample's nearest training images, as [number, distance], or [number, distance, "mirrored"]."""
    found: dict = {"sample": int(i)}
    for name, space in spaces.items():
        pairs = zip(space.found.places[i].tolist(), space.found.distances[i].tolist())
        found[name] = [[place % count, distance, *["mirrored"] * (place >= count)] for place, distance in pairs]
    return found


if __name__ == "__main__":
    command.run(main)
