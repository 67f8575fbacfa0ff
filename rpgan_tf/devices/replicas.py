"""Operations of a step whose batch is divided among the replicas of a `tf.distribute.Strategy`.

Random numbers are drawn for the whole batch, of which a replica takes its part: they are the numbers of one device.
Means are over the whole batch. Outside of a replica, and with a single one, all this is the plain operation.

Discriminators may be divided instead of the batch: see `gather`, `whole` and `put`.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

_state = threading.local()  # replicas are traced in threads of their own


def count() -> int:
    """Return the number of replicas among which the batch is divided, 1 outside of them."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None or getattr(_state, "whole", False) else context.num_replicas_in_sync


@contextlib.contextmanager
def whole() -> Iterator[None]:
    """Treat the batch of this replica as the whole one: draws and means inside are its own."""
    _state.whole = True
    try:
        yield
    finally:
        _state.whole = False


def gather(x: tf.Tensor, axis: int = 0) -> tf.Tensor:
    """Return the whole batch: the parts [.., B, ..] of all replicas in order. Its gradient is the sum over replicas.

    `ReplicaContext.all_gather` would send half as much, but fails between machines (TensorFlow 2.21).
    """
    if count() == 1:
        return x
    context = tf.distribute.get_replica_context()
    mine = tf.one_hot(context.replica_id_in_sync_group, count(), dtype=x.dtype)
    placed = tf.reshape(mine, [-1] + [1] * x.shape.rank) * x[None]
    return tf.concat(tf.unstack(context.all_reduce(tf.distribute.ReduceOp.SUM, placed), count()), axis)


def divide(variable: keras.Variable) -> None:
    """Let a variable hold another part on each replica; `get` and `put` concatenate and split the parts."""
    variable.is_divided = True


def get(variables: Iterable[keras.Variable]) -> list[np.ndarray]:
    """Return the arrays of variables; of divided ones all parts, for which every machine must call this."""
    strategy, variables = tf.distribute.get_strategy(), list(variables)
    divided = [variable for variable in variables if getattr(variable, "is_divided", False)]

    def gather_all() -> list[tf.Tensor]:
        parts = strategy.run(lambda: [tf.identity(variable.value) for variable in divided])
        return [strategy.gather(part, axis=0) for part in parts]

    gathered = iter(_once(gather_all) if divided else [])
    return [(next(gathered) if getattr(each, "is_divided", False) else each).numpy() for each in variables]


def put(variables: Iterable[keras.Variable], arrays: Iterable[Any]) -> None:
    """Assign arrays to variables; each replica takes its part of a divided one."""
    strategy = tf.distribute.get_strategy()
    for variable, array in zip(variables, arrays):
        if not getattr(variable, "is_divided", False):
            variable.assign(array)
            continue

        assign = functools.partial(strategy.run, functools.partial(_assign_part, variable))
        _once(lambda whole, assign=assign: assign((whole,)), tf.convert_to_tensor(array, variable.dtype))


def _assign_part(variable: keras.Variable, whole: tf.Tensor) -> None:
    put_own(variable.value, own_part(whole))


def put_own(variable: tf.Variable, value: tf.Tensor) -> None:
    """Assign a value to a variable on this replica alone, without an exchange with the others."""
    tf.raw_ops.AssignVariableOp(resource=variable.handle, value=value)


def _once(function: Callable, *tensors: tf.Tensor) -> Any:
    """Return function(*tensors), traced for this call alone, without TensorFlow's warning on retracing."""
    return tf.function(function, autograph=False).get_concrete_function(*tensors)(*tensors)


def own_part(x: tf.Tensor) -> tf.Tensor:
    """Return this replica's part of a tensor that is divided along its first axis."""
    context = tf.distribute.get_replica_context()
    parts = tf.reshape(x, [context.num_replicas_in_sync, -1, *x.shape[1:]])
    return parts[context.replica_id_in_sync_group]


def normal(shape: Sequence, seed: Any, axis: int = 0, groups: int = 1, stddev: float = 1.0) -> tf.Tensor:
    """Draw this replica's part of the batch from N(0, stddev^2), as `tf.random.stateless_normal`.

    Args:
        shape: list of int and tensors [], of the part.
        seed: int [2].
        axis: of the batch.
        groups: parts of the batch, one after the other, each of which is divided among the replicas.
        stddev: float.
    """
    return _part(lambda shape: tf.random.stateless_normal(shape, seed, 0.0, stddev, alg="philox"), shape, axis, groups)


def uniform(
    shape: Sequence, seed: Any, low: float = 0.0, high: float = 1.0, axis: int = 0, groups: int = 1
) -> tf.Tensor:
    """Draw from U[low, high), as `tf.random.stateless_uniform`; otherwise as `normal`."""
    return _part(lambda shape: tf.random.stateless_uniform(shape, seed, low, high, alg="philox"), shape, axis, groups)


def _part(draw: Callable, shape: Sequence, axis: int, groups: int) -> tf.Tensor:
    number = count()
    if number == 1:
        return draw(shape)
    index = tf.distribute.get_replica_context().replica_id_in_sync_group
    whole = draw([*shape[:axis], groups, number, shape[axis] // groups, *shape[axis + 1 :]])
    return tf.reshape(tf.gather(whole, index, axis=axis + 1), shape)


def mean(x: tf.Tensor) -> tf.Tensor:
    """Return the mean over replicas of a tensor, with its gradient."""
    return x if count() == 1 else tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, x)


def normalize(
    x: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor, epsilon: float, synchronized: bool
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Normalize the batch (Ioffe and Szegedy, arXiv 1502.03167, algorithm 1), in one kernel unless `synchronized`.

    Args:
        x: [..., C].
        scale, shift: float32 [C].
        epsilon: added to the variance.
        synchronized: whether the batches of all replicas are one.

    Returns:
        normalized [..., C], its mean [C] and its unbiased variance [C].
    """
    if count() == 1 or not synchronized:
        flat = x if x.shape.rank == 4 else tf.reshape(x, [-1, 1, 1, x.shape[-1]])
        y, center, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=flat, scale=scale, offset=shift, mean=[], variance=[], epsilon=epsilon, is_training=True
        )
        return tf.reshape(y, tf.shape(x)) if flat is not x else y, center, variance
    values, axes = tf.cast(x, tf.float32), list(range(x.shape.rank - 1))
    center = mean(tf.reduce_mean(values, axes))
    variance = mean(tf.reduce_mean((values - center) ** 2, axes))
    y = tf.nn.batch_normalization(values, center, variance, shift, scale, epsilon)
    number = tf.cast(count() * tf.size(x) // x.shape[-1], tf.float32)
    return tf.cast(y, x.dtype), center, variance * number / tf.maximum(number - 1, 1)


def part_of_mean(objective: tf.Tensor) -> tf.Tensor:
    """Return 1 / replicas, the weight of a replica's objective, since optimizers add the gradients of all."""
    return tf.fill(tf.shape(objective), 1 / count())


def assign(variables: list, function: Callable, *others: list) -> None:
    """Do variable.assign(function(variable, *those of `others`)) on each device, without communication."""

    def update(strategy: tf.distribute.Strategy, variables: list, *others: list) -> None:
        def local(variable: tf.Variable, *others: tf.Variable) -> None:
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
