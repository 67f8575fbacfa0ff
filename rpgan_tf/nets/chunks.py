"""Gradient checkpointing over the discriminators of a bank: some at a time, so that only their activations are kept.

The forward pass stores nothing but the arguments; each chunk is computed again when its gradient is needed, as in Chen,
Xu, Zhang, Guestrin, "Training Deep Nets with Sublinear Memory Cost", arXiv 1604.06174. Gradients are computed in chunks
by the same function, so they have gradients in turn.
"""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf


def compute(function: Callable, size: int, result: Any, *arguments: Any) -> Any:
    """Return function(*arguments), computed for k = 0 ... size - 1, then for the next `size` of K, and so on.

    The gradient of an argument is computed only if it is used.

    Args:
        function: maps tensors, or lists of tensors, to one of these, all [K, ...]. Element k of its result depends on
            element k of its arguments alone, and it reads no variables.
        size: discriminators at a time; divides K.
        result: tensors of the shapes of the function's result; their values do not matter.
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


def _gradient(function: Callable, i: int, *arguments):
    """Return the gradient of `function` by argument i; the last argument is the gradient of its result."""
    *own, upstream = arguments
    with tf.GradientTape() as tape:
        tape.watch(tf.nest.flatten(own[i]))
        results = function(*own)
    return tape.gradient(results, own[i], upstream, tf.UnconnectedGradients.ZERO)


def _loop(function: Callable, size: int, result, arguments):
    """Compute chunk after chunk into preallocated tensors, which needs no memory for a copy."""

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
