"""A bank's discriminators computed some at a time, so that only their activations are in memory.

Nothing is kept for gradients but the arguments; each chunk is computed once more when its gradient is asked for, as in
Chen, Xu, Zhang, Guestrin, "Training Deep Nets with Sublinear Memory Cost", arXiv 1604.06174. A gradient is such a
computation itself, and so has gradients in its turn.
"""

import functools

import tensorflow as tf


def compute(function, size, result, *arguments):
    """Return function(*arguments), computed for k = 0 ... size - 1, then for the next `size` of K, and so on.

    What each argument's gradient takes is computed only if that gradient is used.

    Args:
        function: of tensors or lists of them to one of these, all [K, ...]; element k of what it returns depends on
            element k of its arguments alone, and it reads no variables.
        size: int that divides K.
        result: tensors of the shapes of what is returned, whose values do not matter.
        *arguments: of `function`.
    """

    @tf.custom_gradient
    def computed(*flat):
        own = tf.nest.pack_sequence_as(arguments, flat)

        def gradients(*upstream):
            upstream = tf.nest.pack_sequence_as(result, upstream)
            found = [
                compute(functools.partial(_gradient, function, i), size, argument, *own, upstream)
                for i, argument in enumerate(own)
            ]
            return tf.nest.flatten(found)

        return tf.nest.map_structure(tf.identity, _loop(function, size, result, own)), gradients

    return computed(*tf.nest.flatten(arguments))


def _gradient(function, i, *arguments):
    """Return the gradient of `function` for argument i; the last of the arguments is that of its result."""
    *arguments, upstream = arguments
    with tf.GradientTape() as tape:
        tape.watch(tf.nest.flatten(arguments[i]))
        results = function(*arguments)
    return tape.gradient(results, arguments[i], upstream, tf.UnconnectedGradients.ZERO)


def _loop(function, size, result, arguments):
    """Compute a chunk after the other, and write each into one tensor for all: this needs no memory for a copy."""

    def divided(x):
        return tf.reshape(x, [-1, size, *tail(x)])

    def tail(x):
        return [length or tf.shape(x)[axis] for axis, length in enumerate(x.shape) if axis]

    def step(i, results):
        chunk = function(*tf.nest.map_structure(lambda x: divided(x)[i], arguments))
        write = lambda whole, part: tf.tensor_scatter_nd_update(whole, [[i]], part[None])  # noqa: E731
        return i + 1, tf.nest.map_structure(write, results, chunk)

    number = tf.nest.flatten(arguments)[0].shape[0] // size
    blank = tf.nest.map_structure(lambda x: tf.zeros([number, size, *tail(x)], x.dtype), result)
    _, results = tf.while_loop(lambda i, _: i < number, step, (0, blank), parallel_iterations=1)
    return tf.nest.map_structure(lambda x: tf.reshape(x, [-1, *tail(x)[1:]]), results)
