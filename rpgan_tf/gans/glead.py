"""GLeaD: StyleGAN2 with a task for D: from its output, G reconstructs the image.

Bai et al., "GLeaD: Improving GANs with A Generator-Leading Task", arXiv 2212.03752, section 3; the authors' code:
github.com/EzioBy/glead. D's heads predict features, an image and w. From them G, fixed in this step, generates an
image, which is compared with the one that D saw.

The code adds the term of real images to the steps on R1, too, times their interval, so that it counts twice over time;
the paper does not mention it. `r1_with_term = False` leaves it out.
"""

from typing import Any, Literal

import tensorflow as tf

from rpgan_tf.config import NonNegative
from rpgan_tf.devices.steps import Step
from rpgan_tf.files import lpips_weights
from rpgan_tf.gans.ggdr import cosine_distance
from rpgan_tf.gans.stylegan2 import StyleGAN2, Term
from rpgan_tf.nets.glead import reconstruct
from rpgan_tf.nets.lpips import LPIPS
from rpgan_tf.randomness import NOISE, RECONSTRUCTION


class GLeaD(StyleGAN2):
    """StyleGAN2 whose D has, beside its loss, the terms of a task.

        + real_weight * E loss(G(D(x)), x)  +  fake_weight * E loss(G(D(G(z))), G(z)).

    With fake_target = 'features' the second is GGDR's (arXiv 2207.13320), for D's head of features: E loss(D(G(z)), G's
    features). A weight of 0 leaves a term out. Needs net = 'glead' with heads.
    """

    real_loss: Literal["lpips", "mse", "cosine"] = "lpips"
    real_weight: NonNegative = 10.0
    fake_target: Literal["image", "features"] = "image"
    fake_loss: Literal["lpips", "mse", "cosine"] | None = None  # None: lpips for images, cosine for features
    fake_weight: NonNegative | None = None  # None: 3 for images, 10 for features
    r1_with_term: bool = True  # whether the term of real images is also part of the steps on R1

    rules = [
        ("net == 'glead'", "gan = '{gan}' trains net = 'glead' alone, received net = '{net}'"),
        (
            "heads",
            "gan = 'GLeaD' needs D's heads: expected heads = True, received False; gan = 'GGDR' has none",
        ),
        (
            "fake_target == 'image' or fake_loss != 'lpips'",
            "fake_loss = 'lpips' compares images, and fake_target = 'features' are none; take fake_loss = 'cosine' or "
            "'mse', or fake_target = 'image'",
        ),
    ]
    needs = ["rpgan_tf.files.lpips_weights:load_for"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fake_loss = self.fake_loss or lpips_weights.FAKE_LOSS[self.fake_target]
        fake_weight = (
            {"image": 3.0, "features": 10.0}[self.fake_target] if self.fake_weight is None else self.fake_weight
        )
        self.real_comparison = "image", self.real_loss, self.real_weight
        self.fake_comparison = self.fake_target, fake_loss, fake_weight
        arrays = lpips_weights.load_for(self.options)
        self.lpips: Any = LPIPS(arrays) if arrays else None

    def judge_real(self, real: tf.Tensor, step: Step, labels: Any = None) -> tuple[tf.Tensor, Term]:
        return self.judge_and_compare(real, self.real_comparison, {}, RECONSTRUCTION, step, labels)

    def judge_fake(self, fake: tf.Tensor, made: dict, step: Step, labels: Any = None) -> tuple[tf.Tensor, Term]:
        return self.judge_and_compare(fake, self.fake_comparison, made, RECONSTRUCTION + 1, step, labels)

    def r1_term(self, real: tf.Tensor, step: Step, labels: Any = None) -> Term:
        if not self.r1_with_term:
            return 0.0
        return self.judge_and_compare(real, self.real_comparison, {}, RECONSTRUCTION + 2, step, labels)[1]

    def judge_and_compare(
        self, images: tf.Tensor, comparison: tuple, made: dict, role: int, step: Step, labels: Any = None
    ) -> tuple[tf.Tensor, Term]:
        """Return D's logits of images, and the weighted distance of its reconstruction from the target.

        Args:
            images: [B, H, W, C]. D sees them augmented; a target image is not augmented, target features move along.
            comparison: (target, loss, weight).
            made: features of G's blocks, for target = "features".
            role, step: of the random draws.
            labels: [B, num_classes], or None.
        """
        target, loss, weight = comparison
        seen = self.augmented(images, role, step)
        if not weight:
            return self.judge(seen, labels), 0.0
        features = self.discriminator.features(seen)
        logits, found = self.discriminator.judge_features(features, labels), self.discriminator.decode(features)
        if target == "features":
            wanted = tf.stop_gradient(self.augmented_features(made[self.discriminator.res_g][0], role, step))
            return logits, weight * self.distance(loss, found.features, wanted)
        again = reconstruct(self.generator, found, self.noise_seed(NOISE + role, step))
        return logits, weight * self.distance(loss, again, images)

    def distance(self, loss: str, found: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """Return the distance of images or features from their targets: twice [B, H, W, C] -> []."""
        if loss == "lpips":
            return tf.reduce_mean(self.lpips(found, targets))
        return cosine_distance(found, targets) if loss == "cosine" else tf.reduce_mean((found - targets) ** 2)
