"""Each iteration trains `active` of the K discriminators, drawn from (seed, iteration); the others rest.

RP-GAN's authors plan "training with a much larger set of discriminators, employing only a small subset of them at each
iteration" (arXiv 1705.07831, section 4). Time and activations are those of the subset: it is a bank of its own, into
which the weights, the projections and the optimizer's moments of those drawn are gathered, and from which they are
scattered back. What rests has no step, so Adam counts the steps of each discriminator.

Discriminators that are divided among R replicas are drawn there: each replica trains active / R of its own K / R.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras
import tensorflow as tf

from rpgan_tf import optimizers
from rpgan_tf.devices import replicas
from rpgan_tf.nets.banks import Bank
from rpgan_tf.randomness import ACTIVE


class Subset:
    """The discriminators that take part in an iteration.

    Args:
        discriminator: bank of as many as take part, whose filters are variable.

    Attributes:
        optimizer: of its weights, alike that of all K.
        takes_part: whether it stands for all K now.
    """

    optimizer: keras.Optimizer

    def __init__(self, discriminator: Bank) -> None:
        self.discriminator, self.takes_part = discriminator, False

    @contextlib.contextmanager
    def stands_for(self, gan: keras.Model) -> Iterator[None]:
        """Gather the discriminators of this iteration, let them stand for all K, and scatter them back."""
        pairs = self.pairs(gan)
        gan.run(lambda: self.gather(gan, pairs))
        self.takes_part = True
        try:
            yield
        finally:
            self.takes_part = False
        gan.run(lambda: self.scatter(gan, pairs))

    def pairs(self, gan: keras.Model) -> list[tuple[tf.Variable, tf.Variable]]:
        """Return (variable of the subset, variable of all) of weights and the optimizer's state.

        Gradients that it accumulates are left out: they are 0 between iterations.
        """
        mine, all_of = (
            [*discriminator.trainable_variables, *optimizers.state(optimizer)]
            for discriminator, optimizer in ((self.discriminator, self.optimizer), (gan.discriminator, gan.d_optimizer))
        )
        return [(one.value, other.value) for one, other in zip(mine, all_of, strict=True)]

    def draw(self, gan: keras.Model) -> tf.Tensor:
        """Draw which take part: int32, ascending, without replacement; of divided ones, those of this replica."""
        seed = gan.noise_seed(ACTIVE)
        if self.discriminator.divided:
            seed = tf.random.fold_in(seed, tf.distribute.get_replica_context().replica_id_in_sync_group)
        number, count = (bank.trainable_variables[0].shape[0] for bank in (gan.everyone, self.discriminator))
        return tf.sort(tf.math.top_k(tf.random.stateless_uniform([number], seed, alg="philox"), count).indices)

    def gather(self, gan: keras.Model, pairs: list) -> None:
        """Copy what is drawn from all K."""
        drawn = self.draw(gan)
        for mine, all_of in pairs:
            if mine.shape.rank:
                value = tf.raw_ops.ResourceGather(resource=all_of.handle, indices=drawn, dtype=mine.dtype)
            else:  # the number of steps, the scale of losses
                value = tf.raw_ops.ReadVariableOp(resource=all_of.handle, dtype=mine.dtype)
            replicas.put_own(mine, value)
        self.discriminator.set_filters(tf.gather(gan.everyone.each_filter(), drawn))

    def scatter(self, gan: keras.Model, pairs: list) -> None:
        """Copy back."""
        drawn = self.draw(gan)
        for mine, all_of in pairs:
            value = tf.raw_ops.ReadVariableOp(resource=mine.handle, dtype=mine.dtype)
            if mine.shape.rank:
                tf.raw_ops.ResourceScatterUpdate(resource=all_of.handle, indices=drawn, updates=value)
            else:
                replicas.put_own(all_of, value)
