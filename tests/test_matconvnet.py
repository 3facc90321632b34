"""A network filled from MatConvNet's file computes what MatConvNet does."""

import keras
import numpy as np
import pytest
from matconvnet_files import classifier
from matconvnet_files import cnn_m
from matconvnet_files import COLOR
from matconvnet_files import features
from matconvnet_files import vgg19
from matconvnet_files import write

from scn_tf.backbones import build_backbone
from scn_tf.backbones.cnn_m import build_cnn_m
from scn_tf.backbones.small_cnn import build_small_cnn
from scn_tf.backbones.weights import load_weights
from tfrecords.errors import InputError

SIDE = 75  # 35 -> 17 -> 8 -> 4 -> 2 pixels: fc6 sees a map, in an order
IMAGES = np.random.default_rng(5).integers(0, 256, (2, SIDE, SIDE, 3))


def _network(side: int = SIDE, widths: tuple[int, int] = (9, 7)) -> keras.Model:
    return build_cnn_m(side, fc6_width=widths[0], fc7_width=widths[1])


def _assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    assert (expected > 0).mean() > 0.2
    largest = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * largest)


@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("compressed", [True, False])
def test_cnn_m_gives_fc7_of_matconvnet(tmp_path, old, compressed):
    layers = cnn_m(old=old)
    path = write(tmp_path / "m.mat", layers, old=old, do_compression=compressed)
    backbone = build_backbone(
        "cnn_m",
        weights=str(path),
        image_size=SIDE,
        fc6_width=9,
        fc7_width=7,
    )
    found = backbone.neck(backbone.trunk(IMAGES / np.float32(255)))
    _assert_close(found.numpy(), features(layers, IMAGES, COLOR))


def test_another_mean_color_costs_nothing_where_nothing_is_padded(
    tmp_path, caplog
):
    color = np.array((90.0, 130.0, 100.0))
    layers = cnn_m()
    network = _network()
    load_weights(network, str(write(tmp_path / "m.mat", layers, color)))
    found = network(IMAGES / np.float32(255)).numpy()
    _assert_close(found, features(layers, IMAGES, color))
    wrong = features(layers, IMAGES, COLOR)
    assert np.abs(found - wrong).max() > 0.01 * wrong.max()
    assert not caplog.messages


def test_of_a_mean_image_the_mean_color_is_taken_with_a_warning(
    tmp_path, caplog
):
    average = np.tile(COLOR + 2, (SIDE, SIDE, 1))
    average[:, ::2] += 3
    average[:, 1::2] -= 3  # the last column of 75 is even
    layers = cnn_m()
    network = _network()
    path = write(tmp_path / "m.mat", layers, average, old=True)
    load_weights(network, str(path))
    (message,) = caplog.messages
    assert "mean image" in message and "up to 3.0 of 255" in message
    found = network(IMAGES / np.float32(255)).numpy()
    _assert_close(found, features(layers, IMAGES, average.mean((0, 1))))


def test_nothing_is_taken_off_where_the_mean_is_empty(tmp_path):
    layers = cnn_m()
    network = _network()
    load_weights(
        network, str(write(tmp_path / "m.mat", layers, np.zeros((0, 0))))
    )
    found = network(IMAGES / np.float32(255)).numpy()
    _assert_close(found, features(layers, IMAGES, np.zeros(3)))


def test_a_file_without_a_mean_is_taken_to_have_imagenets(tmp_path, caplog):
    layers = cnn_m()
    network = _network()
    load_weights(network, str(write(tmp_path / "m.mat", layers, None)))
    assert "does not say what is taken off" in caplog.text
    kernel = layers[0]["weights"][0][0]
    conv1 = network.get_layer("conv1")
    np.testing.assert_array_equal(conv1.kernel, kernel[:, :, ::-1])
    np.testing.assert_array_equal(
        conv1.bias, layers[0]["weights"][0][1].ravel()
    )


@pytest.fixture(scope="module")
def vgg_layers():
    return vgg19()


def test_vgg19_gives_fc7_of_matconvnet_and_refuses_cnn_m(
    tmp_path, vgg_layers, caplog
):
    images = IMAGES[:, :32, :32]
    path = write(tmp_path / "v.mat", vgg_layers)
    backbone = build_backbone("vgg19", weights=str(path), image_size=32)
    found = backbone.neck(backbone.trunk(images / np.float32(255)))
    _assert_close(found.numpy(), features(vgg_layers, images, COLOR))
    assert not caplog.messages
    path = write(tmp_path / "m.mat", cnn_m())
    with pytest.raises(InputError) as raised:
        build_backbone("vgg16", weights=str(path), image_size=32)
    assert (
        "block1_conv1: network (3, 3, 3, 64), (64,); "
        "file (7, 7, 3, 96), (96,)" in str(raised.value)
    )
    assert "and 10 more" in str(raised.value)


