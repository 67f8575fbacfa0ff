"""StyleGAN2: the standard GAN with two regularizers in steps of their own, and optional adaptive augmentation.

Karras et al., "Analyzing and improving the image quality of StyleGAN", arXiv 1912.04958, and "Training generative
adversarial networks with limited data", arXiv 2006.06676, whose program's settings are the defaults here.

sp = softplus, r and f are logits of real and fake images.

One iteration has four phases, each with latents of its own: G's loss; every `g_interval` iterations its path lengths;
D's loss; every `d_interval` its R1 penalty, on the same real images. Both losses of a net are steps of the same
optimizer, whose rate and momenta are corrected for their number (1912.04958, appendix B): with c = k / (k + 1) for an
interval of k, lr c, beta_1^c, beta_2^c.

With `aug`, every phase augments all images on their way to D (2006.06676, section 2.2). The probability p is fixed, or
adaptive (ADA, section 3.1): it rises while the mean sign of D's logits of real images is above `ada_target`, and falls
below it.

Differs from their program in: gradients of accumulated batches are averaged, not summed, which Adam nearly cancels;
gradients that are not finite are replaced before they are added over batches and devices; in all phases, generated
images have the labels of the batch's real images, where it draws labels of the same frequencies; without R1 (`r1_gamma
= 0`) GLeaD's term is left out of these steps; with `start_from`, the average of G has no ramp. TensorFlow lets GPUs
round products to TF32 by default.
"""

import functools
import types
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import keras
import tensorflow as tf

from rpgan_tf import optimizers, schedules
from rpgan_tf.config import Count, Fixed, NonNegative, Positive, Share
from rpgan_tf.devices import replicas
from rpgan_tf.devices.steps import Logs, Schedule, Step
from rpgan_tf.gans import penalties
from rpgan_tf.gans.dcgan import DCGAN
from rpgan_tf.nets.base import Judged
from rpgan_tf.randomness import (
    D_STEP,
    DIRECTIONS,
    G_STEP,
    MIXING,
    NOISE,
    PATHS,
    PENALTY,
    REAL,
)

Term: TypeAlias = tf.Tensor | float  # 0.0 without one

LARGEST = 1e5  # gradients that are not finite become 0 or this


