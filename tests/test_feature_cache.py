"""Laws of the feature cache: right, used again, never half-written."""

import errno
import os

import numpy as np
import pytest
import tensorflow as tf
from tiny import SIZE
from tiny import tiny_backbone

from scn_tf.backbones import frozen_copy
from scn_tf.feature_cache import cached_features
from scn_tf.feature_cache import weights_digest
from tfrecords.errors import InputError

PATCHES = np.random.default_rng(0).integers(0, 256, (7, SIZE, SIZE, 3))
PATCHES = PATCHES.astype(np.uint8)
IMAGES = np.float32(PATCHES / 255)


class Source:
    """PATCHES as three images with 3, 0 and 4 patches; counts readings."""

    def __init__(self) -> None:
        self.readings = 0

    def dataset(self) -> tf.data.Dataset:
        def generate():
            self.readings += 1
            yield from (PATCHES[:3], PATCHES[3:3], PATCHES[3:])

        signature = tf.TensorSpec([None, SIZE, SIZE, 3], tf.uint8)
        return tf.data.Dataset.from_generator(
            generate, output_signature=signature
        )


def fill(folder, source, backbone=None, dtype="float32", **description):
    backbone = backbone or tiny_backbone()
    return cached_features(
        folder,
        {
            "kind": "proposals",
            "weights": weights_digest([backbone.trunk, backbone.neck]),
            **description,
        },
        backbone,
        frozen_copy(backbone.neck),
        source.dataset(),
        len(PATCHES),
        dtype,
    )


def test_cached_rows_are_what_trunk_and_neck_say(tmp_path):
    backbone = tiny_backbone()
    cache = fill(tmp_path, Source(), backbone)
    maps = backbone.trunk(IMAGES)
    np.testing.assert_allclose(cache.features, maps, rtol=1e-5, atol=1e-6)
    expected = backbone.neck(maps, training=False)
    np.testing.assert_allclose(cache.targets, expected, rtol=1e-5, atol=1e-6)


def test_half_precision_is_close(tmp_path):
    cache = fill(tmp_path, Source(), dtype="float16")
    assert cache.features.dtype == np.float16
    exact = fill(tmp_path, Source(), dtype="float32").features
    np.testing.assert_allclose(cache.features, exact, rtol=1e-3, atol=1e-4)


def test_a_filled_cache_is_not_filled_again(tmp_path):
    source = Source()
    first = fill(tmp_path, source)
    second = fill(tmp_path, source)
    assert source.readings == 1
    np.testing.assert_array_equal(first.features, second.features)


@pytest.mark.parametrize("change", ["weights", "records", "dtype"])
def test_a_cache_of_another_key_is_not_used(tmp_path, change):
    source = Source()
    fill(tmp_path, source)
    if change == "weights":
        fill(tmp_path, source, tiny_backbone(seed=1))
    elif change == "records":
        fill(tmp_path, source, records="another digest")
    else:
        fill(tmp_path, source, dtype="float16")
    assert source.readings == 2


def test_digest_follows_the_weights():
    trunk = tiny_backbone().trunk
    assert weights_digest([trunk]) == weights_digest([tiny_backbone().trunk])
    assert weights_digest([trunk]) != weights_digest([tiny_backbone(1).trunk])


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(InputError, match="disk is full"):
        fill(tmp_path / "cache", Source())
    assert list((tmp_path / "cache").iterdir()) == []


def test_missing_patches_are_noticed(tmp_path):
    backbone = tiny_backbone()
    with pytest.raises(InputError, match="gave 7 patches, 9 were expected"):
        cached_features(
            tmp_path,
            {"kind": "proposals"},
            backbone,
            frozen_copy(backbone.neck),
            Source().dataset(),
            9,
        )
    assert list(tmp_path.iterdir()) == []


def test_a_feature_too_large_for_half_precision_is_refused(tmp_path):
    backbone = tiny_backbone()
    kernel = backbone.trunk.weights[0]
    kernel.assign(1e6 * tf.ones_like(kernel))
    with pytest.raises(InputError, match="cache_dtype=float32"):
        fill(tmp_path, Source(), backbone, "float16")
