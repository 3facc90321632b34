"""Laws of the optimizer: Keras's numbers, on every strategy."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny import mirrored

from scn_tf.optimizer import make_optimizer
from scn_tf.optimizer import MomentumSGD
from scn_tf.recipe import TrainOptions

RNG = np.random.default_rng(0)
GRADIENTS = RNG.normal(size=(5, 2, 3)).astype(np.float32)


def steps(kind, momentum, strategy, compiled=False):
    """Weights after some steps, and the momentum."""
    with strategy.scope():
        optimizer = kind(0.1, momentum)
        variables = [
            keras.Variable(np.ones((2, 3), np.float32)),
            keras.Variable(np.zeros((2, 3), np.float32)),
        ]
        optimizer.build(variables)

    @tf.function(jit_compile=compiled)
    def step(gradient):
        def replica():
            shares = strategy.num_replicas_in_sync
            gradients = [gradient / shares, -2 * gradient / shares]
            optimizer.apply(gradients, variables)

        strategy.run(replica)

    for index, gradient in enumerate(GRADIENTS):
        optimizer.learning_rate = 0.1 / (1 + index)
        step(tf.constant(gradient))
    values = [*variables, *optimizer.momentums]
    return [np.asarray(value) for value in values]


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("kind", ["plain", "compiled", "two replicas"])
def test_the_numbers_are_those_of_keras(kind, momentum):
    strategy = tf.distribute.get_strategy()
    expected = steps(keras.optimizers.SGD, momentum, strategy)
    if kind == "two replicas":
        strategy = mirrored("CPU:0", "CPU:1")
    ours = steps(MomentumSGD, momentum, strategy, kind == "compiled")
    assert np.abs(ours[0] - 1).max() > 0.01
    for one, other in zip(ours, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_the_recipe_names_rate_and_momentum():
    optimizer = make_optimizer(TrainOptions(learning_rate=0.25, momentum=0.5))
    assert isinstance(optimizer, MomentumSGD)
    assert float(optimizer.learning_rate) == 0.25
    assert optimizer.momentum == 0.5
