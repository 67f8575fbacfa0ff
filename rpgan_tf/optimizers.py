"""Adam in one pass over the weights, and RMSprop with PyTorch's epsilon; both also accumulate on replicas."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from rpgan_tf.devices import replicas
from rpgan_tf.errors import UserError


class Accumulating(keras.Optimizer):
    """A Keras optimizer that also accumulates gradients on several replicas; `step` updates a variable.

    Keras puts a condition around a whole update, in which replicas cannot exchange gradients. Here they exchange those
    of each batch, and each device has a condition around its own update.
    """

    @property
    def accumulates(self) -> bool:
        """Whether gradients are accumulated here; on one replica Keras does it."""
        return self.gradient_accumulation_steps and self._distribution_strategy.num_replicas_in_sync > 1

    def _backend_apply_gradients(self, gradients: list, variables: list) -> None:
        if self.accumulates:
            self._backend_update_step(gradients, variables, self.learning_rate)
        else:
            super()._backend_apply_gradients(gradients, variables)

    def step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        """Update a variable and its moments in place."""
        raise NotImplementedError

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        """Update a variable and its moments in place, or accumulate its gradient."""
        if not self.accumulates:
            self.step(gradient, variable, learning_rate)
            return
        count = self.gradient_accumulation_steps
        accumulated = self._accumulated_gradients[self._get_variable_index(variable)].value
        total = accumulated + gradient

        def update() -> None:
            self.step(total / count, variable, learning_rate)
            accumulated.assign(tf.zeros_like(total))

        def keep() -> None:
            accumulated.assign(total)

        tf.cond(tf.equal((self._iterations + 1) % count, 0), update, keep)


class Adam(Accumulating, keras.optimizers.Adam):
    """`keras.optimizers.Adam`, computed by TensorFlow's fused kernel, which the original ran too.

    A bank of K discriminators has K times the weights of one. Keras' form passes over them and both moments several
    times and takes three times as long. Kingma and Ba, arXiv 1412.6980, end of section 2: step =
    lr * sqrt(1 - beta_2^t) / (1 - beta_1^t) * m / (sqrt(v) + epsilon). No AMSGrad. Where beta_2 is a function, its
    current value corrects the bias.

    Attributes:
        local: whether each replica has weights of its own, which its own gradients update.
        counts_each: whether each of the K discriminators in a weight [K, ...] has its own number of steps t.
    """

    local = False
    counts_each = False

    def build(self, variables: list) -> None:
        super().build(variables)
        if self.counts_each:
            of_each = ((variable.shape[0], *[1] * (len(variable.shape) - 1)) for variable in variables)
            self._counts = [self.add_variable(shape, initializer="zeros", name="count") for shape in of_each]

    def _backend_update_step(self, grads: list, trainable_variables: list, learning_rate: tf.Tensor) -> None:
        if not self.local:
            return super()._backend_update_step(grads, trainable_variables, learning_rate)
        for gradient, variable in zip(grads, trainable_variables):
            self.update_step(gradient, variable.value, learning_rate)

    def step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        """Update a `tf.Variable` and its moments in place."""
        index = self._get_variable_index(variable)
        if self.counts_each:
            self.step_of_each(gradient, variable, learning_rate, index)
            return
        step = tf.cast(tf.convert_to_tensor(self.iterations) + 1, variable.dtype)
        beta_2 = self.beta_2() if callable(self.beta_2) else self.beta_2
        beta2_power = tf.cast(beta_2, variable.dtype) ** step
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.cast(self.beta_1, variable.dtype) ** step,
            beta2_power=beta2_power,
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=beta_2,
            epsilon=self.epsilon_before(beta2_power),
            grad=gradient,
        )

    def step_of_each(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor, index: int) -> None:
        """Update a variable [K, ...] whose K have taken different numbers of steps."""
        beta_2 = self.beta_2() if callable(self.beta_2) else self.beta_2
        count = tf.convert_to_tensor(self._counts[index].value) + 1  # [K, 1, ...]
        power = beta_2**count
        rate = learning_rate * tf.sqrt(1 - power) / (1 - self.beta_1**count)
        moments = self._momentums[index].value, self._velocities[index].value
        now = map(tf.convert_to_tensor, (variable, *moments))
        values = adam(gradient, *now, self.beta_1, beta_2, rate, self.epsilon_before(power))
        for each, value in zip((variable, *moments, self._counts[index].value), (*values, count)):
            replicas.put_own(each, value)

    def epsilon_before(self, beta2_power: tf.Tensor) -> float | tf.Tensor:
        """Return what is added to sqrt(v), which is corrected for its bias afterwards."""
        return self.epsilon


class TorchAdam(Adam):
    """Adam with epsilon added after the bias correction, as in PyTorch: lr * m' / (sqrt(v') + epsilon)."""

    def epsilon_before(self, beta2_power: tf.Tensor) -> tf.Tensor:
        return self.epsilon * tf.sqrt(1 - beta2_power)


@tf.function(jit_compile=True, autograph=False)
def adam(gradient: Any, weight: Any, m: Any, v: Any, beta_1: Any, beta_2: Any, rate: Any, epsilon: Any) -> tuple:
    """Return (weight, m, v) after a step of `Adam` at a rate [K, 1, ...] that is corrected for the bias of moments."""
    m = beta_1 * m + (1 - beta_1) * gradient
    v = beta_2 * v + (1 - beta_2) * gradient**2
    return weight - rate * m / (tf.sqrt(v) + epsilon), m, v


class RMSprop(Accumulating, keras.optimizers.RMSprop):
    """`keras.optimizers.RMSprop` with epsilon outside of the root, as in PyTorch: lr * g / (sqrt(v) + epsilon)."""

    def step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        """Update a variable and the average v of its squared gradients in place."""
        velocity = self._velocities[self._get_variable_index(variable)]
        velocity.assign(self.rho * velocity + (1 - self.rho) * gradient**2)
        variable.assign_sub(learning_rate * gradient / (tf.sqrt(velocity) + self.epsilon))


def count_each(optimizer: keras.Optimizer) -> None:
    """Let Adam count the steps of each of K discriminators, before it is built; other optimizers do not count."""
    if isinstance(optimizer, Adam):
        optimizer.counts_each = True


def state(optimizer: keras.Optimizer) -> list[keras.Variable]:
    """Return an optimizer's variables but for its learning rate and the gradients that it accumulates."""
    apart = "learning_rate", "gradient_accumulator"
    return [variable for variable in optimizer.variables if not variable.path.endswith(apart)]


def scaled(optimizer: keras.Optimizer, num_replicas: int) -> keras.Optimizer:
    """Return an optimizer that scales its gradients, so that those of float16 do not vanish.

    The scale doubles every 2,000 steps; where gradients are not finite, it is halved and the step left out
    (Micikevicius et al., arXiv 1710.03740, section 3.2).

    Raises:
        UserError: there are several replicas.
    """
    if num_replicas > 1:
        raise UserError(
            f"precision = 'mixed_float16' is for one device, received {num_replicas}: expected 'mixed_bfloat16' or "
            "'float32', since each device would scale its losses alone"
        )
    return keras.optimizers.LossScaleOptimizer(optimizer, name=optimizer.name)


def divide(optimizer: keras.Optimizer, gan: str) -> None:
    """Let an optimizer train discriminators that are divided among replicas: each has its part of the slots.

    Raises:
        UserError: it is not Adam.
    """
    if not isinstance(optimizer, Adam):
        raise UserError(
            f"divide = 'discriminators' needs Adam: gan = '{gan}' trains with {type(optimizer).__name__}; expected "
            "divide = 'batch', or another gan"
        )
    optimizer.local = True
    for slot in optimizer.variables:
        if len(slot.shape):
            replicas.divide(slot)
