"""Laws of loading a module: its own size, its digest, what is refused."""

import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf
from small_pictures import NUM_FEATURES
from small_pictures import SIZE
from small_pictures import write_module

from scn_tf.embedding.loaded_module import FeatureModule
from tfrecords.errors import InputError


def test_an_export_says_the_size_that_it_works_at(demo_run):
    module = FeatureModule(demo_run / "module")
    # small_cnn's patches: no size stands in its signature.
    assert module.image_size == 64
    images = np.random.default_rng(0).random((3, 64, 64, 3), np.float32)
    alone = tf.saved_model.load(str(demo_run / "module"))
    np.testing.assert_array_equal(
        module(images), alone(images, training=False).numpy()
    )
    assert module(images).shape == (3, module.num_features)


@pytest.mark.parametrize(
    "size, asked, wanted",
    [(SIZE, 0, SIZE), (None, 0, 224), (None, 40, 40)],
)
def test_the_size_is_that_asked_for_or_stated_or_the_usual(
    tmp_path, size, asked, wanted
):
    module = FeatureModule(write_module(tmp_path / "m", size), asked)
    assert module.image_size == wanted
    assert module.num_features == NUM_FEATURES


def test_the_digest_changes_with_weights_and_not_with_the_place(tmp_path):
    write_module(tmp_path / "one")
    write_module(tmp_path / "other", scale=2.0)
    shutil.copytree(tmp_path / "one", tmp_path / "copy")
    one, other, copy = (
        FeatureModule(tmp_path / name).digest
        for name in ("one", "other", "copy")
    )
    assert one == copy != other


def refused(module_dir: pathlib.Path, image_size: int = 0) -> str:
    with pytest.raises(InputError) as raised:
        FeatureModule(module_dir, image_size)
    assert "Wanted" in str(raised.value)
    return str(raised.value)


def test_a_folder_that_is_no_module_is_refused(tmp_path):
    assert "no such folder" in refused(tmp_path / "none")
    assert "saved_model.pb" in refused(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"\x07junk")
    assert "cannot be loaded" in refused(tmp_path)


def test_a_module_that_is_no_feature_vector_is_refused(tmp_path):
    plain = tf.train.Checkpoint()
    plain.weight = tf.Variable(1.0)
    tf.saved_model.save(plain, str(tmp_path / "plain"))
    assert "cannot be called" in refused(tmp_path / "plain")

    maps = tf.train.Checkpoint()
    spec = tf.TensorSpec([None, None, None, 3], tf.float32)
    call = tf.function(lambda images, training=False: images)
    call.get_concrete_function(spec, training=False)
    maps.__call__ = call
    tf.saved_model.save(maps, str(tmp_path / "maps"))
    assert "not one vector per image" in refused(tmp_path / "maps")


def test_a_size_that_the_module_does_not_take_is_refused(tmp_path):
    write_module(tmp_path / "m")
    assert "cannot be called" in refused(tmp_path / "m", SIZE + 1)
