"""Layers and blocks of StyleGAN2's nets; see `rpgan_tf.nets.stylegan2` for the papers and differences."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from rpgan_tf.devices import replicas
from rpgan_tf.nets import fir
from rpgan_tf.nets.base import Seeds

EPSILON = 1e-8
GAIN = math.sqrt(2)  # gain of LeakyReLU with slope 0.2
W_AVERAGE_BETA = 0.995


class Mapping(keras.layers.Layer):
    """Map latents [B, zlen], labels [B, num_classes] or both to w [B, w_dim] by dense layers.

    Args:
        zlen: length of a latent vector, 0 without latents.
        num_classes: length of a label, 0 without labels.
        w_dim: units of each layer.
        num_layers: number of dense layers, without the embedding of labels.
        average: whether to keep a moving average `w_avg` of w, which moves in training.
        seeds: `keras.random.SeedGenerator` of the initial weights.
    """

    def __init__(
        self,
        zlen: int,
        num_classes: int,
        w_dim: int,
        num_layers: int,
        average: bool = False,
        seeds: Seeds = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        inputs = zlen + (w_dim if num_classes else 0)
        with keras.name_scope(self.name):
            self.embed = Dense(num_classes, w_dim, seeds=seeds, name="embed") if num_classes else None
            self.denses = [
                Dense(w_dim if i else inputs, w_dim, rate=0.01, activate=True, seeds=seeds, name=f"fc{i}")
                for i in range(num_layers)
            ]
        self.w_avg = None
        if average:
            self.w_avg = self.add_weight((w_dim,), "zeros", trainable=False, aggregation="mean", name="w_avg")
        self.built = True

    def call(self, z: tf.Tensor | None, labels: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        parts = [] if z is None else [normalize(z)]
        if self.embed is not None:
            if labels is None:
                raise ValueError("expected labels [B, num_classes], received None")
            parts.append(normalize(self.embed(labels)))
        w = tf.concat(parts, axis=1)
        for dense in self.denses:
            w = dense(w)
        if training and self.w_avg is not None:
            mean = tf.stop_gradient(tf.reduce_mean(w, axis=0))
            self.w_avg.assign(W_AVERAGE_BETA * self.w_avg + (1 - W_AVERAGE_BETA) * mean)
        return w


class SynthesisBlock(keras.layers.Layer):
    """Double the size of features, convolve them, and add an image made of them to the upsampled image.

    Args:
        size: height and width of the output.
        inputs: channels of the input features; None for the first block, which starts from a learned constant.
        outputs: channels of the output features.
        w_dim: length of a code.
        channels: of an image.
        clamp, dtype, seeds: as for `Convolution`.
    """

    def __init__(
        self,
        size: int,
        inputs: int | None,
        outputs: int,
        w_dim: int,
        channels: int,
        clamp: float | None = None,
        dtype: str = "float32",
        seeds: Seeds = None,
        **kwargs,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.type = dtype
        normal = keras.initializers.RandomNormal(0.0, 1.0, seed=seeds)
        self.const, self.conv0 = None, None
        arguments: dict[str, Any] = {"clamp": clamp, "dtype": dtype, "seeds": seeds}
        if inputs is None:
            self.const = self.add_weight((size, size, outputs), normal, name="const")
        with keras.name_scope(self.name):
            if inputs is not None:
                self.conv0 = SynthesisLayer(inputs, outputs, w_dim, size, up=True, name="conv0", **arguments)
            self.conv1 = SynthesisLayer(outputs, outputs, w_dim, size, name="conv1", **arguments)
            self.torgb = ToRGB(outputs, channels, w_dim, name="torgb", **arguments)
        self.num_codes = 2 if inputs is None else 3
        self.built = True

    def call(
        self, x: tf.Tensor | None, image: tf.Tensor | None, codes: list[tf.Tensor], noise: str | tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return features and image.

        Args:
            x: features [B, size / 2, size / 2, inputs]; None for the first block.
            image: float32 [B, size / 2, size / 2, channels]; None for the first block.
            codes: `num_codes` tensors [B, w_dim].
            noise: as for the generator.
        """
        seeds = [noise] * 2 if isinstance(noise, str) else [tf.random.fold_in(noise, i) for i in range(2)]
        if self.conv0 is None:
            x = tf.repeat(tf.cast(self.const, self.type)[None], tf.shape(codes[0])[0], axis=0)
        else:
            x = self.conv0(tf.cast(x, self.type), codes[0], noise=seeds[0])
            image = fir.upsample(image)
        x = self.conv1(x, codes[-2], noise=seeds[1])
        rgb = tf.cast(self.torgb(x, codes[-1]), tf.float32)
        return x, rgb if image is None else image + rgb


