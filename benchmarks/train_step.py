#!/usr/bin/env python3
"""Time RP-GAN's iteration against a loop over the discriminators and against the machine's own matrix product.

    benchmarks/train_step.py            all settings (about two minutes on two cores)
    benchmarks/train_step.py --quick    the first setting only

Protocol. Both sides start from the same weights and must give the same losses (checked). `batched` is this library's
train step. `loop` does the same arithmetic with one tf.function for each discriminator and convolutions by
tf.nn.conv2d, called one after the other like the original's session runs (so it repeats G's forward pass in G's step, a
few percent of the time). Rounds alternate: sgemm (2048 x 2048 float32), loop, batched; medians over the rounds are
printed. GFLOP/s counts two operations for each multiplication and addition of convolutions and matrix products, nothing
else. `D` is the discriminators' part of an iteration: loss and weight gradients on real and fake images, and the image
gradient for the generator.
"""

import tempfile

import cost
import measuring

from rpgan_tf import command, config, projections
from rpgan_tf.files import atomic

SETTINGS = [  # K, bsz, df, imsz, f1
    (12, 16, 32, 64, 256),
    (12, 64, 32, 32, 128),
    *[(K, 16, 32, 32, 128) for K in (1, 3, 6, 12, 24, 48)],
]


def main(argv):
    """Time as `argv` says."""
    arguments = measuring.begin(__doc__, argv, "the first setting only")
    global keras, np, rpgan_tf, tf
    import keras
    import numpy as np
    import tensorflow as tf

    import rpgan_tf

    tf.get_logger().setLevel("ERROR")  # K functions for K discriminators are no retracing
    table = measuring.Table(arguments)
    table(" K bsz df imsz  f1 |  loop ms  batched ms  ratio | GFLOP  GFLOP/s | D ms  D GFLOP/s | sgemm  D share")
    for setting in SETTINGS[:1] if arguments.quick else SETTINGS:
        table(measure(arguments.rounds, *setting))
    table.close()


def measure(rounds, num_discriminators, bsz, df, imsz, f1):
    """Return a line of the table."""
    with tempfile.TemporaryDirectory() as folder:
        atomic.save_arrays(f"{folder}/filts.npz", projections.draw([(8, 2, 1, num_discriminators)], seed=0))
        options = config.resolve(dict(bsz=bsz, df=df, imsz=imsz, f1=f1, zlen=100, filts=f"{folder}/filts.npz"))
        batched, looped = rpgan_tf.build(options), Loop(rpgan_tf.build(options))
    real = measuring.random_images(batched)

    step = tf.function(batched.train_step, autograph=False)
    discriminators = tf.function(lambda: discriminators_only(batched, real), autograph=False)
    sides = {
        "loop": lambda: np.array(looped.train_step(real)["d_loss"]),
        "batched": lambda: np.array(step(real)["d_losses"]),
        "discriminators": lambda: np.array(discriminators()),
    }
    difference = np.abs(sides["loop"]() - sides["batched"]()).max()
    if difference > 1e-5:
        raise SystemExit(f"the two sides differ: {difference} in the first loss")
    seconds, machine = measuring.medians_and_machine(sides, rounds)
    work = cost.Work(num_discriminators, bsz, df, imsz, f1, options.zlen)
    sgemm = machine.flops / 1e9
    d_rate = work.discriminators / seconds["discriminators"] / 1e9
    return (
        f"{num_discriminators:2d} {bsz:3d} {df:2d} {imsz:4d} {f1:3d} | {seconds['loop'] * 1e3:8.0f} "
        f"{seconds['batched'] * 1e3:11.0f} {seconds['loop'] / seconds['batched']:6.2f} | "
        f"{work.iteration / 1e9:5.1f} {work.iteration / seconds['batched'] / 1e9:8.0f} | "
        f"{seconds['discriminators'] * 1e3:4.0f} {d_rate:10.0f} | {sgemm:5.0f} {d_rate / sgemm:8.0%}"
    )


def discriminators_only(gan, real):
    """Return the weight gradients of the discriminators' loss and the image gradient of the generator's."""
    with tf.GradientTape() as tape:
        logits = gan.discriminator(tf.concat([real, -real], axis=0))
        loss = tf.reduce_sum(gan.d_loss(*tf.split(logits, 2, axis=-1)))
    weight_gradients = tape.gradient(loss, gan.discriminator.trainable_variables)
    with tf.GradientTape() as tape:
        tape.watch(real)
        loss = tf.reduce_mean(gan.g_loss(None, gan.discriminator(real)))
    return [tf.reduce_sum(gradient) for gradient in [*weight_gradients, tape.gradient(loss, real)]]


class Loop:
    """RP-GAN's iteration with one tf.function for each discriminator, called in turn."""

    def __init__(self, gan):
        self.gan = gan
        arrays = gan.discriminator.get_arrays()
        bank = gan.discriminator.projections
        self.discriminators = []
        for i, kernel in enumerate(bank.kernels):
            weights = [keras.Variable(array) for name, array in arrays.items() if name.startswith(f"c{i}_")]
            self.discriminators.append(self.make(tf.constant(kernel), bank.stride, bank.padding, weights))
        self.generate = tf.function(gan.generator.__call__, autograph=False)
        self.update_generator = tf.function(self.apply_image_gradient, autograph=False)

    def make(self, kernel, stride, padding, weights):
        """Return the functions (image gradient of g_i, step on d_i) of one discriminator."""
        gan = self.gan
        optimizer = gan.make_optimizer(gan.learning_rate)
        optimizer.build(weights)

        def logits(images):
            images = tf.pad(images, [[0, 0], [padding, padding], [padding, padding], [0, 0]])
            x = tf.nn.conv2d(images, kernel, stride, "VALID")
            for layer in range(0, len(weights) - 2, 2):
                x = tf.nn.conv2d(tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]), weights[layer], 2, "VALID")
                x = tf.nn.leaky_relu(x + weights[layer + 1], 0.2)
            return (tf.nn.conv2d(x, weights[-2], 1, "VALID") + weights[-1])[:, 0, 0, 0]

        def image_gradient(fake):
            with tf.GradientTape() as tape:
                tape.watch(fake)
                loss = gan.g_loss(None, logits(fake))
            return loss, tape.gradient(loss, fake)

        def step(real, fake):
            with tf.GradientTape() as tape:
                loss = gan.d_loss(logits(real), logits(fake))
            optimizer.apply(tape.gradient(loss, weights), weights)
            return loss

        return tf.function(image_gradient, autograph=False), tf.function(step, autograph=False)

    def apply_image_gradient(self, z, gradient):
        """Push the summed image gradient through the generator and update it."""
        generator = self.gan.generator
        with tf.GradientTape() as tape:
            fake = generator(z)
        gradients = tape.gradient(fake, generator.trainable_variables, gradient)
        self.gan.g_optimizer.apply(gradients, generator.trainable_variables)

    def train_step(self, real):
        """Do one iteration; return the losses of the discriminators."""
        z_g, z_d = [self.gan.latents(real.shape[0], role) for role in range(2)]
        fake = self.generate(z_g)
        gradients = [image_gradient(fake)[1] for image_gradient, _ in self.discriminators]
        self.update_generator(z_g, tf.add_n(gradients) / len(gradients))
        fake = self.generate(z_d)
        losses = [step(real, fake) for _, step in self.discriminators]
        self.gan.iteration.assign_add(1)
        return {"d_loss": losses}


if __name__ == "__main__":
    command.run(main)
