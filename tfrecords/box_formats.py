"""Box conventions of others in, the one of `tfrecords.boxes` out.

Each function takes rows as files state them and returns [G, 4] float32
(y0, x0, y1, x1) in continuous, half-open pixels. What makes no sense comes
out as an inverted, empty or outlying box, which `boxes.faults` names.
"""

import numpy as np


def from_voc(corners: np.ndarray) -> np.ndarray:
    """Returns boxes for VOC's 1-based, inclusive pixel indices.

    VOC counts pixels from 1 and includes the last one: (1, 1, width, height)
    is the whole picture, which is (0, 0, height, width) here.

    Args:
        corners: [G, 4] rows (xmin, ymin, xmax, ymax) as VOC's XML has them.

    Returns:
        [G, 4] float32 (y0, x0, y1, x1).
    """
    corners = np.asarray(corners, np.float32).reshape(-1, 4)
    xmin, ymin, xmax, ymax = corners.T
    return np.stack([ymin - 1, xmin - 1, ymax, xmax], axis=-1)


def from_xyxy(corners: np.ndarray) -> np.ndarray:
    """Returns boxes for continuous pixels in the order x before y.

    Args:
        corners: [G, 4] rows (xmin, ymin, xmax, ymax), from 0, half-open.

    Returns:
        [G, 4] float32 (y0, x0, y1, x1).
    """
    corners = np.asarray(corners, np.float32).reshape(-1, 4)
    return corners[:, [1, 0, 3, 2]]


def from_xywh(rows: np.ndarray) -> np.ndarray:
    """Returns boxes for COCO's corner and side lengths.

    Args:
        rows: [G, 4] rows (x, y, width, height) in continuous pixels, from 0.

    Returns:
        [G, 4] float32 (y0, x0, y1, x1).
    """
    # In double precision: a far corner is a sum.
    x, y, width, height = np.asarray(rows, np.float64).reshape(-1, 4).T
    found = np.stack([y, x, y + height, x + width], axis=-1)
    return found.astype(np.float32)


def from_centers(rows: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns boxes for YOLO's centers and side lengths.

    Args:
        rows: [G, 4] rows (center x, center y, width, height) as fractions of
            the picture's width and height.
        size: (height, width) of the picture in pixels.

    Returns:
        [G, 4] float32 (y0, x0, y1, x1).
    """
    x, y, width, height = np.asarray(rows, np.float64).reshape(-1, 4).T
    found = np.stack(
        [y - height / 2, x - width / 2, y + height / 2, x + width / 2], axis=-1
    )
    return from_fractions(found, size)


def from_fractions(rows: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns boxes for the TF Object Detection API's fractions.

    Args:
        rows: [G, 4] rows (ymin, xmin, ymax, xmax) as fractions of the
            picture's height and width.
        size: (height, width) of the picture in pixels.

    Returns:
        [G, 4] float32 (y0, x0, y1, x1).
    """
    rows = np.asarray(rows, np.float64).reshape(-1, 4)
    return (rows * (size * 2)).astype(np.float32)


def upright(
    boxes: np.ndarray, size: tuple[int, int], orientation: int
) -> np.ndarray:
    """Returns where boxes lie once EXIF's rotation is carried out.

    Args:
        boxes: [N, 4] boxes in the picture as its rows are stored.
        size: (height, width) of that picture.
        orientation: EXIF's number, 1 (upright) to 8.

    Returns:
        [N, 4] float32 boxes in the upright picture.
    """
    y0, x0, y1, x1 = np.asarray(boxes, np.float32).reshape(-1, 4).T
    if orientation in (3, 4, 6, 7):
        y0, y1 = size[0] - y1, size[0] - y0
    if orientation in (2, 3, 7, 8):
        x0, x1 = size[1] - x1, size[1] - x0
    if orientation in (5, 6, 7, 8):
        y0, x0, y1, x1 = x0, y0, x1, y1
    return np.stack([y0, x0, y1, x1], axis=-1)
