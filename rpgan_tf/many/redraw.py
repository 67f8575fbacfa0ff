"""New projections every `redraw` iterations, with RP-GAN's distribution, drawn from (seed, iteration // redraw).

Until the first redraw they are those of `filts`. The discriminators go on, or with `redraw_discriminators = 'new'`
start again, with initial weights from the same seed and new moments of the optimizer.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras
import tensorflow as tf

from rpgan_tf import optimizers
from rpgan_tf.devices import replicas
from rpgan_tf.randomness import PROJECTIONS


def renew(gan: keras.Model) -> None:
    """Draw new projections if this iteration is one for them; on a replica."""
    every, bank = gan.options.redraw, gan.everyone
    iteration = tf.convert_to_tensor(gan.iteration)

    def new() -> tf.Tensor:
        seed = tf.random.fold_in([gan.options.seed, PROJECTIONS], iteration // every)
        of_filters, of_weights = tf.unstack(tf.random.split(seed, 2))
        filters = tf.random.stateless_normal(bank.projections.kernels.shape, of_filters, alg="philox")
        filters /= tf.sqrt(tf.reduce_sum(filters**2, axis=(1, 2, 3), keepdims=True))
        bank.set_filters(replicas.own_part(filters) if bank.divided else filters)
        if gan.options.redraw_discriminators == "new":
            for variable, value in zip(bank.trainable_variables, bank.initial_weights(of_weights)):
                replicas.put_own(variable.value, value)
            for variable in optimizers.state(gan.d_optimizer):
                if len(variable.shape):
                    replicas.put_own(variable.value, tf.zeros(variable.shape, variable.dtype))
        return tf.constant(True)

    tf.cond((iteration > 0) & (iteration % every == 0), new, lambda: tf.constant(False))


@contextlib.contextmanager
def iteration(gan: keras.Model) -> Iterator[None]:
    """Redraw projections if it is time, and within let those of the discriminators that take part stand for all K."""
    if gan.options.redraw:
        gan.run(lambda: renew(gan))
    with gan.subset.stands_for(gan) if gan.subset else contextlib.nullcontext():
        yield
