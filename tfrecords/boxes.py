"""The one box convention of this project.

A box is (y0, x0, y1, x1) in float32 pixels, continuous and half-open: pixel i
covers [i, i + 1), so the whole picture is (0, 0, height, width). Boxes in
another convention come in through `box_formats`; everything else takes and
gives arrays in this one. Sizes are (height, width).
"""

import numpy as np


def area(boxes: np.ndarray) -> np.ndarray:
    """Returns the areas of boxes [..., 4] in square pixels, as [...].

    Empty and inverted boxes have the area 0.
    """
    heights = np.maximum(boxes[..., 2] - boxes[..., 0], 0)
    widths = np.maximum(boxes[..., 3] - boxes[..., 1], 0)
    return heights * widths


def clip(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns boxes [N, 4] cut to a picture of `size` (height, width)."""
    height, width = size
    limits = np.array([height, width, height, width], np.float32)
    return np.clip(np.asarray(boxes, np.float32), 0, limits)


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns intersection over union of every box of `a` with every of `b`.

    Args:
        a: [N, 4] boxes.
        b: [M, 4] boxes.

    Returns:
        [N, M] float32 in [0, 1]; 0 where both boxes are empty.
    """
    return paired_iou(a[:, None], b[None, :])


def paired_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns intersection over union of boxes side by side.

    Args:
        a: [..., 4] boxes.
        b: [..., 4] boxes, of a shape that NumPy broadcasts with `a`'s.

    Returns:
        [...] float32 in [0, 1]; 0 where both boxes are empty.
    """
    start = np.maximum(a[..., :2], b[..., :2])
    end = np.minimum(a[..., 2:], b[..., 2:])
    shared = area(np.concatenate([start, end], axis=-1))
    union = area(a) + area(b) - shared
    return np.divide(
        shared, union, out=np.zeros(shared.shape, np.float32), where=union > 0
    )


def faults(boxes: np.ndarray, size: tuple[int, int]) -> list[str]:
    """Says for each box why it cannot be used in a picture of `size`.

    A box that reaches partly over the border is fine: `clip` cuts it.

    Args:
        boxes: [N, 4] boxes as a source states them.
        size: (height, width) of the picture in pixels.

    Returns:
        N strings: "" (fine), "not finite", "inverted", "empty" or "outside"
        (no part of the box lies in the picture).
    """
    return [_fault(box, size) for box in np.asarray(boxes).reshape(-1, 4)]


def _fault(box: np.ndarray, size: tuple[int, int]) -> str:
    y0, x0, y1, x1 = box
    if not np.isfinite(box).all():
        return "not finite"
    if y1 < y0 or x1 < x0:
        return "inverted"
    if y1 == y0 or x1 == x0:
        return "empty"
    if y1 <= 0 or x1 <= 0 or y0 >= size[0] or x0 >= size[1]:
        return "outside"
    return ""
