"""Pixels as targets: gray, small, and back to pictures."""

import numpy as np
import tensorflow as tf

from scn_tf.pixel_targets import as_pictures
from scn_tf.pixel_targets import pixel_targets


def targets_of(*patches):
    batches = [np.stack(patches[:1]), np.stack(patches[1:])]
    dataset = tf.data.Dataset.from_generator(
        lambda: batches,
        output_signature=tf.TensorSpec([None, *patches[0].shape], tf.uint8),
    )
    return pixel_targets(dataset)


def test_gray_patches_keep_their_values():
    shades = [np.full((96, 96, 3), shade, np.uint8) for shade in (0, 51, 255)]
    targets = targets_of(*shades)
    assert targets.shape == (3, 4096) and targets.dtype == np.float32
    np.testing.assert_allclose(targets.mean(1), [0, 0.2, 1], atol=1e-6)


def test_rows_lie_as_they_lie_in_the_patch():
    for side in (32, 64, 128):
        patch = np.zeros((side, side, 3), np.uint8)
        patch[: side // 2] = 255  # the upper half is white
        picture = as_pictures(targets_of(patch, patch))[0]
        assert (picture[:30] == 255).all() and (picture[34:] == 0).all()


def test_predictions_are_clipped():
    prediction = np.tile(np.array([-3, 0.5], np.float32), 2048)[None]
    assert np.unique(as_pictures(prediction)).tolist() == [0, 128]
