"""Adam in one pass over the weights, and RMSprop as the originals compute it."""

import keras
import tensorflow as tf


class Adam(keras.optimizers.Adam):
    """`keras.optimizers.Adam`, computed by TensorFlow's fused kernel, which the original ran too.

    A bank of K discriminators has K times the weights of one, and Keras' form passes over them and both moments several
    times: here it takes a third of the time. Kingma and Ba, arXiv 1412.6980, end of section 2: step =
    lr * sqrt(1 - beta_2^t) / (1 - beta_1^t) * m / (sqrt(v) + epsilon). No AMSGrad.
    """

    def update_step(self, gradient, variable, learning_rate):
        """Update a `tf.Variable` and its moments in place."""
        index = self._get_variable_index(variable)
        step = tf.cast(tf.convert_to_tensor(self.iterations) + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.cast(self.beta_1, variable.dtype) ** step,
            beta2_power=tf.cast(self.beta_2, variable.dtype) ** step,
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )


class RMSprop(keras.optimizers.RMSprop):
    """`keras.optimizers.RMSprop` with epsilon outside of the root, as in PyTorch: lr * g / (sqrt(v) + epsilon)."""

    def update_step(self, gradient, variable, learning_rate):
        """Update a variable and the average v of its squared gradients in place."""
        velocity = self._velocities[self._get_variable_index(variable)]
        velocity.assign(self.rho * velocity + (1 - self.rho) * gradient**2)
        variable.assign_sub(learning_rate * gradient / (tf.sqrt(velocity) + self.epsilon))