class StyleGAN2(DCGAN):
    """The standard GAN (its losses are those of DCGAN) on the nets of StyleGAN2.

    G:  E sp(-f)           and every g_interval iterations  g_interval * pl_weight * E (|J^T y| - a)^2
    D:  E sp(-r) + E sp(f)  and every d_interval iterations  d_interval * r1_gamma / 2 * E |grad D(x)|^2
    """

    cfg: Literal["", "auto", "stylegan2", "paper256", "paper512", "paper1024", "cifar"] = ""  # see `presets`
    r1_gamma: NonNegative = 1.0
    final_r1_gamma: NonNegative | None = None  # see `rpgan_tf.schedules`
    d_interval: Count = 16  # iterations between steps on R1
    pl_weight: NonNegative = 2.0
    pl_decay: Positive = 0.01  # rate of the moving average a of path lengths
    pl_shrink: Count = 2  # path lengths are of a batch divided by this
    g_interval: Count = 4  # iterations between steps on path lengths
    style_mixing: NonNegative = 0.9  # probability that codes are of two latents
    pack: Literal[1] = 1
    learning_rate: Positive = 2.5e-3
    decay: Fixed[Share] = 0.0
    weight_decay: Fixed[NonNegative] = 0.0
    d_steps: Fixed[Count] = 1
    g_steps: Fixed[Count] = 1
    beta_1: Share = 0.0
    beta_2: Share = 0.99
    ema: Share = 0.999  # half-life: log(1/2) / log(ema) iterations
    ema_ramp: NonNegative = 0.05  # the half-life is at most this share of all iterations so far; 0: no ramp

    rules = [
        (
            "schedule_kimg or final_r1_gamma is None",
            "final_r1_gamma is reached after schedule_kimg thousands of images: expected a number, received "
            "schedule_kimg = None; set schedule_kimg, or leave it out: --set final_r1_gamma=None",
        ),
        ("net in ('stylegan2', 'glead')", "gan = '{gan}' trains the nets stylegan2 and glead, received net = '{net}'"),
    ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        of_all = {"trainable": False, "aggregation": "mean"}  # replicas
        self.path_length = self.add_weight((), "zeros", name="path_length", **of_all)
        self.r1_penalty = self.add_weight((), "zeros", name="r1_penalty", **of_all)

    @property
    def state(self) -> dict[str, tf.Variable]:
        return {"path_length": self.path_length, "r1_penalty": self.r1_penalty} | super().state

    @classmethod
    def schedule(cls, options: types.SimpleNamespace, iteration: Step) -> Schedule:
        return Schedule(options.accumulation, options.accumulation, options.accumulation)

    def make_optimizer(self, learning_rate: Any, **arguments: Any) -> keras.Optimizer:
        """Return Adam, corrected for the steps on a regularizer in between."""
        k = self.g_interval if arguments["name"] == "g_optimizer" else self.d_interval
        c = k / (k + 1)
        learning_rate = schedules.of(lambda rate: c * rate, learning_rate)
        beta_2 = schedules.of(lambda beta: beta**c, self.changing("beta_2"))
        return optimizers.Adam(learning_rate, self.beta_1**c, beta_2, epsilon=1e-8, **arguments)

    def iterate(self, real: tf.Tensor, labels: tf.Tensor | None, schedule: Schedule) -> Logs:
        """Do the four phases; generated images have the labels of the batch's real images."""
        data = self.run(self.divide, real, labels, schedule)

        def inputs(role: int, i: Step, real: tf.Tensor, labels: Any, shrink: int = 1) -> tuple:
            size = tf.maximum(tf.shape(real)[1] // shrink, 1)
            return self.latents(size, role, i), i, None if labels is None else labels[i, ::shrink][:size]

        def g_step(i: Step, real: tf.Tensor, labels: Any) -> Logs:
            return self.g_step(None, *inputs(G_STEP, i, real, labels))

        def path_step(i: Step, real: tf.Tensor, labels: Any) -> None:
            self.path_step(*inputs(PATHS, i, real, labels, self.pl_shrink))

        def d_step(i: Step, real: tf.Tensor, labels: Any) -> Logs:
            return self.d_step(real[i], *inputs(D_STEP, i, real, labels))

        def r1_step(i: Step, real: tf.Tensor, labels: Any) -> None:
            self.r1_step(real[i], i, None if labels is None else labels[i])

        logs = self.repeat(schedule.g_steps, g_step, *data)
        if self.pl_weight:
            self.every(self.g_interval, path_step, *data)
        logs |= self.repeat(schedule.d_steps, d_step, *data)
        if self.r1_gamma:
            self.every(self.d_interval, r1_step, *data)
        logs |= {"path_length": tf.identity(self.path_length), "r1_penalty": tf.identity(self.r1_penalty)}
        return logs

    def every(self, interval: int, step: Callable, *values: tf.Tensor | None) -> None:
        """Do step(0, *values) ... for all accumulated batches, every `interval` iterations."""

        def turn() -> None:
            for i in range(self.accumulation):
                self.run(functools.partial(step, i), *values)

        tf.cond(tf.equal(self.iteration % interval, 0), turn, lambda: None)

    def g_step(
        self, real: Any, z: Any, step: Step = 0, labels: Any = None, real_logits: tf.Tensor | None = None
    ) -> Logs:
        """Do a step of G's loss."""
        with tf.GradientTape() as tape:
            fake, _ = self.synthesize(self.codes(z, G_STEP, step, labels), G_STEP, step)
            loss = self.g_loss(None, self.judge(self.augmented(fake, G_STEP, step), labels))
        self.update(self.g_optimizer, self.generator.trainable_variables, loss, tape)
        return {"g_loss": loss}

    def path_step(self, z: Any, step: Step = 0, labels: Any = None) -> None:
        """Do a step of G on the lengths of its paths (1912.04958, section 3.2).

        |J^T y| is the norm of the gradient of sum(G(w) y) by the codes, root mean square over these, with y ~ N(0, 1) /
        sqrt(H W).
        """
        with tf.GradientTape() as tape:
            codes = self.codes(z, PATHS, step, labels)
            with tf.GradientTape() as inner:
                inner.watch(codes)
                images, _ = self.synthesize(codes, PATHS, step)
                shape = [tf.shape(images)[0], *images.shape[1:]]
                y = replicas.normal(shape, self.noise_seed(DIRECTIONS, step))
                product = tf.reduce_sum(images * y) / (images.shape[1] * images.shape[2]) ** 0.5
            lengths = path_lengths(inner.gradient(product, codes))
            current = replicas.mean(tf.reduce_mean(lengths))
            mean = self.path_length + self.pl_decay * (current - self.path_length)
            loss = self.pl_weight * self.g_interval * tf.reduce_mean((lengths - mean) ** 2)
        self.update(self.g_optimizer, self.generator.trainable_variables, loss, tape)
        self.path_length.assign(tf.where(tf.math.is_finite(mean), mean, self.path_length))

    def d_step(self, real: Any, z: Any, step: Step = 0, labels: Any = None) -> Logs:
        """Do a step of D's loss; groups of images are all real or all fake."""
        real = tf.convert_to_tensor(real, tf.float32)
        fake, made = self.synthesize(self.codes(z, D_STEP, step, labels), D_STEP, step)
        with tf.GradientTape() as tape:
            real_logits, real_term = self.judge_real(real, step, labels)
            fake_logits, fake_term = self.judge_fake(fake, made, step, labels)
            loss = self.d_loss(real_logits, fake_logits)
            objective = loss + real_term + fake_term
        self.update(self.d_optimizer, self.discriminator.trainable_variables, objective, tape)
        self.count_signs(real_logits, fake_logits, tf.shape(real)[0])
        logs = {"d_loss": loss, "real_term": real_term, "fake_term": fake_term}
        logs = {name: value for name, value in logs.items() if isinstance(value, tf.Tensor)}
        return logs | {"real_logits": real_logits, "fake_logits": fake_logits}

    def judge_real(self, real: tf.Tensor, step: Step, labels: Any = None) -> tuple[tf.Tensor, Term]:
        """Return D's logits of real images, and a term that is added to its loss."""
        return self.judge(self.augmented(real, REAL, step), labels), 0.0

    def judge_fake(self, fake: tf.Tensor, made: dict, step: Step, labels: Any = None) -> tuple[tf.Tensor, Term]:
        """Return D's logits of fake images, and a term that is added to its loss; `made` is from `synthesize`."""
        return self.judge(self.augmented(fake, D_STEP, step), labels), 0.0

    def r1_step(self, real: Any, step: Step = 0, labels: Any = None) -> None:
        """Do a step of D on R1 at real images that are not augmented yet (Mescheder et al., arXiv 1801.04406)."""
        real = tf.convert_to_tensor(real, tf.float32)
        with tf.GradientTape() as tape:
            with tf.GradientTape() as inner:
                inner.watch(real)
                logits = self.judge(self.augmented(real, PENALTY, step), labels)
            penalty = penalties.r1(self.discriminator, Judged(real, logits, real, inner))
            objective = self.d_interval * (self.current("r1_gamma") / 2 * penalty + self.r1_term(real, step, labels))
        self.update(self.d_optimizer, self.discriminator.trainable_variables, objective, tape)
        self.r1_penalty.assign(tf.where(tf.math.is_finite(penalty), penalty, self.r1_penalty))

    def r1_term(self, real: tf.Tensor, step: Step, labels: Any = None) -> Term:
        """Return a term that is added to the penalty."""
        return 0.0

    def codes(self, z: Any, role: int, step: Step, labels: Any = None) -> tf.Tensor:
        """Return codes of latents [B, zlen]; from some layer on, perhaps those of others (arXiv 1812.04948, 3.1)."""
        codes = self.generator.codes(z, labels, training=True)
        if not self.style_mixing:
            return codes
        seeds = tf.unstack(tf.random.split(self.noise_seed(MIXING + role, step), 3))
        others = self.generator.codes(self.draw_latents(tf.shape(z)[0], seeds[0]), labels)
        layers = tf.range(self.generator.num_codes)
        start = tf.random.stateless_uniform([], seeds[1], 1, self.generator.num_codes, tf.int32, alg="philox")
        mixed = tf.random.stateless_uniform([], seeds[2], alg="philox") < self.style_mixing
        return tf.where((mixed & (layers >= start))[:, None], others, codes)

    def synthesize(self, codes: tf.Tensor, role: int, step: Step) -> tuple[tf.Tensor, dict]:
        """Return the images of codes [B, num_codes, w_dim] with new noise, and what each block made."""
        return self.generator.synthesize(codes, self.noise_seed(NOISE + role, step))

    def gradients(self, objective: tf.Tensor, values: list, weight: tf.Tensor, tape: tf.GradientTape) -> list:
        """Return finite gradients; that of a variable without a part in the objective is 0."""
        gradients = tape.gradient(objective, values, weight, tf.UnconnectedGradients.ZERO)
        finite = [tf.where(tf.math.is_finite(each), each, LARGEST * tf.sign(each)) for each in gradients]
        return [tf.where(tf.math.is_nan(each), 0.0, each) for each in finite]

    def momentum(self) -> float | tf.Tensor:
        if not self.ema_ramp or self.options.start_from:  # a transferred average has no ramp
            return super().momentum()
        before = tf.cast(self.iteration - 1, tf.float32)  # `train_step` has counted this iteration
        return tf.minimum(super().momentum(), tf.where(before > 0, 0.5 ** (1 / (self.ema_ramp * before)), 0.0))


def path_lengths(gradients: tf.Tensor) -> tf.Tensor:
    """Return sqrt(mean over layers of |gradient|^2): [B, num_codes, w_dim] -> [B]."""
    return tf.sqrt(tf.reduce_mean(tf.reduce_sum(gradients**2, axis=2), axis=1))
