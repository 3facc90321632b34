import keras
import numpy as np
import pytest

from scn_tf.backbones.preprocessing import as_images
from scn_tf.backbones.preprocessing import caffe_preprocessing
from scn_tf.backbones.preprocessing import Preprocessing
from scn_tf.backbones.preprocessing import signed_preprocessing

IMAGES = np.random.default_rng(0).random((2, 5, 4, 3), dtype=np.float32)


@pytest.mark.parametrize(
    ("preprocessing", "application"),
    [
        (caffe_preprocessing, keras.applications.vgg16),
        (caffe_preprocessing, keras.applications.vgg19),
        (caffe_preprocessing, keras.applications.resnet50),
        (signed_preprocessing, keras.applications.mobilenet_v2),
        (signed_preprocessing, keras.applications.inception_v3),
    ],
)
def test_it_is_what_the_network_was_trained_on(preprocessing, application):
    np.testing.assert_allclose(
        preprocessing()(IMAGES),
        application.preprocess_input(IMAGES * 255),
        rtol=1e-5,
        atol=2e-5,
    )


def test_a_red_pixel_becomes_blue_green_red_minus_the_mean():
    red = np.array([[[[1.0, 0.0, 0.0]]]], np.float32)
    # 255 - 123.68 = 131.32
    np.testing.assert_allclose(
        np.ravel(caffe_preprocessing()(red)),
        [-103.939, -116.779, 131.32],
        rtol=1e-6,
    )


def test_it_stays_float32_under_mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        layer = signed_preprocessing()
    finally:
        keras.config.set_dtype_policy("float32")
    assert keras.backend.standardize_dtype(layer(IMAGES).dtype) == "float32"


def test_it_survives_its_config():
    layer = Preprocessing(3.0, (1.0, 2.0, 3.0), reverse_channels=True)
    config = keras.saving.serialize_keras_object(layer)
    copy = keras.saving.deserialize_keras_object(config)
    assert config["registered_name"] == "scn_tf>Preprocessing"
    assert copy.name == "preprocessing"
    # 3 * blue - 1, 3 * green - 2, 3 * red - 3
    expected = 3 * IMAGES[..., ::-1] - np.array([1, 2, 3], np.float32)
    np.testing.assert_allclose(copy(IMAGES), expected, rtol=1e-6, atol=1e-6)


def test_bytes_become_images_between_0_and_1():
    images = np.asarray(as_images(np.uint8([[0, 51, 255]])))
    assert images.dtype == np.float32
    # 51 / 255 = 1 / 5
    np.testing.assert_allclose(images, [[0, 0.2, 1]], rtol=1e-6)
