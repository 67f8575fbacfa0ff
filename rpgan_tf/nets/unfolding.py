"""Unfolding of images for convolutions that are products of K matrices, compiled by XLA; see `nets.rpgan`."""

import tensorflow as tf


def columns(x: tf.Tensor, bias: tf.Tensor | None) -> tf.Tensor:
    """Return leaky_relu(x + bias), unfolded for a layer's convolution.

    The convolution is 4x4 with stride 2 on x zero-padded by 1, or 2x2 if x has only 2x2 pixels. Half precision applies
    to the input and the result; all between is float32, and so are sums of gradients, which is also faster on CPUs.

    Args:
        x: [K, C, H, W, B].
        bias: float32 [K, C] of the layer before; None for the first layer, which takes x as it is.

    Returns:
        [K, kernel * kernel * C, H/2 * W/2 * B]: column (h, w, b) is the patch under output pixel (h, w) of
        image b, its rows in the order (kernel row, kernel column, channel).
    """
    given = [x] if bias is None else [x, bias]

    @tf.custom_gradient  # which keeps the arguments for the gradient, and nothing that is computed from them
    def unfolded(*given: tf.Tensor) -> tuple:
        return unfold(*given), lambda upstream: fold(upstream, *given)

    return unfolded(*given)


@tf.function(jit_compile=True, autograph=False)
def unfold(x: tf.Tensor, bias: tf.Tensor | None = None) -> tf.Tensor:
    """Compute `columns`."""
    product_type, x = x.dtype, tf.cast(x, tf.float32)
    if bias is not None:
        x = tf.nn.leaky_relu(x + bias[:, :, None, None, None], 0.2)
    num, channels, height, width = x.shape[:4]
    if height == 2:
        return tf.cast(tf.reshape(tf.transpose(x, [0, 2, 3, 1, 4]), [num, 4 * channels, -1]), product_type)
    height, width = height // 2, width // 2
    x = tf.pad(x, [[0, 0], [0, 0], [1, 1], [1, 1], [0, 0]])
    # Split rows and columns into even and odd: a patch is then 2x2 neighbours, each with its four phases.
    x = tf.reshape(x, [num, channels, height + 1, 2, width + 1, 2, -1])
    x = tf.transpose(x, [0, 3, 5, 1, 2, 4, 6])
    rows = [
        tf.stack([x[..., i : i + height, j : j + width, :] for j in range(2)], axis=2)  # [K, di, j, dj, C, h, w, B]
        for i in range(2)
    ]
    return tf.cast(tf.reshape(tf.stack(rows, axis=1), [num, 16 * channels, -1]), product_type)


@tf.function(jit_compile=True, autograph=False)
def fold(upstream: tf.Tensor, *given: tf.Tensor) -> list[tf.Tensor]:
    """Return the gradients of `unfold` by its arguments."""
    with tf.GradientTape() as tape:
        tape.watch(given)
        result = unfold.python_function(*given)  # no call within a call: its name would not be the same in each run
    return tape.gradient(result, given, upstream)
