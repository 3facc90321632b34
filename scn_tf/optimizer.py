"""The optimizer: SGD with momentum and weight decay, in few passes.

In: gradients. Out: weights and momentum moved. With the 150 million weights
of VGG's dense layers an update is bound by memory: what counts is how often
it reads and writes them.
"""

from collections.abc import Sequence

import keras
import tensorflow as tf

from scn_tf.recipe import TrainOptions
from scn_tf.working_copy import WorkingCopies

# From so many numbers on a call of a compiled function pays.
_LARGE = 2**20


@keras.saving.register_keras_serializable(package="scn_tf")
class MomentumSGD(keras.optimizers.SGD):
    """m = momentum m - rate (g + decay w); w = w + m.

    Torch's SGD, the paper's, with its weight decay, which Keras's does not
    have. The rate is part of the momentum, as in Keras's: at the drop of the
    rate what has gathered goes on at the old one, ten steps or so, where
    Torch slows it down at once. Keras's own update makes seven operations of
    it, each of which goes over all of a layer.

    Args:
        learning_rate: rate.
        momentum: of SGD.
        decay: pull of every weight to zero, added to its gradient.
        compiled: make one pass of XLA over large variables; for one replica
            only, XLA cannot hold the variables of several devices.
        **kwargs: of `keras.optimizers.SGD`.
    """

    def __init__(
        self,
        learning_rate: float = 0.01,
        momentum: float = 0.0,
        decay: float = 0.0,
        compiled: bool = False,
        **kwargs,
    ) -> None:
        super().__init__(learning_rate, momentum, **kwargs)
        self.decay = decay
        self.compiled = compiled
        self.working = WorkingCopies()  # moved along with the weights
        self._rates = {}  # factors by id of the variable
        self._decays = {}
        self._starts = {}

    def treat(
        self,
        variables: Sequence[keras.Variable],
        rate: float = 1.0,
        starts: Sequence[keras.Variable] = (),
        decay_factor: float = 1.0,
    ) -> None:
        """Gives some variables a rate and a decay of their own, and a start.

        Args:
            variables: some of those that are moved.
            rate: factor on the learning rate.
            starts: of the same shapes; decay pulls to them, not to zero. Empty
                for no such pull.
            decay_factor: on the optimizer's decay.
        """
        self._decays |= {id(variable): decay_factor for variable in variables}
        self._rates |= {id(variable): rate for variable in variables}
        if starts:
            pairs = zip(variables, starts, strict=True)
            self._starts |= {id(v): start.value for v, start in pairs}

    def update_step(
        self,
        gradient: tf.Tensor,
        variable: tf.Variable,
        learning_rate: tf.Tensor,
    ) -> None:
        """Moves one variable."""
        index = self._get_variable_index(variable)
        original = self._trainable_variables[index]
        copy = self.working.of(original)
        copies = () if copy is original else (copy.value,)
        learning_rate *= self._rates.get(id(original), 1.0)
        weight_decay = self.decay * self._decays.get(id(original), 1.0)
        start = self._starts.get(id(original))
        starts = () if start is None else (start,)
        if not self.momentum:
            gradient = tf.cast(gradient, variable.dtype)
            pulled = gradient + weight_decay * _pull(variable, starts)
            super().update_step(pulled, variable, learning_rate)
            _round(variable, copies)
            return
        rate, factor, decay = (
            tf.cast(number, variable.dtype)
            for number in (learning_rate, self.momentum, weight_decay)
        )
        momentum = self.momentums[index].value
        if self.compiled and variable.shape.num_elements() >= _LARGE:
            strategy = tf.distribute.get_strategy()
            momentum, copies, starts = tf.nest.map_structure(
                lambda value: strategy.experimental_local_results(value)[0],
                (momentum, copies, starts),
            )
            values = (variable, momentum, copies, starts, gradient)
            _one_pass(*values, rate, factor, decay)
            return
        gradient = tf.cast(gradient, variable.dtype)
        if weight_decay:
            gradient += decay * _pull(variable, starts)
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle,
            accum=momentum.handle,
            lr=rate,
            grad=gradient,
            momentum=factor,
        )
        _round(variable, copies)

    def get_config(self) -> dict:
        """The constructor's arguments."""
        own = {"decay": self.decay, "compiled": self.compiled}
        return {**super().get_config(), **own}


@tf.function(jit_compile=True, autograph=False)
def _one_pass(
    variable: tf.Variable,
    momentum: tf.Variable,
    copies: Sequence[tf.Variable],
    starts: Sequence[tf.Variable],
    gradient: tf.Tensor,
    rate: tf.Tensor,
    factor: tf.Tensor,
    decay: tf.Tensor,
) -> None:
    pull = _pull(variable, starts)
    pulled = tf.cast(gradient, variable.dtype) + decay * pull
    speed = factor * momentum - rate * pulled
    momentum.assign(speed)
    variable.assign_add(speed)
    _round(variable, copies)


def _pull(
    variable: tf.Variable, starts: Sequence[tf.Variable]
) -> tf.Tensor | tf.Variable:
    """What decay takes from: the weights, or how far they have moved."""
    return variable - starts[0] if starts else variable


def _round(variable: tf.Variable, copies: Sequence[tf.Variable]) -> None:
    for copy in copies:
        copy.assign(tf.cast(variable, copy.dtype))


def make_optimizer(
    options: TrainOptions, num_replicas: int = 1
) -> keras.optimizers.Optimizer:
    """The optimizer of a recipe.

    Args:
        options: the recipe.
        num_replicas: of the strategy.
    """
    return MomentumSGD(
        options.learning_rate,
        options.momentum,
        options.weight_decay,
        compiled=num_replicas == 1,
    )
