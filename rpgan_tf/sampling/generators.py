"""Samples of a trained experiment: where its generator is, and what it draws from which seed.

TensorFlow is imported when a generator is loaded, so that a file that is missing is reported at once.
"""

import numpy as np

from rpgan_tf import checkpoint
from rpgan_tf.data import names
from rpgan_tf.devices import strategies
from rpgan_tf.errors import UserError
from rpgan_tf.sampling import pictures

FIXED_BY_FIXBN = "rpgan"  # nets that normalize by the current batch, in samples, too
NUM_POINTS = 2500  # samples of an experiment on points
CHUNK = 64  # images in memory at once


def find(options, iteration=None, single=False):
    """Return the path of the generator that samples come from, the newest by default.

    That is the moving average if the experiment has one. Where an image must be the same in any batch, `single`,
    RP-GAN's nets need the statistics that fixbn.py stored; the others have running averages.

    Raises:
        UserError: there is no such file.
    """
    if single and options.net == FIXED_BY_FIXBN:
        kind = "bgema" if options.ema else "bgmodel"
    else:
        kind = "ema" if options.ema else "gmodel"
    return checkpoint.find(options.wts_dir, kind, iteration)


def load(options, path, batch_statistics=False):
    """Return the function from latents [N, zlen] to samples [N, ...] that a file of `find` holds.

    With `batch_statistics`, nets that have running averages normalize by the batch of all N, as in training, too.
    """
    from rpgan_tf import factory

    generator = factory.build_generator(options)
    if batch_statistics:
        checkpoint.load_npz(generator, path)
        return lambda z: np.asarray(generator(z, training=True))
    if not path.name.endswith((".bgmodel.npz", ".bgema.npz")):
        checkpoint.load_npz(generator, path)
        return lambda z: generate(generator, z, options)
    statistics = checkpoint.load_bgmodel(generator, path)
    return lambda z: in_chunks(lambda part: generator(part, statistics=statistics), z)


def generate(generator, z, options):
    """Return the samples [N, ...] of latents [N, zlen]; with RP-GAN's nets they are one batch."""
    if options.net == FIXED_BY_FIXBN:
        return np.asarray(generator(z))
    return in_chunks(generator, z)


def in_chunks(generator, z):
    """Return the samples [N, ...] of latents [N, zlen] from a generator for which batches make no difference.

    Chunks are divided among the devices of the strategy.
    """
    return np.concatenate(strategies.each(generator, [z[i : i + CHUNK] for i in range(0, len(z), CHUNK)]))


def latents(options, seed, count=None):
    """Draw the latents [count, zlen] of a seed; by default as many as a picture shows.

    Where the net has labels, they stand behind the latents: [count, zlen + num_classes].
    """
    if count is None:
        count = NUM_POINTS if names.is_mixture(options.lfile) else pictures.ROWS * pictures.COLUMNS
    z = pictures.latents(seed, options.zlen, count, options.prior)
    return np.concatenate([z, labels(options, count, [seed, 0])], axis=1)


def labels(options, count, seed):
    """Draw labels [count, num_classes] as frequent as those of the data; [count, 0] for a net without labels."""
    return label_drawer(options)(count, seed)


def label_drawer(options):
    """Return the function from a count and a seed to what `labels` returns; the data's are read once."""
    if not getattr(options, "num_classes", 0):
        return lambda count, seed: np.zeros([count, 0], np.float32)
    from rpgan_tf.data import labels

    found = labels.of_training(options)
    return lambda count, seed: np.asarray(labels.draw(found, count, seed))


def check_images(options, command):
    """Raise a `UserError` if the samples are points, of which `command` can draw nothing."""
    if names.is_mixture(options.lfile):
        raise UserError(f"{command} draws images, and lfile = '{options.lfile}' has points; sample.py draws these")
