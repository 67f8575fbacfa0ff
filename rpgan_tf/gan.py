"""The iteration of a GAN, written once. Knows no paper: those are in `rpgan_tf.gans`.

Losses keep the leading axis: a plain discriminator gives logits [B] and a loss [], a bank [K, B] and [K]. Their sum
gives each discriminator the gradient of its own loss; their mean, or as `many.feedback` says, G's.
"""

from __future__ import annotations

import inspect
import types
from typing import Any, ClassVar, Literal

import keras
import tensorflow as tf

from rpgan_tf import averages, optimizers
from rpgan_tf.augmentation import augmented
from rpgan_tf.config import Count, NonNegative, Positive, Rules, Share
from rpgan_tf.devices import replicas, steps
from rpgan_tf.devices.steps import Logs, Schedule, Step
from rpgan_tf.many import feedback, redraw
from rpgan_tf.nets.base import Discriminator, Judged, Net
from rpgan_tf.randomness import D_STEP, G_REAL, G_STEP, REAL


class GAN(averages.Averaged, augmented.Augmented, steps.Replicated):
    """A generator and a discriminator (or a bank of K) that train each other.

    A paper fills `d_terms` and `g_loss`, and overrides what else it does; its options are annotated class attributes.

    Args:
        generator: maps latents [B, zlen] to images [B, H, W, C] in [-1, 1], or to points [B, dims].
        discriminator: maps images to logits [B] or [K, B], or to [..., B, A] for a loss of A outcomes.
        options: from `rpgan_tf.config`.
        average: a second generator, which holds the moving average of the first one's weights; None without `ema`.
    """

    d_steps: Count = 1  # steps of D in an iteration, each with its own real images and latents
    g_steps: Count = 1  # steps of G in an iteration, each with its own latents
    accumulation: Count = 1  # batches whose gradients are averaged for one optimizer step
    pack: Count = 1  # images that D judges together (PacGAN, arXiv 1712.04086), stacked on channels
    prior: Literal["normal", "uniform"] = "normal"  # distribution of latents: N(0, 1) or U[-1, 1)
    learning_rate: Positive = 2e-4
    d_learning_rate: Positive | None = None  # learning rate of D, if it differs
    decay: Share = 0.0  # learning rates are multiplied by 1 - decay after each iteration
    weight_decay: NonNegative = 0.0  # times the weights, added to their gradients
    beta_1: Share = 0.5
    beta_2: Share = 0.999

    rules: ClassVar[Rules] = []  # on options, see `config.checks`
    needs: ClassVar[list[str]] = []  # checks of files, see `config.checks`
    penalizes_images = False  # whether `d_penalty` takes gradients of D at the real and fake images
    compares_batch = False  # whether the loss of an image depends on the logits of the whole batch

    def __init__(
        self,
        generator: Net,
        discriminator: Discriminator,
        options: types.SimpleNamespace,
        average: Net | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.generator, self.discriminator, self.average, self.options = generator, discriminator, average, options
        annotated = {name for base in type(self).__mro__ for name in inspect.get_annotations(base)}
        for name in annotated & vars(options).keys():  # an option of the paper
            setattr(self, name, getattr(options, name))
        self.iteration = self.add_weight((), "zeros", dtype="int64", trainable=False, name="iteration")
        self.start_average()
        self.ada = self.ada_variables()
        self.built = True

    # A paper fills these:
    @classmethod
    def schedule(cls, options: types.SimpleNamespace, iteration: Step) -> Schedule:
        """Return the steps of an iteration, whose number is an int or an int tensor []."""
        d_steps, g_steps = options.d_steps * options.accumulation, options.g_steps * options.accumulation
        return Schedule(d_steps, g_steps, batches=d_steps)

    def d_loss(self, real_logits: tf.Tensor, fake_logits: tf.Tensor, *drawn: tf.Tensor) -> tf.Tensor:
        """Return the discriminator's loss: logits [..., B] -> [...]."""
        real_loss, fake_loss = self.d_terms(real_logits, fake_logits, *drawn)
        return real_loss + fake_loss

    def d_terms(self, real_logits: tf.Tensor, fake_logits: tf.Tensor, *drawn: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the real and the fake term of D's loss: logits [..., B] -> twice [...]; `drawn` is from `draw`."""
        raise NotImplementedError

    def g_loss(self, real_logits: tf.Tensor | None, fake_logits: tf.Tensor, *drawn: tf.Tensor) -> tf.Tensor:
        """Return the generator's loss: logits [..., B] -> [...]; `real_logits` are None unless it sees real images."""
        raise NotImplementedError

    def draw(self) -> tuple[tf.Tensor, ...]:
        """Draw what the losses take beside logits, the same for all steps of an iteration."""
        return ()

    def d_penalty(self, real: Judged, fake: Judged, step: Step) -> tf.Tensor | None:
        """Return a penalty that is added to D's loss, [...]; see `rpgan_tf.gans.penalties`."""

    def margins(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return values that are positive where D takes an image for real: logits [..., B] -> twice [..., B]."""
        return real_logits, fake_logits

    def accuracy(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
        """Return the share of images that D classifies right: logits [..., B] -> [...]."""
        real, fake = self.margins(real_logits, fake_logits)
        return (share(real > 0) + share(fake <= 0)) / 2

    def make_optimizer(self, learning_rate: Any, **arguments: Any) -> keras.optimizers.Optimizer:
        """Return an optimizer; D's serves all K, since the moments of a weight see its own gradient alone."""
        return optimizers.Adam(learning_rate, self.beta_1, self.changing("beta_2"), epsilon=1e-8, **arguments)

    # The iteration:
    def train_step(self, real: Any, schedule: Schedule | None = None) -> Logs:
        """Do one iteration on all its batches of real images: [batches * pack * B, ...].

        With labels, `real` is (images, labels [batches * pack * B, num_classes]). The schedule is this iteration's.
        """
        real, labels = real if isinstance(real, tuple) else (real, None)
        arrived = tf.nest.flatten((real, labels), expand_composites=True)
        with tf.control_dependencies([each for each in arrived if each is not None]):  # faulty input changes nothing
            schedule = schedule or self.schedule(self.options, tf.convert_to_tensor(self.iteration))
            with redraw.iteration(self):
                logs = self.iterate(real, labels, schedule) | self.follow_signs()
            self.iteration.assign_add(1)
            self.update_average()
        return steps.reported(logs, all_take_part=self.subset is None)

    def iterate(self, real: tf.Tensor, labels: tf.Tensor | None, schedule: Schedule) -> Logs:
        """Do the steps of D, then those of G; return the logs of the last of each."""
        data = self.run(self.divide, real, labels, schedule)
        return self.all_d_steps(schedule, *data) | self.all_g_steps(schedule, *data)

    def all_d_steps(self, schedule: Schedule, real: tf.Tensor, labels: tf.Tensor | None) -> Logs:
        """Do the steps of D on its batches of real images [n, pack * B, ...]."""

        def step(i: Step, real: tf.Tensor, labels: tf.Tensor | None) -> Logs:
            z = self.latents(tf.shape(real)[1], D_STEP, i)
            return self.d_step(real[i], z, i, None if labels is None else labels[i])

        return self.repeat(schedule.d_steps, step, real, labels)

    def all_g_steps(self, schedule: Schedule, real: tf.Tensor, labels: tf.Tensor | None) -> Logs:
        """Do the steps of G, on the last of the batches if its loss sees real images."""

        def step(i: Step, real: tf.Tensor, labels: tf.Tensor | None) -> Logs:
            z = self.latents(tf.shape(real)[1], G_STEP, i)
            own = real[-schedule.g_steps :][i] if schedule.g_sees_real else None
            return self.g_step(own, z, i, steps.labels_of_g(labels, schedule, i))

        return self.repeat(schedule.g_steps, step, real, labels)

    def d_step(self, real: Any, z: Any, step: Step = 0, labels: Any = None) -> Logs:
        """Do one optimizer step on the discriminators.

        Args:
            real: images [pack * B, H, W, C] in [-1, 1], or points [pack * B, dims].
            z: latents [pack * B, zlen].
            step: number of the step within the iteration, for what penalties and augmentation draw.
            labels: [pack * B, num_classes] of nets with labels: those of the real images, and of the generated ones.

        Returns:
            {"d_loss": [] or [K], the penalty included, "d_penalty", and the logits before the step}.
        """
        images = self.packed(real), self.packed(self.generate(z, labels))
        labels = None if labels is None else self.packed(labels)
        with self.judging():
            with tf.GradientTape() as tape:
                views = self.view(REAL, step), self.view(D_STEP, step)
                real, fake = self.discriminator.look_at_both(*images, self.penalizes_images, views, labels)
                logits = self.of_batch(real.logits), self.of_batch(fake.logits)
                logs = {"d_loss": self.d_loss(*logits, *self.draw())}
                penalty = self.d_penalty(real, fake, step)
                if penalty is not None:
                    logs = {"d_loss": logs["d_loss"] + penalty, "d_penalty": penalty}
                objective = tf.reduce_sum(logs["d_loss"])
            self.update(self.d_optimizer, self.discriminator.trainable_variables, objective, tape)
            self.count_signs(*logits, self.pack * tf.shape(real.images)[0])
        return logs | {"real_logits": real.logits, "fake_logits": fake.logits}

    def g_step(self, real: Any, z: Any, step: Step = 0, labels: Any = None, real_logits: Any = None) -> Logs:
        """Do one optimizer step on the generator; return {"g_loss": [] or [K]}.

        Args:
            real, z, step, labels: as for `d_step`; `real` may be None unless the loss sees real images.
            real_logits: logits of the real images [..., B]; None: D judges them.
        """
        if real_logits is None and self.schedule(self.options, 0).g_sees_real:
            real_logits = self.judge(self.augmented(real, G_REAL, step), labels)
        with tf.GradientTape(persistent=self.options.weighting == "minimum_norm") as tape:
            fake = feedback.look(self, self.augmented(self.generate(z, labels), G_STEP, step), labels)
            with self.judging():
                logits = None if real_logits is None else self.of_batch(real_logits)
                loss = self.g_loss(logits, self.of_batch(fake.logits), *self.draw())
            objective, tape = feedback.objective(self, loss), feedback.tape(self, tape, fake, loss)
        self.update(self.g_optimizer, self.generator.trainable_variables, objective, tape)
        return {"g_loss": loss}

    def update(self, optimizer: keras.Optimizer, variables: list, objective: tf.Tensor, tape: tf.GradientTape) -> None:
        """Do one step of an optimizer, with weight decay."""
        with tf.name_scope(f"{optimizer.name}/gradients"):
            weight = optimizer.scale_loss(replicas.part_of_mean(objective))
            gradients = self.gradients(objective, [variable.value for variable in variables], weight, tape)
            if self.weight_decay:
                decay = optimizer.scale_loss(self.weight_decay / replicas.count())
                gradients = [gradient + decay * variable.value for gradient, variable in zip(gradients, variables)]
        optimizer.apply(gradients, variables)

    def gradients(self, objective: tf.Tensor, values: list, weight: tf.Tensor, tape: tf.GradientTape) -> list:
        """Return the gradients of weight * objective."""
        return tape.gradient(objective, values, weight)


def share(true: tf.Tensor) -> tf.Tensor:
    """Return the share of the last axis that is true: bool [..., B] -> float32 [...]."""
    return tf.reduce_mean(tf.cast(true, tf.float32), axis=-1)
