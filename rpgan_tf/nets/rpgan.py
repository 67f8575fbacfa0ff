"""The nets of RP-GAN: a DCGAN-like generator, and K discriminators computed as one.

Neyshabur, Bhojanapalli, Chakrabarti, "Stabilizing GAN Training with Multiple Random Projections", arXiv 1705.07831,
section 3; paddings and initializers are those of the authors' program (github.com/ayanc/rpgan). Knows no loss.
"""

import math
import types
from typing import Literal, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from rpgan_tf.config import Count, Whole
from rpgan_tf.devices import replicas, strategies
from rpgan_tf.nets import banks, base, chunks, layers
from rpgan_tf.nets.base import Seeds
from rpgan_tf.nets.unfolding import columns
from rpgan_tf.projections import Projections, check_chunk, check_division

EPSILON = 1e-3  # epsilon of batch normalization

Moments: TypeAlias = tuple[np.ndarray | tf.Tensor, np.ndarray | tf.Tensor]  # mean [C] and variance [C]


def uniform(fan_in: int, seeds: Seeds) -> keras.initializers.Initializer:
    """Return the initializer U[-a, a] with a = sqrt(3 / fan_in), which keeps unit variance."""
    limit = math.sqrt(3 / fan_in)
    return keras.initializers.RandomUniform(-limit, limit, seed=seeds)


