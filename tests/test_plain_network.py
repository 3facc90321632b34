"""Laws of the copy of a network that is made of Keras's own layers."""

import json

import keras
import numpy as np
import pytest
from keras import layers
from small_modules import DECAY
from small_modules import small_images
from small_modules import small_parts

from export.plain_network import plain_network
from scn_tf.backbones import BACKBONES
from scn_tf.backbones import build_backbone
from scn_tf.unit_length import of_unit_length

# The others have no layer that these have not, and take long.
NAMES = [
    name
    if name in ("cnn_m", "mobilenet_v2", "small_cnn")
    else pytest.param(name, marks=pytest.mark.slow)
    for name in sorted(BACKBONES)
]


def filled(plain):
    """The network with the weights that it is said to be a copy of."""
    for variable, original in zip(
        plain.model.variables, plain.originals, strict=True
    ):
        variable.assign(original.numpy())
    return plain.model


def test_it_computes_what_trunk_and_neck_compute():
    trunk, neck = small_parts()
    model = filled(plain_network(trunk, neck))
    images = small_images()
    np.testing.assert_array_equal(
        model(images, training=False), neck(trunk(images), training=False)
    )


def test_joined_features_are_both_of_unit_length():
    trunk, neck = small_parts()
    other = small_parts(seed=1)[1]
    plain = plain_network(trunk, neck, other)
    joined = filled(plain)(small_images()).numpy()
    maps = trunk(small_images())
    wanted = [of_unit_length(np.float32(each(maps))) for each in (neck, other)]
    np.testing.assert_allclose(
        joined, np.concatenate(wanted, axis=1), atol=1e-6
    )
    assert plain.frozen == ["trunk", "original_neck"]
    trained = {id(v) for v in plain.model.trainable_variables}
    places = [id(v) in trained for v in plain.model.variables]
    tuned = {id(v) for v in neck.trainable_variables}
    assert places == [id(original) in tuned for original in plain.originals]


@pytest.mark.parametrize("name", NAMES)
def test_no_class_of_ours_is_in_any_backbones_network(name):
    size = {"inception_v3": 75, "small_cnn": 0}.get(name, 64)
    backbone = build_backbone(name, image_size=size)
    plain = plain_network(backbone.trunk, backbone.neck, weight_decay=0.1)
    text = json.dumps(keras.saving.serialize_keras_object(plain.model))
    assert "scn_tf" not in text
    images = small_images(1, *backbone.trunk.input_shape[1:3])
    wanted = backbone.neck(backbone.trunk(images, training=False))
    found = filled(plain)(images, training=False).numpy()
    np.testing.assert_allclose(found, wanted, atol=2e-6 * np.abs(wanted).max())


def test_the_penalty_is_on_the_necks_kernels():
    trunk, neck = small_parts()
    model = filled(plain_network(trunk, neck, weight_decay=DECAY))
    kernels = [v.numpy() for v in neck.variables if len(v.shape) > 1]
    assert len(kernels) == 2
    wanted = DECAY / 2 * sum(np.square(kernel).sum() for kernel in kernels)
    assert float(sum(model.losses)) == pytest.approx(wanted, rel=1e-6)
    assert not filled(plain_network(trunk, neck)).losses


def test_the_models_it_is_made_of_stay_as_they_were():
    trunk, neck = small_parts()
    plain_network(trunk, neck, weight_decay=DECAY)
    assert not trunk.trainable_variables
    assert neck.losses == []
    assert [layer.name for layer in neck.layers[1:4]] == [
        "depthwise",
        "conv",
        "norm",
    ]


def test_features_are_float32_whatever_the_layers_compute_in():
    images = keras.Input((8, 8, 3))
    maps = layers.Conv2D(2, 3, dtype="mixed_bfloat16")(images)
    trunk = keras.Model(images, maps)
    neck_input = keras.Input(trunk.output_shape[1:])
    flat = layers.Flatten(dtype="mixed_bfloat16")(neck_input)
    model = plain_network(trunk, keras.Model(neck_input, flat)).model
    assert model(small_images()).dtype == "float32"
    conv = model.get_layer("trunk").layers[1]
    assert conv.compute_dtype == "bfloat16"
