"""From options to a compiled GAN: its class, its nets, its data."""

from __future__ import annotations

import functools
import importlib
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras

from rpgan_tf import checkpoint, config, projections
from rpgan_tf.data import stream
from rpgan_tf.devices import strategies
from rpgan_tf.many import subset
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
    taking_part = build_subset(options)
    for net in (generator, discriminator, *([taking_part] if taking_part else [])):
        if options.sync_bn:
            net.synchronize()
        if options.precision != "float32":
            net.compute_products_in(options.precision.removeprefix("mixed_"))
    average = build_generator(options) if checkpoint.has_average(options) else None
    model = (gan or find(options))(generator, discriminator, options, average)
    if taking_part is not None:
        model.subset = subset.Subset(taking_part)
    model.compile()
    return model


def build_generator(options: types.SimpleNamespace, seeds: keras.random.SeedGenerator | None = None) -> base.Net:
    """Build the generator alone, without `seeds` for weights that are to be loaded."""
    return importlib.import_module(f"rpgan_tf.nets.{options.net}").build_generator(options, seeds)


def build_discriminator(
    options: types.SimpleNamespace, seeds: keras.random.SeedGenerator | None = None
) -> base.Discriminator:
    """Build the discriminator, or the bank, alone; raises as `build`."""
    filters = load_filters(options)
    if filters is not None and options.redraw:
        filters = filters.moved()
    if filters is not None and options.active and options.active < len(filters.kernels):
        options = types.SimpleNamespace(**vars(options) | {"chunk": judged_together(options, len(filters.kernels))})
    return importlib.import_module(f"rpgan_tf.nets.{options.net}").build_discriminator(options, filters, seeds)


def build_subset(options: types.SimpleNamespace) -> Any:
    """Build the bank of those discriminators that take part in an iteration, None if all do; raises as `build`."""
    filters = load_filters(options)
    if filters is None or not options.active or options.active == len(filters.kernels):
        return None
    build = importlib.import_module(f"rpgan_tf.nets.{options.net}").build_discriminator
    return build(options, filters.moved(options.active), None)


def load_filters(options: types.SimpleNamespace) -> projections.Projections | None:
    """Load and check the filters of an experiment, None if it has none; raises `UserError`."""
    if not options.filts:
        return None
    filters = projections.load(options.filts)
    projections.check_fit(filters, options.imsz, options.filts, options.channels)
    projections.check_active(options.active, len(filters.kernels))
    return filters


def judged_together(options: types.SimpleNamespace, num_discriminators: int) -> int:
    """Return how many of all K are computed at a time, for statistics: no more than take part in an iteration."""
    parts = strategies.count() if strategies.divide_discriminators(options) else 1
    most, number = options.chunk or options.active // parts, num_discriminators // parts
    return max(n for n in range(1, number + 1) if number % n == 0 and n <= max(most, 1))


def batches(options: types.SimpleNamespace) -> Callable[[int], int]:
    """Return the function from an iteration to its number of batches of real images, as `data.stream` takes it."""
    schedule = functools.partial(find(options).schedule, options)
    return lambda iteration: schedule(iteration).batches


def dataset(options: types.SimpleNamespace, start: int = 0) -> tf.data.Dataset:
    """Return the data that train a GAN: `data.stream.dataset`, with as many batches as its schedule takes."""
    return stream.dataset(options, start, batches=batches(options))
