"""Laws of feature extraction."""

import numpy as np
import tensorflow as tf
from tiny import SIZE
from tiny import tiny_backbone

from scn_tf.evaluation.features import feature_vectors
from scn_tf.evaluation.features import neck_vectors
from scn_tf.feature_cache import FeatureCache

PATCHES = np.random.default_rng(0).integers(0, 256, (70, SIZE, SIZE, 3))
PATCHES = PATCHES.astype(np.uint8)
IMAGES = np.float32(PATCHES / 255)


def test_cached_and_live_features_are_the_same():
    backbone = tiny_backbone()
    maps = backbone.trunk(IMAGES).numpy()
    expected = backbone.neck(maps, training=False)
    dataset = tf.data.Dataset.from_tensor_slices(PATCHES).batch(3)
    cached = feature_vectors(backbone, FeatureCache(maps, maps), dataset)
    live = feature_vectors(backbone, FeatureCache(None, PATCHES), dataset)
    np.testing.assert_allclose(cached, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(live, expected, rtol=1e-5, atol=1e-6)


def test_half_precision_maps_give_float32_vectors():
    backbone = tiny_backbone()
    maps = backbone.trunk(IMAGES).numpy()
    vectors = neck_vectors(backbone.neck, maps.astype(np.float16))
    assert vectors.dtype == np.float32
    expected = backbone.neck(maps, training=False)
    np.testing.assert_allclose(vectors, expected, rtol=1e-2, atol=1e-2)
