"""The iteration of RP-GAN's original program: a graph of TensorFlow 1, for `benchmarks/train_step.py`.

Neyshabur, Bhojanapalli, Chakrabarti, arXiv 1705.07831, section 3. The authors' program calls the discriminators one
after another, each in a run of the session; images and gradients stay in variables between the runs. This one is our
own, in TensorFlow 2's compatibility mode: the calls are the original's, the kernels those of the installed TensorFlow.
"""

import math

import numpy as np
import tensorflow.compat.v1 as tf

from rpgan_tf.nets.rpgan import EPSILON


class Original:
    """The iteration from the weights of a GAN of this library.

    Real images come from a variable in place of the original's queue, the same in each iteration.

    Args:
        gan: RP-GAN, as `rpgan_tf.build` returns it.
        real: images [B, H, W, C].

    Attributes:
        latents: tensors [B, zlen] of G's step and of D's, which each iteration draws; one may feed them.
    """

    def __init__(self, gan, real):
        self.gan, self.initial = gan, {}  # {placeholder: array}: constants would stay in the graph
        generator, discriminators = (net.get_arrays() for net in (gan.generator, gan.discriminator))
        bank, shape = gan.discriminator.projections, [len(real), gan.generator.zlen]
        with tf.Graph().as_default():
            self.latents = [tf.random_uniform(shape, -1, 1) for _ in range(2)]
            self.real, self.fake, self.total = (self.variable(real) for _ in range(3))
            self.build_g([self.variable(array) for array in generator.values()])
            self.each = []  # (loss of G, its image gradient added; loss of D, its Adam) of each discriminator
            for i, kernel in enumerate(bank.kernels):
                weights = [self.variable(array) for name, array in discriminators.items() if name.startswith(f"c{i}_")]
                self.each.append(self.build_d(weights, tf.constant(kernel), bank.stride, bank.padding))
            self.session = tf.Session()
            self.session.run(tf.global_variables_initializer(), self.initial)
        del self.initial

    def variable(self, array):
        """Return a variable that begins as an array."""
        placeholder = tf.placeholder(tf.float32, array.shape)
        self.initial[placeholder] = array
        return tf.Variable(placeholder, use_resource=False)

    def adam(self):
        """Return an optimizer of its own for G and each discriminator."""
        return tf.train.AdamOptimizer(self.gan.learning_rate, self.gan.beta_1, self.gan.beta_2, epsilon=1e-8)

    def build_g(self, weights):
        """Make what generates fake images for G's step and for D's, and what updates G by the image gradients' sum."""
        z = self.variable(np.zeros(self.latents[0].shape))
        for_g, for_d = (self.fake.assign(generate(latents, weights)) for latents in self.latents)
        self.begin_g = tf.group(z.assign(self.latents[0]), for_g, self.total.assign(tf.zeros_like(self.total)))
        gradients = tf.gradients(generate(z, weights), weights, grad_ys=self.total)
        self.end_g, self.begin_d = self.adam().apply_gradients(zip(gradients, weights)), for_d.op

    def build_d(self, weights, kernel, stride, padding):
        """Return g_i and the sum that its image gradient is added to, and d_i and the step on discriminator i."""

        def judge(images):
            x = tf.nn.conv2d(pad(images, padding), kernel, stride, "VALID")
            *layers, (last, bias) = zip(weights[::2], weights[1::2])
            for w, b in layers:
                x = tf.nn.conv2d(pad(x, 1), w, 2, "VALID") + b
                x = tf.maximum(0.2 * x, x)  # TensorFlow 0.9 had no leaky ReLU
            return tf.nn.conv2d(x, last, 1, "VALID") + bias

        mean = lambda x: tf.reduce_mean(tf.nn.softplus(x))  # noqa: E731
        g_loss = mean(-judge(self.fake))
        (gradient,) = tf.gradients(g_loss / len(self.gan.discriminator.projections.kernels), self.fake)
        d_loss = (mean(-judge(self.real)) + mean(judge(self.fake))) / 2
        return [g_loss, self.total.assign_add(gradient).op], [d_loss, self.adam().minimize(d_loss, var_list=weights)]

    def train_step(self, z=()):
        """Do one iteration, with latents of G and D if given; return the losses of D and of G, each [K]."""
        feed = dict(zip(self.latents, z))
        run = lambda fetches: self.session.run(fetches, feed)  # noqa: E731
        run(self.begin_g)
        g_losses = [run(of_g)[0] for of_g, _ in self.each]
        run(self.end_g)
        run(self.begin_d)
        return np.array([run(of_d)[0] for _, of_d in self.each]), np.array(g_losses)


def generate(z, weights):
    """Return images [B, H, W, C] of latents [B, zlen]."""
    (first, *kernels), biases = weights[::2], weights[1::2]
    size = math.isqrt(first.shape[3] // biases[0].shape[0])
    x = tf.reshape(tf.matmul(z, first[0, 0]), [-1, size, size, biases[0].shape[0]])
    for kernel, bias in zip(kernels, biases):
        x = tf.nn.relu(tf.nn.batch_normalization(x, *tf.nn.moments(x, [0, 1, 2]), bias, None, EPSILON))
        shape = [x.shape[0], 2 * x.shape[1], 2 * x.shape[2], kernel.shape[2]]
        x = tf.nn.conv2d_transpose(x, kernel, shape, 2, "SAME")
    return tf.tanh(x + biases[-1])


def pad(x, count):
    """Put zeros around images."""
    return tf.pad(x, [[0, 0], [count, count], [count, count], [0, 0]])
