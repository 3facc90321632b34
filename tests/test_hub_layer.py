"""Consumers of tensorflow-hub find what is wrong."""

import numpy as np
import pytest
import tensorflow as tf
from foreign_module import save_foreign_module

from export.consumers import hub_layer
from export.consumers.consumer import ConsumerError

IMAGES = np.random.default_rng(0).random((4, 6, 5, 3), dtype=np.float32)
ALL = [
    hub_layer.load,
    hub_layer.sequential_frozen,
    hub_layer.functional_tuned,
]


@pytest.mark.parametrize("consumer", ALL, ids=lambda each: each.__name__)
def test_features_are_those_before_any_training(tmp_path, consumer):
    folder = save_foreign_module(tmp_path / "module")
    consumed = consumer(folder, IMAGES, tmp_path)
    wanted = IMAGES.mean(axis=(1, 2)) @ np.ones((3, 2), np.float32)
    np.testing.assert_allclose(consumed.features, wanted, rtol=1e-6)
    assert np.shape(consumed.run()) == (4, 2)


def test_a_training_loss_that_is_not_finite_fails(tmp_path):
    folder = save_foreign_module(tmp_path / "module", scale=float("nan"))
    with pytest.raises(ConsumerError, match="the training loss is nan"):
        hub_layer.functional_tuned(folder, IMAGES, tmp_path)
    hub_layer.sequential_frozen(folder, IMAGES, tmp_path)


@pytest.mark.parametrize("penalty", [False, True])
def test_weights_that_do_not_learn_fail(tmp_path, penalty):
    """Also where the weight decay moves them."""
    folder = tmp_path / "module"
    save_foreign_module(folder, penalty=penalty, scale=0.0)
    with pytest.raises(ConsumerError, match="no weight was moved by images"):
        hub_layer.functional_tuned(folder, IMAGES, tmp_path)


def test_a_frozen_layer_that_moves_fails(tmp_path):
    module = tf.train.Checkpoint()
    calls = tf.Variable(0.0, trainable=False)
    spec = tf.TensorSpec([None, None, None, 3], tf.float32)

    @tf.function(input_signature=[spec])
    def call(images):
        calls.assign_add(1.0)
        return tf.reduce_mean(images, [1, 2])

    module.__call__ = call
    module.variables = [calls]
    tf.saved_model.save(module, str(tmp_path / "module"))
    with pytest.raises(ConsumerError, match="a frozen layer moved"):
        hub_layer.sequential_frozen(tmp_path / "module", IMAGES, tmp_path)


def test_moved_is_bit_for_bit():
    variables = [tf.Variable([1.0, 2.0]), tf.Variable([3.0])]
    before = [variable.numpy() for variable in variables]
    assert hub_layer.num_moved(variables, before) == 0
    variables[1].assign([np.nextafter(np.float32(3), np.float32(4))])
    assert hub_layer.num_moved(variables, before) == 1
