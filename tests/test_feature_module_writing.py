"""How the module is written: whole or not at all, and small."""

import errno
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from export.check import size_ratio
from export.feature_module import save_feature_vector
from tfrecords.errors import InputError

SIZE = 4


@pytest.fixture
def parts():
    images = keras.Input((SIZE, SIZE, 3))
    trunk = keras.Model(images, layers.Conv2D(4, 3, name="conv")(images))
    maps = keras.Input(trunk.output_shape[1:])
    x = layers.Conv2D(5, 1)(maps)
    return trunk, keras.Model(maps, layers.GlobalAveragePooling2D()(x))


def random_images(size=SIZE):
    shape = (2, size, size, 3)
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def saved(tmp_path, trunk, neck, weight_decay=0.0, size=SIZE):
    module_dir = tmp_path / "module"
    save_feature_vector(trunk, neck, size, module_dir, weight_decay)
    return module_dir


def test_a_new_module_replaces_the_old_one_whole(parts, tmp_path):
    module_dir = saved(tmp_path, *parts)
    (module_dir / "assets").mkdir(exist_ok=True)
    (module_dir / "assets" / "old.txt").write_text("old")
    for part in parts:
        part.set_weights([weight + 1 for weight in part.get_weights()])
    saved(tmp_path, *parts)
    assert not (module_dir / "assets" / "old.txt").exists()
    trunk, neck = parts
    features = tf.saved_model.load(module_dir)(random_images())
    np.testing.assert_array_equal(features, neck(trunk(random_images())))


def test_a_full_disk_leaves_the_old_module_and_nothing_else(
    parts, tmp_path, monkeypatch
):
    module_dir = saved(tmp_path, *parts)
    before = {
        path: path.read_bytes()
        for path in module_dir.rglob("*")
        if path.is_file()
    }

    def fill_disk(module, folder, *signatures):
        pathlib.Path(folder).mkdir()
        (pathlib.Path(folder) / "saved_model.pb").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", fill_disk)
    with pytest.raises(InputError, match="disk is full.*module"):
        saved(tmp_path, *parts)
    assert list(tmp_path.iterdir()) == [module_dir]
    for path, content in before.items():
        assert path.read_bytes() == content
    assert parts[0].layers[1].name == "conv"


def test_a_card_is_written_and_replaced_with_its_module(parts, tmp_path):
    module_dir = tmp_path / "module"
    save_feature_vector(*parts, SIZE, module_dir, card="# a caf\u00e9\n")
    text = (module_dir / "README.md").read_text(encoding="utf-8")
    assert text == "# a caf\u00e9\n"
    saved(tmp_path, *parts)
    assert not (module_dir / "README.md").exists()


def test_parts_that_do_not_fit_are_refused(parts, tmp_path):
    trunk, neck = parts
    with pytest.raises(ValueError, match="images of shape.*9, 9"):
        saved(tmp_path, trunk, neck, size=9)
    with pytest.raises(ValueError, match="`neck` must take what `trunk`"):
        saved(tmp_path, trunk, trunk)
    maps = keras.Model(neck.input, neck.layers[1].output)
    with pytest.raises(ValueError, match="one vector per image"):
        saved(tmp_path, trunk, maps)
    with pytest.raises(ValueError, match="weight_decay=-1"):
        saved(tmp_path, trunk, neck, weight_decay=-1)
    with pytest.raises(ValueError, match="Received: 'float16'"):
        save_feature_vector(
            trunk, neck, SIZE, tmp_path / "m", inference_precision="float16"
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_mobilenet_v2_takes_little_more_room_than_its_weights(tmp_path):
    images = keras.Input((32, 32, 3))
    base = keras.applications.MobileNetV2(
        input_tensor=layers.Rescaling(2.0, -1.0)(images),
        weights=None,
        include_top=False,
        pooling="avg",
    )
    middle = base.get_layer("block_16_project_BN").output
    trunk = keras.Model(images, middle)
    trunk.trainable = False
    neck = keras.Model(middle, base.output)
    module_dir = saved(tmp_path, trunk, neck, weight_decay=5e-4, size=32)
    assert size_ratio(module_dir) <= 1.06
    module = tf.saved_model.load(module_dir)
    batch = random_images(32)
    expected = neck(trunk(batch)).numpy()
    np.testing.assert_allclose(
        module(batch), expected, atol=1e-5 * np.abs(expected).max()
    )
