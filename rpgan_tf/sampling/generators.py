"""The trained generator of an experiment: finds its file, loads it, and generates samples.

TensorFlow is imported when a generator is loaded, so that a missing file is reported at once.
"""

from __future__ import annotations

import functools
import pathlib
import types
import typing
from collections.abc import Callable

import numpy as np

from rpgan_tf import checkpoint
from rpgan_tf.data import names
from rpgan_tf.devices import strategies
from rpgan_tf.errors import UserError
from rpgan_tf.sampling import latents

if typing.TYPE_CHECKING:
    import keras

FIXED_BY_FIXBN = "rpgan"  # nets that normalize by the statistics of the batch, in samples too
FIXED_KINDS = {"ema": "bgema", "gmodel": "bgmodel"}  # with the statistics that fixbn.py stored
CHUNK = 64  # images in memory at once

Generate = Callable[..., np.ndarray]  # (z [N, zlen], labels [N, num_classes] or None) -> samples [N, ...]


def weights_kind(options: types.SimpleNamespace) -> str:
    """Return the kind of file that samples come from: "ema" with a moving average of the generator, else "gmodel"."""
    return "ema" if checkpoint.has_average(options) else "gmodel"


def find_weights(options: types.SimpleNamespace, iteration: int | None = None, single: bool = False) -> pathlib.Path:
    """Return the path of the generator that samples come from.

    Args:
        options: from `rpgan_tf.config`.
        iteration: None for the newest.
        single: whether an image must not depend on its batch: RP-GAN's nets then need the statistics that fixbn.py
            stored; the others have running averages.

    Raises:
        UserError: there is no such file.
    """
    kind = weights_kind(options)
    if single and options.net == FIXED_BY_FIXBN:
        kind = FIXED_KINDS[kind]
    return checkpoint.find_file(options.wts_dir, kind, iteration)


def iteration_of(path: pathlib.Path) -> int:
    """Return the iteration of a file of weights."""
    return int(path.name.split(".")[0].removeprefix("iter_"))


def fixed_path(path: pathlib.Path) -> pathlib.Path:
    """Return the file in which fixbn.py stores the weights of `path` with their statistics."""
    return checkpoint.path_of(str(path.parent), iteration_of(path), FIXED_KINDS[path.name.split(".")[1]])


def load(options: types.SimpleNamespace, path: pathlib.Path, batch_statistics: bool = False) -> Generate:
    """Load a generator from a file of weights.

    Args:
        options: from `rpgan_tf.config`.
        path: as returned by `find_weights`.
        batch_statistics: whether nets with running averages normalize by the statistics of all N samples instead.

    Returns:
        The function from latents [N, zlen] and labels [N, num_classes], None without, to samples [N, ...].
    """
    from rpgan_tf import factory

    generator = factory.build_generator(options)
    if path.name.split(".")[1] in FIXED_KINDS.values():
        statistics = checkpoint.load_bgmodel(generator, path)
        return functools.partial(in_chunks, lambda *inputs: generator(*inputs, statistics=statistics))
    checkpoint.load_npz(generator, path)
    if batch_statistics:
        return lambda z, labels=None: np.asarray(generator(*latents.arguments(z, labels), training=True))
    return functools.partial(generate, generator, options)


def generate(
    generator: keras.Model, options: types.SimpleNamespace, z: np.ndarray, labels: latents.Labels = None
) -> np.ndarray:
    """Return the samples [N, ...] of latents [N, zlen] and labels; RP-GAN's nets generate them as one batch."""
    if options.net == FIXED_BY_FIXBN:
        return np.asarray(generator(*latents.arguments(z, labels)))
    return in_chunks(generator, z, labels)


def in_chunks(function: Callable, z: np.ndarray, labels: latents.Labels = None) -> np.ndarray:
    """Apply a function to chunks of latents [N, zlen] and labels, or of images or codes [N, ...]; return [N, ...].

    The function must not depend on the batch. Chunks are divided among the devices of the strategy.
    """
    parts = list(latents.chunks(CHUNK, z, labels))
    return np.concatenate(strategies.each(lambda part: function(*part), parts))


def check_images(options: types.SimpleNamespace, command: str) -> None:
    """Raise a `UserError` if the samples are points: `command` draws images."""
    if names.is_mixture(options.lfile):
        raise UserError(f"{command} draws images, and lfile = '{options.lfile}' has points; sample.py draws these")
