"""What a step must know where its batch is divided among the replicas of a `tf.distribute.Strategy`.

Random numbers are drawn for the whole batch, and a replica takes those of its part: they are the numbers of one device.
Means over the batch are of all its parts. Outside of a replica, and with one, all this is the plain operation.
"""

import tensorflow as tf


def count():
    """Return the number of replicas, 1 outside of them."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def normal(shape, seed, axis=0, groups=1, stddev=1.0):
    """Draw from N(0, stddev^2), as `tf.random.stateless_normal`, this replica's part of the batch.

    Args:
        shape: list of int and tensors [], of the part.
        seed: int [2].
        axis: of the batch.
        groups: parts that the batch has by itself, one after the other: each is divided among the replicas.
        stddev: float.
    """
    return _part(lambda shape: tf.random.stateless_normal(shape, seed, 0.0, stddev, alg="philox"), shape, axis, groups)


def uniform(shape, seed, low=0.0, high=1.0, axis=0, groups=1):
    """Draw from U[low, high), as `tf.random.stateless_uniform`; else as `normal`."""
    return _part(lambda shape: tf.random.stateless_uniform(shape, seed, low, high, alg="philox"), shape, axis, groups)


def _part(draw, shape, axis, groups):
    number = count()
    if number == 1:
        return draw(shape)
    index = tf.distribute.get_replica_context().replica_id_in_sync_group
    whole = draw([*shape[:axis], groups, number, shape[axis] // groups, *shape[axis + 1 :]])
    return tf.reshape(tf.gather(whole, index, axis=axis + 1), shape)


def mean(x):
    """Return the mean over replicas of a tensor, with its gradient."""
    return x if count() == 1 else tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, x)


def moments(x, axes, synchronized):
    """Return mean and variance as `tf.nn.moments`, of this replica's part of the batch or of all if `synchronized`."""
    if count() == 1 or not synchronized:
        return tf.nn.moments(x, axes)
    center = mean(tf.reduce_mean(x, axes))
    return center, mean(tf.reduce_mean((x - center) ** 2, axes))


def part_of_mean(objective):
    """Return the gradient that a replica's objective has, since optimizers add those of all: None, or 1 / replicas."""
    number = count()
    return None if number == 1 else tf.fill(tf.shape(objective), 1 / number)


def assign(variables, function, *others):
    """Do variable.assign(function(variable, *those of `others`)) on each device, without asking the other devices."""

    def update(strategy, variables, *others):
        def local(variable, *others):
            variable.assign(function(variable, *others))

        for variable, *rest in zip(variables, *others):
            strategy.extended.update(variable, local, args=tuple(rest), group=False)

    values = [[variable.value for variable in each] for each in (variables, *others)]
    strategy, context = tf.distribute.get_strategy(), tf.distribute.get_replica_context()
    if context is None:
        update(strategy, *values)
    elif strategy.num_replicas_in_sync == 1:
        for variable, *rest in zip(*values):
            variable.assign(function(variable, *rest))
    else:
        context.merge_call(update, args=tuple(values))
