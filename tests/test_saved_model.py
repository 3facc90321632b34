"""Consumers that need TensorFlow alone find what is wrong."""

import json

import numpy as np
import pytest
import tensorflow as tf
from foreign_module import save_foreign_module
from small_modules import SIZE
from small_modules import small_images
from small_modules import write_small_module

from export.consumers import saved_model
from export.consumers.consumer import NotCheckedError

IMAGES = np.random.default_rng(0).random((3, 6, 5, 3), dtype=np.float32)


@pytest.fixture(scope="module")
def module_dir(tmp_path_factory):
    return save_foreign_module(tmp_path_factory.mktemp("good") / "module")


def save_with_files(folder, scale):
    """A module whose signature for files gives `scale` times its features."""
    module = tf.Module()
    module.variables_of_it = tf.Variable(1.0)
    images = tf.TensorSpec([None, None, None, 3], tf.float32)

    @tf.function(input_signature=[images])
    def call(images):
        return tf.reduce_mean(images, [1, 2])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def serve_jpeg(encoded):
        pictures = tf.map_fn(
            lambda one: tf.image.convert_image_dtype(
                tf.io.decode_png(one, channels=3), tf.float32
            ),
            encoded,
            fn_output_signature=tf.float32,
        )
        return {"features": scale * call(pictures)}

    module.__call__ = call
    tf.saved_model.save(module, str(folder), {"serving_jpeg": serve_jpeg})
    return folder


def test_a_loaded_module_is_called(module_dir, tmp_path):
    consumed = saved_model.load(module_dir, IMAGES, tmp_path)
    wanted = IMAGES.mean(axis=(1, 2)) @ np.ones((3, 2), np.float32)
    np.testing.assert_allclose(consumed.features, wanted, rtol=1e-6)
    np.testing.assert_array_equal(consumed.run(), consumed.features)
    assert consumed.path == module_dir


def test_the_default_signature_is_called_by_its_names(module_dir, tmp_path):
    consumed = saved_model.serve_images(module_dir, IMAGES, tmp_path)
    loaded = saved_model.load(module_dir, IMAGES, tmp_path).features
    np.testing.assert_allclose(consumed.features, 2 * loaded, rtol=1e-6)
    assert consumed.note == "images -> features"


@pytest.mark.parametrize("scale, error", [(1.0, 0.0), (1.5, 0.5)])
def test_files_are_held_against_images_of_8_bits(tmp_path, scale, error):
    folder = save_with_files(tmp_path / "module", scale)
    consumed = saved_model.serve_files(folder, IMAGES, tmp_path)
    exact = IMAGES.mean(axis=(1, 2))
    np.testing.assert_allclose(
        consumed.features - exact, error * exact, atol=0.003
    )


@pytest.mark.parametrize("sides", [(20, 20), (SIZE, 20), (5, 5)])
def test_files_are_compared_at_the_modules_own_size_only(tmp_path, sides):
    folder = write_small_module(tmp_path / "module")
    assert saved_model.own_size(folder) == SIZE
    images = small_images()
    served = saved_model.serve_files(folder, images, tmp_path).features
    wanted = saved_model.load(folder, images, tmp_path).features
    np.testing.assert_allclose(served, wanted, rtol=1e-5)
    others = small_images(2, *sides)
    with pytest.raises(NotCheckedError) as raised:
        saved_model.serve_files(folder, others, tmp_path)
    assert f"images are {sides[0]} x {sides[1]}" in str(raised.value)
    assert f"the module's own {SIZE} x {SIZE}" in str(raised.value)


@pytest.mark.parametrize(
    "text", ["", "[]", "7", "{}", '{"image_size": "8"}', '{"image_size": -8}']
)
def test_a_size_that_is_not_stated_is_0(tmp_path, text):
    assert saved_model.own_size(tmp_path) == 0
    (tmp_path / "keras.json").write_text(text)
    assert saved_model.own_size(tmp_path) == 0
    (tmp_path / "keras.json").write_text(json.dumps({"image_size": 96}))
    assert saved_model.own_size(tmp_path) == 96


def test_a_module_that_takes_no_files_is_not_checked(module_dir, tmp_path):
    with pytest.raises(NotCheckedError, match="no such signature"):
        saved_model.serve_files(module_dir, IMAGES, tmp_path)
