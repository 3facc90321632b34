import h5py
import keras
import numpy as np
import pytest

from scn_tf.backbones import build_backbone
from scn_tf.backbones.applications import APPLICATIONS
from tfrecords.errors import InputError

# Keras's own save_weights under NumPy 2.4.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)

# name -> (constructor, its module, image size, the features' layer)
ORIGINALS = {
    "inception_v3": (
        keras.applications.InceptionV3,
        keras.applications.inception_v3,
        75,
        "avg_pool",
    ),
    "mobilenet_v2": (
        keras.applications.MobileNetV2,
        keras.applications.mobilenet_v2,
        32,
        None,
    ),
    "resnet50": (
        keras.applications.ResNet50,
        keras.applications.resnet50,
        32,
        "avg_pool",
    ),
    "vgg16": (keras.applications.VGG16, keras.applications.vgg16, 32, "fc2"),
    "vgg19": (keras.applications.VGG19, keras.applications.vgg19, 32, "fc2"),
}


@pytest.mark.parametrize("name", sorted(APPLICATIONS))
def test_a_saved_original_gives_its_own_features(name, tmp_path):
    constructor, module, size, layer = ORIGINALS[name]
    original = constructor(weights=None, input_shape=(size, size, 3), classes=2)
    path = tmp_path / "original.weights.h5"
    original.save_weights(path)
    backbone = build_backbone(name, weights=str(path), image_size=size, seed=5)
    images = np.random.default_rng(0).random((2, size, size, 3), np.float32)
    tap = original.get_layer(layer) if layer else original.layers[-2]
    features = keras.Model(original.input, tap.output)
    expected = features(module.preprocess_input(images * 255)).numpy()
    assert expected.std() > 0
    np.testing.assert_allclose(
        backbone.neck(backbone.trunk(images)),
        expected,
        rtol=1e-4,
        atol=1e-5 * np.abs(expected).max(),
    )


@pytest.mark.parametrize(
    ("name", "train_from", "map_layer", "first_trained"),
    [
        ("vgg16", "fc7", "fc1", "fc2"),
        ("vgg19", "block5_conv1", "block4_pool", "block5_conv1"),
    ],
)
def test_the_cut_lies_where_it_is_said(
    name, train_from, map_layer, first_trained
):
    size = ORIGINALS[name][2]
    backbone = build_backbone(name, train_from, image_size=size)
    assert backbone.trunk.layers[-1].name == map_layer
    trained = [layer.name for layer in backbone.neck.layers if layer.weights]
    assert trained[0] == first_trained
    assert backbone.cut == (train_from or APPLICATIONS[name].default_cut)


def test_inception_takes_224_pixels_and_is_cut_at_its_last_block():
    backbone = build_backbone("inception_v3", image_size=224)
    assert backbone.trunk.layers[-1].name == "mixed9"
    assert backbone.trunk.output_shape == (None, 5, 5, 2048)
    assert backbone.num_features == 2048
    assert len(backbone.neck.trainable_variables) == 18  # 9 conv, 9 norm


def test_the_cut_at_fc6_leaves_a_feature_map_and_flattens_in_the_neck():
    backbone = build_backbone("vgg16", "fc6", image_size=64)
    assert backbone.trunk.output_shape == (None, 2, 2, 512)
    names = [layer.name for layer in backbone.neck.layers[1:]]
    assert names == ["flatten", "fc1", "fc2"]


def test_an_inner_layer_of_a_residual_block_is_no_cut():
    with pytest.raises(InputError, match="other paths lead around"):
        build_backbone("resnet50", "conv4_block2_2_conv", image_size=32)


def test_imagenet_asks_keras_for_the_download(scn_data, monkeypatch):
    path = scn_data / "weights" / "mobilenet_v2_imagenet.weights.h5"
    asked = []

    def get_file(file_name, *args, **kwargs):
        asked.append(file_name)
        return str(path)

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", get_file)
    backbone = build_backbone("mobilenet_v2", weights="imagenet")
    assert len(asked) == 1 and asked[0].startswith("mobilenet_v2_weights")
    with h5py.File(path) as file:
        np.testing.assert_array_equal(
            backbone.trunk.get_layer("Conv1").kernel,
            file["layers/conv2d/vars/0"],
        )


def test_a_download_that_fails_says_what_else_can_be_done(monkeypatch):
    def get_file(*args, **kwargs):
        raise Exception("URL fetch failure on https://x: no route")

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", get_file)
    with pytest.raises(
        InputError,
        match=r"MobileNetV2 at 96 pixels \(URL fetch.*--weights a file",
    ):
        build_backbone("mobilenet_v2", weights="imagenet", image_size=96)


def test_imagenet_vgg_wants_its_own_image_size():
    with pytest.raises(InputError, match="VGG16 at 32 pixels.*--weights"):
        build_backbone("vgg16", weights="imagenet", image_size=32)
