"""From options to a compiled GAN: its class, its nets, its data."""

from __future__ import annotations

import functools
import importlib
import types
from collections.abc import Callable
from typing import TYPE_CHECKING

import keras

from rpgan_tf import checkpoint, config, projections
from rpgan_tf.data import stream
from rpgan_tf.nets import base

if TYPE_CHECKING:
    import tensorflow as tf

    from rpgan_tf.gan import GAN


def find(options: types.SimpleNamespace) -> type[GAN]:
    """Return the class of the GAN that `options.gan` names."""
    return getattr(importlib.import_module(f"rpgan_tf.gans.{config.gan_module(options.gan)}"), options.gan)


def build(options: types.SimpleNamespace, gan: type[GAN] | None = None) -> GAN:
    """Build a compiled GAN with new weights.

    Args:
        options: from `rpgan_tf.config`.
        gan: class to build; None for that of `find`.

    Raises:
        UserError: filters are missing or do not fit, or sizes do not fit each other.
    """
    seeds = keras.random.SeedGenerator(options.seed)
    generator, discriminator = build_generator(options, seeds), build_discriminator(options, seeds)
    for net in (generator, discriminator):
        if options.sync_bn:
            net.synchronize()
        if options.precision != "float32":
            net.compute_products_in(options.precision.removeprefix("mixed_"))
    average = build_generator(options) if checkpoint.has_average(options) else None
    model = (gan or find(options))(generator, discriminator, options, average)
    model.compile()
    return model


def build_generator(options: types.SimpleNamespace, seeds: keras.random.SeedGenerator | None = None) -> base.Net:
    """Build the generator alone, without `seeds` for weights that are to be loaded."""
    return importlib.import_module(f"rpgan_tf.nets.{options.net}").build_generator(options, seeds)


def build_discriminator(
    options: types.SimpleNamespace, seeds: keras.random.SeedGenerator | None = None
) -> base.Discriminator:
    """Build the discriminator, or the bank, alone; raises as `build`."""
    filters = None
    if options.filts:
        filters = projections.load(options.filts)
        projections.check_fit(filters, options.imsz, options.filts, options.channels)
    return importlib.import_module(f"rpgan_tf.nets.{options.net}").build_discriminator(options, filters, seeds)


def batches(options: types.SimpleNamespace) -> Callable[[int], int]:
    """Return the function from an iteration to its number of batches of real images, as `data.stream` takes it."""
    schedule = functools.partial(find(options).schedule, options)
    return lambda iteration: schedule(iteration).batches


def dataset(options: types.SimpleNamespace, start: int = 0) -> tf.data.Dataset:
    """Return the data that train a GAN: `data.stream.dataset`, with as many batches as its schedule takes."""
    return stream.dataset(options, start, batches=batches(options))
