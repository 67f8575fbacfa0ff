"""The iteration of a GAN, written once. Knows no paper: those are in `rpgan_tf.gans`.

Every loss keeps the leading axis: a plain discriminator gives logits [B] and a loss [], a bank of K gives [K, B] and
[K]. Summed over what is left, each discriminator gets the gradient of its own loss; averaged, the generator is judged
by all alike.
"""

import importlib

import keras
import tensorflow as tf

from rpgan_tf import config, projections

G_STEP, D_STEP = range(2)  # what noise is drawn for


class GAN(keras.Model):
    """A generator and a discriminator (or a bank of K) that train each other.

    A paper fills `g_loss`, `d_loss` and `optimizers`; its options are annotated class attributes.

    Args:
        generator: maps latents [B, zlen] to images [B, H, W, C] in [-1, 1].
        discriminator: maps images to logits [B] or [K, B].
        options: from `rpgan_tf.config`.
    """

    def __init__(self, generator, discriminator, options, **kwargs):
        super().__init__(**kwargs)
        self.generator, self.discriminator = generator, discriminator
        self.options = options
        for name, value in vars(options).items():
            if hasattr(type(self), name):  # an option of the paper
                setattr(self, name, value)
        self.iteration = self.add_weight((), "zeros", dtype="int64", trainable=False, name="iteration")
        self.built = True

    def g_loss(self, fake_logits):
        """Return the generator's loss: logits [..., B] -> [...]."""
        raise NotImplementedError

    def d_loss(self, real_logits, fake_logits):
        """Return the discriminator's loss: logits [..., B] -> [...]."""
        raise NotImplementedError

    def optimizers(self):
        """Return the optimizers of the generator and of the discriminator."""
        raise NotImplementedError

    def compile(
        self, g_optimizer=None, d_optimizer=None, *, run_eagerly=False, steps_per_execution=1, jit_compile=False
    ):
        """Set both optimizers, None for the paper's own; their variables are made here, ready to be restored.

        The other arguments are Keras'. Its own choice would be to compile the whole step with XLA, which is slow where
        convolutions run on the CPU; the nets say themselves what XLA is to compile.
        """
        super().compile(run_eagerly=run_eagerly, steps_per_execution=steps_per_execution, jit_compile=jit_compile)
        g_default, d_default = self.optimizers()
        self.g_optimizer, self.d_optimizer = g_optimizer or g_default, d_optimizer or d_default
        self.g_optimizer.build(self.generator.trainable_variables)
        self.d_optimizer.build(self.discriminator.trainable_variables)

    def call(self, z):
        return self.generator(z)

    def latents(self, batch_size, role):
        """Draw U[-1, 1) latents [batch_size, zlen]: a function of seed, iteration and role alone."""
        seed = tf.random.fold_in([self.options.seed, role], self.iteration)
        return tf.random.stateless_uniform([batch_size, self.generator.zlen], seed, -1, 1, alg="philox")

    def train_step(self, real):
        """Do one iteration on real images [B, H, W, C]: first the generator, then the discriminators."""
        batch_size = tf.shape(real)[0]
        with tf.control_dependencies([real]):  # input that fails or ends leaves everything as it was
            logs = self.g_step(real, self.latents(batch_size, G_STEP))
            logs |= self.d_step(real, self.latents(batch_size, D_STEP))
            self.iteration.assign_add(1)
        if logs["d_loss"].shape.rank:  # a bank: report the mean, and each of its K
            logs |= {"g_losses": logs["g_loss"], "d_losses": logs["d_loss"]}
            logs |= {key: tf.reduce_mean(logs[key]) for key in ("g_loss", "d_loss")}
        return logs

    def g_step(self, real, z):
        """Do one optimizer step on the generator with latents z [B, zlen]; return {"g_loss": [] or [K]}."""
        del real  # this loss does not look at it
        with tf.GradientTape() as tape:
            loss = self.g_loss(self.discriminator(self.generator(z)))
            objective = tf.reduce_mean(loss)
        variables = self.generator.trainable_variables
        self.g_optimizer.apply(tape.gradient(objective, variables), variables)
        return {"g_loss": loss}

    def d_step(self, real, z):
        """Do one optimizer step on the discriminators with latents z [B, zlen]; return {"d_loss": [] or [K]}."""
        fake = self.generator(z)
        with tf.GradientTape() as tape:
            logits = self.discriminator(tf.concat([real, fake], axis=0))
            loss = self.d_loss(*tf.split(logits, 2, axis=-1))
            objective = tf.reduce_sum(loss)
        variables = self.discriminator.trainable_variables
        self.d_optimizer.apply(tape.gradient(objective, variables), variables)
        return {"d_loss": loss}


def build(options):
    """Build the compiled GAN that `options` (from `rpgan_tf.config`) describe, with new weights.

    Raises:
        UserError: filters are missing or do not fit, or sizes do not fit each other.
    """
    net = importlib.import_module(f"rpgan_tf.nets.{options.net}")
    paper = importlib.import_module(f"rpgan_tf.gans.{config.gan_module(options.gan)}")
    filters = None
    if options.filts:
        filters = projections.load(options.filts)
        projections.check_fit(filters, options.imsz, options.filts)
    seeds = keras.random.SeedGenerator(options.seed)
    generator, discriminator = net.build_generator(options, seeds), net.build_discriminator(options, filters, seeds)
    gan = getattr(paper, options.gan)(generator, discriminator, options)
    gan.compile()
    return gan


def build_generator(options):
    """Build only the generator, for weights that are to be loaded."""
    return importlib.import_module(f"rpgan_tf.nets.{options.net}").build_generator(options)
