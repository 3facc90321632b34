"""Pixels in place of features as what is predicted (Figure 4 of the paper).

In: patches. Out: each as a small gray picture, flattened.
"""

import cv2
import numpy as np
import tensorflow as tf

PIXEL_SIDE = 64  # as many numbers as fc7 of VGG19 has features


def pixel_targets(patches: tf.data.Dataset) -> np.ndarray:
    """Returns what the top stream says of patches if it is no network.

    Args:
        patches: elements [n, S, S, 3] uint8.

    Returns:
        [N, 4096] float32, gray values in [0, 1], row by row.
    """
    rows = [
        _gray(patch)
        for element in patches.as_numpy_iterator()
        for patch in element
    ]
    return np.reshape(rows, [len(rows), PIXEL_SIDE**2]).astype(np.float32)


def as_pictures(targets: np.ndarray) -> np.ndarray:
    """Returns targets, or predictions of them, as pictures.

    Args:
        targets: [N, 4096] float; what lies outside of [0, 1] is clipped.

    Returns:
        [N, 64, 64] uint8.
    """
    values = np.round(np.clip(np.asarray(targets, np.float32), 0, 1) * 255)
    return values.astype(np.uint8).reshape(-1, PIXEL_SIDE, PIXEL_SIDE)


def _gray(patch: np.ndarray) -> np.ndarray:
    gray = cv2.cvtColor(patch, cv2.COLOR_RGB2GRAY)
    side = (PIXEL_SIDE, PIXEL_SIDE)
    # Area averaging shrinks without aliasing; to enlarge it is linear.
    smaller = len(gray) > PIXEL_SIDE
    method = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return cv2.resize(gray, side, interpolation=method) / np.float32(255)
