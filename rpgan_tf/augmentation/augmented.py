"""The part of a GAN that augments what D is shown, with a fixed policy or one that follows D's overfitting."""

from __future__ import annotations

import types
from typing import Any, ClassVar, Literal

import keras
import tensorflow as tf

from rpgan_tf.augmentation import light, pipes
from rpgan_tf.config import Positive, Probability, Rules, Share
from rpgan_tf.devices import replicas
from rpgan_tf.randomness import AUGMENTATION

ADA_INTERVAL = 4  # iterations between adjustments of p


class Augmented:
    """Augments the real and fake images of a GAN on their way to D, in D's steps and in G's.

    ADA (Karras et al., arXiv 2006.06676, section 3.1) follows r_t, the mean sign of D's margins of real images: its
    p rises while r_t is above `ada_target`, and falls below it. A bank of K has one p, for the mean over K.
    """

    aug: Literal["no", "ada", "fixed", "light"] = "no"  # augmentation of all images on their way to D
    aug_pipe: Literal[
        "blit", "geom", "color", "filter", "noise", "cutout", "bg", "bgc", "bgcf", "bgcfn", "bgcfnc", "r3gan"
    ] = "bgc"  # operations of aug = 'ada' and 'fixed', see pipes.py
    aug_p: Probability | None = None  # probability of each operation for aug = 'fixed'
    final_aug_p: Probability | None = None  # at the end of a schedule, which starts at aug_p, or without one at 0
    aug_policy: Literal[
        "color",
        "translation",
        "cutout",
        "color,translation",
        "color,cutout",
        "translation,cutout",
        "color,translation,cutout",
    ] = "color,translation,cutout"  # operations of aug = 'light', see light.py
    ada_target: Share = 0.6  # target of the mean sign of D's margins of real images
    ada_kimg: Positive = 500.0  # fewest thousands of real images in which p rises from 0 to 1

    rules: ClassVar[Rules] = [
        (
            "aug == 'no' or not points",
            "aug = '{aug}' is for images, and net = '{net}' is for points; leave it out: --set aug=no",
        ),
        (
            "(aug == 'fixed') == (aug_p is not None or final_aug_p is not None)",
            "aug_p is the probability of aug = 'fixed', which needs it, and of no other aug: received aug = '{aug}' "
            "with aug_p = {aug_p}; change one of them",
        ),
        (
            "final_aug_p is None or schedule_kimg",
            "final_aug_p is reached after schedule_kimg thousands of images: expected a number, received schedule_kimg "
            "= None; set schedule_kimg, or leave it out: --set final_aug_p=None",
        ),
        (
            "aug in ('ada', 'fixed') or 'aug_pipe' not in given",
            "aug_pipe is of aug = 'ada' and 'fixed', received aug = '{aug}'; change aug, or leave it out: --set "
            "aug_pipe=None",
        ),
        (
            "aug == 'light' or 'aug_policy' not in given",
            "aug_policy is of aug = 'light', received aug = '{aug}'; change aug, or leave it out: --set "
            "aug_policy=None",
        ),
        (
            "aug == 'ada' or 'ada_target' not in given",
            "ada_target is of aug = 'ada', received aug = '{aug}'; change aug, or leave it out: --set ada_target=None",
        ),
        (
            "aug == 'ada' or 'ada_kimg' not in given",
            "ada_kimg is of aug = 'ada', received aug = '{aug}'; change aug, or leave it out: --set ada_kimg=None",
        ),
    ]

    options: types.SimpleNamespace
    pack: int
    iteration: keras.Variable
    add_weight: Any  # of `keras.Model`
    noise_seed: Any  # of `Randomness`
    margins: Any  # of `GAN`
    current: Any  # of `Scheduled`
    ada: dict[str, keras.Variable]

    def ada_variables(self) -> dict[str, keras.Variable]:
        """Make p, and the sum and number of signs since its last adjustment; nothing unless aug = 'ada'."""
        names = ("ada_p", "ada_signs", "ada_count") if self.aug == "ada" else ()
        of_all = {"trainable": False, "aggregation": "mean"}  # replicas
        return {name: self.add_weight((), "zeros", name=name, **of_all) for name in names}

    @property
    def state(self) -> dict[str, keras.Variable]:
        """See `Replicated.state`."""
        return self.ada

    @property
    def aug_strength(self) -> tf.Tensor | float | None:
        """The probability of each operation of `aug_pipe`."""
        return self.ada["ada_p"].value if self.aug == "ada" else self.current("aug_p")

    def augmented(self, images: Any, role: int, step: int | tf.Tensor) -> tf.Tensor:
        """Return images [pack * B, H, W, C] as D is to see them; role and step decide the draws."""
        if self.aug == "no":
            return images
        images = tf.convert_to_tensor(images, tf.float32)
        return augment(self, images, self.aug_strength, self.noise_seed(AUGMENTATION + role, step))

    def augmented_features(self, features: tf.Tensor, role: int, step: int | tf.Tensor) -> tf.Tensor:
        """Return features of images [B, r, r, C], moved as `augmented` moves these images."""
        if self.aug == "no":
            return features
        seed = self.noise_seed(AUGMENTATION + role, step)
        if self.aug == "light":
            return light.augment_features(features, self.options.imsz, seed, self.aug_policy)
        return pipes.augment_features(features, self.aug_strength, seed, self.aug_pipe)

    def view(self, role: int, step: int | tf.Tensor) -> Any:
        """Return `augmented` as a function of packed images [B, H, W, pack * C]; None without augmentation."""
        if self.aug == "no":
            return None

        def augmented(images: tf.Tensor) -> tf.Tensor:
            apart = tf.concat(tf.split(images, self.pack, axis=-1), axis=0)
            return tf.concat(tf.split(self.augmented(apart, role, step), self.pack), axis=-1)

        return augmented

    def count_signs(self, real_logits: tf.Tensor, fake_logits: tf.Tensor, num_images: tf.Tensor) -> None:
        """Count the signs of D's margins of real images for ADA, the mean over K and over patches as one sign.

        Args:
            real_logits, fake_logits: [..., B], as the loss takes them.
            num_images: real images of this replica, int [].
        """
        if self.aug == "ada":
            margins, _ = self.margins(real_logits, fake_logits)
            of_all = tf.cast(replicas.count(), tf.float32)  # the mean over replicas is kept
            number = tf.cast(num_images, tf.float32)
            share = number / tf.cast(tf.size(margins), tf.float32)
            self.ada["ada_signs"].assign_add(of_all * tf.reduce_sum(tf.sign(margins)) * share)
            self.ada["ada_count"].assign_add(of_all * number)

    def follow_signs(self) -> dict[str, tf.Tensor]:
        """Adjust p if its interval is over; return {"aug_p": p}, or nothing unless aug = 'ada'."""
        if self.aug != "ada":
            return {}
        tf.cond(tf.equal((self.iteration + 1) % ADA_INTERVAL, 0), self.adjust_augmentation, lambda: None)
        return {"aug_p": tf.identity(self.ada["ada_p"])}

    def adjust_augmentation(self) -> None:
        """Move p by the share of `ada_kimg` that D saw since the last time, towards a mean sign of `ada_target`."""
        p, signs, count = self.ada.values()
        direction = tf.sign(signs / count - self.ada_target)
        p.assign(tf.maximum(p + direction * count / (1000 * self.ada_kimg), 0.0))
        signs.assign(0.0)
        count.assign(0.0)


def augment(
    options: types.SimpleNamespace | Augmented, images: tf.Tensor, p: tf.Tensor | float | None, seed: tf.Tensor
) -> tf.Tensor:
    """Return images [pack * B, H, W, C], augmented as options say, with operations of the probability p."""
    if options.aug == "light":
        return light.augment(images, seed, options.aug_policy, options.pack)
    return pipes.augment(images, p, seed, options.aug_pipe, options.pack)
