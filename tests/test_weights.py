import pathlib
import zipfile

import h5py
import keras
import numpy as np
import pytest

from scn_tf.backbones import build_backbone
from scn_tf.backbones.cnn_m import build_cnn_m
from scn_tf.backbones.preprocessing import Preprocessing
from scn_tf.backbones.weights import load_weights
from tfrecords.errors import InputError

# Keras's own save_weights under NumPy 2.4.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)

IMAGES = np.random.default_rng(0).random((2, 8, 8, 3), dtype=np.float32)


def _network(classes: int = 0, width: int = 6, side: int = 8) -> keras.Model:
    """Conv, depthwise, norm, fc6, fc7 and, with `classes`, a classifier."""
    layers = keras.layers
    images = keras.Input((side, side, 3), name="images")
    x = Preprocessing(2.0)(images)
    x = layers.Conv2D(4, 3, name="conv1")(x)
    x = layers.DepthwiseConv2D(3, name="depthwise1")(x)
    x = layers.Conv2D(5, 1, name="conv2")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(width, activation="relu", name="fc6")(x)
    x = layers.Dense(4, name="fc7")(x)
    if classes:
        x = layers.Dense(classes, name="predictions")(x)
    model = keras.Model(images, x, name="net")
    model.get_layer("norm").moving_mean.assign(np.arange(5.0))
    return model


def _features(model: keras.Model) -> np.ndarray:
    """fc7 of IMAGES, whether or not a classifier follows."""
    taps = keras.Model(model.input, model.get_layer("fc7").output)
    return taps(IMAGES).numpy()


def _save(model: keras.Model, path: pathlib.Path) -> pathlib.Path:
    """Writes Keras 3's layout, or the older one for a plain .h5."""
    if path.name.endswith(".weights.h5"):
        model.save_weights(path)
        return path
    with h5py.File(path, "w") as file:  # as keras.applications' files are
        names = [layer.name.encode() for layer in model.layers]
        file.attrs["layer_names"] = names
        for layer in model.layers:
            group = file.create_group(layer.name)
            keys = [f"{layer.name}/{v.name}:0" for v in layer.weights]
            group.attrs["weight_names"] = [key.encode() for key in keys]
            for key, variable in zip(keys, layer.weights, strict=True):
                group[key] = variable.numpy()
    return path


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("file_name", ["a.weights.h5", "kernels.h5"])
def test_a_file_fills_every_variable(tmp_path, classes, file_name):
    saved = _network(classes)
    path = _save(saved, tmp_path / file_name)
    network = _network()
    assert np.abs(_features(network) - _features(saved)).max() > 1e-3
    load_weights(network, str(path))
    np.testing.assert_array_equal(_features(network), _features(saved))
    for layer in network.layers:
        for new, old in zip(
            layer.weights, saved.get_layer(layer.name).weights, strict=True
        ):
            np.testing.assert_array_equal(new.numpy(), old.numpy())


@pytest.mark.filterwarnings("ignore:.*HDF5.*")
def test_a_whole_model_saved_the_old_way_is_read(tmp_path):
    saved = _network(3)
    saved.save(tmp_path / "model.h5")
    network = _network()
    load_weights(network, str(tmp_path / "model.h5"))
    np.testing.assert_array_equal(_features(network), _features(saved))


def test_layers_are_found_by_place_not_by_name(tmp_path):
    # Keras numbers unnamed layers by what was built before them.
    def nameless() -> keras.Model:
        images = keras.Input((4, 4, 3))
        x = keras.layers.Conv2D(2, 1)(Preprocessing(1.0)(images))
        x = keras.layers.Conv2D(2, 1)(x)
        return keras.Model(images, keras.layers.Flatten()(x))

    first, second = nameless(), nameless()
    load_weights(second, str(_save(first, tmp_path / "x.weights.h5")))
    np.testing.assert_array_equal(
        second(IMAGES[:, :4, :4]), first(IMAGES[:, :4, :4])
    )


def test_ten_layers_of_a_kind_keep_their_order(tmp_path):
    def deep() -> keras.Model:
        images = keras.Input((4,))
        x = images
        for _ in range(12):
            x = keras.layers.Dense(4)(x)
        return keras.Model(images, x)

    first, second = deep(), deep()
    load_weights(second, str(_save(first, tmp_path / "x.weights.h5")))
    np.testing.assert_array_equal(
        second(np.ones((1, 4))), first(np.ones((1, 4)))
    )


