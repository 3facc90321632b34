"""Laws of the copy that frozen networks are run by."""

import random

import keras
import numpy as np
import pytest

from scn_tf.backbones import BACKBONES
from scn_tf.backbones import build_backbone
from scn_tf.backbones.inference import inference_copy

# Unit roundoff times a few layers that do not cancel each other.
CLOSE = {"float32": 1e-5, "float16": 5e-3, "bfloat16": 2e-2}


def disturbed(model: keras.Model) -> keras.Model:
    """Gives normalizations and biases numbers that matter."""
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.moving_mean.shape
            layer.moving_mean.assign(rng.normal(0, 0.3, shape))
            layer.moving_variance.assign(rng.uniform(0.3, 2, shape))
            if layer.center:
                layer.beta.assign(rng.normal(0, 0.3, shape))
            if layer.scale:
                layer.gamma.assign(rng.uniform(0.5, 1.5, shape))
    return model


def distance(values, expected) -> float:
    values, expected = np.float32(values), np.float32(expected)
    return np.linalg.norm(values - expected) / np.linalg.norm(expected)


@pytest.fixture(scope="module", params=sorted(BACKBONES))
def network(request):
    """Backbone, images, trunk features and h1 in float32."""
    name = request.param
    size = BACKBONES[name].min_image_size
    backbone = build_backbone(name, image_size=size)
    disturbed(backbone.trunk)
    disturbed(backbone.neck)
    rng = np.random.default_rng(1)
    images = rng.random((4, size, size, 3), np.float32)
    maps = backbone.trunk(images, training=False)
    return backbone, images, maps, backbone.neck(maps, training=False)


@pytest.mark.parametrize("precision", sorted(CLOSE))
def test_every_network_keeps_its_features(network, precision):
    backbone, images, maps, vectors = network
    trunk = inference_copy(backbone.trunk, precision)
    assert distance(trunk(images), maps) < CLOSE[precision]
    neck = inference_copy(backbone.neck, precision)
    assert distance(neck(maps), vectors) < CLOSE[precision]
    assert not trunk.trainable_variables and not neck.trainable_variables


def test_normalizations_are_folded_where_they_follow_a_convolution(network):
    backbone = network[0]
    copy = inference_copy(backbone.trunk, "bfloat16")
    kinds = [type(layer) for layer in copy.layers]
    assert keras.layers.BatchNormalization not in kinds
    names = [layer.name for layer in backbone.trunk.layers]
    assert [layer.name for layer in copy.layers] == names


def small(*layers: keras.Layer) -> keras.Model:
    images = inputs = keras.Input((6, 6, 3))
    for layer in layers:
        inputs = layer(inputs)
    return disturbed(keras.Model(images, inputs))


CONVOLUTIONS = {
    "bias": lambda: keras.layers.Conv2D(4, 3, bias_initializer="normal"),
    "no bias": lambda: keras.layers.Conv2D(4, 3, use_bias=False),
    "depthwise": lambda: keras.layers.DepthwiseConv2D(3, depth_multiplier=2),
}
IMAGES = np.random.default_rng(2).random((2, 6, 6, 3), np.float32)


@pytest.mark.parametrize("kind", CONVOLUTIONS)
@pytest.mark.parametrize("scale", [True, False])
def test_a_folded_normalization_gives_the_same(kind, scale):
    normalization = keras.layers.BatchNormalization(scale=scale, center=scale)
    model = small(CONVOLUTIONS[kind](), normalization)
    copy = inference_copy(model, "float32")
    np.testing.assert_allclose(copy(IMAGES), model(IMAGES), atol=1e-5)
    assert not any(
        isinstance(layer, keras.layers.BatchNormalization)
        for layer in copy.layers
    )


def test_a_normalization_behind_an_activation_is_not_folded():
    model = small(
        keras.layers.Conv2D(4, 3, activation="relu"),
        keras.layers.BatchNormalization(),
    )
    copy = inference_copy(model, "float32")
    assert isinstance(copy.layers[-1], keras.layers.BatchNormalization)
    np.testing.assert_allclose(copy(IMAGES), model(IMAGES), atol=1e-5)


def test_a_convolution_read_twice_is_not_folded():
    images = keras.Input((6, 6, 3))
    maps = keras.layers.Conv2D(4, 3)(images)
    both = keras.layers.Add()([keras.layers.BatchNormalization()(maps), maps])
    model = disturbed(keras.Model(images, both))
    copy = inference_copy(model, "float32")
    np.testing.assert_allclose(copy(IMAGES), model(IMAGES), atol=1e-5)


def test_the_copy_does_not_follow_the_model():
    model = small(keras.layers.Conv2D(4, 3))
    copy = inference_copy(model, "float32")
    before = np.asarray(copy(IMAGES))
    model.layers[-1].kernel.assign(keras.ops.zeros((3, 3, 3, 4)))
    np.testing.assert_array_equal(copy(IMAGES), before)


def test_copying_leaves_the_random_state_alone():
    model = small(keras.layers.Conv2D(4, 3), keras.layers.BatchNormalization())
    keras.utils.set_random_seed(7)
    expected = random.random()
    keras.utils.set_random_seed(7)
    inference_copy(model, "bfloat16")
    assert random.random() == expected


def test_half_the_bytes_are_kept():
    model = small(keras.layers.Conv2D(4, 3))
    copy = inference_copy(model, "bfloat16")
    assert {weight.dtype for weight in copy.weights} == {"bfloat16"}
