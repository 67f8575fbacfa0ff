"""Codes w of StyleGAN2's generator: read, written and synthesized; and the images that they are made of.

TensorFlow is imported when a generator is loaded, so that a user's mistake is reported at once.
"""

from __future__ import annotations

import pathlib
import types
import typing

import numpy as np

from rpgan_tf import checkpoint, config
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic
from rpgan_tf.sampling import generators, pictures

if typing.TYPE_CHECKING:
    from rpgan_tf.nets import stylegan2

NETS = "stylegan2", "glead"
NOISE = "const", "random", "none"
KEY = "w"  # name of the codes in an .npz file


def check_net(options: types.SimpleNamespace, command: str, heads: bool = False) -> None:
    """Raise a `UserError` unless the net has codes, and with `heads` a discriminator that predicts them."""
    if options.net not in NETS:
        raise UserError(f"{command} is for net = {' or '.join(map(repr, NETS))}, received net = '{options.net}'")
    if heads and not options.heads:
        raise UserError(f"{command} needs a D with heads: gan = 'GLeaD', net = 'glead'; received gan = '{options.gan}'")


def choose_images(options: types.SimpleNamespace, source: str | None) -> str:
    """Return where images come from: `source`, any value of `lfile`; by default the held-out or the training data.

    Raises:
        UserError: there are no images.
    """
    source = source or options.test_lfile or options.lfile
    config.check_source("images", source, "--images")
    return source


def read_images(options: types.SimpleNamespace, source: str, count: int) -> np.ndarray:
    """Return the first `count` images of a source, or all if they are fewer: float32 [N, H, W, C] in [-1, 1]."""
    from rpgan_tf.data import stream

    _, batches = stream.once("images", source, options)
    return next(batches(0, count))


def load(options: types.SimpleNamespace, path: pathlib.Path, full: bool = False) -> stylegan2.Generator:
    """Return the generator whose weights are at `path`; with `full`, every layer computes in full precision."""
    from rpgan_tf import factory

    if full:
        options = types.SimpleNamespace(**vars(options) | {"num_half": 0})
    generator = factory.build_generator(options)
    checkpoint.load_npz(generator, path)
    return generator


def synthesize(
    generator: stylegan2.Generator, codes: np.ndarray, noise: str | list[int] = "const", seed: int = 0
) -> np.ndarray:
    """Return the images of codes.

    Args:
        generator: of `nets.stylegan2`.
        codes: [N, num_codes, w_dim].
        noise: one of `NOISE`.
        seed: of "random" noise.

    Returns:
        uint8 [N, H, W, C].
    """
    noise = [seed, 0] if noise == "random" else noise
    images = generators.in_chunks(lambda part: generator.synthesize(part, noise)[0], np.asarray(codes))
    return pictures.to_pixels(images)


def save_codes(path: str | pathlib.Path, codes: np.ndarray) -> None:
    """Write codes [N, num_codes, w_dim]."""
    atomic.save_arrays(path, {KEY: np.asarray(codes)})


def load_codes(path: str | pathlib.Path, generator: stylegan2.Generator) -> np.ndarray:
    """Read codes, float32 [N, num_codes, w_dim]; a single w for all layers, [N, w_dim] or [N, 1, w_dim], is repeated.

    Raises:
        UserError: the file is missing or damaged, or its codes do not fit the generator.
    """
    codes = atomic.load_arrays(pathlib.Path(path)).get(KEY)
    w_dim, num_codes = len(generator.get_arrays()["mapping/w_avg"]), generator.num_codes
    if codes is not None and codes.ndim == 2:
        codes = codes[:, None]
    if codes is None or codes.ndim != 3 or codes.shape[1] not in (1, num_codes) or codes.shape[2] != w_dim:
        received = "no such array" if codes is None else f"{KEY} {list(codes.shape)}"
        raise UserError(f"'{path}': expected an array '{KEY}' [N, {num_codes}, {w_dim}], received {received}")
    return np.repeat(codes, num_codes // codes.shape[1], axis=1).astype(np.float32)