def test_a_missing_file_is_named_with_its_whole_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected = f"no weights file {tmp_path}/sub/x.h5.*'imagenet'.*'none'"
    with pytest.raises(InputError, match=expected):
        load_weights(_network(), "sub/x.h5")


def test_a_folder_is_no_weights_file(tmp_path):
    with pytest.raises(InputError, match="no weights file"):
        load_weights(_network(), str(tmp_path))


def test_a_file_that_is_not_hdf5_is_refused(tmp_path):
    path = tmp_path / "x.weights.h5"
    path.write_text("<html>404</html>")
    with pytest.raises(InputError, match="x.weights.h5 cannot be read"):
        load_weights(_network(), str(path))


@pytest.mark.parametrize("file_name", ["a.weights.h5", "kernels.h5"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_file_cut_short_is_refused(tmp_path, file_name, share):
    path = _save(_network(3), tmp_path / file_name)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match="cut short: fetch or save it again"):
        load_weights(_network(), str(path))


def test_hdf5_without_weights_is_refused(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["data"] = np.zeros(3)
    with pytest.raises(InputError, match="no weights that Keras saved"):
        load_weights(_network(), str(tmp_path / "x.h5"))


def test_hdf5_of_another_program_is_refused(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["layers/conv2d"] = np.zeros(3)
        file["layers/dense/vars/kernel"] = np.zeros(3)
        file["layers/other/vars/kernel"] = np.zeros(3)
    with pytest.raises(InputError, match="6 layers differ"):
        load_weights(_network(), str(tmp_path / "x.h5"))


@pytest.mark.parametrize("file_name", ["a.weights.h5", "kernels.h5"])
def test_other_shapes_are_listed_with_both(tmp_path, file_name):
    path = _save(_network(width=7), tmp_path / file_name)
    with pytest.raises(InputError) as raised:
        load_weights(_network(), str(path))
    message = str(raised.value)
    assert f"{path} does not hold the weights of net at 8 pixels" in message
    assert "2 layers differ" in message
    # 8 -> 6 -> 4 pixels, 4 * 4 * 5 = 80 inputs of fc6.
    assert (
        "fc6: network (80, 6), (6,); file (80, 7), (7,)\n"
        "  fc7: network (6, 4), (4,); file (7, 4), (4,)\n"
    ) in message
    assert "--backbone" in message


def test_another_image_size_is_told(tmp_path):
    path = _save(_network(side=9), tmp_path / "x.weights.h5")
    with pytest.raises(InputError, match="(?s)fc6.*the image size is another"):
        load_weights(_network(), str(path))


@pytest.mark.parametrize("file_name", ["a.weights.h5", "kernels.h5"])
def test_a_layer_that_the_file_lacks_is_not_left_random(tmp_path, file_name):
    full = _network()
    short = keras.Model(full.input, full.get_layer("fc6").output)
    path = _save(short, tmp_path / file_name)
    network = _network()
    before = network.get_layer("conv1").kernel.numpy()
    with pytest.raises(
        InputError, match=r"fc7: network \(6, 4\), \(4,\); file nothing"
    ):
        load_weights(network, str(path))
    np.testing.assert_array_equal(network.get_layer("conv1").kernel, before)


@pytest.mark.parametrize("file_name", ["a.weights.h5", "kernels.h5"])
def test_more_than_a_classifier_too_much_is_refused(tmp_path, file_name):
    full = _network(3)
    deeper = keras.Model(
        full.input, keras.layers.Dense(2, name="extra")(full.output)
    )
    path = _save(deeper, tmp_path / file_name)
    with pytest.raises(
        InputError, match=r"extra: network nothing; file \(3, 2\), \(2,\)"
    ):
        load_weights(_network(), str(path))


def _with_config(path: pathlib.Path, config: str) -> pathlib.Path:
    """Copies a .keras file with another description of the model."""
    changed = path.with_name("changed.keras")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
        new.writestr("config.json", config)
        new.writestr("model.weights.h5", old.read("model.weights.h5"))
    return changed


@pytest.mark.parametrize("classes", [0, 3])
def test_a_keras_model_is_read_and_its_config_is_not(tmp_path, classes):
    saved = _network(classes)
    saved.save(tmp_path / "a.keras")
    for path in (
        tmp_path / "a.keras",
        _with_config(tmp_path / "a.keras", "{'class_name': 'Lambda'"),
    ):
        network = _network()
        load_weights(network, str(path))
        np.testing.assert_array_equal(_features(network), _features(saved))


def test_a_trained_keras_model_of_keras_applications_is_read(tmp_path):
    original = keras.applications.MobileNetV2(
        weights=None, input_shape=(32, 32, 3), classes=2
    )
    original.compile("adam", "mse")
    original.optimizer.build(original.trainable_variables)
    path = tmp_path / "model.zip"  # told by its content
    original.save(tmp_path / "model.keras")
    (tmp_path / "model.keras").rename(path)
    backbone = build_backbone("mobilenet_v2", weights=str(path), image_size=32)
    images = np.random.default_rng(1).random((2, 32, 32, 3), np.float32)
    pooled = keras.Model(original.input, original.layers[-2].output)
    np.testing.assert_allclose(
        backbone.neck(backbone.trunk(images)),
        pooled(images * 2 - 1),
        rtol=1e-4,
        atol=1e-6,
    )


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_keras_model_cut_short_is_refused(tmp_path, share):
    path = tmp_path / "a.keras"
    _network().save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match="a.keras cannot be read.*cut short"):
        load_weights(_network(), str(path))


def test_a_keras_model_with_a_flipped_byte_is_refused(tmp_path):
    path = tmp_path / "a.keras"
    _network().save(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="a.keras cannot be read.*CRC"):
        load_weights(_network(), str(path))


def test_an_archive_without_weights_is_refused(tmp_path):
    path = tmp_path / "a.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(InputError, match="archive without model.weights.h5"):
        load_weights(_network(), str(path))


def test_an_archive_of_damaged_weights_is_refused(tmp_path):
    path = tmp_path / "a.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.weights.h5", b"not HDF5" * 99)
    with pytest.raises(InputError, match="a.keras cannot be read as HDF5"):
        load_weights(_network(), str(path))


def test_an_archive_that_swells_is_not_unpacked(tmp_path):
    path = tmp_path / "a.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", bytes(30_000_000))
    with pytest.raises(InputError, match="holds 30000000 bytes of weights"):
        load_weights(_network(), str(path))


