import random
import socket

import keras
import numpy as np
import pytest

from scn_tf.backbones import BACKBONES
from scn_tf.backbones import build_backbone
from scn_tf.backbones import frozen_copy
from tfrecords.errors import InputError

# Small enough to be quick, large enough for every map to exist.
SIZES = {name: network.min_image_size for name, network in BACKBONES.items()}


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was touched")

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(scope="module", params=sorted(BACKBONES))
def backbone(request):
    return build_backbone(request.param, image_size=SIZES[request.param])


def _images(size: int) -> np.ndarray:
    return np.random.default_rng(0).random((2, size, size, 3), np.float32)


def test_images_become_feature_vectors(backbone):
    size = SIZES[backbone.name]
    assert backbone.image_size == size
    assert backbone.trunk.input_shape == (None, size, size, 3)
    assert backbone.neck.input_shape == backbone.trunk.output_shape
    features = backbone.neck(backbone.trunk(_images(size)))
    assert features.shape == (2, backbone.num_features)
    assert keras.backend.standardize_dtype(features.dtype) == "float32"
    assert np.isfinite(features).all() and np.std(features) > 0


def test_the_trunk_is_frozen_and_the_neck_is_trained(backbone):
    assert not backbone.trunk.trainable_variables
    assert not any(layer.trainable for layer in backbone.trunk.layers)
    assert all(layer.trainable for layer in backbone.neck.layers)
    assert backbone.neck.trainable_variables


def test_one_seed_gives_one_network_wherever_it_is_cut(backbone):
    # Cut at the input, the neck is the whole network behind preprocessing.
    whole = build_backbone(
        backbone.name, "input", image_size=backbone.image_size
    )
    assert whole.cut == "input"
    assert not whole.trunk.weights
    assert whole.trunk.output_shape == backbone.trunk.input_shape
    images = _images(backbone.image_size)
    expected = whole.neck(whole.trunk(images)).numpy()
    np.testing.assert_allclose(
        backbone.neck(backbone.trunk(images)),
        expected,
        rtol=1e-5,
        atol=1e-6 * np.abs(expected).max(),
    )


def test_the_default_cut_lies_where_the_table_says(backbone):
    network = BACKBONES[backbone.name]
    assert backbone.cut == network.default_cut
    before = network.stages[network.default_cut]
    assert backbone.trunk.layers[-1].name == before


# One network of each way to build one.
@pytest.mark.parametrize(
    "name", ["cnn_m", "mobilenet_v2", "small_cnn", "vgg16"]
)
def test_another_seed_gives_another_network(name):
    one, two = (
        build_backbone(name, image_size=SIZES[name], seed=seed)
        for seed in (0, 1)
    )
    for a, b in ((one.trunk, two.trunk), (one.neck, two.neck)):
        kernels = [
            (v.numpy(), w.numpy())
            for v, w in zip(a.variables, b.variables, strict=True)
            if v.name == "kernel"
        ]
        assert kernels
        assert all((v != w).any() for v, w in kernels)


def test_the_frozen_copy_of_the_neck_starts_equal(backbone):
    frozen = frozen_copy(backbone.neck)
    features = backbone.trunk(_images(backbone.image_size))
    np.testing.assert_array_equal(frozen(features), backbone.neck(features))
    assert not frozen.trainable_variables


def test_building_leaves_the_random_state_alone():
    random.seed(7)
    expected = random.random()
    random.seed(7)
    build_backbone("small_cnn", seed=3)
    assert random.random() == expected


def test_fc6_and_fc7_are_as_wide_as_asked():
    for name, size in (("cnn_m", 41), ("small_cnn", 16)):
        backbone = build_backbone(
            name, image_size=size, fc6_width=6, fc7_width=5
        )
        assert backbone.neck.get_layer("fc6").units == 6
        assert backbone.num_features == 5
        backbone = build_backbone(name, image_size=size, fc6_width=6)
        own = {"cnn_m": 2048, "small_cnn": 512}[name]
        assert backbone.num_features == own


@pytest.mark.parametrize("name", ["mobilenet_v2", "vgg16", "vgg19"])
def test_widths_that_are_kerass_cannot_be_changed(name):
    with pytest.raises(
        InputError, match="--fc7_width at 0, or choose .*: cnn_m, small_cnn"
    ):
        build_backbone(name, image_size=SIZES[name], fc7_width=8)


def test_the_table_is_sorted_and_every_default_cut_exists():
    assert list(BACKBONES) == sorted(BACKBONES)
    assert {n: BACKBONES[n].image_size for n in BACKBONES} == {
        "cnn_m": 224,
        "inception_v3": 299,
        "mobilenet_v2": 224,
        "resnet50": 224,
        "small_cnn": 64,
        "vgg16": 224,
        "vgg19": 224,
    }
    for network in BACKBONES.values():
        assert network.default_cut in network.stages


def test_an_unknown_backbone_names_the_nearest_and_all():
    with pytest.raises(
        InputError, match="'vgg18'. Did you mean 'vgg1[69]'.*cnn_m, incep"
    ):
        build_backbone("vgg18")


@pytest.mark.parametrize("name", sorted(BACKBONES))
@pytest.mark.parametrize("size", [-1, 1])
def test_an_image_too_small_is_refused(name, size):
    with pytest.raises(InputError, match=f"{size} pixels are too small"):
        build_backbone(name, image_size=size)


@pytest.mark.parametrize("name", ["cnn_m", "small_cnn"])
def test_imagenet_weights_that_do_not_exist_are_refused(name):
    with pytest.raises(InputError, match=f"weights of {name} can be"):
        build_backbone(name, weights="imagenet")
