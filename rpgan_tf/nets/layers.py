"""Layers that compute as PyTorch's do, so that programs written in it can be compared number by number. Knows no net.

Constructors make the weights. Kernels lie as in Keras: [in, out], [k, k, in, out] for a convolution and [k, k, out, in]
for a transposed one.
"""

import math

import keras
import tensorflow as tf

from rpgan_tf.devices import replicas
from rpgan_tf.nets.base import Seeds


class Linear(keras.layers.Layer):
    """Base of the linear layers: a kernel, with or without spectral normalization and bias.

    Spectral normalization divides the kernel by its largest singular value sigma = u^T W v (Miyato et al., arXiv
    1802.05957, section 2.1); the rows of W are the last axis of the kernel. Each call in training does one power
    iteration and stores u and v; calls in evaluation use the stored ones. The raw kernel is trained: the gradient goes
    through sigma, with u and v constant.

    Args:
        shape: shape of the kernel.
        units: number of outputs, the length of the bias.
        bias: whether there is a bias.
        spectral: whether the kernel is normalized.
        std: standard deviation of normal initial kernels; None for PyTorch's default, U[-b, b] with b = 1 /
            sqrt(fan_in), where the fan-in of a transposed convolution is k * k * out. Biases always have this default.
        seeds: `keras.random.SeedGenerator` of the initial weights.
    """

    product_type = "float32"  # dtype of the product and of the result

    def __init__(
        self,
        shape: tuple[int, ...],
        units: int,
        bias: bool = False,
        spectral: bool = False,
        std: float | None = None,
        seeds: Seeds = None,
        **kwargs,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.spectral = spectral
        bound = 1 / math.sqrt(math.prod(shape[:-1]))
        uniform = keras.initializers.RandomUniform(-bound, bound, seed=seeds)
        initializer = keras.initializers.RandomNormal(0.0, std, seed=seeds) if std is not None else uniform
        self.kernel = self.add_weight(shape, initializer, name="kernel")
        self.bias = self.add_weight((units,), uniform, name="bias") if bias else None
        if spectral:
            unit = keras.initializers.RandomNormal(0.0, 1.0, seed=seeds)
            same = {"trainable": False, "aggregation": "only_first_replica"}
            self.u = self.add_weight(shape[-1:], unit, name="u", **same)
            self.v = self.add_weight((math.prod(shape[:-1]),), "zeros", name="v", **same)
            self.iterate()  # so that a new net can be evaluated
        self.built = True

    def iterate(self) -> None:
        """Do one power iteration: v = W^T u / |W^T u|, u = W v / |W v|."""
        matrix = tf.reshape(self.kernel, [self.v.shape[0], -1])  # the transpose of W
        self.v.assign(_unit(tf.linalg.matvec(matrix, self.u)))
        self.u.assign(_unit(tf.linalg.matvec(matrix, self.v, transpose_a=True)))

    def current_kernel(self, training: bool) -> tf.Tensor:
        """Return the kernel, normalized if the layer is; in training, after one power iteration."""
        if not self.spectral:
            return tf.convert_to_tensor(self.kernel)
        if training:
            self.iterate()
        matrix = tf.reshape(self.kernel, [self.v.shape[0], -1])
        u, v = (tf.stop_gradient(tf.convert_to_tensor(vector)) for vector in (self.u, self.v))
        return self.kernel / tf.tensordot(v, tf.linalg.matvec(matrix, u), 1)

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        x, kernel = (tf.cast(each, self.product_type) for each in (x, self.current_kernel(training)))
        y = self.apply_kernel(x, kernel)
        return y if self.bias is None else y + tf.cast(self.bias, y.dtype)

    def apply_kernel(self, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """Return the product of x with the kernel."""
        raise NotImplementedError


class Dense(Linear):
    """Map [B, in] to [B, units]."""

    def __init__(self, inputs: int, units: int, **kwargs) -> None:
        super().__init__((inputs, units), units, **kwargs)

    def apply_kernel(self, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        return tf.matmul(x, kernel)


class Convolution(Linear):
    """Map [B, H, W, in] to [B, H', W', channels].

    Padding is TensorFlow's: for k = 4 and stride 2 on even sizes, "SAME" is 1 on each side.
    """

    def __init__(
        self, inputs: int, channels: int, size: int, stride: int = 1, padding: str = "VALID", **kwargs
    ) -> None:
        super().__init__((size, size, inputs, channels), channels, **kwargs)
        self.stride, self.padding = stride, padding

    def apply_kernel(self, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        return tf.nn.conv2d(x, kernel, self.stride, self.padding)


class TransposedConvolution(Linear):
    """Map [B, H, W, in] to [B, H', W', channels]: PyTorch's k4 s1 p0 is "VALID", its k4 s2 p1 is "SAME"."""

    def __init__(
        self, inputs: int, channels: int, size: int, stride: int = 1, padding: str = "VALID", **kwargs
    ) -> None:
        super().__init__((size, size, channels, inputs), channels, **kwargs)
        self.stride, self.padding = stride, padding

    def apply_kernel(self, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        size, _, channels, _ = kernel.shape
        grown = size - self.stride if self.padding == "VALID" else 0
        height, width = (length * self.stride + grown for length in x.shape[1:3])
        return tf.nn.conv2d_transpose(x, kernel, [tf.shape(x)[0], height, width, channels], self.stride, self.padding)


class BatchNormalization(keras.layers.Layer):
    """Normalize over all axes but the last, as PyTorch does with its momentum of 0.1.

    The batch is normalized with its biased variance, while the running variance moves towards the unbiased one;
    Keras' own layer uses the biased one for both.

    With classes it is conditional (Dumoulin, Shlens, Kudlur, arXiv 1610.07629): each class has a scale and a
    shift of its own, while mean and variance are those of the whole batch.

    Args:
        channels: length of the last axis.
        gamma: initializer of the scale.
        num_classes: N; 0: one scale and one shift for all.
    """

    momentum, epsilon = 0.9, 1e-5
    synchronized = False  # whether the batches of all replicas are normalized as one

    def __init__(
        self,
        channels: int,
        gamma: str | keras.initializers.Initializer = "ones",
        num_classes: int = 0,
        **kwargs,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.num_classes = num_classes
        shape = (num_classes, channels) if num_classes else (channels,)
        self.gamma = self.add_weight(shape, gamma, name="gamma")
        self.beta = self.add_weight(shape, "zeros", name="beta")
        # The mean over replicas, each of which may normalize its own part of the batch.
        running = {"trainable": False, "aggregation": "mean"}
        self.moving_mean = self.add_weight((channels,), "zeros", name="moving_mean", **running)
        self.moving_variance = self.add_weight((channels,), "ones", name="moving_variance", **running)
        self.built = True

    def call(self, x: tf.Tensor, labels: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        if self.num_classes:
            scale, shift = tf.ones_like(self.moving_mean), tf.zeros_like(self.moving_mean)
            return scale_and_shift(self.normalize(x, scale, shift, training), labels, self.gamma, self.beta)
        return self.normalize(x, tf.convert_to_tensor(self.gamma), tf.convert_to_tensor(self.beta), training)

    def normalize(self, x: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor, training: bool) -> tf.Tensor:
        """Return x normalized, times a scale [C] plus a shift [C]; in training, move the running averages."""
        if training:
            y, mean, variance = replicas.normalize(x, scale, shift, self.epsilon, self.synchronized)
            self.move(self.moving_mean, mean)
            self.move(self.moving_variance, variance)
            return y
        mean, variance = self.moving_mean, self.moving_variance
        y = tf.nn.batch_normalization(tf.cast(x, tf.float32), mean, variance, shift, scale, self.epsilon)
        return tf.cast(y, x.dtype)

    def move(self, running: keras.Variable, current: tf.Tensor) -> None:
        """Move a running average towards the current value."""
        running.assign(self.momentum * running + (1 - self.momentum) * current)


class LayerNormalization(keras.layers.Layer):
    """Normalize each image over its pixels and channels (Ba, Kiros, Hinton, arXiv 1607.06450): [B, H, W, C] -> same.

    Each channel has a scale and a shift, as in `keras.layers.GroupNormalization(1)`, whose second derivatives are
    wrong: see `moments`.

    Args:
        channels: length of the last axis.
    """

    epsilon = 1e-5

    def __init__(self, channels: int, **kwargs) -> None:
        super().__init__(autocast=False, **kwargs)
        self.gamma = self.add_weight((channels,), "ones", name="gamma")
        self.beta = self.add_weight((channels,), "zeros", name="beta")
        self.built = True

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        values = tf.cast(x, tf.float32)
        mean, variance = moments(values, [1, 2, 3])
        y = tf.nn.batch_normalization(values, mean, variance, self.beta, self.gamma, self.epsilon)
        return tf.cast(y, x.dtype)


def moments(x: tf.Tensor, axes: list[int]) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the mean and the biased variance over some axes, which are kept with length 1.

    `tf.nn.moments` returns the same, and holds the mean constant within the variance. The first derivative of the
    variance stays right, the second does not, so that a gradient penalty trains D wrongly.
    """
    mean = tf.reduce_mean(x, axes, keepdims=True)
    return mean, tf.reduce_mean((x - mean) ** 2, axes, keepdims=True)


def scale_and_shift(x: tf.Tensor, labels: tf.Tensor | None, scales: tf.Tensor, shifts: tf.Tensor) -> tf.Tensor:
    """Return scale_y * x + shift_y for the class y of each image; labels between classes take scales between theirs.

    Args:
        x: [B, ..., C].
        labels: [B, N], one-hot for a class.
        scales, shifts: [N, C].

    Raises:
        ValueError: there are no labels.
    """
    labels = given(labels)
    shape = [-1] + [1] * (x.shape.rank - 2) + [x.shape[-1]]
    scale, shift = (tf.reshape(tf.matmul(labels, table), shape) for table in (scales, shifts))
    return tf.cast(scale * tf.cast(x, tf.float32) + shift, x.dtype)


def judge_classes(
    last: keras.layers.Layer, classes: keras.layers.Layer | None, x: tf.Tensor, labels: tf.Tensor | None, training: bool
) -> tf.Tensor:
    """Return psi(phi) + y^T V phi, the output of a projection discriminator (Miyato, Koyama, arXiv 1802.05637).

    Both terms are linear in the features phi, so each class has a last layer V_y of its own, added to that of all.

    Args:
        last: psi, a linear layer with A outputs.
        classes: V, a layer as `last` with N * A outputs, those of a class side by side; None for a net without labels.
        x: phi, the input of both.
        labels: y [B, N].
        training: of both layers.

    Returns:
        [B, ..., A].
    """
    y = last(x, training=training)
    if classes is None:
        return y
    labels = given(labels)
    number, units = labels.shape[-1], y.shape[-1]
    each = tf.cast(classes(x, training=training), tf.float32)
    each = tf.reshape(each, [-1, *y.shape[1:-1], number, units])
    weights = tf.reshape(labels, [-1, *[1] * (y.shape.rank - 2), number, 1])
    return tf.cast(y, tf.float32) + tf.reduce_sum(weights * each, axis=-2)


def given(labels: tf.Tensor | None) -> tf.Tensor:
    """Return the labels, float32 [B, N]; raises `ValueError` if there are none."""
    if labels is None:
        raise ValueError("expected labels [B, num_classes], received None")
    return tf.convert_to_tensor(labels, tf.float32)


class Attention(keras.layers.Layer):
    """Self-attention (Zhang et al., arXiv 1805.08318, section 3), as programs in PyTorch have it.

    y = gamma * o + x with o_i = sum_j a_ij v(x_j) and a_ij = softmax over j of q(x_i) . k(x_j), where i and j are
    pixels and gamma starts at 0. q and k have an eighth of the channels, v all of them; each has a bias.

    Args:
        channels: channels of x, at least 8.
        spectral: whether q, k and v are spectrally normalized.
        seeds: `keras.random.SeedGenerator` of the initial weights.
    """

    def __init__(self, channels: int, spectral: bool = False, seeds: Seeds = None, **kwargs) -> None:
        super().__init__(autocast=False, **kwargs)
        self.gamma = self.add_weight((), "zeros", name="gamma")
        with keras.name_scope(self.name):
            self.query, self.key, self.value = (
                Convolution(channels, units, 1, bias=True, spectral=spectral, seeds=seeds, name=name)
                for name, units in (("query", channels // 8), ("key", channels // 8), ("value", channels))
            )
        self.built = True

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        value = _pixels(self.value(x, training=training))
        attended = tf.matmul(tf.cast(self.attention_map(x, training), value.dtype), value)
        return tf.cast(self.gamma, x.dtype) * tf.reshape(attended, tf.shape(x)) + x

    def attention_map(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Return a: [B, H, W, C] -> [B, H * W, H * W], whose rows sum to one."""
        query, key = (_pixels(layer(x, training=training)) for layer in (self.query, self.key))
        return tf.nn.softmax(tf.cast(tf.matmul(query, key, transpose_b=True), tf.float32))


def _pixels(x: tf.Tensor) -> tf.Tensor:
    """Return [B, H, W, C] as [B, H * W, C]."""
    return tf.reshape(x, [-1, x.shape[1] * x.shape[2], x.shape[3]])


def _unit(vector: tf.Tensor) -> tf.Tensor:
    return vector / tf.maximum(tf.norm(vector), 1e-12)
