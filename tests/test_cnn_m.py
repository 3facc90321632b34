import keras
import numpy as np
import pytest

from scn_tf.backbones.cnn_m import build_cnn_m
from scn_tf.backbones.cnn_m import CNN_M
from scn_tf.backbones.cnn_m import LocalResponseNormalization
from scn_tf.backbones.cut import cut_network


def _normalized(x: np.ndarray) -> np.ndarray:
    """Caffe's LRN layer with CNN-M's numbers, one channel at a time."""
    y = np.empty_like(x)
    for c in range(x.shape[-1]):
        window = x[..., max(c - 2, 0) : c + 3]
        y[..., c] = (
            x[..., c] / (2 + 5e-4 / 5 * np.sum(window**2, axis=-1)) ** 0.75
        )
    return y


def test_normalization_divides_by_the_energy_of_five_channels():
    x = np.random.default_rng(0).normal(0, 100, (2, 3, 3, 9))
    np.testing.assert_allclose(
        LocalResponseNormalization()(x.astype(np.float32)),
        _normalized(x),
        rtol=1e-5,
    )


def test_a_single_channel_by_hand():
    layer = LocalResponseNormalization(size=1, alpha=3.0, beta=0.5, bias=1.0)
    # 4 / sqrt(1 + 3 * 16) = 4 / 7
    y = layer(np.full((1, 1, 1, 1), 4.0, np.float32))
    np.testing.assert_allclose(y, [[[[4 / 7]]]], rtol=1e-6)


def test_normalization_survives_its_config():
    layer = LocalResponseNormalization(size=3, alpha=1.0, beta=0.5, bias=4.0)
    config = keras.saving.serialize_keras_object(layer)
    copy = keras.saving.deserialize_keras_object(config)
    x = np.ones((1, 2, 2, 4), np.float32)
    np.testing.assert_array_equal(copy(x), layer(x))
    assert (copy.size, copy.alpha, copy.beta, copy.bias) == (3, 1.0, 0.5, 4.0)


@pytest.mark.parametrize("size", [0, 4, -1])
def test_a_window_without_a_center_is_refused(size):
    with pytest.raises(ValueError, match=f"odd and positive.*size={size}"):
        LocalResponseNormalization(size=size)


def test_the_maps_have_the_published_sizes():
    network = build_cnn_m(224, fc6_width=8, fc7_width=7)
    # Caffe rounds the size of a pooled map up: (26 - 3) / 2 + 1 -> 13.
    sizes = {
        "conv1": (109, 96),
        "pool1": (54, 96),
        "conv2": (26, 256),
        "pool2": (13, 256),
        "conv5": (13, 512),
        "pool5": (6, 512),
    }
    for name, (side, channels) in sizes.items():
        shape = network.get_layer(name).output.shape
        assert shape == (None, side, side, channels), name
    assert network.get_layer("fc6").output.shape == (None, 8)
    assert network.output_shape == (None, 7)


def test_the_widths_are_those_of_cnn_m_2048():
    network = build_cnn_m(CNN_M.min_image_size)
    assert network.get_layer("fc6").units == 4096
    assert network.get_layer("fc7").units == 2048


def test_the_smallest_image_still_reaches_fc6():
    network = build_cnn_m(CNN_M.min_image_size, fc6_width=4, fc7_width=4)
    assert network.get_layer("pool5").output.shape == (None, 1, 1, 512)
    with pytest.raises(ValueError):
        build_cnn_m(CNN_M.min_image_size - 1, fc6_width=4, fc7_width=4)


def test_pooling_pads_where_caffe_does():
    network = build_cnn_m(224, fc6_width=4, fc7_width=4)
    pooled = keras.Model(
        network.get_layer("norm2").output, network.get_layer("pool2").output
    )
    x = np.random.default_rng(0).random((1, 26, 26, 256), np.float32)
    y = pooled(x).numpy()
    # The last window reaches over the edge and sees two rows, two columns.
    np.testing.assert_array_equal(y[:, 12, 12], x[:, 24:, 24:].max((1, 2)))
    np.testing.assert_array_equal(y[:, 0, 5], x[:, 0:3, 10:13].max((1, 2)))


def test_the_default_cut_leaves_fc6_and_fc7_to_train():
    network = build_cnn_m(41, fc6_width=4, fc7_width=4)
    trunk, neck = cut_network(network, CNN_M.default_cut, CNN_M.stages)
    assert trunk.output_shape == (None, 1, 1, 512)
    assert [x.name for x in neck.layers[1:]] == ["flatten", "fc6", "fc7"]


def test_fc7_is_given_after_its_relu():
    network = build_cnn_m(41, fc6_width=64, fc7_width=64)
    images = np.random.default_rng(0).random((2, 41, 41, 3), np.float32)
    features = network(images).numpy()
    assert features.min() == 0.0
    assert 0.1 < (features > 0).mean() < 0.9


def test_there_is_no_download():
    with pytest.raises(ValueError, match="no ImageNet weights of CNN-M"):
        build_cnn_m(64, imagenet=True)
