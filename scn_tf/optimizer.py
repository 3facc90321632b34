"""The optimizer: SGD with momentum, in one pass over memory.

In: gradients. Out: weights and momentum moved. Weight decay is part of the
gradient here, see `scn_tf.step`.
"""

import keras
import tensorflow as tf

from scn_tf.recipe import TrainOptions


@keras.saving.register_keras_serializable(package="scn_tf")
class MomentumSGD(keras.optimizers.SGD):
    """Keras's SGD with momentum as one operation per variable.

    Keras's own takes seven, each of which reads and writes all of a layer:
    with the 150 million weights of VGG's dense layers they take half of a
    step's time on a CPU. The numbers are the same.
    """

    def update_step(
        self,
        gradient: tf.Tensor,
        variable: tf.Variable,
        learning_rate: tf.Tensor,
    ) -> None:
        """Moves one variable: m = momentum m - rate g; w = w + m."""
        if not self.momentum or self.nesterov:
            super().update_step(gradient, variable, learning_rate)
            return
        momentum = self.momentums[self._get_variable_index(variable)].value
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle,
            accum=momentum.handle,
            lr=tf.cast(learning_rate, variable.dtype),
            grad=tf.cast(gradient, variable.dtype),
            momentum=tf.cast(self.momentum, variable.dtype),
        )


def make_optimizer(options: TrainOptions) -> keras.optimizers.Optimizer:
    """The optimizer of a recipe."""
    return MomentumSGD(options.learning_rate, options.momentum)