class Generator(base.Net):
    """Map latents [B, zlen], and labels [B, num_classes] if any, to images [B, imsz, imsz, channels] in [-1, 1].

    Batch normalization always uses the moments of the current batch; the net keeps no running averages. To generate
    few images at a time, or those of one class, pass the `statistics` that `fixbn` stored. With labels, each class has
    a scale and a shift of its own, beside the biases of all.

    Args:
        ksz: kernel size of the transposed convolutions (stride 2).
        zlen: length of the latent vector.
        f1: channels of the first layer, at ksz - ksz % 2 pixels; each further layer halves them.
        imsz: image size.
        channels: of an image.
        seeds: `keras.random.SeedGenerator` of the initial weights.
        num_classes: length of a label, 0 without labels.
    """

    ksz: Count = 4
    zlen: Count = 100
    f1: Count = 1024
    num_classes: Whole = 0  # length of a label; 0: no labels

    needs = ["rpgan_tf.config.checks:check_classes"]

    rules = [
        (
            "ksz > 1 and imsz % (ksz - ksz % 2) == 0 and 2 <= imsz // (ksz - ksz % 2) <= 2 * f1",
            "ksz = {ksz}, imsz = {imsz}, f1 = {f1} do not fit: expected imsz = (ksz - ksz % 2) * 2^n with n >= 1 and "
            "f1 >= 2^(n-1), since each layer doubles the size and halves the channels; change one of them",
        ),
    ]

    def __init__(
        self,
        ksz: int,
        zlen: int,
        f1: int,
        imsz: int,
        channels: int = 3,
        seeds: Seeds = None,
        num_classes: int = 0,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.ksz, self.zlen, self.f1, self.imsz, self.channels = ksz, zlen, f1, imsz, channels
        self.num_classes = num_classes
        self.first_size = ksz - ksz % 2
        num_doublings = math.log2(imsz / self.first_size)
        # As in the original: kernels [1, 1, zlen, f1 * size^2] and [ksz, ksz, f_out, f_in], a bias in each layer.
        self.kernels, self.biases = [], []
        for layer in range(1, int(num_doublings) + 2):
            if layer == 1:
                filters = f1
                shape, fan_in = (1, 1, zlen, f1 * self.first_size**2), zlen
            else:
                last = layer == num_doublings + 1
                previous, filters = filters, channels if last else filters // 2
                shape, fan_in = (ksz, ksz, filters, previous), ksz * ksz * previous
            self.kernels.append(self.add_weight(shape, uniform(fan_in, seeds), name=f"c{layer}_w"))
            self.biases.append(self.add_weight((filters,), "zeros", name=f"c{layer}_b"))
        self.scales, self.shifts = [], []  # of each class
        for layer, bias in enumerate(self.biases[:-1] if num_classes else [], start=1):
            table = num_classes, bias.shape[0]
            self.scales.append(self.add_weight(table, "ones", name=f"c{layer}_scale"))
            self.shifts.append(self.add_weight(table, "zeros", name=f"c{layer}_shift"))

    def call(
        self,
        z: tf.Tensor,
        labels: tf.Tensor | None = None,
        statistics: list[Moments] | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        """Generate images.

        Args:
            z: float32 [B, zlen].
            labels: [B, num_classes], or None for a net without labels.
            statistics: (mean [C], variance [C]) of each batch normalization, or None for those of the batch.
            training: makes no difference.
        """
        x = self.convolve(0, z)
        for layer in range(len(self.kernels) - 1):
            x = self.normalize(layer, x, statistics[layer] if statistics else None, labels)
            x = self.convolve(layer + 1, x)
        return tf.tanh(tf.cast(x, tf.float32) + self.biases[-1])

    def convolve(self, layer: int, x: tf.Tensor) -> tf.Tensor:
        """Return the linear part of a layer, without its bias."""
        x, kernel = (tf.cast(each, self.product_type) for each in (x, self.kernels[layer]))
        if layer == 0:
            x = tf.matmul(x, kernel[0, 0])
            return tf.reshape(x, [-1, self.first_size, self.first_size, self.biases[0].shape[0]])
        shape = [tf.shape(x)[0], 2 * x.shape[1], 2 * x.shape[2], self.biases[layer].shape[0]]
        return tf.nn.conv2d_transpose(x, kernel, shape, strides=2, padding="SAME")

    def normalize(
        self, layer: int, x: tf.Tensor, moments: Moments | None, labels: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Return relu(batch normalization of x), with the layer's bias as shift, and a scale only for classes.

        Without `moments`, those of the batch are taken.
        """
        bias = tf.convert_to_tensor(self.biases[layer])
        shift = tf.zeros_like(bias) if self.num_classes else bias
        if moments is None:
            x, *_ = replicas.normalize(x, tf.ones_like(shift), shift, EPSILON, self.synchronized)
        else:
            x = tf.nn.batch_normalization(tf.cast(x, tf.float32), *moments, shift, None, EPSILON)
        if self.num_classes:
            x = layers.scale_and_shift(x, labels, self.scales[layer], self.shifts[layer] + bias)
        return tf.nn.relu(x)

    def batch_statistics(self, z: np.ndarray, chunk: int, labels: np.ndarray | None = None) -> list[Moments]:
        """Compute the moments of every batch normalization when all latents are one batch.

        Goes over the latents layer by layer, `chunk` at a time, so that memory does not grow with their number.

        Args:
            z: float32 [N, zlen].
            chunk: latents in memory at once.
            labels: [N, num_classes], or None for a net without labels.

        Returns:
            (mean [C], biased variance [C]) of each batch normalization.
        """
        statistics: list[Moments] = []
        given = (z,) if labels is None else (z, labels)
        parts = [tuple(each[i : i + chunk] for each in given) for i in range(0, len(z), chunk)]
        weights = [len(part[0]) for part in parts]
        for _ in self.kernels[:-1]:
            moments = strategies.each(lambda part: self._next_moments(statistics, *part), parts)
            means, variances = (np.array(each, np.float64) for each in zip(*moments))
            mean = np.average(means, axis=0, weights=weights)
            variance = np.average(variances + (means - mean) ** 2, axis=0, weights=weights)
            statistics.append((np.float32(mean), np.float32(variance)))
        return statistics

    def _next_moments(self, statistics: list[Moments], z: np.ndarray, labels: np.ndarray | None = None) -> Moments:
        """Return the moments of the first batch normalization that has no statistics yet."""
        x = self.convolve(0, z)
        for layer, moments in enumerate(statistics):
            x = self.convolve(layer + 1, self.normalize(layer, x, moments, labels))
        return tuple(each[0, 0, 0] for each in layers.moments(tf.cast(x, tf.float32), [0, 1, 2]))

    def get_config(self) -> dict:
        names = "ksz", "zlen", "f1", "imsz", "channels", "num_classes"
        return super().get_config() | {name: getattr(self, name) for name in names}


class Discriminator(banks.Bank):
    """K discriminators, each on its own fixed random projection of the image; or one on the image itself.

    Maps images [B, imsz, imsz, pack * channels] to logits [K, B], or [B] without projections; with A outcomes, to
    [K, B, A] or [B, A]. Each discriminator halves its input with 4x4 convolutions of stride 2 down to 2x2, and ends in
    a 2x2 convolution to its logits. Packed images are projected one by one, and their projections stacked.

    With labels [B, num_classes] each is a projection discriminator (Miyato, Koyama, arXiv 1802.05637), psi(phi) + y^T
    V_k phi, whose phi is the input of its last convolution, at 2x2: V_k is an output of that layer for each class.

    All K are one computation: activations lie as [K, C, H, W, B], the stacked kernels as [K, kernel * kernel * C, F],
    and a convolution is a product of K matrices with the unfolded input. With the batch innermost, unfolding copies
    long runs. XLA fuses unfolding and activation, while the products go to the platform's matrix library, which is
    faster than XLA's on CPUs (benchmarks/train_step.py).

    Args:
        df: channels of the first layer; each further layer doubles them.
        imsz: image size.
        projections: K random projections, or None for one discriminator on the image.
        channels: of an image.
        pack: number of images stacked on the channels of an input.
        num_outcomes: A, or None.
        divided: whether each replica of the strategy holds K / replicas of the discriminators, called there alone.
        chunk: discriminators computed at a time, and again for their gradients; None: all at once, and only once.
        seeds: `keras.random.SeedGenerator` of the initial weights.
        num_classes: length of a label, 0 without labels.
    """

    df: Count = 64
    divide: Literal["batch", "discriminators"] = "batch"  # what several devices divide
    chunk: Count | None = None  # discriminators whose activations are in memory at a time

    rules = [
        (
            "divide == 'batch' or filts",
            "divide = 'discriminators' is for those of filts, received filts = None; take divide = 'batch'",
        ),
    ]
    independent = True

    def __init__(
        self,
        df: int,
        imsz: int,
        projections: Projections | None = None,
        channels: int = 3,
        pack: int = 1,
        num_outcomes: int | None = None,
        divided: bool = False,
        chunk: int | None = None,
        seeds: Seeds = None,
        num_classes: int = 0,
        **kwargs,
    ) -> None:
        super().__init__(num_outcomes, **kwargs)
        self.df, self.projections, self.pack, self.divided, self.chunk = df, projections, pack, divided, chunk
        num_discriminators, size, inputs = 1, imsz, pack * channels
        if projections is not None:
            num_discriminators, k, _, _, num_filters = projections.kernels.shape
            size, inputs = imsz // projections.stride, pack * num_filters
            # One convolution computes all projections: [k, k, channels, K * numf].
            self.filters = tf.constant(
                projections.kernels.transpose(1, 2, 3, 0, 4).reshape(k, k, channels, num_discriminators * num_filters)
            )
        check_chunk(chunk, num_discriminators // (strategies.count() if divided else 1))
        self.hold_filters()
        self.kernels, self.biases, self.limits = [], [], []
        for layer in range(int(math.log2(size))):
            last = layer == math.log2(size) - 1
            kernel_size, filters = (2, num_outcomes or 1) if last else (4, df << layer)
            fan_in = kernel_size**2 * inputs
            shape = (num_discriminators, fan_in, filters)
            self.kernels.append(self.add(shape, uniform(fan_in, seeds), f"c{layer}_w"))
            self.biases.append(self.add((num_discriminators, filters), keras.initializers.Zeros(), f"c{layer}_b"))
            self.limits += [math.sqrt(3 / fan_in), 0.0]
            inputs = filters
        self.classes = None  # V: [K, 2 * 2 * C, num_classes * A], the outputs of a class side by side
        if num_classes:
            shape = (num_discriminators, fan_in, num_classes * (num_outcomes or 1))
            self.classes = self.add(shape, uniform(fan_in, seeds), "classes_w")
            self.limits.append(math.sqrt(3 / fan_in))

    def add(self, shape: tuple[int, ...], initializer: keras.initializers.Initializer, name: str) -> keras.Variable:
        """Add a weight [K, ...], of which a divided bank holds this replica's part."""
        if not self.divided:
            return self.add_weight(shape, initializer, name=name)
        weight = self.add_weight((shape[0] // strategies.count(), *shape[1:]), "zeros", name=name)
        replicas.divide(weight)
        replicas.put([weight], [initializer(shape)])
        return weight

    def project(self, images: tf.Tensor) -> tf.Tensor:
        """Project images: [B, H, W, pack * C] -> [K, pack * numf, H / stride, W / stride, B].

        Without projections, return the images as [1, pack * C, H, W, B].
        """
        if self.projections is None:
            return tf.transpose(images, [3, 1, 2, 0])[None]
        padding, stride = self.projections.padding, self.projections.stride
        num_projections, num_filters = self.kernels[0].shape[0], self.projections.kernels.shape[-1]
        filters = self.own_filters()
        batch_size = tf.shape(images)[0]
        images = tf.concat(tf.split(images, self.pack, axis=-1), axis=0) if self.pack > 1 else images
        images = tf.pad(images, [[0, 0], [padding, padding], [padding, padding], [0, 0]])
        x = tf.transpose(tf.nn.conv2d(images, filters, stride, "VALID"), [3, 1, 2, 0])
        size = x.shape[1]
        if self.pack > 1:
            x = tf.reshape(x, [num_projections, num_filters, size, size, self.pack, batch_size])
            x = tf.transpose(x, [0, 4, 1, 2, 3, 5])
        return tf.reshape(x, [num_projections, self.pack * num_filters, size, size, batch_size])

    def own_filters(self) -> tf.Tensor:
        """Return the filters [k, k, C, K * numf]; of divided discriminators, those of this replica."""
        if self.projections is not None and self.projections.moving:
            return tf.reshape(tf.transpose(self.each_filter(), [1, 2, 3, 0, 4]), [*self.filters.shape[:3], -1])
        if not self.divided:
            return self.filters
        return tf.transpose(replicas.own_part(tf.transpose(self.filters, [3, 0, 1, 2])), [1, 2, 3, 0])

    def pull_back(self, gradients: tf.Tensor) -> tf.Tensor:
        if self.projections is None:
            return tf.transpose(gradients, [0, 4, 2, 3, 1])
        padding, stride, num_filters = (
            self.projections.padding,
            self.projections.stride,
            self.projections.kernels.shape[4],
        )
        num_projections, _, height, width, _ = gradients.shape
        batch_size = tf.shape(gradients)[-1]
        x = tf.reshape(gradients, [num_projections, self.pack, num_filters, height, width, batch_size])
        x = tf.reshape(tf.transpose(x, [0, 1, 5, 3, 4, 2]), [num_projections, -1, height, width, num_filters])
        filters = tf.split(self.own_filters(), num_projections, axis=-1)
        height, width, channels = height * stride, width * stride, filters[0].shape[2]
        shape = [self.pack * batch_size, height + 2 * padding, width + 2 * padding, channels]
        images = tf.stack(
            [tf.nn.conv2d_transpose(*each, shape, stride, "VALID") for each in zip(tf.unstack(x), filters)]
        )
        images = images[:, :, padding : padding + height, padding : padding + width]
        return tf.concat(tf.split(images, self.pack, axis=1), axis=-1)

    def judge(self, seen: tf.Tensor, labels: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        weights = [tf.convert_to_tensor(weight) for weight in (*self.kernels, *self.biases)]
        if self.classes is not None:  # a layer of all outputs
            last, bias = len(self.kernels) - 1, weights[-1]
            weights[last] = tf.concat([weights[last], self.classes], axis=2)
            weights[-1] = tf.pad(bias, [[0, 0], [0, self.classes.shape[2]]])
        if self.chunk:
            blank = tf.zeros([*weights[-1].shape, tf.shape(seen)[-1]])
            logits = chunks.compute(self.convolve, self.chunk, blank, seen, weights)
        else:
            logits = self.convolve(seen, weights)
        if self.classes is not None:
            logits = self.of_labels(logits, layers.given(labels))
        logits = tf.transpose(logits, [0, 2, 1]) if self.num_outcomes else logits[:, 0]
        return logits[0] if self.projections is None else logits

    def of_labels(self, outputs: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Return psi + y^T V phi: outputs [K, A + num_classes * A, B] and labels [B, num_classes] -> [K, A, B]."""
        units, number = self.num_outcomes or 1, labels.shape[1]
        each = tf.reshape(outputs[:, units:], [outputs.shape[0], number, units, tf.shape(outputs)[-1]])
        return outputs[:, :units] + tf.reduce_sum(tf.transpose(labels)[:, None] * each, axis=1)

    def convolve(self, seen: tf.Tensor, weights: list[tf.Tensor]) -> tf.Tensor:
        """Return logits [K, A or 1, B]; of a net with labels, those of all classes, too.

        Args:
            seen: output of `project`.
            weights: the kernels of all layers, then their biases.
        """
        x, num_layers = tf.cast(seen, self.product_type), len(self.kernels)
        kernels, biases = weights[:num_layers], weights[num_layers:]
        for kernel, bias in zip(kernels, [None, *biases]):  # the bias of the layer before
            size = x.shape[2] // 2
            x = tf.matmul(tf.cast(kernel, self.product_type), columns(x, bias), transpose_a=True)
            x = tf.reshape(x, [kernel.shape[0], -1, size, size, tf.shape(seen)[-1]])
        return tf.cast(x[:, :, 0, 0], tf.float32) + biases[-1][:, :, None]

    def get_arrays(self) -> dict[str, np.ndarray]:
        """Return {name in the original's files: float32 array}, with kernels [k, k, C, F] for each discriminator."""
        arrays = {}
        for layer, (kernels, biases) in enumerate(zip(replicas.get(self.kernels), replicas.get(self.biases))):
            size, shape = self._kernel_size(layer), kernels.shape
            kernels = kernels.reshape(shape[0], size, size, shape[1] // size**2, shape[2])
            for i, (kernel, bias) in enumerate(zip(kernels, biases)):
                arrays[self._name(i, layer) + "_w"], arrays[self._name(i, layer) + "_b"] = kernel, bias
        for i, kernel in enumerate(replicas.get([self.classes])[0] if self.classes is not None else []):
            arrays[self._classes_name(i)] = kernel.reshape(2, 2, -1, kernel.shape[-1])
        return arrays

    def set_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        """Assign arrays from `get_arrays` or from a file of the original."""
        number = 1 if self.projections is None else len(self.projections.kernels)
        for layer, (kernels, biases) in enumerate(zip(self.kernels, self.biases)):
            names = [self._name(i, layer) for i in range(number)]
            values = [[arrays[name + "_w"].reshape(kernels.shape[1:]) for name in names]]
            replicas.put([kernels, biases], values + [[arrays[name + "_b"] for name in names]])
        if self.classes is not None:
            kernels = [arrays[self._classes_name(i)] for i in range(number)]
            replicas.put([self.classes], [[kernel.reshape(self.classes.shape[1:]) for kernel in kernels]])

    def _kernel_size(self, layer: int) -> int:
        return 2 if layer == len(self.kernels) - 1 else 4

    def _classes_name(self, i: int) -> str:
        return "classes_w" if self.projections is None else f"c{i}_classes_w"

    def _name(self, i: int, layer: int) -> str:
        return f"c{layer}" if self.projections is None else f"c{i}_{layer}"


def build_generator(options: types.SimpleNamespace, seeds: Seeds = None) -> Generator:
    """Build the generator of an experiment."""
    sizes = options.ksz, options.zlen, options.f1, options.imsz, options.channels
    return Generator(*sizes, seeds, options.num_classes, name="generator")


def build_discriminator(
    options: types.SimpleNamespace, projections: Projections | None = None, seeds: Seeds = None
) -> Discriminator:
    """Build the discriminator of an experiment, or with projections the bank of K.

    Raises:
        UserError: the discriminators cannot be divided among the devices.
    """
    divided = False
    if projections is not None and strategies.divide_discriminators(options):
        check_division(len(projections.kernels), strategies.count(), options.active)
        divided = True
    return Discriminator(
        options.df,
        options.imsz,
        projections,
        options.channels,
        pack=options.pack,
        num_outcomes=options.num_outcomes,
        divided=divided,
        chunk=options.chunk,
        seeds=seeds,
        num_classes=options.num_classes,
        name="discriminator",
    )