class SynthesisLayer(keras.layers.Layer):
    """Convolve features [B, H, W, inputs] with a 3x3 kernel that is modulated by w [B, w_dim]; add noise.

    Section 2.2 of arXiv 1912.04958: weights w'_kio = s_i w_kio, divided by sqrt(sum_ki w'_kio^2 + 1e-8).

    Args:
        inputs, outputs: channels.
        w_dim: length of a code.
        size: height and width of the output.
        up: whether the size doubles.
        clamp, dtype, seeds: as for `Convolution`.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        w_dim: int,
        size: int,
        up: bool = False,
        clamp: float | None = None,
        dtype: str = "float32",
        seeds: Seeds = None,
        **kwargs,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.up, self.clamp, self.type, self.size = up, clamp, dtype, size
        normal = keras.initializers.RandomNormal(0.0, 1.0, seed=seeds)
        shape = (3, 3, outputs, inputs) if up else (3, 3, inputs, outputs)
        self.kernel = self.add_weight(shape, normal, name="kernel")
        self.bias = self.add_weight((outputs,), "zeros", name="bias")
        self.noise_strength = self.add_weight((), "zeros", name="noise_strength")
        self.noise_const = self.add_weight((size, size), normal, trainable=False, name="noise_const")
        with keras.name_scope(self.name):
            self.affine = Dense(w_dim, inputs, bias_init="ones", seeds=seeds, name="affine")
        self.built = True

    def call(self, x: tf.Tensor, w: tf.Tensor, noise: str | tf.Tensor) -> tf.Tensor:
        kernel, styles = tf.convert_to_tensor(self.kernel), self.affine(w)
        inputs_axis, outputs_axis = (3, 2) if self.up else (2, 3)
        if self.type == "float16":  # against overflow; demodulation restores the scale
            largest = tf.reduce_max(tf.abs(kernel), axis=[0, 1, inputs_axis], keepdims=True)
            kernel = kernel / (largest * math.sqrt(9 * kernel.shape[inputs_axis]))
            styles = styles / tf.reduce_max(tf.abs(styles), axis=1, keepdims=True)
        squares = tf.reduce_sum(kernel**2, axis=[0, 1])
        demodulation = GAIN * tf.math.rsqrt(tf.matmul(styles**2, squares, transpose_b=self.up) + EPSILON)
        x = x * _per_image(styles, self.type)
        x = convolve(x, tf.cast(kernel, self.type), "up" if self.up else None)
        x = x * _per_image(demodulation, self.type)
        if not isinstance(noise, str):
            shape = [tf.shape(x)[0], self.size, self.size, 1]
            x += tf.cast(replicas.normal(shape, noise) * (GAIN * self.noise_strength), self.type)
        elif noise == "const":
            x += tf.cast((self.noise_const * (GAIN * self.noise_strength))[None, :, :, None], self.type)
        return activate(x + tf.cast(GAIN * self.bias, self.type), self.clamp)


class ToRGB(keras.layers.Layer):
    """Map features [B, H, W, inputs] to a contribution to the image, by a 1x1 kernel modulated by w [B, w_dim].

    Args:
        inputs: channels of the features.
        channels: of an image.
        w_dim: length of a code.
        clamp, dtype, seeds: as for `Convolution`.
    """

    def __init__(
        self,
        inputs: int,
        channels: int,
        w_dim: int,
        clamp: float | None = None,
        dtype: str = "float32",
        seeds: Seeds = None,
        **kwargs,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.clamp, self.type = clamp, dtype
        normal = keras.initializers.RandomNormal(0.0, 1.0, seed=seeds)
        self.kernel = self.add_weight((1, 1, inputs, channels), normal, name="kernel")
        self.bias = self.add_weight((channels,), "zeros", name="bias")
        with keras.name_scope(self.name):
            self.affine = Dense(w_dim, inputs, bias_init="ones", seeds=seeds, name="affine")
        self.built = True

    def call(self, x: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
        styles = self.affine(w) / math.sqrt(self.kernel.shape[2])
        x = convolve(x * _per_image(styles, self.type), tf.cast(self.kernel, self.type))
        return clip(x + tf.cast(self.bias, self.type), self.clamp)


class DiscriminatorBlock(keras.layers.Layer):
    """Map features [B, H, W, inputs] to [B, H / 2, W / 2, outputs].

    Args:
        inputs, outputs: channels.
        residual: whether there is a skip connection.
        clamp, dtype, seeds: as for `Convolution`.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        residual: bool,
        clamp: float | None = None,
        dtype: str = "float32",
        seeds: Seeds = None,
        **kwargs,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        arguments: dict[str, Any] = {"dtype": dtype, "seeds": seeds}
        gain = math.sqrt(0.5) if residual else 1.0
        with keras.name_scope(self.name):
            self.conv0 = Convolution(inputs, inputs, 3, clamp=clamp, name="conv0", **arguments)
            self.conv1 = Convolution(inputs, outputs, 3, "down", gain=gain, clamp=clamp, name="conv1", **arguments)
            self.skip = None
            if residual:
                self.skip = Convolution(
                    inputs, outputs, 1, "down", activation=False, bias=False, gain=gain, name="skip", **arguments
                )
        self.built = True

    def convolutions(self) -> list[Convolution]:
        """Return the layers in the order in which they are frozen."""
        return [layer for layer in (self.conv0, self.conv1, self.skip) if layer is not None]

    def call(self, x: tf.Tensor) -> tf.Tensor:
        y = self.conv1(self.conv0(x))
        return y if self.skip is None else self.skip(x) + y