def test_another_mean_color_behind_padding_is_off_at_the_edges_alone(
    tmp_path, caplog
):
    # The first convolution of VGG, alone.
    color = COLOR + (2, -3, 4)
    layers = vgg19(fc_width=2)[:2]
    full = build_backbone("vgg16", "input", image_size=32)
    preprocessing = full.trunk.layers[-1]
    images = keras.Input((32, 32, 3))
    convolution = keras.layers.Conv2D(64, 3, padding="same", activation="relu")
    network = keras.Model(images, convolution(preprocessing(images)))
    load_weights(network, str(write(tmp_path / "v.mat", layers, color)))
    (message,) = caplog.messages
    assert "make up for it except at the edges" in message
    pixels = IMAGES[:, :32, :32]
    found = network(pixels / np.float32(255)).numpy()
    expected = features(layers, pixels, color).reshape(found.shape)
    _assert_close(found[:, 1:-1, 1:-1], expected[:, 1:-1, 1:-1])
    assert np.abs(found - expected)[:, 0].max() > 0.1


def _without(layers: list, name: str) -> list:
    return [layer for layer in layers if layer["name"] != name]


def _changed(layers: list, name: str, **values: object) -> list:
    return [x | values if x["name"] == name else x for x in layers]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda x: _changed(x, "conv2", stride=1.0),
            r"(?s)2 layers differ.*conv2: network conv stride 2x2 pad 1 1 1 1.*"
            r"file conv stride 1x1 pad 1 1 1 1",
        ),
        (
            lambda x: _changed(x, "norm1", param=np.array([5, 2, 5e-4, 0.75])),
            "lrn 5 2 0.0001 0.75.*; file .*lrn 5 2 0.0005 0.75",
        ),
        (lambda x: _without(x, "norm2"), "conv2: network .*lrn.*; file"),
        (
            lambda x: _changed(x, "pool2", method="avg"),
            "pool max 3x3.*; file .*pool avg 3x3",
        ),
        (
            lambda x: _changed(x, "pool2", pad=0.0),
            "pool max 3x3 stride 2x2 pad 0 1 0 1; file",
        ),
        (lambda x: _changed(x, "relu_conv3", leak=0.1), "file.*relu 0.1"),
        (lambda x: _changed(x, "relu_fc7", type="sigmoid"), "file.*sigmoid"),
        (lambda x: [{"type": "bnorm"}, *x], "images: network nothing; file bn"),
        (
            lambda x: x[:-4],
            r"fc7: network \(1, 1, 9, 7\), \(7,\); file nothing",
        ),
    ],
)
def test_a_network_that_computes_something_else_is_refused(
    tmp_path, change, message
):
    network = _network()
    before = [variable.numpy() for variable in network.weights]
    path = write(tmp_path / "m.mat", change(cnn_m()))
    with pytest.raises(InputError, match=message):
        load_weights(network, str(path))
    for variable, value in zip(network.weights, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_another_width_names_the_flag(tmp_path):
    path = write(tmp_path / "m.mat", cnn_m((8, 5)))
    with pytest.raises(InputError) as raised:
        load_weights(_network(), str(path))
    message = str(raised.value)
    assert (
        "fc6: network (2, 2, 512, 9), (9,); file (2, 2, 512, 8), (8,)"
        in message
    )
    assert (
        "fc6 has 8 units, not 9 and fc7 has 5 units, not 7: give "
        "--fc6_width=8 --fc7_width=5." in message
    )
    load_weights(_network(widths=(8, 5)), str(path))


def test_another_image_size_names_the_flag(tmp_path):
    path = write(tmp_path / "m.mat", cnn_m(), image_size=SIDE)
    with pytest.raises(InputError, match=f"give --image_size={SIDE}"):
        load_weights(_network(41), str(path))


def test_a_file_without_its_classifier_will_do_and_dropout_is_none(tmp_path):
    layers = cnn_m()[:-2]
    layers.insert(-2, {"name": "dropout6", "type": "dropout", "rate": 0.5})
    load_weights(_network(), str(write(tmp_path / "m.mat", layers)))


def test_two_layers_too_much_are_no_classifier(tmp_path):
    rng = np.random.default_rng(0)
    path = write(tmp_path / "m.mat", cnn_m() + classifier(3, rng))
    with pytest.raises(InputError, match=r"fc8: network nothing; file \(1, 1"):
        load_weights(_network(), str(path))


@pytest.mark.parametrize("name", ["mobilenet_v2", "resnet50"])
def test_networks_of_another_kind_take_no_such_file(tmp_path, name):
    path = write(tmp_path / "m.mat", cnn_m())
    with pytest.raises(InputError, match="read for cnn_m, vgg16 and vgg19"):
        build_backbone(name, weights=str(path), image_size=32)


def test_a_network_with_another_preprocessing_takes_no_such_file(tmp_path):
    path = write(tmp_path / "m.mat", cnn_m())
    with pytest.raises(InputError, match="cannot be put into small_cnn"):
        load_weights(build_small_cnn(64), str(path))
