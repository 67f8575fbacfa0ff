"""How the steps of an iteration run: compiled or eagerly, on one device or on several replicas. Knows no loss."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias, cast

import keras
import tensorflow as tf

from rpgan_tf import optimizers
from rpgan_tf.devices import replicas
from rpgan_tf.errors import UserError
from rpgan_tf.randomness import HELD_OUT, Randomness

Logs = dict[str, tf.Tensor]
Step: TypeAlias = int | tf.Tensor  # number of a step within the iteration


class Schedule(NamedTuple):
    """The steps of one iteration, each on one batch; `accumulation` of them make one step of the optimizer.

    Attributes:
        d_steps, g_steps: int, or int tensor [].
        batches: batches of real images, first those of D's steps, then those of G's; int, or int tensor [].
        g_sees_real: whether the generator's loss looks at real images.
    """

    d_steps: Step
    g_steps: Step
    batches: Step
    g_sees_real: bool = False


class TakingPart:
    """A GAN in which some of K discriminators may stand for all."""

    subset = cast(Any, None)  # `rpgan_tf.many.subset.Subset`, unless all take part

    @property
    def discriminator(self) -> Any:
        """The discriminator, or the bank: of all K, and within an iteration of those that take part."""
        return self.subset.discriminator if self.subset and self.subset.takes_part else self.everyone

    @discriminator.setter
    def discriminator(self, net: keras.Model) -> None:
        self.everyone = net

    @property
    def d_optimizer(self) -> keras.Optimizer:
        """The optimizer of `discriminator`."""
        return self.subset.optimizer if self.subset and self.subset.takes_part else self.optimizer_of_everyone

    @d_optimizer.setter
    def d_optimizer(self, optimizer: keras.Optimizer) -> None:
        self.optimizer_of_everyone = optimizer


class Replicated(TakingPart, Randomness, keras.Model):
    """A model whose `train_step` runs each optimizer step on all replicas.

    With several replicas `train_step` is called once, in the cross-replica context, and calls `run` or `repeat` for
    what the replicas do: gradients cannot be exchanged within a loop or a condition of a single replica.

    Subclasses set the attributes below, and have `schedule`, `changing_rate` and `make_optimizer`: see
    `rpgan_tf.gan.GAN`.
    """

    accumulation: int
    learning_rate: float
    d_learning_rate: float | None
    compares_batch: bool
    train_function: Callable | None

    @property
    def num_replicas(self) -> int:
        """Number of replicas among which each batch is divided."""
        return self.distribute_strategy.num_replicas_in_sync

    @property
    def state(self) -> dict[str, tf.Variable]:
        """{name: variable} of a paper's own state, which a resume needs beside nets, optimizers and the iteration."""
        return {}

    def run(self, function: Callable, *values: Any) -> Any:
        """Return function(*values), computed on each replica from its parts of the values."""
        return function(*values) if self.num_replicas == 1 else self.distribute_strategy.run(function, values)

    def divide(self, real: tf.Tensor, labels: tf.Tensor | None, schedule: Schedule) -> tuple:
        """Divide the data of an iteration into its n batches: [n * pack * B, ...] -> [n, pack * B, ...]."""
        count, total = schedule.batches, real.shape[0]
        if isinstance(count, int) and total is not None and total % (count * self.pack):
            raise UserError(
                f"an iteration of {type(self).__name__} takes {count} batches of real images, each a multiple of "
                f"{self.pack}: received {total} images; rpgan_tf.data.dataset(options) gives it as many as it takes"
            )
        return tuple(x if x is None else tf.reshape(x, [count, -1, *x.shape[1:]]) for x in (real, labels))

    def repeat(self, count: Step, step: Callable, *values: Any) -> Logs:
        """Do step(0, *values) ... step(count - 1, *values), and return the logs of the last.

        With several replicas, logs are means over the replicas. Logits [..., B] stay on their replica, and are left
        out where `count` is a tensor.

        Args:
            count: int, or int tensor [].
            step: function from the number of the step and the values to logs.
            *values: of the replicas, as returned by `run`.
        """
        if self.num_replicas > 1:
            return self._repeat_on_replicas(count, step, *values)
        logs = step(0, *values)
        if isinstance(count, int) and count == 1:
            return logs
        return self._loop(count, lambda i: step(i, *values), logs)

    def _repeat_on_replicas(self, count: Step, step: Callable, *values: Any) -> Logs:
        def do(i: Step) -> Logs:
            logs = self.distribute_strategy.run(functools.partial(step, i), values)
            return {key: value if key.endswith("logits") else self._combine(value) for key, value in logs.items()}

        if isinstance(count, int):
            return [do(i) for i in range(count)][-1]

        def without_logits(i: Step) -> Logs:
            return {key: value for key, value in do(i).items() if not key.endswith("logits")}

        return self._loop(count, without_logits, without_logits(0))

    def _loop(self, count: Step, step: Callable, logs: Logs) -> Logs:
        """Do step(1) ... step(count - 1); return the logs of the last, `logs` if there is none."""
        shapes = {key: tf.TensorShape([None] * value.shape.rank) for key, value in logs.items()}
        _, logs = tf.while_loop(
            lambda i, _: i < count,
            lambda i, _: (i + 1, step(i)),
            (tf.constant(1), logs),
            shape_invariants=(tf.TensorShape([]), shapes),
            parallel_iterations=1,
        )
        return logs

    def _combine(self, values: Any) -> tf.Tensor:
        """Return the mean over the replicas; of divided discriminators, the values of all K."""
        strategy = self.distribute_strategy
        return strategy.gather(values, axis=0) if self.discriminator.divided else strategy.reduce("MEAN", values, None)

    def of_all(self, function: Callable, *values: tf.Tensor | None) -> Logs:
        """Return function(*values): {name: [] or [K]}; of divided discriminators, those of all K."""
        if not self.discriminator.divided:
            return function(*values)

        def of_own(*values: tf.Tensor | None) -> Logs:
            with replicas.whole():
                return function(*values)

        found = self.distribute_strategy.run(of_own, values)
        return {name: self._combine(value) for name, value in found.items()}

    def packed(self, images: Any) -> tf.Tensor:
        """Stack image i, B + i, 2 B + i, ... on their last axis: [pack * B, ..., C] -> [B, ..., pack * C].

        Discriminators that are divided among the replicas all see the whole batch, with its labels.
        """
        images = tf.convert_to_tensor(images, tf.float32)
        images = images if self.pack == 1 else tf.concat(tf.split(images, self.pack), axis=-1)
        return replicas.gather(images) if self.discriminator.divided else images

    def generate(self, z: Any, labels: Any = None, training: bool = True) -> tf.Tensor:
        """Return generated images of latents [pack * B, zlen], with labels of nets that take some."""
        given = () if labels is None else (labels,)
        return self.generator(z, *given, training=training)

    def judge(self, images: Any, labels: Any = None, training: bool = True) -> tf.Tensor:
        """Return the logits of images [pack * B, ...], with labels [pack * B, num_classes] of nets that take some."""
        given = () if labels is None else (self.packed(labels),)
        return self.discriminator(self.packed(images), *given, training=training)

    def judging(self) -> contextlib.AbstractContextManager:
        """Return the context in which losses of `packed` images are computed."""
        return replicas.whole() if self.discriminator.divided else contextlib.nullcontext()

    def test_step(self, real: Any) -> Logs:
        """Return the losses of held-out images [pack * B, ...] and fixed latents, in evaluation mode."""
        real, labels = real if isinstance(real, tuple) else (real, None)
        z = self.draw_latents(tf.shape(real)[0], tf.random.fold_in([self.options.seed, HELD_OUT], 0))
        fake = self.generate(z, labels, training=False)

        def losses(real: tf.Tensor, fake: tf.Tensor, labels: tf.Tensor | None) -> Logs:
            logits = [self.judge(images, labels, training=False) for images in (real, fake)]
            drawn = self.draw()
            return {"g_loss": self.g_loss(*logits, *drawn), "d_loss": self.d_loss(*logits, *drawn)}

        return {name: tf.reduce_mean(loss) for name, loss in self.of_all(losses, real, fake, labels).items()}

    def of_batch(self, logits: tf.Tensor) -> tf.Tensor:
        """Return the logits of all replicas, if the losses compare the whole batch."""
        return replicas.gather(logits, self.discriminator.batch_axis) if self.compares_batch else logits

    def compile(
        self,
        g_optimizer: keras.Optimizer | None = None,
        d_optimizer: keras.Optimizer | None = None,
        *,
        run_eagerly: bool | None = None,
        steps_per_execution: int = 1,
        jit_compile: bool | None = None,
    ) -> None:
        """Set both optimizers, and how a step runs.

        Args:
            g_optimizer, d_optimizer: None for the paper's own; their variables are made here, ready to be restored.
            run_eagerly, steps_per_execution, jit_compile: Keras'; None for what the option `compile` says.
        """
        if run_eagerly is None:
            run_eagerly = self.options.compile == "eager"
        if jit_compile is None:
            jit_compile = not run_eagerly and self.compiles_with_xla()
        super().compile(run_eagerly=run_eagerly, steps_per_execution=steps_per_execution, jit_compile=jit_compile)
        arguments = {"gradient_accumulation_steps": self.accumulation if self.accumulation > 1 else None}
        rates = [self.changing_rate(rate) for rate in (self.learning_rate, self.d_learning_rate or self.learning_rate)]
        g_optimizer = g_optimizer or self.make_optimizer(rates[0], name="g_optimizer", **arguments)
        self.g_optimizer = self.prepared(g_optimizer, self.generator)

        def of_d(given: keras.Optimizer | None, discriminator: Any) -> keras.Optimizer:
            optimizer = given or self.make_optimizer(rates[1], name="d_optimizer", **arguments)
            if self.subset or self.options.redraw:
                optimizers.count_each(optimizer)
            optimizer = self.prepared(optimizer, discriminator)
            if discriminator.divided:
                optimizers.divide(optimizer, type(self).__name__)
            return optimizer

        self.d_optimizer = of_d(d_optimizer, self.everyone)
        if self.subset:
            again = d_optimizer and type(d_optimizer).from_config(d_optimizer.get_config())
            self.subset.optimizer = of_d(again, self.subset.discriminator)

    def prepared(self, optimizer: keras.Optimizer, net: Any) -> keras.Optimizer:
        """Return an optimizer that has its variables for the weights of a net, and scales gradients of float16."""
        if self.options.precision == "mixed_float16":
            optimizer = optimizers.scaled(optimizer, self.num_replicas)
        optimizer.build(net.trainable_variables)
        return optimizer

    def compiles_with_xla(self) -> bool:
        """Return whether XLA compiles the whole step; raises `UserError` where it is asked for and impossible.

        Keras would choose XLA always, which is slow for ordinary convolutions on CPUs. A number of batches that depends
        on the iteration is a constant to XLA, so that each iteration would be compiled anew.
        """
        obstacle = None
        if not isinstance(self.schedule(self.options, tf.convert_to_tensor(self.iteration)).batches, int):
            obstacle = f"gan = '{type(self).__name__}' takes more batches in some iterations than in others"
        elif self.num_replicas > 1:
            obstacle = f"there are {self.num_replicas} devices, and XLA compiles the step of one"
        if self.options.compile == "xla" and obstacle:
            raise UserError(f"compile = 'xla' is impossible: {obstacle}; expected compile = 'auto' or 'graph'")
        return self.options.compile == "xla" or (
            self.options.compile == "auto" and self.discriminator.jit_compile and not obstacle
        )

    def make_train_function(self, force: bool = False) -> None:
        """Make the function that `fit` calls; it also sets `waited`, the seconds [] until the images were there."""
        if self.train_function is not None and not force:
            return
        several = self.num_replicas > 1

        def step(real: Any) -> Logs:
            if not self.run_eagerly:
                number_functions()
            return self.train_step(real) if several else self.distribute_strategy.run(self.train_step, (real,))

        def steps(iterator: Iterator) -> tuple[Logs, tf.Tensor]:
            logs: Logs = {}
            waited = tf.constant(0.0)
            for _ in range(self.steps_per_execution):
                with tf.control_dependencies([waited, *logs.values()]):  # the clock is read between iterations
                    real, seconds = receive(iterator)
                with tf.control_dependencies([seconds]):
                    logs, waited = step(real), waited + seconds
            return logs, waited

        if not self.run_eagerly:
            step = tf.function(step, jit_compile=self.jit_compile, reduce_retracing=True, autograph=False)
            if not several:
                steps = tf.function(steps, reduce_retracing=True, autograph=False)

        def train(iterator: Iterator) -> Logs:
            logs, self.waited = steps(iterator)
            return logs

        self.train_function = train

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Do nothing: all weights are there. Keras would average a batch over all machines, and fail with labels."""


def labels_of_g(labels: tf.Tensor | None, schedule: Schedule, step: Step) -> tf.Tensor | None:
    """Return the labels of G's step [pack * B, num_classes]: those of its real images, else of D's, batch by batch.

    Args:
        labels: [n, pack * B, num_classes] of the iteration's batches, or None.
        schedule: of the iteration.
        step: number of the step.
    """
    if labels is None:
        return None
    return labels[-schedule.g_steps :][step] if schedule.g_sees_real else labels[step % tf.shape(labels)[0]]


def reported(logs: Logs, all_take_part: bool = True) -> Logs:
    """Return the logs without logits; of a bank the means, and beside them the losses of each of K if all take part."""
    logs = {key: value for key, value in logs.items() if not key.endswith("logits")}
    if logs["d_loss"].shape.rank:
        each = {"g_losses": logs["g_loss"], "d_losses": logs["d_loss"]} if all_take_part else {}
        logs = {key: tf.reduce_mean(loss) for key, loss in logs.items()} | each
    return logs


def receive(iterator: Iterator) -> tuple[Any, tf.Tensor]:
    """Return the iterator's next element, and the seconds [] until it was there."""
    asked = tf.timestamp()
    with tf.control_dependencies([asked]):
        element = next(iterator)
    with tf.control_dependencies(tf.nest.flatten(element, expand_composites=True)):
        return element, tf.cast(tf.timestamp() - asked, tf.float32)


def number_functions() -> None:
    """Advance TensorFlow's count of tensors to the next round number.

    Names of functions end in it, and XLA's cache compares them. It differs between a new and a resumed run.
    """
    from tensorflow.python.framework import ops

    while ops.uid() % 100_000:
        pass
