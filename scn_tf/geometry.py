"""Offsets between two patches of a picture (section 3 of the paper).

In: boxes (y0, x0, y1, x1) in pixels. Out: eight numbers per pair.
"""

import numpy as np

NUM_OFFSETS = 8
# Columns of (y0, x0, y1, x1) that give (x, y) of the corners top-left,
# top-right, bottom-left, bottom-right, the paper's order.
_CORNERS = [1, 0, 3, 0, 1, 2, 3, 2]


def corner_offsets(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Returns o = b_target - b_source, corner by corner (section 3).

    Each box is written as (x, y) of its four corners, in the order top-left,
    top-right, bottom-left, bottom-right; the offset is the difference of the
    two eight-tuples. The source feeds the bottom stream, the target the top
    stream.

    Args:
        source: [P, 4] float boxes (y0, x0, y1, x1) in pixels.
        target: [P, 4] float boxes, same shape.

    Returns:
        [P, 8] float32 in pixels.

    Raises:
        ValueError: if the shapes differ or the last axis is not 4.
    """
    if source.shape != target.shape or source.shape[-1:] != (4,):
        raise ValueError(
            "`source` and `target` must hold boxes (y0, x0, y1, x1) on their "
            f"last axis and have one shape. Received: {source.shape} and "
            f"{target.shape}."
        )
    return (target - source)[..., _CORNERS].astype(np.float32)


def offset_spread(offsets: np.ndarray) -> float:
    """Root mean square of all offset components, in the offsets' unit.

    Offsets are divided by it before the network sees them, so that one set
    of defaults serves pictures of any size. 1.0 where all offsets are zero
    or none are given.

    Args:
        offsets: [P, 8] float.
    """
    if not offsets.size:
        return 1.0
    spread = float(np.sqrt(np.mean(np.square(offsets, dtype=np.float64))))
    return spread or 1.0
