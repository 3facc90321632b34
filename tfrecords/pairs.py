"""Number of proposals in, the image's (source, target) pairs out.

The paper's pair counts (section 4.3: 10 pairs of 5 crops) say that pairs are
unordered, each used in one direction.
"""

import numpy as np


def all_pairs(num_boxes: int, rng: np.random.Generator) -> np.ndarray:
    """Returns every unordered pair of boxes once, in a random direction.

    Args:
        num_boxes: number of boxes (N) of the image, at least 0.
        rng: decides by a fair coin per pair which box is the source.

    Returns:
        [P, 2] int64 (source, target) with P = N (N - 1) / 2, no self pairs,
        in the order of the boxes.

    Raises:
        ValueError: if `num_boxes` is negative.
    """
    if num_boxes < 0:
        raise ValueError(
            f"`num_boxes` must be at least 0. Received: num_boxes={num_boxes}"
        )
    first, second = np.triu_indices(num_boxes, k=1)
    pairs = np.stack([first, second], axis=-1).astype(np.int64)  # [P, 2]
    swapped = rng.random(len(pairs)) < 0.5
    return np.where(swapped[:, None], pairs[:, ::-1], pairs)
