"""Relativistic GANs: the discriminator rates how much more realistic real images are than fake ones.

Jolicoeur-Martineau, "The relativistic discriminator: a key element missing from standard GAN", arXiv 1807.00734.
Author's code: github.com/AlexiaJM/RelativisticGAN. The other program that this one covers:
github.com/Yagami360/MachineLearning_Exercises_Python_PyTorch (GAN_RGAN_PyTorch).

r and f are the logits of real and fake images, sp = softplus, bce(t, 1) = sp(-t), bce(t, 0) = sp(t). Pairs are image i
of the one and image i of the other batch; with PatchGAN's logits, patch i. Means run over the batch, patches included,
and gradients go through them. The halves are in both programs, not in the paper; RSGAN has none.

Differs from the author's code in: real images come in epochs, hers are drawn anew for each batch; samples use running
averages, where her G never leaves training mode (sample.py --batch_statistics); packing has new fake images for G,
where her script for it takes those of D's step. Her published RaSGAN and RaLSGAN were trained with E f - r for f - E r
in the second term, as she notes; no option does that. Defaults here are hers but for the nets' widths and the batch
(128 and 32). Yagami360's G step has the logits of real images of the last D step, made before D's update, and one real
batch serves all of D's steps: `g_real = 'stale'`. That program runs on old versions of PyTorch alone, resumes weights
without the optimizers and shows negative pixels as black; none of that is here.

One iteration: D takes a step; then, with new noise and new real images (`g_real`), G does.
"""

import types
from typing import Literal

import tensorflow as tf

from rpgan_tf import gan
from rpgan_tf.config import NonNegative, Positive
from rpgan_tf.devices.steps import Logs, Schedule, Step
from rpgan_tf.gans import penalties
from rpgan_tf.nets.base import Judged
from rpgan_tf.randomness import G_STEP, PENALTY


class _Relativistic(gan.GAN):
    """Base of the four: their G sees real images."""

    # Real images of G's step: new ones; those of the last D step, judged again; or the logits of that step, with one
    # real batch for all steps of the iteration.
    g_real: Literal["resample", "recompute", "stale"] = "resample"
    penalty: NonNegative = 0.0  # times the gradient penalty of WGAN-GP; 0: none
    learning_rate: Positive = 1e-4

    def d_penalty(self, real: Judged, fake: Judged, step: Step) -> tf.Tensor | None:
        if not self.penalty:
            return None
        seed = self.noise_seed(PENALTY, step)
        return self.current("penalty") * penalties.gradient_penalty(self.discriminator, real, fake, seed)

    @classmethod
    def schedule(cls, options: types.SimpleNamespace, iteration: Step) -> Schedule:
        batches = {"resample": options.d_steps + options.g_steps, "recompute": options.d_steps, "stale": 1}
        d_steps, g_steps, _, _ = super().schedule(options, iteration)
        return Schedule(d_steps, g_steps, batches[options.g_real] * options.accumulation, g_sees_real=True)

    def iterate(self, real: tf.Tensor, labels: tf.Tensor | None, schedule: Schedule) -> Logs:
        if self.g_real == "resample":
            return super().iterate(real, labels, schedule)
        stale = self.g_real == "stale"

        def divide(real: tf.Tensor, labels: tf.Tensor | None) -> list[tf.Tensor | None]:
            again = lambda x: tf.tile(x, [self.d_steps] + [1] * (len(x.shape) - 1)) if stale else x  # noqa: E731
            return [None if each is None else again(each) for each in self.divide(real, labels, schedule)]

        def g_step(i: Step, real: tf.Tensor, labels: tf.Tensor | None, real_logits: tf.Tensor | None) -> Logs:
            z = self.latents(tf.shape(real)[1], G_STEP, i)
            return self.g_step(real[-1], z, i, None if labels is None else labels[-1], real_logits)

        data = self.run(divide, real, labels)
        logs = self.all_d_steps(schedule, *data)
        return logs | self.repeat(schedule.g_steps, g_step, *data, logs["real_logits"] if stale else None)


class RSGAN(_Relativistic):
    """Relativistic standard GAN.

    D:  E bce(r - f, 1)
    G:  E bce(f - r, 1)

    The loss is per pair; half is reported as the real term, half as the fake term.
    """

    def d_terms(self, r: tf.Tensor, f: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        loss = tf.reduce_mean(tf.nn.softplus(f - r), axis=-1)
        return loss / 2, loss / 2

    def margins(self, r: tf.Tensor, f: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return r - f, f - r

    def accuracy(self, r: tf.Tensor, f: tf.Tensor) -> tf.Tensor:
        """Return the share of pairs that are ranked right."""
        return gan.share(r > f)

    def g_loss(self, r: tf.Tensor, f: tf.Tensor) -> tf.Tensor:
        return self.d_loss(f, r)


class _Averaging(_Relativistic):
    """Relativistic average GANs: a loss of r - E f and f - E r; G's has real and fake change places."""

    compares_batch = True

    def d_terms(self, r: tf.Tensor, f: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        r_to_f, f_to_r = differences(r, f)
        real_loss = tf.reduce_mean(self.real_term(r_to_f), axis=-1)
        fake_loss = tf.reduce_mean(self.real_term(-f_to_r), axis=-1)
        return real_loss / 2, fake_loss / 2

    def margins(self, r: tf.Tensor, f: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the differences from the mean of the others."""
        return differences(r, f)

    def g_loss(self, r: tf.Tensor, f: tf.Tensor) -> tf.Tensor:
        return self.d_loss(f, r)

    def real_term(self, t: tf.Tensor) -> tf.Tensor:
        """Return the loss of a difference t, which D wants to be large."""
        raise NotImplementedError


class RaSGAN(_Averaging):
    """Relativistic average standard GAN.

    D:  1/2 ( E bce(r - E f, 1) + E bce(f - E r, 0) )
    G:  1/2 ( E bce(f - E r, 1) + E bce(r - E f, 0) )
    """

    def real_term(self, t: tf.Tensor) -> tf.Tensor:
        return tf.nn.softplus(-t)


class RaLSGAN(_Averaging):
    """Relativistic average least-squares GAN.

    D:  1/2 ( E (r - E f - 1)^2 + E (f - E r + 1)^2 )
    G:  1/2 ( E (f - E r - 1)^2 + E (r - E f + 1)^2 )
    """

    def real_term(self, t: tf.Tensor) -> tf.Tensor:
        return (t - 1) ** 2


class RaHingeGAN(_Averaging):
    """Relativistic average hinge GAN.

    D:  1/2 ( E max(0, 1 - (r - E f)) + E max(0, 1 + (f - E r)) )
    G:  1/2 ( E max(0, 1 - (f - E r)) + E max(0, 1 + (r - E f)) )
    """

    def real_term(self, t: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(1 - t)


def differences(r: tf.Tensor, f: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return r - E f and f - E r: logits [..., B] of the whole batch."""
    return r - tf.reduce_mean(f, axis=-1, keepdims=True), f - tf.reduce_mean(r, axis=-1, keepdims=True)
