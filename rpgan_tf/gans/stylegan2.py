"""StyleGAN2: the standard GAN with two regularizers, each in steps of its own at intervals; with ADA, if wanted.

Karras et al., "Analyzing and improving the image quality of StyleGAN", arXiv 1912.04958, and "Training generative
adversarial networks with limited data", arXiv 2006.06676, whose program's settings are the defaults here.

sp = softplus, r and f are logits of real and fake images.

One iteration has four phases, each with latents of its own: G's loss; every `g_interval` iterations its path lengths;
D's loss; every `d_interval` its R1 penalty, on the same real images. Both losses of a net are steps of the same
optimizer, whose rate and momenta are corrected for their number (1912.04958, appendix B): with c = k / (k + 1) for an
interval of k, lr c, beta_1^c, beta_2^c.

With `aug`, all images are augmented on their way to D, in every phase (2006.06676, section 2.2). The probability p is
fixed, or goes up where the signs of D's logits of real images say that D knows these too well, and down where not (ADA,
section 3.1).

Differs from their program in: gradients of accumulated batches are averaged, where it sums them, of which Adam takes
little notice; what is not finite in them is replaced before they are added over batches and devices; in all phases,
generated images have the labels of the batch's real ones, which are as frequent as those it draws; without R1
(`r1_gamma = 0`) GLeaD's term has no part in these steps; with `start_from`, the average of G has no ramp. TensorFlow
lets GPUs round products to TF32 unless it is told otherwise.
"""

import functools
from typing import Literal

import tensorflow as tf

from rpgan_tf import gan, optimizers
from rpgan_tf.config import Count, Fixed, NonNegative, Positive, Probability, Share, Whole
from rpgan_tf.devices import replicas
from rpgan_tf.gans import augment
from rpgan_tf.gans.dcgan import DCGAN

LARGEST = 1e5  # gradients that are not finite become 0 or this
ADA_INTERVAL = 4  # iterations between adjustments of p


