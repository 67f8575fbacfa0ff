#!/usr/bin/env python3
"""Time RP-GAN's iteration against the original program's, a loop over the discriminators, and the matrix product.

    benchmarks/train_step.py            all settings (about two minutes on two cores)
    benchmarks/train_step.py --quick    the first setting only

Protocol. All sides start from the same weights and must give the same losses (checked). `batched` is this library's
train step. `original` is the iteration of the original program, a graph of TensorFlow 1 with a run of its session for
each discriminator (benchmarks/original.py). `loop` is the same with TensorFlow 2: one tf.function for each
discriminator, called one after the other. Both compute convolutions by tf.nn.conv2d, and repeat G's forward pass in G's
step, a few percent of the time. Rounds alternate over the sides, D and sgemm (2048 x 2048 float32); medians over the
rounds are printed. GFLOP/s counts two operations for each multiplication and addition of convolutions and matrix
products, nothing else. `D` is the discriminators' part of `batched`: loss and weight gradients on real and fake images,
and the image gradient for the generator. `system` is the kernel's share of the CPU time, `faults` are minor page faults
of an iteration.
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
HEADINGS = (
    "                   |                       ms | time over batched | batched         | D"
    "                       | original           | batched",
    " K bsz df imsz  f1 | original  loop  batched | original     loop | GFLOP  GFLOP/s |   ms  GFLOP/s  of sgemm"
    " | system      faults | system      faults",
)


def main(argv):
    """Time as `argv` says."""
    arguments = measuring.begin(__doc__, argv, "the first setting only")
    global keras, np, original, rpgan_tf, tf
    import keras
    import numpy as np
    import original
    import tensorflow as tf

    import rpgan_tf

    tf.get_logger().setLevel("ERROR")  # K functions for K discriminators are no retracing
    table = measuring.Table(arguments)
    for heading in HEADINGS:
        table(heading)
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
    first = original.Original(batched, real.numpy())
    z = [batched.latents(bsz, role).numpy() for role in range(2)]
    losses = {
        "original": first.train_step(z)[0],
        "loop": np.array(looped.train_step(real)["d_loss"]),
        "batched": np.array(step(real)["d_losses"]),
    }
    for side, each in losses.items():
        difference = np.abs(each - losses["batched"]).max()
        if difference > 1e-5:
            raise SystemExit(f"{side} and batched differ: {difference} in the first loss")
    sides = {
        "original": first.train_step,
        "loop": lambda: np.array(looped.train_step(real)["d_loss"]),
        "batched": lambda: np.array(step(real)["d_losses"]),
        "D": lambda: np.array(discriminators()),
    }
    found, machine = measuring.usages_and_machine(sides, rounds)
    work = cost.Work(num_discriminators, bsz, df, imsz, f1, options.zlen)
    return line(found, machine, work)


def line(found, machine, work):
    """Return a line of the table."""
    ms = {side: each.seconds * 1e3 for side, each in found.items()}
    d_rate = work.discriminators / found["D"].seconds
    system = " | ".join(f"{found[side].system:6.0%} {found[side].faults:11,.0f}" for side in ("original", "batched"))
    return (
        f"{work.num_discriminators:2d} {work.bsz:3d} {work.df:2d} {work.imsz:4d} {work.f1:3d} | "
        f"{ms['original']:8.0f} {ms['loop']:5.0f} {ms['batched']:8.0f} | "
        f"{ms['original'] / ms['batched']:8.2f} {ms['loop'] / ms['batched']:8.2f} | "
        f"{work.iteration / 1e9:5.1f} {work.iteration / ms['batched'] / 1e6:8.0f} | "
        f"{ms['D']:4.0f} {d_rate / 1e9:8.0f} {d_rate / machine.flops:9.0%} | {system}"
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
