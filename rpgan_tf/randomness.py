"""Random draws of a GAN: stateless functions of (seed, iteration, role, step), so that nothing has to be saved."""

from __future__ import annotations

import types

import keras
import tensorflow as tf

from rpgan_tf.devices import replicas

# Roles of draws; the last three are added to the role of the step that draws.
G_STEP, D_STEP, HELD_OUT, PENALTY, ANCHORS, MONITOR, PATHS, DIRECTIONS, REAL, RECONSTRUCTION = range(10)
G_REAL = 12  # GLeaD has three reconstructions
ACTIVE, PROJECTIONS, FEEDBACK = 13, 14, 15
MIXING, NOISE, AUGMENTATION = 16, 32, 48


class Randomness:
    """Draws seeds and latents for a GAN with `options`, `iteration`, `generator`, `prior` and `pack`.

    With several replicas a draw is that of the whole batch, of which a replica takes its part.
    """

    options: types.SimpleNamespace
    iteration: keras.Variable
    generator: keras.Model
    prior: str
    pack: int

    def noise_seed(self, role: int, step: int | tf.Tensor = 0) -> tf.Tensor:
        """Return the seed, int [2], of a role and a step within the iteration."""
        seed = tf.random.fold_in([self.options.seed, role], self.iteration)
        return seed if isinstance(step, int) and step == 0 else tf.random.fold_in(seed, step)

    def latents(self, batch_size: int | tf.Tensor, role: int, step: int | tf.Tensor = 0) -> tf.Tensor:
        """Draw latents [batch_size, zlen] for a role and a step within the iteration."""
        return self.draw_latents(batch_size, self.noise_seed(role, step))

    def draw_latents(self, batch_size: int | tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Draw latents [batch_size, zlen] of the prior."""
        shape = [batch_size, self.generator.zlen]
        if self.prior == "uniform":
            return replicas.uniform(shape, seed, -1, 1, groups=self.pack)
        return replicas.normal(shape, seed, groups=self.pack)
