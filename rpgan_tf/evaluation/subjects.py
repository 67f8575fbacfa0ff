"""Subjects of an evaluation: a generator, saved or in training, or a set of images."""

import copy
import dataclasses
import functools
import hashlib
import itertools
import pathlib
import types
import typing
from collections.abc import Callable, Mapping

import numpy as np

from rpgan_tf import checkpoint, factory
from rpgan_tf.devices import strategies
from rpgan_tf.errors import UserError
from rpgan_tf.evaluation import image_sets
from rpgan_tf.files import atomic
from rpgan_tf.sampling import generators, latents, pictures


class Subject(typing.NamedTuple):
    """A generator or a set of images to measure.

    Attributes:
        weights: its file or folder.
        weights_hash: of all its arrays or pixels.
        images: function from a number of images, None for all, to an `image_sets.ImageSet`.
        folder: of its rows.
        experiment: name of a generator's experiment; None if it is not known.
        iteration, seed, prior, statistics: of a generator; None for a set.
        generate: function from latents and labels to images [N, H, W, C] in [-1, 1]; None for a set, and if images
            depend on their batch.
        labels: function from a number of images to their labels [N, num_classes]; None for a set.
    """

    weights: str
    weights_hash: str
    images: Callable[[int | None], image_sets.ImageSet]
    folder: pathlib.Path
    experiment: str | None = None
    iteration: int | None = None
    seed: int | None = None
    prior: str | None = None
    statistics: str | None = None
    generate: generators.Generate | None = None
    labels: Callable[[int], latents.Labels] | None = None


def saved(
    options: types.SimpleNamespace, path: pathlib.Path, statistics: str, seed: int = 0, experiment: str | None = None
) -> Subject:
    """Return the `Subject` of a file of weights and its statistics, both as `protocol.find_weights` returns them."""
    if statistics == "batch" and options.net != generators.FIXED_BY_FIXBN:
        generate = with_batch_statistics(options, path)
    else:
        generate = generators.load(options, path)
    return generated(options, path, atomic.load_arrays(path), generate, statistics, seed, experiment)


def generated(
    options: types.SimpleNamespace,
    path: pathlib.Path,
    arrays: Mapping[str, np.ndarray],
    generate: generators.Generate,
    statistics: str,
    seed: int = 0,
    experiment: str | None = None,
) -> Subject:
    """Return the `Subject` of a generator.

    Args:
        options: from `rpgan_tf.config`.
        path: file of its weights.
        arrays: the weights.
        generate: function from latents and labels to images [N, H, W, C] in [-1, 1].
        statistics: "batch" or "stored".
        seed: of latents and labels.
        experiment: its name, None if it is not known.
    """
    is_batch = statistics == "batch"
    chunk, at_once = (options.bsz, 1) if is_batch else (generators.CHUNK, strategies.count())
    return Subject(
        weights=str(path),
        weights_hash=hash_arrays(arrays),
        images=functools.partial(draw, str(path), generate, options, seed, chunk=chunk, at_once=at_once),
        folder=pathlib.Path(options.wts_dir),
        experiment=experiment,
        iteration=generators.iteration_of(path),
        seed=seed,
        prior=options.prior,
        statistics=f"statistics of batches of {chunk}" if is_batch else "stored statistics",
        generate=None if is_batch else generate,
        labels=functools.partial(labels_of, options, seed, chunk),
    )


def collected(path: str | pathlib.Path, options: types.SimpleNamespace) -> Subject:
    """Return the `Subject` of a folder of images, or of an .npz file."""
    path = pathlib.Path(path)
    if path.suffix == ".npz":
        found, folder = image_sets.open_npz(path), path.parent
    else:
        as_it_is = copy.copy(options)
        as_it_is.crop, as_it_is.resize = False, "no"
        found, folder = image_sets.open_data(str(path), as_it_is), path

    def some(count):
        if count is not None and count > found.count:
            raise UserError(f"'{path}' has {found.count} images, fewer than --samples {count}; set a smaller number")
        return dataclasses.replace(found, count=count or found.count)

    return Subject(str(path), found.hash(), some, folder)


def with_batch_statistics(options: types.SimpleNamespace, path: pathlib.Path) -> generators.Generate:
    """Load a generator with running averages; return its function in training mode: images are one batch.

    Each call restores the saved averages and other state, which a call in training mode changes.
    """
    generator = factory.build_generator(options)
    checkpoint.load_npz(generator, path)
    state = [weight.numpy() for weight in generator.non_trainable_weights]

    def generate(z, labels=None):
        for weight, array in zip(generator.non_trainable_weights, state):
            weight.assign(array)
        return generator(*latents.arguments(z, labels), training=True)

    return generate


def draw(
    name: str,
    generate: generators.Generate,
    options: types.SimpleNamespace,
    seed: int,
    count: int,
    chunk: int,
    at_once: int = 1,
) -> image_sets.ImageSet:
    """Return the `ImageSet` of `count` samples of a seed, in batches of `chunk`; `at_once` are generated together."""

    def batches(first):
        parts = itertools.islice(latents.batches(options, seed, chunk), first // chunk, None)
        while group := list(itertools.islice(parts, at_once)):
            z, labels = zip(*group)
            inputs = latents.arguments(np.concatenate(z), None if labels[0] is None else np.concatenate(labels))
            yield from np.split(pictures.to_pixels(generate(*inputs)), len(group))

    return image_sets.ImageSet(name, (options.imsz, options.imsz, options.channels), count, batches, "generated", chunk)


def labels_of(options: types.SimpleNamespace, seed: int, chunk: int, count: int) -> latents.Labels:
    """Return the labels of the first `count` images of `draw`, [count, num_classes]; None for a net without labels."""
    if not options.num_classes:
        return None
    parts = itertools.islice(latents.batches(options, seed, chunk), -(-count // chunk))
    return np.concatenate([labels for _, labels in parts if labels is not None])[:count]


def hash_arrays(arrays: Mapping[str, np.ndarray]) -> str:
    """Return a short hash of {name: array}; unlike a file's, it does not depend on the time of writing."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]
