"""Projection of an image to w: search for one code of all layers whose generated image is nearest.

Karras et al., "Analyzing and improving the image quality of StyleGAN", arXiv 1912.04958, section 5 and appendix D.
Differs from it in: distances other than LPIPS by VGG16 are possible.
"""

from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf

from rpgan_tf import optimizers
from rpgan_tf.nets import stylegan2
from rpgan_tf.sampling import latents

NUM_LATENTS = 10000  # for the mean and the deviation of w
LARGEST_RATE = 0.1
RAMP_UP, RAMP_DOWN = 0.05, 0.25  # shares of the steps in which the learning rate rises and falls
NOISE, NOISE_STEPS = 0.05, 0.75  # scale of w's noise in deviations of w, and the share of the steps that have it
NOISE_WEIGHT = 1e5  # weight of the regularization of noise maps
SMALLEST = 8  # size down to which noise maps are regularized


class Projector:
    """Optimize codes of images by Adam, together with the noise maps of the generator, which change.

    Args:
        generator: of `nets.stylegan2`.
        distance: function from two batches of images [1, H, W, C] in [-1, 1] to a distance [1].
        steps: of Adam.
        label: float32 [1, num_classes], None for a net without labels.
        seed: of the latents, the noise added to w, and the initial noise maps.
    """

    def __init__(
        self,
        generator: stylegan2.Generator,
        distance: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
        steps: int = 1000,
        label: np.ndarray | None = None,
        seed: int = 303,
    ) -> None:
        self.generator, self.distance, self.steps, self.seed = generator, distance, steps, seed
        z = latents.draw(seed, generator.zlen, NUM_LATENTS, "normal")
        labels = None if label is None else np.repeat(label, NUM_LATENTS, axis=0)
        w = generator.mapping(z, labels).numpy()
        self.mean = w.mean(axis=0, keepdims=True)
        self.deviation = float(np.sqrt(np.mean(np.sum((w - self.mean) ** 2, axis=1))))
        self.w = keras.Variable(self.mean, name="w")
        self.maps = [each for each in generator.non_trainable_weights if each.name == "noise_const"]
        self.optimizer = optimizers.Adam(LARGEST_RATE, 0.9, 0.999, epsilon=1e-8)
        self.optimizer.build([self.w, *self.maps])
        self.step = tf.function(self._step, autograph=False)

    def project(self, target: np.ndarray) -> Iterator[tuple[np.ndarray, float]]:
        """Search the code of an image [H, W, C] in [-1, 1].

        Yields:
            After each step the code, float32 [1, num_codes, w_dim], and the distance before the step, which includes
            w's noise.
        """
        for variable in self.optimizer.variables:
            if variable is not self.optimizer.learning_rate:
                variable.assign(tf.zeros_like(variable))
        self.w.assign(self.mean)
        for i, each in enumerate(self.maps):
            each.assign(tf.random.stateless_normal(each.shape, [self.seed, i], alg="philox"))
        for i in range(self.steps):
            distance = self.step(tf.constant(target[None]), tf.constant(i))
            yield np.repeat(self.w.numpy()[:, None], self.generator.num_codes, axis=1), float(distance)

    def _step(self, target: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """Do a step of Adam; return the distance before it, []."""
        t = tf.cast(step, tf.float32) / self.steps
        self.optimizer.learning_rate.assign(LARGEST_RATE * ramp(t))
        scale = self.deviation * NOISE * tf.maximum(1 - t / NOISE_STEPS, 0.0) ** 2
        seed = tf.random.fold_in([self.seed, len(self.maps)], step)
        noise = scale * tf.random.stateless_normal(self.w.shape, seed, alg="philox")
        variables = [each.value for each in (self.w, *self.maps)]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            codes = tf.repeat((self.w + noise)[:, None], self.generator.num_codes, axis=1)
            distance = tf.reduce_sum(self.distance(self.generator.synthesize(codes)[0], target))
            objective = distance + NOISE_WEIGHT * tf.add_n([correlation(each) for each in self.maps])
        self.optimizer.apply(tape.gradient(objective, variables), [self.w, *self.maps])
        for each in self.maps:
            centered = each - tf.reduce_mean(each)
            each.assign(centered * tf.math.rsqrt(tf.reduce_mean(centered**2)))
        return distance


def ramp(t: tf.Tensor) -> tf.Tensor:
    """Return the learning rate at t in [0, 1), relative to the largest: it rises linearly and falls by a cosine."""
    down = tf.minimum((1 - t) / RAMP_DOWN, 1.0)
    return (0.5 - 0.5 * tf.cos(np.pi * down)) * tf.minimum(t / RAMP_UP, 1.0)


def correlation(noise: tf.Tensor | keras.Variable) -> tf.Tensor:
    """Return the regularization of a noise map [H, W]: squared correlations of neighbours, at all sizes down to 8."""
    x, total = tf.convert_to_tensor(noise)[None, :, :, None], 0.0
    while True:
        total += tf.add_n([tf.reduce_mean(x * tf.roll(x, 1, axis)) ** 2 for axis in (1, 2)])
        if x.shape[1] <= SMALLEST:
            return total
        x = tf.nn.avg_pool2d(x, 2, 2, "VALID")
