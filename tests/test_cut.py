import keras
import numpy as np
import pytest

from scn_tf.backbones.cut import cut_network
from scn_tf.backbones.cut import frozen_copy
from scn_tf.backbones.preprocessing import Preprocessing
from tfrecords.errors import InputError

IMAGES = np.random.default_rng(0).random((3, 4, 4, 3), dtype=np.float32)
STAGES = {"last": "join"}


@pytest.fixture
def network() -> keras.Model:
    """first -> (left, right) -> join -> pool -> last -> relu."""
    layers = keras.layers
    images = keras.Input((4, 4, 3), name="images")
    x = Preprocessing(2.0)(images)
    x = layers.Conv2D(4, 1, name="first")(x)
    left = layers.Conv2D(5, 1, name="left")(x)
    right = layers.Conv2D(5, 1, name="right")(x)
    x = layers.Add(name="join")([left, right])
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Dense(6, name="dense")(x)
    x = layers.ReLU(name="relu")(x)
    return keras.Model(images, x, name="net")


@pytest.mark.parametrize(
    ("train_from", "trunk_shape", "first_trained"),
    [
        ("input", (None, 4, 4, 3), "first"),
        ("first", (None, 4, 4, 3), "first"),
        ("left", (None, 4, 4, 4), "left"),
        ("pool", (None, 4, 4, 5), "norm"),
        ("last", (None, 4, 4, 5), "norm"),
        ("dense", (None, 5), "dense"),
    ],
)
def test_the_two_parts_together_are_the_network(
    network, train_from, trunk_shape, first_trained
):
    expected = network(IMAGES)
    trunk, neck = cut_network(network, train_from, STAGES)
    assert trunk.output_shape == trunk_shape
    assert [x.name for x in neck.layers if x.weights][0] == first_trained
    np.testing.assert_allclose(neck(trunk(IMAGES)), expected, rtol=1e-6)


def test_the_trunk_is_frozen_and_the_neck_is_trained(network):
    trunk, neck = cut_network(network, "pool", STAGES)
    assert not any(layer.trainable for layer in trunk.layers)
    assert not trunk.trainable_variables
    assert len(trunk.variables) == 6  # three kernels, three biases
    names = [variable.path for variable in neck.trainable_variables]
    assert names == ["norm/gamma", "norm/beta", "dense/kernel", "dense/bias"]


def test_the_parts_share_the_networks_variables(network):
    trunk, neck = cut_network(network, "dense", STAGES)
    assert neck.get_layer("dense").kernel is network.get_layer("dense").kernel
    assert trunk.get_layer("first").kernel is network.get_layer("first").kernel


def test_an_unknown_layer_names_the_nearest_and_the_known():
    images = keras.Input((4, 4, 3))
    x = keras.layers.Dense(2, name="fc6")(Preprocessing(1.0)(images))
    network = keras.Model(images, x, name="net")
    with pytest.raises(
        InputError, match="=fc5: net has .* Did you mean 'fc6'.*input, last"
    ):
        cut_network(network, "fc5", STAGES)


def test_a_cut_that_other_paths_lead_around_is_refused(network):
    # `relu2` needs `first` also by way of `side`.
    side = keras.layers.Dense(6, name="side")(
        keras.layers.Flatten()(network.get_layer("first").output)
    )
    joined = keras.layers.Add(name="sum")([network.output, side])
    bypassed = keras.Model(network.input, joined, name="bypassed")
    with pytest.raises(InputError, match="other paths lead around.*input"):
        cut_network(bypassed, "dense", STAGES)


def test_a_cut_at_a_join_is_refused(network):
    with pytest.raises(InputError, match="'join': it joins 2 inputs"):
        cut_network(network, "join", STAGES)


def test_a_cut_with_nothing_to_train_is_refused(network):
    with pytest.raises(InputError, match="'relu' leaves nothing to train"):
        cut_network(network, "relu", STAGES)


def test_preprocessing_is_no_place_to_train_from(network):
    with pytest.raises(InputError, match="=preprocessing: net has no lay"):
        cut_network(network, "preprocessing", STAGES)


def test_the_frozen_copy_starts_equal_and_has_its_own_variables(network):
    _, neck = cut_network(network, "last", STAGES)
    features = np.ones((2, 4, 4, 5), np.float32)
    neck.get_layer("norm").moving_mean.assign(np.arange(5.0))
    frozen = frozen_copy(neck)
    np.testing.assert_array_equal(frozen(features), neck(features))
    assert not frozen.trainable_variables
    assert neck.trainable_variables
    assert not {id(v) for v in frozen.variables} & {
        id(v) for v in neck.variables
    }


def test_training_the_neck_does_not_move_the_frozen_copy(network):
    _, neck = cut_network(network, "last", STAGES)
    frozen = frozen_copy(neck)
    features = np.random.default_rng(1).random((8, 4, 4, 5), np.float32)
    both = keras.Input((4, 4, 5))
    # One model holds both, as the pair model does.
    model = keras.Model(both, [neck(both), frozen(both)])
    before = [variable.numpy() for variable in frozen.variables]
    old_features = neck(features).numpy()
    model.compile("sgd", loss=["mse", "mse"])
    target = np.ones((8, 6), np.float32)
    model.fit(features, [target, target], epochs=2, verbose=0)
    assert np.abs(neck(features).numpy() - old_features).max() > 1e-4
    for variable, value in zip(frozen.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
