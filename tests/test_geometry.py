"""Laws of the eight-corner offsets."""

import numpy as np
import pytest

from scn_tf.geometry import corner_offsets
from scn_tf.geometry import offset_spread

SOURCE = np.array([[10, 20, 30, 60]], np.float32)  # y0, x0, y1, x1
TARGET = np.array([[15, 50, 75, 60]], np.float32)


def test_offset_is_target_minus_source_corner_by_corner():
    # x0: 50 - 20, y0: 15 - 10, x1: 60 - 60, y1: 75 - 30;
    # order TL, TR, BL, BR, each (x, y).
    expected = [[30, 5, 0, 5, 30, 45, 0, 45]]
    np.testing.assert_array_equal(corner_offsets(SOURCE, TARGET), expected)


def test_swapping_the_patches_flips_the_sign():
    np.testing.assert_array_equal(
        corner_offsets(SOURCE, TARGET), -corner_offsets(TARGET, SOURCE)
    )


def test_boxes_of_one_size_move_all_corners_alike():
    moved = SOURCE + np.array([3, 7, 3, 7], np.float32)
    expected = [[7, 3, 7, 3, 7, 3, 7, 3]]
    np.testing.assert_array_equal(corner_offsets(SOURCE, moved), expected)


def test_moving_the_whole_picture_changes_nothing():
    moved = corner_offsets(SOURCE + 100, TARGET + 100)
    np.testing.assert_allclose(moved, corner_offsets(SOURCE, TARGET))


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="last axis"):
        corner_offsets(SOURCE[:, :3], TARGET[:, :3])
    with pytest.raises(ValueError, match="one shape"):
        corner_offsets(SOURCE, np.concatenate([TARGET, TARGET]))


def test_spread_is_the_root_mean_square():
    # sqrt((9 + 16) / 2) = 3.5355...
    assert offset_spread(np.array([[3.0, -4.0]])) == pytest.approx(12.5**0.5)


def test_spread_of_nothing_is_one():
    assert offset_spread(np.zeros((0, 8))) == 1.0
    assert offset_spread(np.zeros((4, 8))) == 1.0
