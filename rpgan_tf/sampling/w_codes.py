"""StyleGAN2's generator from a save: codes of seeds, labels and files, and images of codes.

TensorFlow is imported when a generator is loaded, so that a mistake is reported at once.
"""

import copy
import pathlib

import numpy as np

from rpgan_tf import checkpoint, config
from rpgan_tf.errors import UserError
from rpgan_tf.evaluation import image_sets
from rpgan_tf.files import atomic
from rpgan_tf.sampling import generators

NETS = "stylegan2", "glead"
NOISE = "const", "random", "none"
KEY = "w"  # of codes in an .npz file


def check(options, command, heads=False):
    """Raise a `UserError` unless the experiment has codes, and with `heads` a D that says them of images."""
    if options.net not in NETS:
        raise UserError(f"{command} is for net = {' or '.join(map(repr, NETS))}, received net = '{options.net}'")
    if heads and not getattr(options, "heads", False):
        raise UserError(f"{command} needs a D with heads: gan = 'GLeaD', net = 'glead'; received gan = '{options.gan}'")


def parse_seeds(text):
    """Return the seeds of "600-605" or "1,5,7-9"."""
    seeds = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        last = last if dash else first
        if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last) < 2**32):
            raise UserError(f"expected seeds such as 600-605 or 1,5,7-9; received '{text}'")
        seeds += range(int(first), int(last) + 1)
    return seeds


def choose_images(options, source):
    """Return `source`, what `lfile` may say, or the experiment's data if it is None; raises `UserError`."""
    source = source or options.test_lfile or options.lfile
    config.check_source("images", source, "--images")
    return source


def read_images(options, source, count):
    """Return the first images of `source`, as many as there are, up to `count`: float32 [N, H, W, C]."""
    from rpgan_tf.data import stream

    _, batches = stream.once("images", source, options)
    return next(batches(0, count))


def load(options, path, full=False):
    """Return the generator whose weights are at `path`; with `full`, all of it computes in full precision."""
    from rpgan_tf import factory

    if full:
        options = copy.copy(options)
        options.num_half = 0
    generator = factory.build_generator(options)
    checkpoint.load_npz(generator, path)
    return generator


def latents(options, seeds):
    """Return a latent of each seed, float32 [N, zlen]: `RandomState(seed).randn(1, zlen)`, as StyleGAN2's program."""
    return np.concatenate([np.float32(np.random.RandomState(seed).randn(1, options.zlen)) for seed in seeds])


def one_hot(options, label, count):
    """Return labels [count, num_classes] of a class, None where there are none.

    Raises:
        UserError: there is no such class, or the net has labels and none is given.
    """
    classes = options.num_classes
    if label is None and not classes:
        return None
    if label is None or not 0 <= label < classes:
        has = f"0 to {classes - 1}" if classes else "none, since the net has no labels"
        raise UserError(f"expected --class {has}; received {label}")
    return np.eye(classes, dtype=np.float32)[[label] * count]


def synthesize(generator, codes, noise="const", seed=0):
    """Return the images uint8 [N, H, W, C] of codes [N, num_codes, w_dim]; "random" noise is that of the seed."""
    noise = [seed, 0] if noise == "random" else noise
    return image_sets.to_pixels(
        generators.in_chunks(lambda part: generator.synthesize(part, noise)[0], np.asarray(codes))
    )


def save_codes(path, codes):
    """Write codes [N, num_codes, w_dim]."""
    atomic.save_arrays(path, {KEY: np.asarray(codes)})


def load_codes(path, generator):
    """Read codes [N, num_codes, w_dim]; a single w for all layers, [N, w_dim] or [N, 1, w_dim], is repeated.

    Raises:
        UserError: the file is missing or damaged, or its codes are not those of the generator.
    """
    codes = atomic.load_arrays(pathlib.Path(path)).get(KEY)
    w_dim, num_codes = generator.mapping.w_avg.shape[0], generator.num_codes
    if codes is not None and codes.ndim == 2:
        codes = codes[:, None]
    if codes is None or codes.ndim != 3 or codes.shape[1] not in (1, num_codes) or codes.shape[2] != w_dim:
        received = "no such array" if codes is None else f"{KEY} {list(codes.shape)}"
        raise UserError(f"'{path}': expected an array '{KEY}' [N, {num_codes}, {w_dim}], received {received}")
    return np.repeat(codes, num_codes // codes.shape[1], axis=1).astype(np.float32)
