"""Boxes ordered so that the first few differ: soft suppression of overlaps."""

import numpy as np


def diverse_order(
    found: np.ndarray, scores: np.ndarray, least_iou: float, limit: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Takes the best box again and again, lessening those that overlap it.

    A box that overlaps a better one by an IoU o of more than `least_iou`
    counts score * (1 - o), o being the largest such overlap. So variants of
    one region stand behind other regions, yet are not lost where many boxes
    are kept. This is the linear form of Bodla et al., "Soft-NMS: improving
    object detection with one line of code" (ICCV 2017), with the largest
    overlap in place of the product over all of them: the product sinks
    whatever lies in a crowded place.

    Args:
        found: [N, 4] float32 boxes.
        scores: [N] float32, none negative.
        least_iou: overlaps up to this cost nothing; 1 leaves the order of
            the scores.
        limit: how many to take; 0 takes all.

    Returns:
        [K] int64 indices of boxes, and [K] float32 their lessened scores,
        which never rise. The first of them do not depend on `limit`.
    """
    count = min(limit, len(found)) if limit else len(found)
    scores = np.array(scores, np.float32)
    lessened = scores.copy()
    largest = np.full(len(found), least_iou, np.float32)
    y0, x0, y1, x1 = np.array(found.T, np.float32, order="C")
    areas = (y1 - y0) * (x1 - x0)
    order = np.empty(count, np.int64)
    taken = np.empty(count, np.float32)
    for place in range(count):
        best = lessened.argmax()
        order[place], taken[place] = best, lessened[best]
        lessened[best], scores[best] = -1, -1
        heights = np.minimum(y1, y1[best]) - np.maximum(y0, y0[best])
        widths = np.minimum(x1, x1[best]) - np.maximum(x0, x0[best])
        shared = np.maximum(heights, 0) * np.maximum(widths, 0)
        overlap = shared / (areas + areas[best] - shared)
        closer = np.flatnonzero((overlap > largest) & (scores >= 0))
        largest[closer] = overlap[closer]
        lessened[closer] = scores[closer] * (1 - overlap[closer])
    return order, taken
