"""Laws of our layer for Keras 3."""

import os
import pathlib
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_modules import DECAY
from small_modules import FEATURES
from small_modules import small_images
from small_modules import small_parts
from small_modules import write_small_module
from tiny import mirrored

from export.keras_layer import FeatureVector
from tfrecords.errors import InputError

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture(scope="module")
def module_dir(tmp_path_factory):
    return write_small_module(tmp_path_factory.mktemp("tuned") / "module")


@pytest.fixture(scope="module")
def joined_dir(tmp_path_factory):
    return write_small_module(tmp_path_factory.mktemp("joined") / "m", True)


def values(variables):
    return [variable.numpy() for variable in variables]


def moved(variables, before):
    return [
        not np.array_equal(variable, value)
        for variable, value in zip(values(variables), before, strict=True)
    ]


def classifier(layer):
    model = keras.Sequential([layer, keras.layers.Dense(2)])
    model.compile(
        keras.optimizers.SGD(0.01),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def train(model):
    return model.train_on_batch(small_images(), np.array([0, 1, 0, 1]))


@pytest.mark.parametrize("size", [(8, 8), (11, 6), (20, 31)])
def test_it_gives_what_the_module_gives(module_dir, joined_dir, size):
    images = small_images(3, *size)
    for folder in (module_dir, joined_dir):
        wanted = tf.saved_model.load(str(folder))(images).numpy()
        features = FeatureVector(folder)(images)
        assert features.dtype == "float32"
        np.testing.assert_allclose(features, wanted, rtol=1e-6)


def test_grays_of_a_byte_are_refused(module_dir):
    """As the module itself does: its white is 1."""
    grays = np.zeros((1, 8, 8, 3), np.uint8)
    with pytest.raises(ValueError, match="floats in .0, 1.*Received: uint8"):
        FeatureVector(module_dir)(grays)


def test_a_half_precision_module_gives_the_same_too(tmp_path):
    folder = write_small_module(tmp_path / "half", precision="bfloat16")
    wanted = tf.saved_model.load(str(folder))(small_images()).numpy()
    layer = FeatureVector(folder)
    conv = layer.network.get_layer("trunk").get_layer("conv")
    assert conv.compute_dtype == "bfloat16"
    # A graph rounds after adding the bias, a layer before it as well.
    np.testing.assert_allclose(layer(small_images()), wanted, rtol=0.01)


def test_frozen_nothing_moves(module_dir):
    layer = FeatureVector(module_dir)
    model = classifier(layer)
    model.build((None, 8, 8, 3))
    before, head = values(layer.variables), values(model.layers[1].variables)
    train(model)
    assert not any(moved(layer.variables, before))
    assert all(moved(model.layers[1].variables, head))
    assert layer.trainable_variables == [] == layer.losses


def test_tuned_everything_learns_and_statistics_follow(module_dir):
    layer = FeatureVector(module_dir, trainable=True)
    model = classifier(layer)
    before = values(layer.variables)
    assert np.isfinite(train(model))
    learned = dict(
        zip(
            [variable.path for variable in layer.variables],
            moved(layer.variables, before),
            strict=True,
        )
    )
    # Before a normalization a bias makes no difference: no gradient.
    assert {path for path in learned if not path.endswith("/bias")} == {
        path for path, has_moved in learned.items() if has_moved
    } - {path for path in learned if path.endswith("/bias")}
    assert len(layer.trainable_variables) == 10
    _, neck = small_parts()
    kernels = [v.numpy() for v in neck.variables if len(v.shape) > 1]
    wanted = DECAY / 2 * sum(np.square(kernel).sum() for kernel in kernels)
    fresh = FeatureVector(module_dir, trainable=True)
    assert float(sum(fresh.losses)) == pytest.approx(wanted, rel=1e-6)


def test_training_calls_use_batch_statistics_as_the_module_does(module_dir):
    layer = FeatureVector(module_dir, trainable=True)
    module = tf.saved_model.load(str(module_dir))
    images = small_images()
    wanted = module(images, training=True).numpy()
    np.testing.assert_allclose(layer(images, training=True), wanted, rtol=1e-5)
    # Both have moved their statistics alike.
    np.testing.assert_allclose(layer(images), module(images), rtol=1e-5)
    assert not np.allclose(layer(images), wanted)


def test_the_original_part_of_joined_features_never_moves(joined_dir):
    layer = FeatureVector(joined_dir, trainable=True)
    images = small_images()
    before = layer(images).numpy()
    model = classifier(layer)
    model.trainable = False
    model.trainable = True  # as a user who thaws everything
    assert len(layer.trainable_variables) == 6
    for _ in range(3):
        train(model)
    tuned, original = np.split(layer(images).numpy() - before, 2, axis=1)
    assert np.abs(tuned).max() > 1e-4
    assert not original.any()
    assert tuned.shape == (4, FEATURES)


def test_a_saved_model_needs_no_folder(module_dir, tmp_path):
    folder = write_small_module(tmp_path / "gone")
    model = classifier(FeatureVector(folder, trainable=True))
    train(model)
    model.save(tmp_path / "model.keras")
    shutil.rmtree(folder)
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(again(small_images()), model(small_images()))
    assert again.layers[0].trainable
    assert str(tmp_path) not in str(again.layers[0].get_config())
    # The optimizer's state has come along: both go on alike.
    assert train(again) == train(model)
    np.testing.assert_array_equal(again(small_images()), model(small_images()))


# Keras itself imports classes of its own packages alone.
ELSEWHERE = """
import keras
import numpy as np

try:
    keras.saving.load_model("model.keras")
except TypeError as error:
    print(error)
import export.keras_layer

model = keras.saving.load_model("model.keras", safe_mode=True)
np.save("found.npy", model(np.load("images.npy")))
"""


def test_another_process_needs_the_import_and_nothing_else(
    module_dir, tmp_path
):
    model = classifier(FeatureVector(module_dir))
    np.save(tmp_path / "images.npy", small_images())
    wanted = model(small_images())
    model.save(tmp_path / "model.keras")
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "Could not locate class 'FeatureVector'" in done.stdout
    found = np.load(tmp_path / "found.npy")
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_functional_models_know_its_shape(module_dir):
    inputs = keras.Input((None, None, 3))
    layer = FeatureVector(module_dir, name="features")
    output = layer(inputs)
    assert output.shape == (None, FEATURES)
    assert layer.compute_output_shape((7, 8, 8, 3)) == (7, FEATURES)
    model = keras.Model(inputs, output)
    np.testing.assert_allclose(
        model(small_images()), layer(small_images()), rtol=1e-6
    )
    assert model.predict(small_images(), verbose=0).shape == (4, FEATURES)


def test_it_computes_in_the_precision_that_is_asked_for(module_dir):
    exact = FeatureVector(module_dir)(small_images()).numpy()
    layer = FeatureVector(module_dir, dtype="mixed_bfloat16")
    rounded = layer(small_images())
    assert rounded.dtype == "float32"
    error = np.abs(rounded - exact).max() / np.abs(exact).max()
    assert 1e-5 < error < 0.05
    assert {variable.dtype for variable in layer.variables} == {"float32"}
    again = FeatureVector.from_config(layer.get_config())
    assert again.get_config()["dtype"] == layer.get_config()["dtype"]


def test_joined_features_are_of_unit_length_in_any_precision(joined_dir):
    layer = FeatureVector(joined_dir, dtype="mixed_bfloat16")
    # Joined in bfloat16, a length would be off by a thousandth.
    halves = np.split(layer(small_images()).numpy(), 2, axis=1)
    lengths = np.linalg.norm(halves, axis=2)
    np.testing.assert_allclose(lengths, 1, atol=1e-6)


def test_a_global_policy_does_not_round_the_images(module_dir):
    exact = FeatureVector(module_dir)(small_images()).numpy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        features = FeatureVector(module_dir)(small_images()).numpy()
    finally:
        keras.config.set_dtype_policy("float32")
    np.testing.assert_array_equal(features, exact)


def test_two_replicas_learn_what_one_learns(module_dir):
    with mirrored("CPU:0", "CPU:1").scope():
        shared = classifier(FeatureVector(module_dir, trainable=True))
        shared.build((None, 8, 8, 3))
    alone = classifier(FeatureVector(module_dir, trainable=True))
    alone.build((None, 8, 8, 3))
    alone.set_weights(shared.get_weights())
    labels = np.array([0, 1, 0, 1])
    # One batch statistic over two replicas is another than one over all;
    # a frozen normalization has none.
    for model in (shared, alone):
        for layer in model.layers[0]._flatten_layers():
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
        model.fit(small_images(), labels, batch_size=4, verbose=0)
    for one, other in zip(
        shared.get_weights(), alone.get_weights(), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_a_folder_that_is_no_module_is_named(tmp_path):
    with pytest.raises(InputError, match=r"holds no keras\.json"):
        FeatureVector(tmp_path)
