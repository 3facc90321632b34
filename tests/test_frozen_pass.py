"""Laws of the pass through the frozen networks."""

from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny import SIZE
from tiny import tiny_backbone

from scn_tf import frozen_pass as frozen_pass_module
from scn_tf.backbones import build_backbone
from scn_tf.backbones import frozen_copy
from scn_tf.backbones.preprocessing import as_images
from scn_tf.frozen_pass import frozen_pass
from scn_tf.frozen_pass import frozen_passes

PATCHES = np.random.default_rng(0).integers(0, 256, (70, SIZE, SIZE, 3))
PATCHES = PATCHES.astype(np.uint8)


@pytest.mark.parametrize(
    "precision, tolerance",
    [("float32", 1e-5), ("float16", 1e-2), ("bfloat16", 4e-2)],
)
def test_features_and_targets_are_the_networks(precision, tolerance):
    backbone = tiny_backbone()
    run = frozen_pass(backbone.trunk, backbone.neck, precision, "float32")
    outputs = run(tf.constant(PATCHES))  # 70: more than one trunk batch
    maps = backbone.trunk(as_images(PATCHES), training=False)
    expected = backbone.neck(maps, training=False)
    for name, values in (("features", maps), ("targets", expected)):
        assert outputs[name].dtype == tf.float32
        np.testing.assert_allclose(
            outputs[name], values, rtol=tolerance, atol=tolerance
        )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_targets_are_those_of_the_rounded_features(dtype):
    backbone = tiny_backbone()
    run = frozen_pass(backbone.trunk, backbone.neck, "float32", dtype)
    outputs = run(tf.constant(PATCHES[:4]))
    assert {value.dtype.name for value in outputs.values()} == {dtype}
    maps = tf.cast(outputs["features"], "float32")
    expected = tf.cast(backbone.neck(maps, training=False), dtype)
    np.testing.assert_array_equal(outputs["targets"], expected)


def test_a_trunk_without_weights_gives_targets_only():
    backbone = build_backbone("small_cnn", "input", image_size=16)
    neck = frozen_copy(backbone.neck)
    run = frozen_pass(backbone.trunk, neck, "float32", "float16")
    patches = np.zeros((2, 16, 16, 3), np.uint8)
    outputs = run(tf.constant(patches))
    assert set(outputs) == {"targets"}
    expected = neck(backbone.trunk(as_images(patches)), training=False)
    np.testing.assert_allclose(outputs["targets"], expected, atol=1e-3)


def test_other_weights_are_not_mistaken_for_earlier_ones():
    backbone = tiny_backbone()
    patches = tf.constant(PATCHES[:2])
    args = (backbone.trunk, backbone.neck, "float32", "float32")
    (first,) = passes = frozen_passes(*args, "digest")
    assert frozen_passes(*args, "digest") is passes
    kernel = backbone.trunk.weights[0]
    kernel.assign(keras.ops.zeros_like(kernel))
    (second,) = frozen_passes(*args, "another digest")
    assert not np.any(second(patches)["features"])
    assert np.any(first(patches)["features"])


def test_each_device_has_networks_of_its_own_and_gives_the_same_bits():
    backbone = tiny_backbone()
    devices = ("CPU:0", "CPU:1")
    args = (backbone.trunk, backbone.neck, "float32", "float16", None, devices)
    results = [run(tf.constant(PATCHES)) for run in frozen_passes(*args)]
    for device, outputs in zip(devices, results, strict=True):
        for name, values in outputs.items():
            assert values.device.endswith(device)
            np.testing.assert_array_equal(values, results[0][name])


def test_calls_from_other_threads_trace_nothing(monkeypatch):
    traced = []

    def counted(patches):
        traced.append(patches.shape)
        return as_images(patches)

    monkeypatch.setattr(frozen_pass_module, "as_images", counted)
    backbone = tiny_backbone()
    args = (backbone.trunk, backbone.neck, "float32", "float16")
    runs = [frozen_pass(*args, device) for device in ("", "CPU:1")]
    assert len(traced) == 2
    with ThreadPoolExecutor(2) as pool:
        for run in runs:
            for number in (1, 70):
                pool.submit(run, PATCHES[:number]).result()
            run(PATCHES)
    assert len(traced) == 2
