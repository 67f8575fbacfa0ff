"""What a step must know where its batch is divided among the replicas of a `tf.distribute.Strategy`.

Random numbers are drawn for the whole batch, and a replica takes those of its part: they are the numbers of one device.
Means over the batch are of all its parts. Outside of a replica, and with one, all this is the plain operation.

Instead of the batch, discriminators may be divided: see `gather`, `whole` and `put`.
"""

import contextlib
import functools
import threading

import tensorflow as tf

_state = threading.local()  # replicas are traced in threads of their own


def count():
    """Return the number of replicas among which the batch is divided, 1 outside of them."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None or getattr(_state, "whole", False) else context.num_replicas_in_sync


@contextlib.contextmanager
def whole():
    """Within, this replica's batch is the whole one: nothing of it is drawn for others, or averaged with theirs."""
    _state.whole = True
    try:
        yield
    finally:
        _state.whole = False


def gather(x, axis=0):
    """Return the whole batch: the parts [.., B, ..] of all replicas in order. Its gradient is the sum over replicas.

    `ReplicaContext.all_gather` would send half as much, but fails between machines (TensorFlow 2.21).
    """
    if count() == 1:
        return x
    context = tf.distribute.get_replica_context()
    mine = tf.one_hot(context.replica_id_in_sync_group, count(), dtype=x.dtype)
    placed = tf.reshape(mine, [-1] + [1] * x.shape.rank) * x[None]
    return tf.concat(tf.unstack(context.all_reduce(tf.distribute.ReduceOp.SUM, placed), count()), axis)


def divide(variable):
    """Let a variable hold another part on each replica: `get` and `put` are of all, one after the other."""
    variable.is_divided = True


def get(variables):
    """Return the arrays of variables; where some are divided, every machine must ask."""
    strategy, variables = tf.distribute.get_strategy(), list(variables)
    divided = [variable for variable in variables if getattr(variable, "is_divided", False)]

    def gather_all():
        parts = strategy.run(lambda: [tf.identity(variable.value) for variable in divided])
        return [strategy.gather(part, axis=0) for part in parts]

    gathered = iter(_once(gather_all) if divided else [])
    return [(next(gathered) if getattr(each, "is_divided", False) else each).numpy() for each in variables]


def put(variables, arrays):
    """Assign arrays to variables; where these are divided, their parts."""
    strategy = tf.distribute.get_strategy()
    for variable, array in zip(variables, arrays):
        if not getattr(variable, "is_divided", False):
            variable.assign(array)
            continue

        assign = functools.partial(strategy.run, functools.partial(_assign_part, variable))
        _once(lambda whole, assign=assign: assign((whole,)), tf.convert_to_tensor(array, variable.dtype))


def _assign_part(variable, whole):
    tf.raw_ops.AssignVariableOp(resource=variable.value.handle, value=own_part(whole))


def _once(function, *tensors):
    """Return function(*tensors) by a graph that is made for this once, of which TensorFlow does not warn."""
    return tf.function(function, autograph=False).get_concrete_function(*tensors)(*tensors)


def own_part(x):
    """Return the part of a tensor, divided along its first axis, that belongs to this replica."""
    context = tf.distribute.get_replica_context()
    parts = tf.reshape(x, [context.num_replicas_in_sync, -1, *x.shape[1:]])
    return parts[context.replica_id_in_sync_group]


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
    """Return the gradient that a replica's objective has, since optimizers add those of all: 1 / replicas."""
    return tf.fill(tf.shape(objective), 1 / count())


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
