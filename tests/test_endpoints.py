"""Laws of the names of what lies on a network's way."""

import keras
import numpy as np
import pytest
from keras import layers

from export.endpoints import with_endpoints
from scn_tf.backbones import build_backbone


def parts(train_from):
    return build_backbone("small_cnn", train_from, image_size=16)


def images():
    return np.random.default_rng(0).random((2, 16, 16, 3), np.float32)


@pytest.mark.parametrize("train_from", ["conv3", "fc6", "fc7"])
def test_the_output_is_the_models(train_from):
    backbone = parts(train_from)
    maps = backbone.trunk(images())
    ends = with_endpoints(backbone.trunk)(images())
    np.testing.assert_array_equal(ends["output"], maps)
    ends = with_endpoints(backbone.neck)(maps)
    np.testing.assert_array_equal(ends["output"], backbone.neck(maps))


@pytest.mark.parametrize(
    "train_from, in_trunk, in_neck",
    [
        ("conv3", {"feature_map"}, {"feature_map", "fc6"}),
        ("fc6", {"feature_map"}, {"fc6"}),
        ("fc7", {"feature_map", "fc6"}, set()),
    ],
)
def test_each_part_names_what_lies_in_it(train_from, in_trunk, in_neck):
    backbone = parts(train_from)
    trunk = set(with_endpoints(backbone.trunk).output) - {"output"}
    neck = set(with_endpoints(backbone.neck).output) - {"output"}
    assert (trunk, neck) == (in_trunk, in_neck)


def test_the_map_is_the_last_one_and_fc6_comes_before_fc7():
    backbone = parts("conv3")
    ends = with_endpoints(backbone.neck)(backbone.trunk(images()))
    # 16 pixels, halved four times.
    assert ends["feature_map"].shape == (2, 1, 1, 64)
    fc6, fc7 = ends["fc6"], ends["output"]
    layer = backbone.neck.get_layer("fc7")
    np.testing.assert_array_equal(layer(fc6), fc7)


def test_kerass_vgg_has_an_fc6_too():
    x = images_in = keras.Input((2, 2, 3))
    x = layers.Flatten()(x)
    x = layers.Dense(4, name="fc1")(x)
    model = keras.Model(images_in, layers.Dense(2, name="fc2")(x))
    assert with_endpoints(model).output["fc6"].shape == (None, 4)


def test_the_weights_are_the_models_own():
    neck = parts("fc6").neck
    same = with_endpoints(neck)
    for one, other in zip(same.variables, neck.variables, strict=True):
        assert one is other
