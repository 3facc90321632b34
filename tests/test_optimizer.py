"""Laws of the optimizer: Keras's numbers, on every strategy."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny import mirrored

from scn_tf import optimizer as module
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


@pytest.mark.parametrize("kind", ["plain", "compiled", "one pass"])
def test_decay_pulls_before_momentum(kind, monkeypatch):
    if kind == "one pass":
        monkeypatch.setattr(module, "_LARGE", 1)
    optimizer = MomentumSGD(0.1, 0.5, 0.2, compiled=kind == "one pass")
    variable = keras.Variable(np.full((2, 3), 2.0, np.float32))
    optimizer.build([variable])

    @tf.function(jit_compile=kind == "compiled")
    def step():
        optimizer.apply([tf.ones((2, 3))], [variable])

    weight, speed = 2.0, 0.0
    for _ in range(3):
        step()
        speed = 0.5 * speed - 0.1 * (1 + 0.2 * weight)
        weight += speed
    np.testing.assert_allclose(variable, np.full((2, 3), weight), rtol=1e-6)
    momentum = optimizer.momentums[0]
    np.testing.assert_allclose(momentum, np.full((2, 3), speed), rtol=1e-6)


@pytest.mark.parametrize("kind", ["plain", "one pass", "two replicas"])
@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_a_part_has_its_own_rate_and_start(kind, momentum, monkeypatch):
    strategy = tf.distribute.get_strategy()
    if kind == "one pass":
        monkeypatch.setattr(module, "_LARGE", 1)
    if kind == "two replicas":
        strategy = mirrored("CPU:0", "CPU:1")
    with strategy.scope():
        optimizer = MomentumSGD(0.1, momentum, 0.2, kind == "one pass")
        ones = np.ones((2, 3), np.float32)
        head, neck, start = (keras.Variable(k * ones) for k in (2, 3, 5))
        optimizer.build([head, neck])
    optimizer.treat([neck], rate=0.25, starts=[start], decay_factor=3)

    @tf.function
    def step():
        def replica():
            shares = strategy.num_replicas_in_sync
            optimizer.apply([tf.constant(ones / shares)] * 2, [head, neck])

        strategy.run(replica)

    expected = {"head": [2.0, 0.0], "neck": [3.0, 0.0]}
    for _ in range(3):
        step()
        parts = (("head", 0.1, 0.2, 0), ("neck", 0.025, 0.6, 5))
        for name, rate, decay, origin in parts:
            weight, speed = expected[name]
            pull = 1 + decay * (weight - origin)
            speed = momentum * speed - rate * pull
            expected[name] = [weight + speed, speed]
    for name, variable in (("head", head), ("neck", neck)):
        np.testing.assert_allclose(variable, expected[name][0] * ones, 1e-5)
    np.testing.assert_array_equal(start, 5 * ones)


def test_one_pass_works_on_a_strategy_of_one_device(monkeypatch):
    monkeypatch.setattr(module, "_LARGE", 1)
    plain = steps(MomentumSGD, 0.9, tf.distribute.get_strategy())

    def one_pass(*args):
        return MomentumSGD(*args, compiled=True)

    mirror = steps(one_pass, 0.9, mirrored("CPU:0"))
    for one, other in zip(plain, mirror, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_the_config_makes_an_equal_one():
    optimizer = MomentumSGD(0.1, 0.5, 0.2, compiled=True)
    copy = MomentumSGD.from_config(optimizer.get_config())
    assert (copy.decay, copy.compiled, copy.momentum) == (0.2, True, 0.5)


def test_the_recipe_names_rate_and_momentum():
    optimizer = make_optimizer(TrainOptions(learning_rate=0.25, momentum=0.5))
    assert isinstance(optimizer, MomentumSGD)
    assert float(optimizer.learning_rate) == 0.25
    assert optimizer.momentum == 0.5
    assert optimizer.decay == TrainOptions().weight_decay
    assert optimizer.compiled
    assert not make_optimizer(TrainOptions(), 2).compiled
