"""What all nets share: their weights as named arrays, and how a discriminator is asked. Knows no architecture."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import keras
import tensorflow as tf

from rpgan_tf.config import Rules


class Net(keras.Model):
    """A net whose weights are all there before its first call, and can be read and set by name."""

    rules: ClassVar[Rules] = []  # on options, see `config.checks`
    synchronized = False  # whether batch normalization normalizes the batch of all replicas as one
    product_type = "float32"  # in which convolutions and products are computed

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.built = True

    def get_arrays(self):
        """Return {name, such as "conv1/kernel": array} of all weights, trainable or not, in order of definition."""
        return {weight.path.removeprefix(f"{self.name}/"): weight.numpy() for weight in self.weights}

    def synchronize(self):
        """Let batch normalization normalize the batch of all replicas as one."""
        for layer in self._flatten_layers():
            layer.synchronized = True

    def compute_products_in(self, dtype):
        """Compute convolutions and products in half precision; weights, statistics, logits and images stay float32."""
        for layer in self._flatten_layers():
            layer.product_type = dtype

    def set_arrays(self, arrays):
        """Assign what `get_arrays` returned."""
        for weight in self.weights:
            weight.assign(arrays[weight.path.removeprefix(f"{self.name}/")])


class Judged(NamedTuple):
    """Images that a discriminator has judged.

    Attributes:
        images: [B, H, W, C], or points [B, dims].
        logits: [..., B], or [..., B, A].
        seen: what `project` made of the images, if it was watched.
        tape: of the gradient of `logits` at `seen`.
    """

    images: tf.Tensor
    logits: tf.Tensor
    seen: tf.Tensor = None
    tape: tf.GradientTape = None


class Discriminator(Net):
    """Map images [B, H, W, C] to logits [B], or to [B, A] for A outcomes; a bank of K puts an axis in front.

    Attributes:
        feature_axes: axes of what `project` returns that hold the features of one image.
        batch_axis: axis of the batch in the logits.
        independent: whether no image's logits depend on the rest of the batch and a call changes nothing, so that
            images of two batches may go through together.
        jit_compile: whether XLA is to compile the whole training step of a GAN with it.
        divided: whether each replica has but a part of a bank's discriminators, see `replicas`.

    Args:
        num_outcomes: A, or None.
    """

    feature_axes = (1, 2, 3)
    independent = False
    jit_compile = False
    divided = False

    def __init__(self, num_outcomes=None, **kwargs):
        super().__init__(**kwargs)
        self.num_outcomes = num_outcomes
        self.batch_axis = -2 if num_outcomes else -1

    def call(self, images, training=False):
        return self.judge(self.project(images), training=training)

    def project(self, images):
        """Return what the discriminator sees: here, the images themselves."""
        return images

    def judge(self, seen, training=False):
        """Return the logits of what `project` returned."""
        raise NotImplementedError

    def look(self, images: tf.Tensor, watch: bool = False) -> Judged:
        """Judge images in training; `watch` what `project` makes of them, for a gradient there."""
        seen = self.project(images)
        if not watch:
            return Judged(images, self.judge(seen, training=True))
        with tf.GradientTape() as tape:
            tape.watch(seen)
            logits = self.judge(seen, training=True)
        return Judged(images, logits, seen, tape)

    def look_at_both(self, real: tf.Tensor, fake: tf.Tensor, watch: bool = False) -> tuple[Judged, Judged]:
        """Judge real and fake images, in one call if that makes no difference and none is watched."""
        if watch or not self.independent:
            return self.look(real, watch), self.look(fake, watch)
        logits = self.look(tf.concat([real, fake], axis=0)).logits
        real_logits, fake_logits = tf.split(logits, 2, axis=self.batch_axis)
        return Judged(real, real_logits), Judged(fake, fake_logits)

    def flat(self, x):
        """Return the last layer's [B, ..., A or 1] as logits, with as many for an image as stand in between."""
        return tf.reshape(tf.cast(x, tf.float32), [-1, self.num_outcomes] if self.num_outcomes else [-1])