class StyleGAN2(DCGAN):
    """The standard GAN (its losses are those of DCGAN) on the nets of StyleGAN2.

    G:  E sp(-f)           and every g_interval iterations  g_interval * pl_weight * E (|J^T y| - a)^2
    D:  E sp(-r) + E sp(f)  and every d_interval iterations  d_interval * r1_gamma / 2 * E |grad D(x)|^2
    """

    cfg: Literal["", "auto", "stylegan2", "paper256", "paper512", "paper1024", "cifar"] = ""  # see `presets`
    r1_gamma: NonNegative = 1.0
    d_interval: Count = 16  # iterations between steps on R1
    pl_weight: NonNegative = 2.0
    pl_decay: Positive = 0.01  # of the moving average a of path lengths
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
    ema: Share = 0.999  # half of it is forgotten after log(1/2) / log(ema) iterations
    ema_ramp: NonNegative = 0.05  # but after no more than this share of all so far; 0: no ramp
    aug: Literal["no", "ada", "fixed"] = "no"  # of what D sees
    aug_pipe: Literal["blit", "geom", "color", "filter", "noise", "cutout", "bg", "bgc", "bgcf", "bgcfn", "bgcfnc"] = (
        "bgc"  # what is done, see augment.py
    )
    aug_p: Probability | None = None  # of each operation, where it is fixed
    ada_target: Share = 0.6  # of the mean sign of D's logits of real images
    ada_kimg: Positive = 500.0  # thousands of real images in which p goes from 0 to 1, at the fastest
    num_classes: Whole = 0  # length of a label; 0: no labels

    rules = [
        ("net in ('stylegan2', 'glead')", "gan = '{gan}' trains the nets stylegan2 and glead, received net = '{net}'"),
        (
            "(aug == 'fixed') == (aug_p is not None)",
            "aug_p is the probability of aug = 'fixed', which needs it, and of no other aug: received aug = '{aug}' "
            "with aug_p = {aug_p}; change one of them",
        ),
        (
            "aug != 'no' or 'aug_pipe' not in given",
            "aug_pipe is of aug = 'ada' and 'fixed', received aug = 'no'; change aug, or leave it out: --set "
            "aug_pipe=None",
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

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.conditional = self.options.num_classes > 0
        of_all = {"trainable": False, "aggregation": "mean"}  # replicas
        self.path_length = self.add_weight((), "zeros", name="path_length", **of_all)
        self.r1_penalty = self.add_weight((), "zeros", name="r1_penalty", **of_all)
        self.ada = {}
        if self.aug == "ada":
            names = "ada_p", "ada_signs", "ada_count"  # p; sum and number of signs since it was last adjusted
            self.ada = {name: self.add_weight((), "zeros", name=name, **of_all) for name in names}

    @property
    def state(self):
        return {"path_length": self.path_length, "r1_penalty": self.r1_penalty} | self.ada

    @classmethod
    def batches(cls, options, iteration):
        return options.accumulation

    def make_optimizer(self, learning_rate, name, **arguments):
        """Return Adam, corrected for the steps on a regularizer in between."""
        k = self.g_interval if name == "g_optimizer" else self.d_interval
        c = k / (k + 1)
        beta_1, beta_2 = self.beta_1**c, self.beta_2**c
        return optimizers.Adam(c * learning_rate, beta_1, beta_2, epsilon=1e-8, name=name, **arguments)

    def iterate(self, real):
        real, labels = real if self.conditional else (real, None)
        real = self.run(self.divide, real)
        labels = self.run(self.divide, labels) if self.conditional else None

        def latents(role, i, real, labels, shrink=1):  # generated images have the labels of the real ones
            size = tf.maximum(tf.shape(real)[1] // shrink, 1)
            z = self.latents(size, role, i)
            return tf.concat([z, labels[i, ::shrink][:size]], axis=1) if self.conditional else z

        def g_step(i, *data):
            return self.g_step(None, latents(gan.G_STEP, i, *data), step=i)

        def path_step(i, *data):
            self.path_step(latents(gan.PATHS, i, *data, shrink=self.pl_shrink), i)

        def d_step(i, real, labels):
            return self.d_step(real[i], latents(gan.D_STEP, i, real, labels), i)

        def r1_step(i, real, labels):
            self.r1_step(real[i], i, labels[i] if self.conditional else None)

        logs = self.repeat(self.accumulation, g_step, real, labels)
        if self.pl_weight:
            self.every(self.g_interval, path_step, real, labels)
        logs |= self.repeat(self.accumulation, d_step, real, labels)
        if self.r1_gamma:
            self.every(self.d_interval, r1_step, real, labels)
        logs |= {"path_length": tf.identity(self.path_length), "r1_penalty": tf.identity(self.r1_penalty)}
        if self.aug == "ada":
            tf.cond(tf.equal((self.iteration + 1) % ADA_INTERVAL, 0), self.adjust_augmentation, lambda: None)
            logs["aug_p"] = tf.identity(self.ada["ada_p"])
        return logs

    def every(self, interval, step, *values):
        """Do step(0, *values) ... for all accumulated batches, if it is its turn."""

        def turn():
            for i in range(self.accumulation):
                self.run(functools.partial(step, i), *values)

        tf.cond(tf.equal(self.iteration % interval, 0), turn, lambda: None)

    def g_step(self, real, z, real_logits=None, step=0):
        """Do a step of G's loss."""
        del real, real_logits
        with tf.GradientTape() as tape:
            fake, _ = self.synthesize(self.codes(z, gan.G_STEP, step), gan.G_STEP, step)
            loss = self.g_loss(None, self.judge(self.augmented(fake, gan.G_STEP, step), self.labels_of(z)))
        self.update(self.g_optimizer, self.generator.trainable_variables, loss, tape)
        return {"g_loss": loss}

    def path_step(self, z, step=0):
        """Do a step of G on the lengths of its paths (1912.04958, section 3.2).

        |J^T y| is the norm of the gradient of sum(G(w) y) by the codes, root mean square over these, with y ~ N(0, 1) /
        sqrt(H W).
        """
        with tf.GradientTape() as tape:
            codes = self.codes(z, gan.PATHS, step)
            with tf.GradientTape() as inner:
                inner.watch(codes)
                images, _ = self.synthesize(codes, gan.PATHS, step)
                shape = [tf.shape(images)[0], *images.shape[1:]]
                y = replicas.normal(shape, self.noise_seed(gan.DIRECTIONS, step))
                product = tf.reduce_sum(images * y) / (images.shape[1] * images.shape[2]) ** 0.5
            lengths = path_lengths(inner.gradient(product, codes))
            current = replicas.mean(tf.reduce_mean(lengths))
            mean = self.path_length + self.pl_decay * (current - self.path_length)
            loss = self.pl_weight * self.g_interval * tf.reduce_mean((lengths - mean) ** 2)
        self.update(self.g_optimizer, self.generator.trainable_variables, loss, tape)
        self.path_length.assign(tf.where(tf.math.is_finite(mean), mean, self.path_length))

    def d_step(self, real, z, step=0):
        """Do a step of D's loss; groups of images are all real or all fake. Their labels stand behind the latents."""
        labels = self.labels_of(z)
        fake, made = self.synthesize(self.codes(z, gan.D_STEP, step), gan.D_STEP, step)
        with tf.GradientTape() as tape:
            real_logits, real_term = self.judge_real(real, step, labels)
            fake_logits, fake_term = self.judge_fake(fake, made, step, labels)
            loss = self.d_loss(real_logits, fake_logits)
            objective = loss + real_term + fake_term
        self.update(self.d_optimizer, self.discriminator.trainable_variables, objective, tape)
        if self.aug == "ada":
            of_all = tf.cast(replicas.count(), tf.float32)  # the mean over replicas is kept
            self.ada["ada_signs"].assign_add(of_all * tf.reduce_sum(tf.sign(real_logits)))
            self.ada["ada_count"].assign_add(of_all * tf.cast(tf.size(real_logits), tf.float32))
        logs = {"d_loss": loss, "real_term": real_term, "fake_term": fake_term}
        logs = {name: value for name, value in logs.items() if isinstance(value, tf.Tensor)}
        return logs | {"real_logits": real_logits, "fake_logits": fake_logits}

    def labels_of(self, z):
        """Return the labels [B, num_classes] that stand behind latents; None without labels."""
        return z[:, self.generator.zlen :] if self.conditional else None

    def judge(self, images, labels=None, training=True):
        return self.discriminator(self.packed(images), labels, training=training)

    def judge_real(self, real, step, labels=None):
        """Return D's logits of real images, and what is added to its loss for them."""
        return self.judge(self.augmented(real, gan.REAL, step), labels), 0.0

    def judge_fake(self, fake, made, step, labels=None):
        """Return D's logits of G's images, and what is added to its loss for them; `made` is what G's blocks made."""
        del made
        return self.judge(self.augmented(fake, gan.D_STEP, step), labels), 0.0

    def r1_step(self, real, step=0, labels=None):
        """Do a step of D on its gradient at real images (Mescheder et al., arXiv 1801.04406, equation 9)."""
        with tf.GradientTape() as tape:
            penalty = r1(lambda images: self.judge(self.augmented(images, gan.PENALTY, step), labels), real)
            objective = self.d_interval * (self.r1_gamma / 2 * penalty + self.r1_term(real, step, labels))
        self.update(self.d_optimizer, self.discriminator.trainable_variables, objective, tape)
        self.r1_penalty.assign(tf.where(tf.math.is_finite(penalty), penalty, self.r1_penalty))

    def r1_term(self, real, step, labels=None):
        """Return what is added to the penalty."""
        del real, step, labels
        return 0.0

    @property
    def aug_strength(self):
        """The probability of each augmentation."""
        return self.ada["ada_p"].value if self.aug == "ada" else self.aug_p

    def augmented(self, images, role, step):
        """Return images as D is to see them."""
        if self.aug == "no":
            return images
        seed = self.noise_seed(gan.AUGMENTATION + role, step)
        return augment.augment(images, self.aug_strength, seed, self.aug_pipe)

    def augmented_features(self, features, role, step):
        """Return features of images [B, r, r, C], moved as `augmented` moves these images."""
        if self.aug == "no":
            return features
        seed = self.noise_seed(gan.AUGMENTATION + role, step)
        return augment.augment_features(features, self.aug_strength, seed, self.aug_pipe)

    def adjust_augmentation(self):
        """Move p by the share of `ada_kimg` that D saw since the last time, towards a mean sign of `ada_target`."""
        p, signs, count = self.ada.values()
        direction = tf.sign(signs / count - self.ada_target)
        p.assign(tf.maximum(p + direction * count / (1000 * self.ada_kimg), 0.0))
        signs.assign(0.0)
        count.assign(0.0)

    def codes(self, z, role, step):
        """Return codes of latents [B, zlen]; from some layer on, perhaps those of others (arXiv 1812.04948, 3.1)."""
        codes = self.generator.codes(z, training=True)
        if not self.style_mixing:
            return codes
        seeds = tf.unstack(tf.random.split(self.noise_seed(gan.MIXING + role, step), 3))
        other = tf.concat([self.draw_latents(tf.shape(z)[0], seeds[0]), z[:, self.generator.zlen :]], axis=1)
        others = self.generator.codes(other)
        layers = tf.range(self.generator.num_codes)
        start = tf.random.stateless_uniform([], seeds[1], 1, self.generator.num_codes, tf.int32, alg="philox")
        mixed = tf.random.stateless_uniform([], seeds[2], alg="philox") < self.style_mixing
        return tf.where((mixed & (layers >= start))[:, None], others, codes)

    def synthesize(self, codes, role, step):
        """Return the images of codes [B, num_codes, w_dim], with new noise, and what each block made on the way."""
        return self.generator.synthesize(codes, self.noise_seed(gan.NOISE + role, step))

    def test_step(self, real):
        if not self.conditional:
            return super().test_step(real)
        real, labels = real
        z = self.draw_latents(tf.shape(real)[0], tf.random.fold_in([self.options.seed, gan.HELD_OUT], 0))
        logits = self.judge(real, labels, training=False), self.judge(self.generator(z, labels), labels, training=False)
        return {"g_loss": self.g_loss(*logits), "d_loss": self.d_loss(*logits)}

    def update(self, optimizer, variables, objective, tape):
        """Do a step of an optimizer; a variable that has no part in the objective has a gradient of 0."""
        values = [variable.value for variable in variables]
        weight = replicas.part_of_mean(objective)
        gradients = tape.gradient(objective, values, weight, tf.UnconnectedGradients.ZERO)
        finite = [tf.where(tf.math.is_finite(each), each, LARGEST * tf.sign(each)) for each in gradients]
        optimizer.apply([tf.where(tf.math.is_nan(each), 0.0, each) for each in finite], variables)

    def update_average(self):
        momentum = self.ema
        if self.ema_ramp and not self.options.start_from:  # whose average is to last
            before = tf.cast(self.iteration - 1, tf.float32)  # `train_step` has counted this iteration
            momentum = tf.minimum(momentum, tf.where(before > 0, 0.5 ** (1 / (self.ema_ramp * before)), 0.0))
        self.move_average(momentum)


def path_lengths(gradients):
    """Return sqrt(mean over layers of |gradient|^2): [B, num_codes, w_dim] -> [B]."""
    return tf.sqrt(tf.reduce_mean(tf.reduce_sum(gradients**2, axis=2), axis=1))


def r1(judge, real):
    """Return the mean over the batch of |gradient of the sum of logits|^2 at images [B, H, W, C]."""
    with tf.GradientTape() as tape:
        tape.watch(real)
        total = tf.reduce_sum(judge(real))
    return tf.reduce_mean(tf.reduce_sum(tape.gradient(total, real) ** 2, axis=[1, 2, 3]))