def test_other_widths_of_fc_layers_name_their_flags(tmp_path):
    path = _save(_network(width=7), tmp_path / "x.weights.h5")
    with pytest.raises(InputError, match="fc6 has 7 units.*--fc6_width=7"):
        load_weights(_network(), str(path))


@pytest.mark.parametrize("name", ["m.mat", "M.MAT"])
def test_a_mat_file_goes_to_its_reader(tmp_path, name):
    (tmp_path / name).write_text("<html>404</html>")
    with pytest.raises(InputError, match="no MATLAB file of version 5 to 7"):
        load_weights(build_cnn_m(41, False, 3, 2), str(tmp_path / name))


def test_the_real_file_gives_what_keras_gives(scn_data):
    path = scn_data / "weights" / "mobilenet_v2_imagenet.weights.h5"
    original = keras.applications.MobileNetV2(weights=None)
    original.load_weights(path)
    pooled = keras.Model(original.input, original.layers[-2].output)
    backbone = build_backbone("mobilenet_v2", weights=str(path))
    images = np.random.default_rng(1).random((2, 224, 224, 3), np.float32)
    expected = pooled(images * 2 - 1).numpy()
    assert expected.std() > 0.1
    np.testing.assert_allclose(
        backbone.neck(backbone.trunk(images)), expected, atol=1e-5
    )
    for part in (backbone.trunk, backbone.neck):
        for layer in part.layers:
            if layer.weights:
                for new, old in zip(
                    layer.get_weights(),
                    original.get_layer(layer.name).get_weights(),
                    strict=True,
                ):
                    np.testing.assert_array_equal(new, old)


def test_the_real_file_does_not_go_into_another_network(scn_data):
    path = scn_data / "weights" / "mobilenet_v2_imagenet.weights.h5"
    with pytest.raises(InputError) as raised:
        build_backbone("vgg16", weights=str(path), image_size=32)
    message = str(raised.value)
    assert (
        "block1_conv1: network (3, 3, 3, 64), (64,); file (3, 3, 3, 32)"
        in message
    )
    assert "more" in message
