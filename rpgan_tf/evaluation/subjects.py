"""What can be measured: a generator, saved or in training, or a set of images."""

import copy
import hashlib
import itertools
import pathlib
import typing

import numpy as np

from rpgan_tf import checkpoint, factory
from rpgan_tf.devices import strategies
from rpgan_tf.errors import UserError
from rpgan_tf.evaluation import image_sets, protocol
from rpgan_tf.files import atomic
from rpgan_tf.sampling import generators


class Subject(typing.NamedTuple):
    """What is measured: a generator, or a set of images.

    Attributes:
        weights: its file or folder.
        weights_hash: of all its arrays, or pixels.
        images: function from their number, None for all there are, to an `image_sets.ImageSet`.
        folder: where its rows go.
        experiment: name of a generator's; None if it is not known.
        iteration, seed, prior, statistics: of a generator; None.
        generate: function from latents [N, zlen] to images [N, H, W, C] in [-1, 1]; None if these depend on each other.
    """

    weights: str
    weights_hash: str
    images: typing.Callable
    folder: pathlib.Path
    experiment: str | None = None
    iteration: int | None = None
    seed: int | None = None
    prior: str | None = None
    statistics: str | None = None
    generate: typing.Callable | None = None


def saved(options, path, statistics, seed=0, experiment=None):
    """Return the `Subject` of a file of weights and the statistics that `protocol.find_weights` found."""
    if statistics == "batch" and options.net != generators.FIXED_BY_FIXBN:
        generate = with_batch_statistics(options, path)
    else:
        generate = generators.load(options, path)
    return generated(options, path, atomic.load_arrays(path), generate, statistics, seed, experiment)


def generated(options, path, arrays, generate, statistics, seed=0, experiment=None):
    """Return the `Subject` of a generator: a function from latents to images, whose weights are at `path`."""
    is_batch = statistics == "batch"
    chunk, at_once = (options.bsz, 1) if is_batch else (generators.CHUNK, strategies.count())
    return Subject(
        weights=str(path),
        weights_hash=hash_arrays(arrays),
        images=lambda count: draw(str(path), generate, options, seed, count, chunk, at_once),
        folder=pathlib.Path(options.wts_dir),
        experiment=experiment,
        iteration=protocol.iteration_of(path),
        seed=seed,
        prior=options.prior,
        statistics=f"statistics of batches of {chunk}" if is_batch else "stored statistics",
        generate=None if is_batch else generate,
    )


def collected(path, options):
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
        return found._replace(count=count or found.count)

    return Subject(str(path), found.hash(), some, folder)


def with_batch_statistics(options, path):
    """Return the function from latents to images normalized as one batch, of nets that have running averages.

    A call in training changes these, and what else is no weight: each starts from what was saved.
    """
    generator = factory.build_generator(options)
    checkpoint.load_npz(generator, path)
    state = [weight.numpy() for weight in generator.non_trainable_weights]

    def generate(z):
        for weight, array in zip(generator.non_trainable_weights, state):
            weight.assign(array)
        return generator(z, training=True)

    return generate


def draw(name, generate, options, seed, count, chunk, at_once=1):
    """Return the `ImageSet` of `count` samples in batches of `chunk`, whose latents are those of `generators.latents`.

    So many batches are generated at once: one for each device.
    """

    def batches(first):
        parts = itertools.islice(latents(options, seed, chunk), first // chunk, None)
        while group := list(itertools.islice(parts, at_once)):
            yield from np.split(image_sets.to_pixels(generate(np.concatenate(group))), len(group))

    return image_sets.ImageSet(name, (options.imsz, options.imsz, options.channels), count, batches, "generated", chunk)


def latents(options, seed, size):
    """Yield the latents of a seed without end, float32 [size, zlen] at a time; labels, if any, stand behind them."""
    random, draw_labels = np.random.RandomState(seed), generators.label_drawer(options)
    for i in itertools.count():
        if options.prior == "normal":
            z = np.float32(random.randn(size, options.zlen))
        else:
            z = np.float32(random.rand(size, options.zlen) * 2 - 1)
        yield np.concatenate([z, draw_labels(size, [seed, i])], axis=1)


def hash_arrays(arrays):
    """Return a short hash of {name: array}; unlike that of a file, it is the same whenever that was written."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]
