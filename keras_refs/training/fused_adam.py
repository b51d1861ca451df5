"""Adam in one pass over memory: on a CPU the time of an update is that of reading and writing its arrays."""

from __future__ import annotations

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("keras_refs")
class FusedAdam(keras.optimizers.Adam):
    """Keras's Adam with its arguments, state and results, but for the last bits.

    Keras updates a variable by a dozen operations, each of which reads and writes arrays of its size; TensorFlow has
    one operation for all of them. Clipping and the EMA of the weights take fewer, too.
    """

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        """Update a variable and both moments of its gradient."""
        # Of a sparse gradient Keras squares each row before it adds those of the same index.
        if self.amsgrad or isinstance(gradient, tf.IndexedSlices):
            super().update_step(gradient, variable, learning_rate)
            return
        index, dtype = self._get_variable_index(variable), variable.dtype
        beta_1, beta_2 = tf.cast(self.beta_1, dtype), tf.cast(self.beta_2, dtype)
        step = tf.cast(self.iterations + 1, dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(beta_1, step),
            beta2_power=tf.pow(beta_2, step),
            lr=tf.cast(learning_rate, dtype),
            beta1=beta_1,
            beta2=beta_2,
            epsilon=tf.cast(self.epsilon, dtype),
            grad=tf.cast(gradient, dtype),
        )

    def _clip_by_norm(self, values, axes=None):
        if axes is not None or isinstance(values, tf.IndexedSlices):
            return super()._clip_by_norm(values, axes)
        norm = tf.sqrt(2 * tf.nn.l2_loss(values))
        return values * (self.clipnorm / tf.maximum(norm, self.clipnorm))

    def _update_model_variables_moving_average(self, trainable_variables):
        if not self.use_ema:
            return
        # After the first step it is the variable itself.
        rate = tf.where(self.iterations.value == 0, 1.0, 1 - self.ema_momentum)
        for variable, average in zip(trainable_variables, self._model_variables_moving_average, strict=True):
            if average is not None:
                tf.raw_ops.ResourceApplyGradientDescent(
                    var=average.value.handle,
                    alpha=tf.cast(rate, average.dtype),
                    delta=average.value - tf.convert_to_tensor(variable),
                )
