import numpy as np
import pytest

from scn_tf.backbones import build_backbone
from scn_tf.backbones.small_cnn import build_small_cnn


def _patches() -> np.ndarray:
    """[4, 64, 64, 3]: circle, square, triangle, black; tight and white."""
    y, x = np.mgrid[:64, :64] + 0.5
    circle = (y - 32) ** 2 + (x - 32) ** 2 < 32**2
    triangle = abs(x - 32) < y / 2
    shapes = [circle, np.ones_like(circle), triangle, np.zeros_like(circle)]
    return np.repeat(np.float32(shapes)[..., None], 3, axis=-1)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_targets_variance_is_that_of_the_papers_experiment(seed):
    backbone = build_backbone("small_cnn", seed=seed)
    features = backbone.neck(backbone.trunk(_patches())).numpy()
    assert 0.1 < features.var(axis=0).mean() < 0.5


def test_every_shape_has_features_of_its_own():
    features = build_small_cnn(64)(_patches()).numpy()
    for i in range(4):
        for j in range(i):
            assert np.linalg.norm(features[i] - features[j]) > 0.5


def test_black_has_no_features():
    features = build_small_cnn(64)(np.zeros((1, 64, 64, 3), np.float32))
    np.testing.assert_array_equal(features, np.zeros((1, 512), np.float32))


def test_it_has_no_batch_normalization_and_ends_in_relu():
    network = build_small_cnn(64)
    kinds = {type(layer).__name__ for layer in network.layers}
    assert kinds == {
        "InputLayer", "Preprocessing", "Conv2D", "Flatten", "Dense"
    }  # fmt: skip
    assert network(_patches()).numpy().min() == 0.0


def test_fc6_is_the_first_trained_layer():
    backbone = build_backbone("small_cnn")
    assert backbone.cut == "fc6"
    assert backbone.image_size == 64
    assert backbone.num_features == 512
    assert backbone.trunk.output_shape == (None, 4, 4, 64)
    shapes = [tuple(v.shape) for v in backbone.neck.trainable_variables]
    assert shapes == [(1024, 512), (512,), (512, 512), (512,)]


def test_there_is_no_download():
    with pytest.raises(ValueError, match="no ImageNet weights of small_cnn"):
        build_small_cnn(64, imagenet=True)