class Convolution(keras.layers.Layer):
    """Convolve [B, H, W, inputs] with equalized learning rate; then bias, LeakyReLU, gain and clamp.

    Args:
        inputs, outputs: channels.
        size: of the kernel, 1 or 3.
        resample: "down" halves the size of the images, "up" doubles it, None keeps it.
        activation: whether there is a LeakyReLU, with its gain of sqrt(2).
        bias: whether there is a bias.
        gain: factor of the result.
        clamp: bound of absolute values before this gain; None: no bound.
        dtype: of the computation; weights are float32.
        seeds: `keras.random.SeedGenerator` of the initial weights.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: int,
        resample: str | None = None,
        activation: bool = True,
        bias: bool = True,
        gain: float = 1.0,
        clamp: float | None = None,
        dtype: str = "float32",
        seeds: Seeds = None,
        **kwargs,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.resample, self.activation, self.type = resample, activation, dtype
        self.gain, self.clamp = gain * (GAIN if activation else 1), None if clamp is None else clamp * gain
        normal = keras.initializers.RandomNormal(0.0, 1.0, seed=seeds)
        transposed = resample == "up" and size == 3
        shape = (size, size, outputs, inputs) if transposed else (size, size, inputs, outputs)
        self.scale = 1 / math.sqrt(inputs * size * size)
        self.kernel = self.add_weight(shape, normal, name="kernel")
        self.bias = self.add_weight((outputs,), "zeros", name="bias") if bias else None
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        kernel = tf.cast(self.kernel * (self.gain * self.scale), self.type)
        x = convolve(tf.cast(x, self.type), kernel, self.resample)
        if self.bias is not None:
            x += tf.cast(self.gain * self.bias, self.type)
        return activate(x, self.clamp) if self.activation else clip(x, self.clamp)


class Dense(keras.layers.Layer):
    """Map [B, inputs] to [B, units] with equalized learning rate.

    Args:
        inputs, units: lengths.
        rate: learning rate relative to other layers, by which kernel and bias are multiplied.
        bias_init: initializer of the bias.
        activate: whether a LeakyReLU with a gain of sqrt(2) follows.
        seeds: `keras.random.SeedGenerator` of the initial weights.
    """

    def __init__(
        self,
        inputs: int,
        units: int,
        rate: float = 1.0,
        bias_init: str = "zeros",
        activate: bool = False,
        seeds: Seeds = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        normal = keras.initializers.RandomNormal(0.0, 1 / rate, seed=seeds)
        self.activate, gain = activate, rate * (GAIN if activate else 1)
        self.scale, self.bias_scale = gain / math.sqrt(inputs), gain
        self.kernel = self.add_weight((inputs, units), normal, name="kernel")
        self.bias = self.add_weight((units,), bias_init, name="bias")
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        x = tf.matmul(x, self.kernel * self.scale) + self.bias * self.bias_scale
        return activate(x) if self.activate else x


def convolve(x: tf.Tensor, kernel: tf.Tensor, resample: str | None = None) -> tf.Tensor:
    """Convolve images [B, H, W, in], padded with zeros, and resample them.

    Args:
        x: [B, H, W, in].
        kernel: [k, k, in, out] with k of 1 or 3; [3, 3, out, in] for a 3x3 kernel with `resample` "up".
        resample: "up" doubles the size, "down" halves it, None keeps it.
    """
    size = kernel.shape[0]
    if resample is None:
        return tf.nn.conv2d(x, kernel, 1, "SAME")
    if resample == "down" and size == 1:
        return tf.nn.conv2d(fir.downsample(x), kernel, 1, "VALID")
    if resample == "down":
        return tf.nn.conv2d(fir.blur(x, 2), kernel, 2, "VALID")
    if size == 1:
        return fir.upsample(tf.nn.conv2d(x, kernel, 1, "VALID"))
    shape = [tf.shape(x)[0], 2 * x.shape[1] + 1, 2 * x.shape[2] + 1, kernel.shape[2]]
    return fir.blur(tf.nn.conv2d_transpose(x, kernel, shape, 2, "VALID"), 1, gain=4.0)


def activate(x: tf.Tensor, clamp: float | None = None) -> tf.Tensor:
    """Return LeakyReLU(x), clamped; x has its gain already, which passes through."""
    return clip(tf.nn.leaky_relu(x, 0.2), clamp)


def clip(x: tf.Tensor, clamp: float | None) -> tf.Tensor:
    """Clip to [-clamp, clamp], unless `clamp` is None."""
    return x if clamp is None else tf.clip_by_value(x, -clamp, clamp)


def normalize(x: tf.Tensor) -> tf.Tensor:
    """Divide vectors [B, n] by the root of their mean square."""
    return x * tf.math.rsqrt(tf.reduce_mean(x**2, axis=1, keepdims=True) + EPSILON)


def minibatch_deviation(x: tf.Tensor, group: int) -> tf.Tensor:
    """Return the standard deviation in groups of images, averaged over features: [B, H, W, C] -> [B, H, W, 1].

    Section 3 of arXiv 1710.10196. Members of a group stand B / group apart; a batch below `group` is one group.
    """
    batch_size = tf.shape(x)[0]
    groups = tf.reshape(x, [tf.minimum(group, batch_size), -1, *x.shape[1:]])
    variance = tf.math.reduce_variance(groups, axis=0)
    deviation = tf.reduce_mean(tf.sqrt(variance + EPSILON), axis=[1, 2, 3])  # [B / group]
    tiled = tf.tile(deviation, [tf.minimum(group, batch_size)])
    return tf.broadcast_to(tiled[:, None, None, None], [batch_size, *x.shape[1:3], 1])


def _per_image(vectors: tf.Tensor, dtype: str) -> tf.Tensor:
    """Return [B, C] as [B, 1, 1, C]."""
    return tf.cast(vectors, dtype)[:, None, None]
